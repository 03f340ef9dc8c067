"""One engine's turn, in a process of its own: start it, time its pieces of work one by one, end it.

A process of its own keeps what one engine imports, starts and holds in memory out of the next one's numbers.
"""

import contextlib
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

import psutil

from lab.clusters.embedded import embedded
from lab.clusters.stores import bytes_in_use
from lab.comparison.plan import PlannedTiming, Turn
from lab.comparison.work import Prepared, load, prepare
from lab.data.engines import TABLE
from lab.data.records import Timing
from lab.engines import Completion, Team, Work
from lab.engines.put import put_image
from lab.engines.teams import ON_RAY, TEAMS
from lab.errors import EngineError, LabError
from lab.experiment.parameters import Comparison
from lab.measure.environment import utc_now
from lab.measure.task import first_line
from lab.measure.tree import Tree

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Libraries with threads of their own get one, everywhere: Ray gives its workers that by itself."""

LARGEST_SHARE = 0.03
"""Of a core for looking at the memory, which takes some 25 ms where Ray runs: windows are a second or so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """A planned timing, and the number of the attempt at it."""

    planned: PlannedTiming
    attempt: int


class Tally:
    """The observer of a window: keeps what ended, and adds it up once the clock has stopped."""

    def __init__(self) -> None:
        self.ended: list[Completion] = []

    def submitted(self, tasks: int) -> None:
        """Take no note: nobody asks for the queue."""

    def completed(self, completion: Completion) -> None:
        """Keep the completion."""
        self.ended.append(completion)

    def result(self, payloads: int) -> dict[str, Any]:
        """Return units, digest and processor time; raises `EngineError` where a task has no result.

        The digest is of the distinct results in task order, and of the units: a loop that does all of its
        tasks in one call comes to the same.
        """
        measured = [(one.task, one.measurement) for one in self.ended if one.measurement is not None]
        good = {task: (one.outcome, one.cpu_seconds) for task, one in measured if one.outcome is not None}
        if len(good) < payloads:
            raise EngineError(f"{payloads - len(good)} of {payloads} tasks have no result; {self._failure()}")
        units = sum(outcome.units for outcome, _ in good.values())
        distinct = dict.fromkeys(good[task][0].digest for task in sorted(good))
        seconds = sum(seconds for _, seconds in good.values())
        return {
            "units": units,
            "digest": hashlib.sha256("".join([*distinct, str(units)]).encode()).hexdigest()[:16],
            # NaN where tasks were not measured
            "task_cpu_seconds": seconds if seconds == seconds else None,
        }

    def _failure(self) -> str:
        for one in self.ended:
            kind, message = one.error_kind, one.error_message
            if one.measurement is not None:
                kind, message = one.measurement.error_kind, one.measurement.error_message
            if kind is not None:
                return f"the first failure: {kind}: {message}"
        return "no failure was reported"


def take(connection: Connection, ones: Sequence[Assignment], parameters: Comparison, pace: float) -> None:
    """Time all pieces of a turn and send a row for each; `pace` is in spin iterations a second.

    An engine that has failed is started anew for the rest.
    """
    os.environ.update(ONE_THREAD)
    left = list(ones)
    # workers find the modules of items where this process found them when they were started
    load({one.planned.piece.workload for one in left})
    while left:
        left = _with_engine(left, parameters, pace, connection.send)


def _with_engine(
    ones: list[Assignment], parameters: Comparison, pace: float, send: Callable[[Timing], None]
) -> list[Assignment]:
    """Start the engine, time until one fails, and return what is left; none is where it does not start."""
    done = 0
    asked = time.monotonic()
    try:
        with _started(ones[0].planned.turn, parameters) as team:
            startup = time.monotonic() - asked
            for one in ones:
                timing = _timed(one, team, startup, parameters, pace)
                send(timing)
                done += 1
                if timing.status != "ok":
                    break
    except LabError as error:
        if not done:
            for one in ones:
                send(failed(one, error))
            return []
    return ones[done:]


