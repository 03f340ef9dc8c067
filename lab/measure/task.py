"""The measured body of a task: it times itself where it runs, and turns an error into a record."""

import os
import pickle
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

UNKNOWN = float("nan")
MOST_READ = 10_000
"""Characters of an error's message that are looked at."""
ADDRESS = re.compile(r" \(IP: [^)]*\)")


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


_UNCHANGING = frozenset((int, float, complex, str, bytes, bool, type(None), Outcome))
FEW = 100
"""So many parts of a container are looked at."""


def itself(result: Any) -> Outcome:
    """Return a result that is an outcome already."""
    if not isinstance(result, Outcome):
        raise TypeError(f"a workload returns an Outcome, not {type(result).__name__}")
    return result


class Timed(NamedTuple):
    """A task that has run: its times, what it returned, or what it raised."""

    started: float
    finished: float
    cpu_seconds: float
    result: Any
    error_kind: str | None
    error_message: str | None


class Measured:
    """Runs tasks and measures them, one at a time or many together."""

    def __init__(self, run: Callable[[Any], Timed], outcome_of: Callable[[Any], Outcome]) -> None:
        self._run, self._outcome_of = run, outcome_of

    def __call__(self, item: Any) -> Measurement:
        """Run and measure one task."""
        return self._made(self._run(item))

    def batch(self, items: Iterable[Any]) -> list[Measurement]:
        """Run tasks one after another, and look at the results after the last one.

        After a task of 1 ms, which has other things in the processor's caches, to look at a small result
        takes 25 microseconds, and together with those of other tasks 8. A result that could change until
        then, since the work may still hold it, is looked at at once.
        """
        done: list[Timed | Measurement] = []
        for item in items:
            one = self._run(item)
            done.append(one if one.error_kind or _is_settled(one) else self._made(one))
        return [self._made(one) if isinstance(one, Timed) else one for one in done]

    def _made(self, timed: Timed) -> Measurement:
        started, finished, cpu_seconds, result, kind, message = timed
        outcome, size, travels = None, None, self._outcome_of is not itself
        if kind is None:
            try:
                # what cannot travel is told before a digest stumbles over it
                size = size_of(result) if travels else None
                outcome = self._outcome_of(result)
                size = size_of(outcome) if size is None else size
            except Exception as error:  # noqa: BLE001  units and digest are the user's, too
                outcome, result, size = None, None, None
                kind, message = type(error).__name__, first_line(error)
        home = result if travels else None
        return Measurement(started, finished, cpu_seconds, outcome, size, kind, message, home)


def measured(function: Callable[[Any], Any], outcome_of: Callable[[Any], Outcome] = itself) -> Measured:
    """Return what runs tasks and measures them; an exception of the function becomes part of that.

    The processor time is that of the calling thread: Ray's own threads in a worker, and the one that samples
    a node, are no part of the task. A function that starts threads of its own would hide their time.

    The processor time is read between the body and the end: Linux holds a cgroup that has used up its quota
    back at the next system call, and a quota that the body used up is the body's to wait for. Units, digest
    and size of the result are made after the end.
    """
    here, process = os.getpid(), os.getpid
    monotonic, thread_time = time.monotonic, time.thread_time

    def run(item: Any) -> Timed:
        result, kind, message = None, None, None
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
        return Timed(started, finished, cpu_end - cpu, result, kind, message)

    return Measured(run, outcome_of)


def _is_settled(timed: Timed) -> bool:
    """Tell whether nobody can change a result any more: plain values, and few of them in a container.

    The container itself, where it could be changed, must be in nobody else's hands.
    """
    holders, result = _holders(timed), timed.result
    kind = type(result)
    if kind in _UNCHANGING:
        return True
    if kind not in (tuple, list, dict) or len(result) > FEW or not _UNCHANGING.issuperset(map(type, result)):
        return False
    if kind is dict and not _UNCHANGING.issuperset(map(type, result.values())):
        return False
    return kind is tuple or holders == _ALONE


def _holders(timed: Timed) -> int:
    return sys.getrefcount(timed.result)


_ALONE = _holders(Timed(UNKNOWN, UNKNOWN, UNKNOWN, [], None, None))
"""So many references are told where the tuple alone holds a result."""


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
    """Return the first line of an error's message, at most 300 characters, of which all can be printed.

    Addresses of nodes, which some of Ray's errors have, are left out: nobody else's business.
    """
    try:
        text = str(error)[:MOST_READ]
    except Exception as second:  # noqa: BLE001  the class of the error is anybody's
        return f"its message cannot be told: str() of it raises {type(second).__name__}"
    line = ADDRESS.sub("", next(iter(text.strip().splitlines()), ""))[:300]
    return line if line.isprintable() else "".join(one if one.isprintable() else " " for one in line)
