"""What travels between driver and workers: tuples in place of measurements, or the results alone.

A tuple is pickled in a fifth of the time of a named one. A worker finds the function once for all payloads
that it gets together; the driver makes measurements of what came home once it has taken the time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lab.engines import Call, Completion, Observer, Work
from lab.measure.bare import Bare
from lab.measure.task import Measured, Measurement, Outcome

Attempt = tuple[int, int]
"""A task's index and the number of the attempt."""


class Task:
    """The function of one payload that libraries are given; what it returns is for `Home`."""

    def __init__(self, call: Call, function: Any) -> None:
        self._call, self._function = call, function
        self._run: Callable[[Any], Any] | None = None

    def __call__(self, payload: Any) -> Any:
        """Run a payload in a worker, where the function is found by the first one."""
        run = self._run
        if run is None:
            run = self._run = one_by_one(self._call, self._function)
        return run(payload)

    def __reduce__(self) -> tuple[type["Task"], tuple[Call, Any]]:
        """Leave behind what was found here."""
        return Task, (self._call, self._function)


def one_by_one(call: Call, function: Any) -> Callable[[Any], Any]:
    """Return what a worker runs for one payload; what it returns is for `Home`."""
    if isinstance(call, Bare):
        return call.guarded(function)
    run = call(function)
    return lambda payload: packed(run(payload))


def run_batch(call: Call, function: Any, payloads: Sequence[Any]) -> list[Any]:
    """Run a batch in a worker, and return for each what is for `Home`."""
    if isinstance(call, Bare):
        return call.loop(function)(payloads)
    run = call(function)
    many = run.batch(payloads) if isinstance(run, Measured) else map(run, payloads)
    return [packed(one) for one in many]


class Home:
    """Tells the observer of what came home: at once, or of bare calls at the end, outside of their time."""

    def __init__(self, work: Work, observer: Observer) -> None:
        self._work, self._observer = work, observer
        self._bare: list[tuple[Any, ...]] | None = [] if isinstance(work.call, Bare) else None
        self._measured = unpacked if work.keep_results else _without_result

    def __enter__(self) -> "Home":
        """Return what takes what comes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Tell of the bare calls, also where the work ended in an error."""
        if self._bare:
            assert isinstance(self._work.call, Bare)
            measured = self._work.call.measurement(self._work.function)
            for one in self._bare:
                self._tell(measured, *one)

    def take(
        self,
        attempts: Iterable[Attempt],
        came: Iterable[Any],
        worker: int,
        node_id: str | None,
        submitted: float,
        received: float,
    ) -> None:
        """Take what came home of attempts that were submitted and received together."""
        if self._bare is None:
            self._tell(self._measured, attempts, came, worker, node_id, submitted, received)
        else:
            self._bare.append((attempts, came, worker, node_id, submitted, received))

    def _tell(
        self,
        measured: Callable[[Any], Measurement],
        attempts: Iterable[Attempt],
        came: Iterable[Any],
        worker: int,
        node_id: str | None,
        submitted: float,
        received: float,
    ) -> None:
        completed = self._observer.completed
        for (task, attempt), one in zip(attempts, came, strict=True):
            completed(Completion(task, attempt, worker, node_id, submitted, received, measured(one)))


def packed(measurement: Measurement) -> tuple[Any, ...]:
    """Return a measurement as a tuple without a class, its outcome's values in place of the outcome."""
    started, finished, cpu, outcome, size, kind, message, result = measurement
    units, digest, shown = outcome or (None, "", "")
    return started, finished, cpu, units, digest, shown, size, kind, message, result


def unpacked(came: Any) -> Measurement:
    """Return the measurement that came home, with its result."""
    started, finished, cpu_seconds, units, digest, shown, size, kind, message, result = came
    outcome = None if units is None else Outcome(units, digest, shown)
    return Measurement(started, finished, cpu_seconds, outcome, size, kind, message, result)


def _without_result(came: Any) -> Measurement:
    started, finished, cpu_seconds, units, digest, shown, size, kind, message, _ = came
    outcome = None if units is None else Outcome(units, digest, shown)
    return Measurement(started, finished, cpu_seconds, outcome, size, kind, message)


def batches(work: Work) -> list[Sequence[Any]]:
    """Return the payloads in batches, for libraries that do not cut them themselves."""
    return [work.payloads[first : first + work.batch] for first in range(0, len(work.payloads), work.batch)]
