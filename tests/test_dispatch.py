"""The dispatch of calls to Ray's actors, the real one with actors that are none: what it costs the driver."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from fakes import Collector, square

from lab.engines import Place, Work
from lab.engines.carried import run_batch
from lab.engines.ray_dispatch import CALL_SECONDS, DRIVER_PART, Actors, _Dispatch

TASKS_EACH = 4


class Call:
    """A call that is done as soon as it is asked for; of Ray it knows nothing but its future."""

    def remote(self, call: Any, function: Any, payloads: Sequence[Any]) -> "Call":
        """Run the batch here."""
        self._future: Future[Any] = Future()
        self._future.set_result((float(len(payloads)), run_batch(call, function, payloads)))
        return self

    def future(self) -> Future[Any]:
        """Return what is done."""
        return self._future


class Actor:
    """An actor that is none."""

    @property
    def run(self) -> Call:
        """Return a method that can be called from afar."""
        return Call()


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for Ray: all that the dispatch may ask of it is the names of its errors."""
    errors = SimpleNamespace(RayTaskError=ZeroDivisionError, RayError=LookupError)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(exceptions=errors))


def team(workers: int) -> Actors:
    """Return a team of actors that are none, ten on a node."""
    return Actors(
        [Actor() for _ in range(workers)], [Place(f"node {one // 10}", one) for one in range(workers)]
    )


def work(workers: int) -> Work:
    """Return as many tasks for each worker, each of them long enough for a call of its own."""
    return Work(square, range(TASKS_EACH * workers), time.monotonic() + 500, task_seconds=1.0)


def steps(workers: int, schedule: str) -> float:
    """Return how many functions are called, of Python and of C, for each call to a worker."""
    counted, told, crew = 0, Collector(), team(workers)

    def count(_frame: FrameType, event: str, _of: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    given = work(workers)
    sys.setprofile(count)
    try:
        crew.run(given, schedule, told)
    finally:
        sys.setprofile(None)
    assert len(told.good()) == TASKS_EACH * workers
    return counted / len({(one.worker, one.submitted) for one in told.completions})


@pytest.mark.parametrize("schedule", ["dynamic", "static"])
def test_a_call_costs_as_many_steps_with_10_000_workers_as_with_10(schedule: str) -> None:
    """What the driver does for a call does not grow with the workers, the calls in flight or the nodes."""
    assert steps(10_000, schedule) == pytest.approx(steps(10, schedule), rel=0.1)


def test_calls_last_so_long_that_the_driver_keeps_up() -> None:
    """With many workers a call lasts longer, by what one has cost: the driver has half its time to spare."""
    for workers, seconds in ((2, CALL_SECONDS), (4000, 4000 * 0.001 / DRIVER_PART)):
        one = _Dispatch(team(workers), work(workers), "dynamic", Collector(), None)  # type: ignore[arg-type]
        assert one._call_seconds() == CALL_SECONDS
        one.collected, one.collecting_seconds = 100, 0.1
        assert one._call_seconds() == pytest.approx(seconds)
