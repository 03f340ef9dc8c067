"""How the driver feeds actors of Ray with work whose tasks follow from results, and calls off what is idle.

A worker has one step in its hands and one that waits there, so that it never idles for a round trip. Once a
result makes steps pointless, those that wait are cancelled (`ray.cancel`), and a step that runs, which is
short, comes to its end: its worker then has a step of the new work. The step of a lost worker is done again.
"""

import contextlib
import queue
import time
from collections import deque
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from lab.engines import Completion, Observer, Place, Step, Steps, Watch, Work
from lab.engines.carried import unpacked
from lab.errors import EngineError
from lab.measure.task import Measurement, first_line

STEPS_IN_FLIGHT = 2
POLL_SECONDS = 0.5
MOST_ATTEMPTS = 3


class Workers(Protocol):
    """Actors that have answered, by number, and where they are."""

    actors: dict[int, Any]
    places: tuple[Place, ...]


class _Call:
    """A step in a worker's hands."""

    def __init__(self, worker: int, step: Step, attempt: int, reference: Any) -> None:
        self.worker, self.step, self.attempt, self.reference = worker, step, attempt, reference
        self.submitted, self.called_off = time.monotonic(), False


def feed(team: Workers, work: Work, steps: Steps, observer: Observer) -> None:
    """Run steps until none is left and none is awaited; raises `EngineError` for one that raised."""
    _Feed(team, work, steps, observer).run()


class _Feed:
    """One pass over such work: the calls in flight, and the steps to be done again."""

    def __init__(self, team: Workers, work: Work, steps: Steps, observer: Observer) -> None:
        self.team, self.work, self.steps, self.observer = team, work, steps, observer
        self.calls: dict[Future[Any], _Call] = {}
        self.again: deque[tuple[Step, int]] = deque()
        self.in_hands = dict.fromkeys(team.actors, 0)
        self.hungry = dict.fromkeys(team.actors)
        self.done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self.watch = Watch(work)

    def run(self) -> None:
        """Feed and collect until nothing is left."""
        self._feed()
        while self.calls:
            with contextlib.suppress(queue.Empty):
                self._collect(self.done.get(timeout=POLL_SECONDS))
                self.watch.progress()
            self._feed()
            if self.calls and self.watch.is_late():
                self.watch.check(len(self.calls))

    def _feed(self) -> None:
        """Give every worker that has too little a step, and all their first before any gets one to wait."""
        for many in range(1, STEPS_IN_FLIGHT + 1):
            for worker in list(self.hungry):
                if self.in_hands[worker] < many and (found := self._next()) is not None:
                    self._submit(worker, *found)

    def _next(self) -> tuple[Step, int] | None:
        while self.again:
            step, attempt = self.again.popleft()
            if self.steps.is_needed(step):
                return step, attempt
        step_or_none = self.steps.next()
        return None if step_or_none is None else (step_or_none, 1)

    def _submit(self, worker: int, step: Step, attempt: int) -> None:
        self.observer.submitted(1)
        reference = self.team.actors[worker].run.remote(self.work.call, self.work.function, [step.payload])
        call: Future[Any] = reference.future()
        self.calls[call] = _Call(worker, step, attempt, reference)
        self._count(worker, 1)
        call.add_done_callback(self.done.put)

    def _count(self, worker: int, calls: int) -> None:
        self.in_hands[worker] += calls
        if self.in_hands[worker] < STEPS_IN_FLIGHT and worker in self.team.actors:
            self.hungry[worker] = None
        else:
            self.hungry.pop(worker, None)

    def _collect(self, future: Future[Any]) -> None:
        import ray

        received, call = time.monotonic(), self.calls.pop(future)
        if not call.called_off:
            self._count(call.worker, -1)
        try:
            _, (came,) = future.result()
        except (ray.exceptions.TaskCancelledError, CancelledError):
            self.observer.submitted(-1)
            return
        except ray.exceptions.RayTaskError as error:
            raise EngineError(f"a step could not be run: {first_line(error.cause)}") from error
        except ray.exceptions.RayError as error:
            self._lose(call, received, error)
            return
        measurement = unpacked(came)
        if measurement.outcome is None:
            raise EngineError(f"{measurement.error_kind}: {measurement.error_message}")
        told = self.steps.ended(call.step, measurement)
        self._tell(call, received, measurement, told)
        if measurement.outcome.units:
            self._call_off()
        if self.steps.loses_worker():
            ray.kill(self.team.actors[call.worker])

    def _call_off(self) -> None:
        """Cancel what waits at a worker and can bring nothing any more."""
        import ray

        begun: set[int] = set()
        for one in self.calls.values():
            # of a worker's calls the first runs
            if one.worker in begun and not one.called_off and not self.steps.is_needed(one.step):
                one.called_off = True
                self._count(one.worker, -1)
                ray.cancel(one.reference)
            begun.add(one.worker)

    def _tell(
        self, call: _Call, received: float, measurement: Measurement | None, told: str | None, *error: str
    ) -> None:
        worker, step = call.worker, call.step.task
        place, (kind, message) = self.team.places[worker].node_id, error or (None, None)
        self.observer.completed(
            Completion(
                step, call.attempt, worker, place, call.submitted, received, measurement, kind, message, told
            )
        )

    def _lose(self, call: _Call, received: float, error: Exception) -> None:
        """Write down the attempt, and have the step done again by another worker."""
        self.team.actors.pop(call.worker, None)
        self.hungry.pop(call.worker, None)
        self._tell(call, received, None, None, type(error).__name__, first_line(error))
        if call.attempt < MOST_ATTEMPTS:
            self.again.append((call.step, call.attempt + 1))
        if not self.team.actors:
            raise EngineError(f"the last worker was lost with steps open: {first_line(error)}")
