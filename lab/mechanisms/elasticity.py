"""A node taken away and one added while work goes on."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from lab.data.records import Mechanism
from lab.mechanisms.ground import Ground, here, skipped, warm
from lab.mechanisms.stream import Begin, stream

NAME = "elasticity"
REMOVED_SECONDS, ADDED_SECONDS, LAST_SECONDS = 0.6, 1.2, 1.8
"""When a node leaves, when one joins, and how long all nodes are then kept busy, at least."""


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield when each result came, and what a node that leaves and one that joins did to the work."""
    if ground.changing is None:
        yield skipped(NAME, "nodes can be taken away and added here on the cluster local alone")
        return
    many = len(ground.need(2))
    for block in range(ground.parameters.repeats):
        warm(ground.need(many))
        yield from _changed(ground, ground.changing, block)


def _changed(ground: Ground, changing: Any, block: int) -> Iterator[Mechanism]:
    nodes = ground.nodes()
    leaving = next(one for one in nodes if one.node_id != here())
    known, moments = {one.node_id for one in nodes}, {}
    slots, length = sum(one.slots for one in nodes), ground.parameters.task_seconds
    tasks = round((slots * (ADDED_SECONDS + LAST_SECONDS) - leaving.slots) / length)

    def remove(_: Sequence[Begin]) -> None:
        moments["a node leaves"] = time.time()
        changing.remove(leaving.node_id, gracefully=True)

    def add(_: Sequence[Begin]) -> None:
        moments["a node joins"] = time.time()
        changing.add()

    found = stream(ground, tasks, [(REMOVED_SECONDS, remove), (ADDED_SECONDS, add)])
    origin = moments["a node leaves"]
    for case, moment in moments.items():
        yield _row(case, "moment", "s", moment - origin, block=block)
    new = [began for _, node, _, began in found.begins if node not in known]
    if new:
        waited = min(new) - moments["a node joins"]
        yield _row("a node joins", "until it took a task", "s", waited, block=block)
    yield _row("a node leaves", "tasks run again", "1", float(found.again), block=block)
    yield _row("both", "every task once", "1", float(found.once), block=block)
    for _, _, moment in found.results:
        yield _row("both", "done, since a node left", "1", 1.0, block=block, at_seconds=moment - origin)


def _row(case: str, quantity: str, unit: str, value: float, **facts: Any) -> Mechanism:
    return Mechanism(experiment=NAME, case=case, quantity=quantity, unit=unit, value=value, **facts)