@contextlib.contextmanager
def _started(turn: Turn, parameters: Comparison) -> Iterator[Team]:
    """Start an engine, and Ray before it where it runs on Ray."""
    with contextlib.ExitStack() as stack:
        if turn.engine in ON_RAY:
            stack.enter_context(embedded(turn.workers, parameters.object_store_megabytes, 0))
        yield stack.enter_context(TEAMS[turn.engine](turn.workers, 1))


def _timed(one: Assignment, team: Team, startup: float, parameters: Comparison, pace: float) -> Timing:
    """Return the row of one piece of work, whatever became of it."""
    row = {**identity(one), "startup_seconds": startup, "load_before": os.getloadavg()[0]}
    try:
        prepared = prepare(one.planned, parameters, pace)
        row |= prepared.facts
        _warm_up(row, team, prepared, parameters)
        _measure(row, one, team, prepared, parameters)
        row["status"] = "ok"
    except Exception as error:  # noqa: BLE001  whatever fails in an engine or a package is a failed row
        row |= {"error_kind": type(error).__name__, "error_message": first_line(error)}
    return Timing(**row)


def _warm_up(row: dict[str, Any], team: Team, prepared: Prepared, parameters: Comparison) -> None:
    """Have every worker run some tasks: modules are then imported, and memory is there."""
    began, tally = time.monotonic(), Tally()
    payloads = [prepared.warm] * (2 * row["workers"])
    deadline = began + parameters.deadline_seconds
    work = Work(
        prepared.function,
        payloads,
        deadline,
        stall_seconds=parameters.stall_seconds,
        call=prepared.call,
    )
    team.run(work, "dynamic", tally)
    tally.result(len(payloads))
    row["warmup_seconds"] = time.monotonic() - began


def _measure(
    row: dict[str, Any], one: Assignment, team: Team, prepared: Prepared, parameters: Comparison
) -> None:
    """Time the work, with the process tree watched."""
    on_ray, tally = one.planned.turn.engine in ON_RAY, Tally()
    tree, steal = Tree(parameters.sample_seconds, LARGEST_SHARE), _steal_seconds()
    hand_over = prepared.handed_over(put_image if on_ray else None)
    try:
        # images are held until the last sample of memory is taken
        with contextlib.ExitStack() as held, tree:
            began = time.monotonic()
            payloads = held.enter_context(hand_over)
            work = Work(
                prepared.function,
                payloads,
                began + parameters.deadline_seconds,
                stall_seconds=parameters.stall_seconds,
                batch=one.planned.piece.batch or 1,
                call=prepared.call,
            )
            team.run(work, "dynamic", tally)
            row["duration_seconds"] = row["execution_time"] = time.monotonic() - began
            row["object_store_bytes"] = bytes_in_use() if on_ray else None
    finally:
        row |= {
            "cpu_seconds": tree.cpu_seconds,
            "memory_before_bytes": tree.memory_before_bytes,
            "peak_memory_bytes": tree.peak_memory_bytes,
            "memory_used": None if tree.peak_driver_bytes is None else tree.peak_driver_bytes / 1e6,
            "sampler_cpu_seconds": tree.sampler_cpu_seconds,
            "steal_seconds": _difference(_steal_seconds(), steal),
        }
    row |= tally.result(len(payloads))


def identity(one: Assignment) -> dict[str, Any]:
    """Return what a row says of its place in the plan; its status is failed until it has ended well."""
    planned, turn, piece = one.planned, one.planned.turn, one.planned.piece
    return {
        "trial_id": f"{planned.slot:03d}-{one.attempt}",
        "slot": planned.slot,
        "attempt": one.attempt,
        "block": planned.block,
        **dataclasses.asdict(turn),
        **dataclasses.asdict(piece),
        "status": "failed",
        "started_at": utc_now(),
        "framework": TABLE[turn.engine].framework,
        "num_tasks": piece.tasks,
    }


def failed(one: Assignment, error: BaseException) -> Timing:
    """Return the row of a piece of work that was not timed."""
    return Timing(**identity(one), error_kind=type(error).__name__, error_message=first_line(error))


def _steal_seconds() -> float | None:
    return getattr(psutil.cpu_times(), "steal", None)


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
