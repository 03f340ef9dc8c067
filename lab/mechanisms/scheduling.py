"""Where tasks go by each strategy, and how long they wait where there are more of them than slots."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lab.data.records import Mechanism
from lab.errors import ClusterError
from lab.mechanisms.ground import Ground, Node, here, warm

NAME = "scheduling"
PLACEMENTS = 2
"""By each strategy in each block."""
WAVE = 4
"""Times the length of a task elsewhere: what handing one out takes is then small beside it."""
WAVES = 4
"""How many tasks there are for each slot, where they wait."""
PLACED_SECONDS = 0.1
"""Of a task that is placed: long enough that none waits for another's slot."""
SETTLE_SECONDS = 0.15
"""For slots that were taken to be known as free again."""
GROUP_SECONDS = 30.0


def stay(seconds: float) -> tuple[str, float]:
    """Take up a slot; return the node, and when this began in seconds since 1970."""
    began = time.time()
    time.sleep(seconds)
    return here(), began


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield the part of the tasks on the busiest node, the time that all take, and the wait of each wave."""
    nodes = ground.need(2)
    for block in range(ground.parameters.repeats):
        warm(nodes)
        for case in PLACEMENTS * ("default", "SPREAD"):
            options = {} if case == "default" else {"scheduling_strategy": "SPREAD"}
            yield from placed(nodes, case, options, block)
        for case in PLACEMENTS * ("PACK", "STRICT_SPREAD"):
            yield from in_group(nodes, case, block)
        # the workers of a placement group have ended with it
        warm(nodes)
        yield from queued(ground, sum(one.slots for one in nodes), block)


def placed(nodes: tuple[Node, ...], case: str, options: dict[str, Any], block: int) -> Iterator[Mechanism]:
    """Yield where half as many tasks go as there are slots, and how long they take together."""
    import ray

    time.sleep(SETTLE_SECONDS)
    task, many = ray.remote(stay).options(**options), max(2, sum(one.slots for one in nodes) // 2)
    began = time.perf_counter()
    found = ray.get([task.remote(PLACED_SECONDS) for _ in range(many)])
    seconds = time.perf_counter() - began
    busiest = max(Counter(node for node, _ in found).values()) / many
    yield _row(case, "on the busiest node", "1", busiest, block=block, nodes=len(nodes))
    yield _row(case, "duration", "s", seconds, block=block, nodes=len(nodes))


def in_group(nodes: tuple[Node, ...], case: str, block: int) -> Iterator[Mechanism]:
    """Yield the same in a placement group of two bundles, and how long that takes to be there."""
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    time.sleep(SETTLE_SECONDS)
    began = time.perf_counter()
    group = ray.util.placement_group([{"CPU": 1}] * 2, strategy=case)
    try:
        if not group.wait(GROUP_SECONDS):
            raise ClusterError(f"a placement group of two CPUs, {case}, was not there in {GROUP_SECONDS:g} s")
        yield _row(case, "time to place the group", "s", time.perf_counter() - began, block=block)
        yield from placed(
            nodes, case, {"scheduling_strategy": PlacementGroupSchedulingStrategy(group)}, block
        )
    finally:
        ray.util.remove_placement_group(group)


def queued(ground: Ground, slots: int, block: int) -> Iterator[Mechanism]:
    """Yield how long the tasks of each wave waited: of the first none should, of the others each before."""
    import ray

    task, seconds = ray.remote(stay), WAVE * ground.parameters.task_seconds
    asked = time.time()
    found = sorted(
        began - asked for _, began in ray.get([task.remote(seconds) for _ in range(WAVES * slots)])
    )
    for wave in range(WAVES):
        mine = found[wave * slots : (wave + 1) * slots]
        yield _row("queue", "wait", "s", sum(mine) / slots, block=block, at_seconds=wave * seconds)


def _row(case: str, quantity: str, unit: str, value: float, **facts: Any) -> Mechanism:
    return Mechanism(experiment=NAME, case=case, quantity=quantity, unit=unit, value=value, **facts)
