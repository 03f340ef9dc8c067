"""A try of one's own work before a run: a few items in a process apart, to tell first what cannot work.

It also tells how long the run will take, and what the work does besides: uses Ray itself, changes its items,
leaves threads running.
"""

import dataclasses
import functools
import pickle
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from lab.engines import Call, Completion, Work, processes
from lab.engines.ray_in_work import watched
from lab.errors import EngineError, WorkError
from lab.experiment.plan import Plan
from lab.formats import count, seconds
from lab.measure.digest import digest_of
from lab.measure.task import Measurement, first_line
from lab.workload import Body, Prepared, of_body

PILOT_SECONDS = 60.0
"""How long the items of a pilot may take together."""
RAY_SECONDS = 120.0
"""On top where the work brings Ray: to start one takes long on a busy machine, and is no time of an item."""
WORKER_SECONDS = {"serial": 0.0, "processes": 0.6, "ray": 2.3}
"""Processor time that a worker takes to start, measured on two cores; other engines take about as Ray."""


class Habits(NamedTuple):
    """What the work did besides its result."""

    uses_ray: bool
    changes_items: bool
    thread: str
    """The name of one that it left running, which would hold the driver up at its end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pilot:
    """What a few items told: seconds of one, those that raised, and the work's habits."""

    item_seconds: float
    tried: int
    raised: tuple[str, ...]
    warm: int
    uses_ray: bool = False
    changes_items: bool = False
    thread: str = ""


class _Seen:
    """The observer of a pilot: keeps what ended."""

    def __init__(self) -> None:
        self.ended: list[Completion] = []
        self.first = 0

    def submitted(self, tasks: int) -> None:
        """Take no note: nobody asks for the queue."""

    def completed(self, completion: Completion) -> None:
        """Keep the completion, its task counted among all that are tried."""
        self.ended.append(completion._replace(task=self.first + completion.task))

    def uses_ray(self) -> bool:
        """Tell whether an item that ended has used Ray."""
        results = [one.measurement.result for one in self.ended if one.measurement is not None]
        return any(isinstance(one, Habits) and one.uses_ray for one in results)


def try_one(body: Body) -> Callable[[Any], Measurement]:
    """Return what runs an item as a worker does; the result tells of the work's habits."""
    return functools.partial(_tried_once, body, True)


def try_without_ray(body: Body) -> Callable[[Any], Measurement]:
    """Return the same where no Ray may be started: an item that asks for one ends there, without the wait."""
    return functools.partial(_tried_once, body, False)


def _tried_once(body: Body, with_ray: bool, item: Any) -> Measurement:
    before = digest_of(item)
    run = of_body(body)
    if "ray" not in sys.modules:
        measured, uses_ray = run(item), False
    elif not with_ray:
        measured, uses_ray = watched(lambda: run(item), may_start=False)
    else:
        measured = run(item)
        # once more, where Ray is up by now, as it is in a worker of Ray
        again, uses_ray = watched(lambda: run(item))
        measured = again if uses_ray else measured
    try:
        pickle.loads(pickle.dumps(measured.result, 5))
    except Exception as error:
        told = f"{type(error).__name__}: {first_line(error)}"
        raise WorkError(f"the result of an item cannot be unpickled where it arrives: {told}") from error
    running = [one for one in threading.enumerate() if not (one.daemon or one is threading.main_thread())]
    thread = running[0].name if running else ""
    return measured._replace(result=Habits(uses_ray, digest_of(item) != before, thread))


