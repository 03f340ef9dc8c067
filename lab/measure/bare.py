"""Calls that time nothing: the loop that one would write by hand, for tasks so short that timing would tell.

A worker runs the function alone, and what it returns travels home as it is. Outcomes are made there, once all
has been received: the digest of a number takes a third of a task of 10 microseconds.
"""

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.measure.task import UNKNOWN, Measurement, Outcome, first_line, itself


class Raised(NamedTuple):
    """Stands for the result of an item that raised."""

    kind: str
    message: str


def _as_it_is(function: Any) -> Any:
    return function


def _itself_of(_: Any) -> Callable[[Any], Outcome]:
    return itself


@dataclass(frozen=True, slots=True)
class Bare:
    """A call, as `lab.engines.Call`, that measures nothing: its times are NaN.

    `plain` returns the function that a worker runs, `outcome` what makes an outcome of a result; both are
    given the function of the work. Errors of the function become part of the measurement.
    """

    plain: Callable[[Any], Callable[[Any], Any]] = _as_it_is
    outcome: Callable[[Any], Callable[[Any], Outcome]] = _itself_of

    def __call__(self, function: Any) -> Callable[[Any], Measurement]:
        """Return what runs one item, and makes its outcome at once."""
        guarded, measurement = self.guarded(function), self.measurement(function)
        return lambda item: measurement(guarded(item))

    def guarded(self, function: Any) -> Callable[[Any], Any]:
        """Return what runs one item and returns its result, or `Raised`."""
        plain, here = self.plain(function), os.getpid()

        def run(item: Any) -> Any:
            try:
                result = plain(item)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  whatever it raises is a failed task, an exit too
                result = raised(error)
            if os.getpid() != here:
                # the work has forked, and the copy came back, too
                os._exit(0)
            return result

        return run

    def loop(self, function: Any) -> Callable[[Iterable[Any]], list[Any]]:
        """Return what runs many items one after another, and returns a result or `Raised` of each."""
        plain, here = self.plain(function), os.getpid()
        _watch_forks()

        def run(items: Iterable[Any]) -> list[Any]:
            results: list[Any] = []
            left = iter(items)
            _RUNNING.append(left)
            try:
                while _some(plain, left, results.append):
                    pass
            finally:
                _RUNNING.remove(left)
            if os.getpid() != here:
                os._exit(0)
            return results

        return run

    def measurement(self, function: Any) -> Callable[[Any], Measurement]:
        """Return what makes a measurement of a result that came home, or of `Raised`."""
        outcome = self.outcome(function)

        def made(result: Any) -> Measurement:
            if type(result) is Raised:
                return Measurement(UNKNOWN, UNKNOWN, UNKNOWN, None, None, *result)
            try:
                return Measurement(UNKNOWN, UNKNOWN, UNKNOWN, outcome(result), None)
            except Exception as error:  # noqa: BLE001  units and digest are the user's, too
                return Measurement(UNKNOWN, UNKNOWN, UNKNOWN, None, None, *raised(error))

        return made


bare = Bare()
"""Of a function that returns an `Outcome`."""


def raised(error: BaseException) -> Raised:
    """Return what is told of an error."""
    return Raised(type(error).__name__, first_line(error))


def _some(plain: Callable[[Any], Any], left: Iterator[Any], keep: Callable[[Any], None]) -> bool:
    """Run items until one raises; tell whether one did, so that more may be left. This is the bare loop."""
    try:
        for item in left:
            keep(plain(item))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  as above
        keep(raised(error))
        return True
    return False


_RUNNING: list[Iterator[Any]] = []
"""What the loops of this process have still to run."""


@functools.cache
def _watch_forks() -> None:
    """Have a copy that the work makes of this process, as by `os.fork`, find no further items in its loop.

    A copy that comes back would run all that is left, and each of its items would make another copy. To look
    at the process id after every item would cost what the loop must not.
    """
    os.register_at_fork(after_in_child=_run_no_more)


def _run_no_more() -> None:
    for left in _RUNNING:
        deque(left, maxlen=0)
