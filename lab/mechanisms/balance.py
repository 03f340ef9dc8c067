"""Both halves of a claim: tasks balance the load, and actors suit small changes of a state."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from lab.data.records import Mechanism
from lab.mechanisms.ground import Ground, nap, skipped, warm

NAME = "balance"
UNITS_PER_WORKER = 8
SHAPE = 1.2
"""Of the Pareto distribution that lengths are drawn from: a few units are most of the work."""
LONGEST = 0.6
"""Of one worker's equal share that a unit may be, so that a perfect balance exists."""
UPDATES = 20


class Holder:
    """An actor that waits for units of work, and that holds a state."""

    def __init__(self, size: int = 0) -> None:
        self._state = np.zeros(max(1, size), np.uint8)

    def nap(self, seconds: float) -> None:
        """Do a unit of work."""
        time.sleep(seconds)

    def bump(self) -> int:
        """Change the state by one, and return its first value."""
        self._state[0] += 1
        return int(self._state[0])


def bumped(state: Any) -> Any:
    """Return a state that was changed by one, as a task has to: what it is given cannot be written to."""
    state = state.copy()
    state[0] += 1
    return state


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield how long equal and skewed work takes by tasks and by actors, and updates of a state a second."""
    nodes = ground.need(1)
    warm(nodes)
    yield from shared_out(ground, sum(one.slots for one in nodes))
    for size in ground.sizes():
        if why := ground.too_large(size):
            yield skipped(NAME, why, "updates", size_bytes=size)
            continue
        yield from updates(ground, size)


def lengths(workers: int, skewed: bool, mean_seconds: float, seed: int) -> list[float]:
    """Return seeded lengths of units in seconds, all alike or skewed, of the same sum."""
    many, chance = UNITS_PER_WORKER * workers, random.Random(seed)
    drawn = [chance.paretovariate(SHAPE) if skewed else 1.0 for _ in range(many)]
    cut = [min(one, LONGEST * sum(drawn) / workers) for one in drawn]
    return [one * many * mean_seconds / sum(cut) for one in cut]


def shared_out(ground: Ground, workers: int) -> Iterator[Mechanism]:
    """Yield the time of the same units as tasks, and in equal numbers on actors; and the best possible."""
    import ray

    # without a CPU of their own, so that both ways have all slots in turns; a unit waits, and takes none
    actors = [ray.remote(Holder).options(num_cpus=0).remote() for _ in range(workers)]
    ray.get([one.nap.remote(0.0) for one in actors])
    ways = {"actors": [one.nap for one in actors], "tasks": [ray.remote(nap)]}
    for block in range(ground.parameters.repeats):
        for case in ("equal work", "skewed work"):
            seed, mean = ground.parameters.seed + block, 2 * ground.parameters.task_seconds
            units = lengths(workers, case == "skewed work", mean, seed)
            warm(ground.nodes())
            yield _row(case, "best possible", max(max(units), sum(units) / workers), block)
            for way, parts in ways.items():
                yield _row(case, way, _timed(partial(_dealt, parts, units)), block)
    for one in actors:
        ray.kill(one)


def _dealt(parts: Sequence[Any], units: Sequence[float]) -> None:
    """Hand units out in turn, and wait for all of them."""
    import ray

    ray.get([parts[place % len(parts)].remote(one) for place, one in enumerate(units)])


def _timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def updates(ground: Ground, size: int) -> Iterator[Mechanism]:
    """Yield updates a second of a state of that size, kept by an actor and passed from task to task."""
    import ray

    actor, bump = ray.remote(Holder).options(num_cpus=0).remote(size), ray.remote(bumped)

    def by_actor() -> None:
        ray.get([actor.bump.remote() for _ in range(UPDATES)])

    def by_tasks() -> None:
        state = ray.put(np.zeros(size, np.uint8))
        for _ in range(UPDATES):
            state = bump.remote(state)
        ray.wait([state], fetch_local=False)

    by_actor()
    for block in range(ground.parameters.repeats):
        for case, call in (("actors", by_actor), ("tasks", by_tasks)):
            value = UPDATES / _timed(call)
            yield Mechanism(
                experiment=NAME,
                case="updates",
                quantity=case,
                unit="1/s",
                size_bytes=size,
                block=block,
                value=value,
            )
    ray.kill(actor)


def _row(case: str, quantity: str, seconds: float, block: int) -> Mechanism:
    return Mechanism(experiment=NAME, case=case, quantity=quantity, unit="s", block=block, value=seconds)
