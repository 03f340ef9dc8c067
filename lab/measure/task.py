"""The measured body of a task: it times itself where it runs, and turns an error into a record."""

import os
import pickle
import time
from collections.abc import Callable
from typing import Any, NamedTuple

UNKNOWN = float("nan")
MOST_READ = 10_000
"""Characters of an error's message that are looked at."""


class Outcome(NamedTuple):
    """What is kept of a result: `units` is what throughput counts, `digest` is equal for equal results.

    `shown` is a short result as text, for a message where two engines differ.
    """

    units: int
    digest: str
    shown: str = ""


class Measurement(NamedTuple):
    """What a worker knows of one task: monotonic seconds of its host, processor seconds, and the result.

    A tuple, since one travels home for each task, and costs a third of a dataclass to pickle. `result` is
    what the function returned: it travels as it would without the lab, and nobody keeps it.
    """

    started: float
    finished: float
    cpu_seconds: float
    outcome: Outcome | None
    result_bytes: int | None
    error_kind: str | None = None
    error_message: str | None = None
    result: Any = None


def itself(result: Any) -> Outcome:
    """Return a result that is an outcome already."""
    if not isinstance(result, Outcome):
        raise TypeError(f"a workload returns an Outcome, not {type(result).__name__}")
    return result


def measured(
    function: Callable[[Any], Any], outcome_of: Callable[[Any], Outcome] = itself
) -> Callable[[Any], Measurement]:
    """Return what runs one task and measures it; an exception of the function becomes part of that.

    The processor time is that of the calling thread: Ray's own threads in a worker, and the one that samples
    a node, are no part of the task. A function that starts threads of its own would hide their time.

    The processor time is read between the body and the end: Linux holds a cgroup that has used up its quota
    back at the next system call, and a quota that the body used up is the body's to wait for. Units, digest
    and size of the result are made after the end.
    """
    here, travels = os.getpid(), outcome_of is not itself
    monotonic, thread_time, process = time.monotonic, time.thread_time, os.getpid

    def run(item: Any) -> Measurement:
        outcome, size, kind, message, result = None, None, None, None, None
        cpu, started = thread_time(), monotonic()
        try:
            result = function(item)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  whatever it raises is a failed task, an exit too
            kind, message = type(error).__name__, first_line(error)
        cpu_end, finished = thread_time(), monotonic()
        if process() != here:
            # the work has forked, and the copy came back, too: it would go on with the items, and report them
            os._exit(0)
        if kind is None:
            try:
                # what cannot travel is told before a digest stumbles over it
                size = size_of(result) if travels else None
                outcome = outcome_of(result)
                size = size_of(outcome) if size is None else size
            except Exception as error:  # noqa: BLE001  as above: units and digest are the user's, too
                result, size, kind, message = None, None, type(error).__name__, first_line(error)
        home = result if travels else None
        return Measurement(started, finished, cpu_end - cpu, outcome, size, kind, message, home)

    return run


def size_of(result: Any) -> int:
    """Return the bytes of a pickled result, arrays included; raises `TypeError` where it cannot travel."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        pickled = pickle.dumps(result, 5, buffer_callback=buffers.append)
    except Exception as error:
        told = first_line(error)
        cure = (
            "put its class into a file of its own, and import it from there"
            if "__main__" in told
            else "return plain data"
        )
        raise TypeError(f"the result cannot be pickled, so it cannot travel home: {told}; {cure}") from error
    return len(pickled) + sum(one.raw().nbytes for one in buffers) if buffers else len(pickled)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 300 characters, of which all can be printed."""
    try:
        text = str(error)[:MOST_READ]
    except Exception as second:  # noqa: BLE001  the class of the error is anybody's
        return f"its message cannot be told: str() of it raises {type(second).__name__}"
    line = next(iter(text.strip().splitlines()), "")[:300]
    return line if line.isprintable() else "".join(one if one.isprintable() else " " for one in line)