def pilot(
    name: str, prepared: Prepared, limit_seconds: float = PILOT_SECONDS, with_ray: bool = True
) -> Pilot:
    """Try the first item, one in the middle and the last; raises `WorkError` where none can be done.

    `with_ray` lets the work start a Ray of its own; without it the pilot only tells that it would.
    """
    last = len(prepared.items) - 1
    chosen = sorted({0, last // 2, last})
    limit_seconds += RAY_SECONDS if with_ray and _brings_ray(prepared) else 0.0
    ended, lost = _tried(name, prepared, chosen, limit_seconds, try_one if with_ray else try_without_ray)
    if lost is not None and not str(lost.error_message).startswith(processes.ENDED):
        raise WorkError(f"{name} cannot be run: {lost.error_message}")
    if lost is not None:
        raise WorkError(
            f"{name} ended the process that ran it at item {chosen[lost.task]}"
            f"{str(lost.error_message).removeprefix(processes.ENDED)}: it calls os._exit or the like, "
            "crashes, or needs more memory than there is"
        )
    measured = [(chosen[one.task], one.measurement) for one in ended if one.measurement is not None]
    if not with_ray and any(isinstance(one.result, Habits) and one.result.uses_ray for _, one in measured):
        return Pilot(0.0, len(measured), (), chosen[0], uses_ray=True)
    good = [(item, one) for item, one in measured if one.outcome is not None]
    bad = [one for _, one in measured if one.outcome is None]
    raised = tuple(": ".join(filter(None, (one.error_kind, one.error_message))) for one in bad)
    if any("ray.init twice" in one for one in raised):
        raise WorkError(
            f"{name} calls ray.init itself, which fails in a worker of Ray, where Ray is up: leave it out, "
            "or call it only `if not ray.is_initialized()`"
        )
    if raised and not good:
        raise WorkError(f"{name} raised on each of {count(len(measured), 'item')} tried: {raised[0]}")
    if not good:
        raise WorkError(
            f"{name} did not finish an item within {limit_seconds:.0f} s, and a run needs each of "
            f"{len(prepared.items)} several times: give it smaller items, have it wait for nothing that may "
            "never come, or allow more time (--stall-seconds and --deadline-seconds)"
        )
    habits = [one.result for _, one in measured if isinstance(one.result, Habits)]
    return Pilot(
        sum(one.finished - one.started for _, one in good) / len(good),
        len(measured),
        raised,
        good[0][0],
        any(one.uses_ray for one in habits),
        any(one.changes_items for one in habits),
        next((one.thread for one in habits if one.thread), ""),
    )


def _brings_ray(prepared: Prepared) -> bool:
    """Tell whether the module of the function has Ray among its names, or something of Ray's."""
    body = prepared.function
    module = sys.modules.get(body.function.module) if isinstance(body, Body) else None
    values = [] if module is None else list(vars(module).values())
    names = [one.__name__ for one in values if isinstance(one, ModuleType)]
    names += [str(getattr(one, "__module__", "")) for one in (*values, *map(type, values))]
    return any(name.partition(".")[0] == "ray" for name in names)


def _tried(
    name: str, prepared: Prepared, chosen: Sequence[int], limit_seconds: float, call: Call
) -> tuple[list[Completion], Completion | None]:
    """Run the chosen items; return what ended, and what was lost with its process."""
    seen, until = _Seen(), time.monotonic() + limit_seconds
    items = [prepared.items[one] for one in chosen]
    try:
        with processes.team(1) as team:
            # work that uses Ray starts one for each item, which takes long: the first has told enough then
            for seen.first, part in ((0, items[:1]), (1, items[1:])):
                if part and not seen.uses_ray():
                    work = Work(prepared.function, part, until, call=call, keep_results=True)
                    team.run(work, "dynamic", seen)
    except EngineError as error:
        if time.monotonic() < until:
            raise WorkError(f"{name} cannot be run: {error}") from error
        return seen.ended, None
    return seen.ended, next((one for one in seen.ended if one.measurement is None), None)


def run_seconds(plan: Plan, items: int, item_seconds: float, cores: int) -> float:
    """Return about how long a plan takes: its windows on the cores there are, and the starts of workers."""
    total = 0.0
    for one in plan:
        it = one.configuration
        at_once = min(it.workers, max(1, cores))
        starts = it.workers * WORKER_SECONDS.get(it.engine, WORKER_SECONDS["ray"])
        worked = ((it.tasks or items) + it.workers) * item_seconds / at_once
        total += worked + starts / max(1, min(cores, it.workers)) + 0.3
    return total


def slowest_seconds(plan: Plan, items: int, item_seconds: float, cores: int) -> float:
    """Return about how long the longest window takes."""
    each = (one.configuration for one in plan)
    return max((it.tasks or items) * item_seconds / min(it.workers, max(1, cores)) for it in each)


def in_words(name: str, prepared: Prepared, plan: Plan, found: Pilot, cores: int) -> Sequence[str]:
    """Return what a run will do and how long it will take, a line each."""
    items = len(prepared.items)
    each = " for each worker" * any(one.configuration.tasks for one in plan)
    kinds = {(one.configuration.engine, one.configuration.workers) for one in plan}
    engines = list(dict.fromkeys(engine for engine, _ in sorted(kinds)))
    lines = [
        f"{name}: {count(items, 'item')}{each}, about {seconds(found.item_seconds)} each "
        f"({found.tried} tried)",
        f"{count(len(plan), 'trial')}: {', '.join(engines)}, up to "
        f"{count(max(workers for _, workers in kinds), 'worker')}, {count(plan[-1].block + 1, 'block')}",
        f"this takes about {seconds(run_seconds(plan, items, found.item_seconds, cores))}",
    ]
    if found.raised:
        lines.append(
            f"{len(found.raised)} of {found.tried} items raised, as {found.raised[0]}: the others count"
        )
    return lines
