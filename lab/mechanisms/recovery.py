"""What is lost and how long it takes where a worker, a node, an actor or the head is killed."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from lab.data.records import Mechanism
from lab.mechanisms.ground import POLL_SECONDS, Ground, Node, here, skipped, warm
from lab.mechanisms.head import head_rows
from lab.mechanisms.stream import Begin, Streamed, Striker, started, stream

NAME = "recovery"
STREAM_SECONDS, STRIKE_SECONDS = 2.0, 0.7
"""How long a stream takes that nothing disturbs, and when something in it is killed."""
AHEAD_SECONDS = 0.1
"""How long before a kill its moment is set."""
OBJECTS, OBJECT_BYTES = 10, 1_000_000
"""What lies on a node that is killed."""
ACTORS = 2
"""That are killed in each block."""


class Counter:
    """An actor whose state is a count."""

    def __init__(self) -> None:
        self._count = 0

    def count(self) -> int:
        """Count one more, and return how many there are."""
        self._count += 1
        return self._count

    def place(self) -> tuple[int, str]:
        """Return this process, and its node."""
        return os.getpid(), here()


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield what a kill of each kind cost, in as many repeats; that of the head in clusters of its own."""
    for block in range(ground.parameters.repeats):
        nodes = ground.need(1)
        warm(nodes)
        yield from worker(ground, nodes, block)
        for _ in range(ACTORS):
            yield from actor(block)
    many = len(ground.nodes())
    if many < 2:
        yield skipped(NAME, "it takes 2 nodes with a CPU, lest all work end with the one", "node")
    for block in range(ground.parameters.repeats if many > 1 else 0):
        warm(ground.need(many))
        yield from node(ground, ground.nodes(), block)
    yield from head_rows(ground)


def tasks_of(ground: Ground, nodes: Sequence[Node]) -> int:
    """Return how many tasks keep these nodes busy for the length of a stream."""
    slots = sum(one.slots for one in nodes)
    return max(2 * slots, round(slots * STREAM_SECONDS / ground.parameters.task_seconds))


def worker(ground: Ground, nodes: Sequence[Node], block: int) -> Iterator[Mechanism]:
    """Kill the process of one task, and yield what that cost the stream."""
    victim = nodes[-1].node_id
    striker = started(Striker, victim)
    moments: list[float] = []

    def strike(begins: Sequence[Begin]) -> None:
        pid = next(pid for number, _, pid, _ in begins if number == 0)
        moments.append(time.time() + AHEAD_SECONDS)
        striker.strike.remote(pid, moments[0])

    found = stream(ground, tasks_of(ground, nodes), [(STRIKE_SECONDS, strike)], victim)
    _end([striker])
    yield from cost("worker", found, moments[0], block)


def actor(block: int) -> Iterator[Mechanism]:
    """Kill an actor that may be restarted, and yield how long it is away, and whether its state is."""
    import ray

    one = ray.remote(Counter).options(num_cpus=0, max_restarts=1, max_task_retries=-1).remote()
    for _ in range(3):
        ray.get(one.count.remote())
    pid, node_id = ray.get(one.place.remote())
    striker, at = started(Striker, node_id), time.time() + AHEAD_SECONDS
    striker.strike.remote(pid, at)
    time.sleep(AHEAD_SECONDS + POLL_SECONDS)
    count = ray.get(one.count.remote())
    yield _row("actor", "until it answered again", "s", time.time() - at, block=block)
    yield _row("actor", "state kept", "1", float(count == 4), block=block)
    _end((one, striker))


def node(ground: Ground, nodes: Sequence[Node], block: int) -> Iterator[Mechanism]:
    """Kill a raylet, with it its node, and yield what that cost the stream, and an object that lay there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    victim = next(one.node_id for one in nodes if one.node_id != here())
    striker = started(Striker, victim)
    there = NodeAffinitySchedulingStrategy(victim, soft=True)
    task = ray.remote(made).options(scheduling_strategy=there, max_retries=-1)
    lost = [task.remote(OBJECT_BYTES) for _ in range(OBJECTS)]
    ray.wait(lost, num_returns=OBJECTS, fetch_local=False)
    moments: list[float] = []

    def strike(_: Sequence[Begin]) -> None:
        moments.append(time.time() + AHEAD_SECONDS)
        striker.strike.remote(None, moments[0])

    with ThreadPoolExecutor(1) as other:
        dead = other.submit(partial(until_dead, victim, ground.parameters.wait_seconds + STREAM_SECONDS))
        found = stream(ground, tasks_of(ground, nodes), [(STRIKE_SECONDS, strike)], victim)
        yield from cost("node", found, moments[0], block)
        yield _row("node", "until Ray called it dead", "s", dead.result() - moments[0], block=block)
    begins = [begun for _, begun in ray.get(lost)]
    yield _row("lineage", "until all were made anew", "s", max(begins) - moments[0], block=block)
    for begun in begins:
        yield _row("lineage", "computed anew", "1", float(begun > moments[0]), block=block)
    if ground.changing is not None:
        ground.changing.remove(victim, gracefully=False)
        ground.changing.add()


def made(size: int) -> tuple[Any, float]:
    """Return an array of so many bytes, and when it was begun."""
    return np.ones(size, np.uint8), time.time()


def until_dead(node_id: str, seconds: float) -> float:
    """Return when Ray's list of nodes calls a node dead; NaN where it does not in that time."""
    import ray

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(one["NodeID"] != node_id or not one["Alive"] for one in ray.nodes()):
            return time.time()
        time.sleep(POLL_SECONDS)
    return float("nan")


def cost(case: str, found: Streamed, at: float, block: int) -> Iterator[Mechanism]:
    """Yield what a kill at that moment cost a stream, and when each of its results came."""
    first: dict[int, float] = {}
    again = []
    for number, _, _, began in sorted(found.begins, key=lambda one: one[3]):
        if number in first:
            again.append((began, first[number]))
        first.setdefault(number, began)
    before = {pid for _, _, pid, began in found.begins if began < at}
    new = [began for _, _, pid, began in found.begins if pid not in before]
    if new:
        yield _row(case, "until a new worker took a task", "s", min(new) - at, block=block)
    if again:
        yield _row(case, "until its work began again", "s", min(again)[0] - at, block=block)
    yield _row(case, "work lost", "s", sum(max(0.0, at - begun) for _, begun in again), block=block)
    yield _row(case, "tasks run again", "1", float(found.again), block=block)
    yield _row(case, "every task once", "1", float(found.once), block=block)
    for _, _, moment in found.results:
        yield _row(case, "done, since the kill", "1", 1.0, block=block, at_seconds=moment - at)


def _end(actors: Any) -> None:
    import ray

    for one in actors:
        ray.kill(one)


def _row(case: str, quantity: str, unit: str, value: float, **facts: Any) -> Mechanism:
    known = None if value != value else value
    return Mechanism(experiment=NAME, case=case, quantity=quantity, unit=unit, value=known, **facts)
