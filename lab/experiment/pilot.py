"""A try of one's own work before a run: a few items in a process apart, to tell first what cannot work.

It also tells how long the run will take, and whether the work uses Ray itself.
"""

import dataclasses
import sys
import time
from collections.abc import Sequence
from typing import Any

from lab.engines import Completion, Work, processes
from lab.errors import EngineError, WorkError
from lab.experiment.plan import Plan
from lab.formats import count, seconds
from lab.measure.task import Measurement
from lab.workload import Body, Prepared

PILOT_SECONDS = 60.0
"""How long the items of a pilot may take together."""
WORKER_SECONDS = {"serial": 0.0, "processes": 0.6, "ray": 2.3}
"""Processor time that a worker takes to start, measured on two cores; other engines take about as Ray."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pilot:
    """What a few items told: seconds of one, those that raised, and whether the work uses Ray itself."""

    item_seconds: float
    tried: int
    raised: tuple[str, ...]
    warm: int
    uses_ray: bool


class _Seen:
    """The observer of a pilot: keeps what ended."""

    def __init__(self) -> None:
        self.ended: list[Completion] = []

    def submitted(self, tasks: int) -> None:
        """Take no note: nobody asks for the queue."""

    def completed(self, completion: Completion) -> None:
        """Keep the completion."""
        self.ended.append(completion)


def try_one(body: Body, item: Any) -> Measurement:
    """Run an item as a worker does; the result tells whether the process has a Ray then, which it ends."""
    measured = body(item)
    ray = sys.modules.get("ray")
    uses_ray = bool(ray and ray.is_initialized())
    if uses_ray and ray:
        ray.shutdown()
    return measured._replace(result=uses_ray)


def pilot(name: str, prepared: Prepared, limit_seconds: float = PILOT_SECONDS) -> Pilot:
    """Try the first item, one in the middle and the last; raises `WorkError` where none can be done."""
    last = len(prepared.items) - 1
    chosen = sorted({0, last // 2, last})
    seen, began = _Seen(), time.monotonic()
    late = False
    with processes.team(1) as team:
        work = Work(
            prepared.function, [prepared.items[one] for one in chosen], began + limit_seconds, call=try_one
        )
        try:
            team.run(work, "dynamic", seen)
        except EngineError:
            late = True
    ended = [one.measurement for one in seen.ended if one.measurement is not None]
    lost = [one for one in seen.ended if one.measurement is None]
    if lost and not late:
        raise WorkError(
            f"{name} ended the process that ran it at item {chosen[lost[0].task]}: it calls os._exit or the "
            "like, crashes, or needs more memory than there is"
        )
    good = [chosen[one.task] for one in seen.ended if one.measurement and one.measurement.outcome]
    raised = tuple(f"{one.error_kind}: {one.error_message}" for one in ended if one.outcome is None)
    if raised and not good:
        raise WorkError(f"{name} raised on each of {count(len(ended), 'item')} that were tried: {raised[0]}")
    times = [one.finished - one.started for one in ended if one.outcome is not None]
    if not times:
        raise WorkError(
            f"{name} did not finish one item within {limit_seconds:.0f} s, and a run needs each of "
            f"{len(prepared.items)} several times: give it smaller items"
        )
    return Pilot(sum(times) / len(times), len(ended), raised, good[0], any(bool(one.result) for one in ended))


def run_seconds(plan: Plan, items: int, item_seconds: float, cores: int) -> float:
    """Return about how long a plan takes: its windows on the cores there are, and the starts of workers."""
    total = 0.0
    for one in plan:
        it = one.configuration
        at_once = min(it.workers, max(1, cores))
        starts = it.workers * WORKER_SECONDS.get(it.engine, WORKER_SECONDS["ray"])
        total += (items + it.workers) * item_seconds / at_once + starts / max(1, min(cores, it.workers)) + 0.3
    return total


def slowest_seconds(plan: Plan, items: int, item_seconds: float, cores: int) -> float:
    """Return about how long the longest window takes."""
    return max(items * item_seconds / min(one.configuration.workers, max(1, cores)) for one in plan)


def in_words(name: str, prepared: Prepared, plan: Plan, found: Pilot, cores: int) -> Sequence[str]:
    """Return what a run will do and how long it will take, a line each."""
    items = len(prepared.items)
    kinds = {(one.configuration.engine, one.configuration.workers) for one in plan}
    engines = list(dict.fromkeys(engine for engine, _ in sorted(kinds)))
    lines = [
        f"{name}: {count(items, 'item')}, about {seconds(found.item_seconds)} each ({found.tried} tried)",
        f"{count(len(plan), 'trial')}: {', '.join(engines)}, up to "
        f"{count(max(workers for _, workers in kinds), 'worker')}, {count(plan[-1].block + 1, 'block')}",
        f"this takes about {seconds(run_seconds(plan, items, found.item_seconds, cores))}",
    ]
    if found.raised:
        lines.append(
            f"{len(found.raised)} of {found.tried} items raised, as {found.raised[0]}: the others count"
        )
    return lines
