"""The measured body of a task: it times itself where it runs, and turns an error into a record."""

import pickle
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from lab.workloads import Outcome

UNKNOWN = float("nan")


class Measurement(NamedTuple):
    """What a worker knows of one task: monotonic seconds of its host, processor seconds, and the result.

    A tuple, since one travels home for each task, and costs a third of a dataclass to pickle.
    """

    started: float
    finished: float
    cpu_seconds: float
    outcome: Outcome | None
    result_bytes: int | None
    error_kind: str | None = None
    error_message: str | None = None


def measure_task(function: Callable[[Any], Outcome], payload: Any) -> Measurement:
    """Run one task and measure it; an exception of the workload becomes part of the measurement.

    The processor time is that of the calling thread: Ray's own threads in a worker, and the one that samples
    a node, are no part of the task. A workload that starts threads of its own would hide their time.

    The processor time is read between the body and the end: Linux holds a cgroup that has used up its quota
    back at the next system call, and a quota that the body used up is the body's to wait for.
    """
    outcome, kind, message = None, None, None
    cpu, started = time.thread_time(), time.monotonic()
    try:
        outcome = _checked(function(payload))
    except Exception as error:  # noqa: BLE001  whatever the workload raises is a failed task, and is recorded
        kind, message = type(error).__name__, first_line(error)
    cpu_end, finished = time.thread_time(), time.monotonic()
    size = None if outcome is None else len(pickle.dumps(outcome))
    return Measurement(started, finished, cpu_end - cpu, outcome, size, kind, message)


def run_bare(function: Callable[[Any], Outcome], payload: Any) -> Measurement:
    """Run one task and measure nothing: its times are NaN. For tasks so short that measuring would tell.

    Errors of the workload become part of the measurement, as in `measure_task`.
    """
    try:
        return Measurement(UNKNOWN, UNKNOWN, UNKNOWN, _checked(function(payload)), None)
    except Exception as error:  # noqa: BLE001  as in measure_task
        return Measurement(UNKNOWN, UNKNOWN, UNKNOWN, None, None, type(error).__name__, first_line(error))


def _checked(outcome: Any) -> Outcome:
    if not isinstance(outcome, Outcome):
        raise TypeError(f"a workload returns an Outcome, not {type(outcome).__name__}")
    return outcome


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 300 characters."""
    return next(iter(str(error).strip().splitlines()), "")[:300]
