"""How the driver feeds actors of Ray: through a bounded window of calls in flight to each.

Dynamic: a worker gets its next batch when it returns one; a second batch waits at the worker, so that it
never idles for a round trip, as long as more tasks are left than workers. Batches are sized so that a
call lasts `CALL_SECONDS`, and shrink towards the end (half of a worker's part of what is left: guided
self-scheduling, Polychronopoulos and Kuck 1987) as far as `SHORTEST_CALL_SECONDS`, since the driver and the
worker each need about a millisecond for a call. Where it is not known beforehand what a task takes, a pilot
tells: each worker's first call is of one task, its second of a hundredth of all, and the mean over all that
came back sizes the next. Static: a worker gets its share. A worker that is lost has its tasks handed to the
others, at most `MOST_ATTEMPTS` times.

What the driver does for a call does not depend on how many others are in flight: Ray tells it of each that
is done. `ray.wait` looks at all calls that it is given, which takes 4 ms for 8,000.
"""

import contextlib
import queue
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from lab.engines import Completion, Observer, Place, Watch, Work, shares
from lab.engines.carried import Attempt, Home
from lab.engines.ray_steps import feed
from lab.errors import EngineError
from lab.measure.task import first_line

CALL_SECONDS = 0.2
SHORTEST_CALL_SECONDS = 0.01
DRIVER_PART = 0.5
"""The part of its time that the driver may spend on calls: with many workers calls take longer for it."""
CALLS_IN_FLIGHT = 2
WAITING_PART = 100
MOST_ATTEMPTS = 3
POLL_SECONDS = 0.5


class Actors:
    """W actors that have answered, each with its own queue of calls."""

    def __init__(self, actors: Sequence[Any], places: Sequence[Place]) -> None:
        self.actors, self.places = dict(enumerate(actors)), tuple(places)
        # the first worker on each node
        pairs = zip(places, actors, strict=True)
        self.node_watches = dict(reversed([(str(place.node_id), actor) for place, actor in pairs]))

    @property
    def lost_workers(self) -> int:
        """Return how many of the actors are gone."""
        return len(self.places) - len(self.actors)

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Run all tasks, each to exactly one success or a recorded failure."""
        if work.steps is not None:
            feed(self, work, work.steps(work.payloads), observer)
            return
        with Home(work, observer) as home:
            _Dispatch(self, work, schedule, observer, home).run()


class _Dispatch:
    """One pass of a team over some work: the queues, and the calls in flight."""

    def __init__(self, team: Actors, work: Work, schedule: str, observer: Observer, home: Home) -> None:
        self.team, self.work, self.observer, self.home = team, work, observer, home
        tasks, static = len(work.payloads), schedule == "static"
        self.common: deque[Attempt] = deque(() if static else ((task, 1) for task in range(tasks)))
        own = shares(tasks if static else 0, len(team.actors))
        self.own = {
            worker: deque((task, 1) for task in share) for worker, share in zip(team.actors, own, strict=True)
        }
        self.calls: dict[Future[Any], tuple[int, list[Attempt], float]] = {}
        self.done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self.in_flight = dict.fromkeys(team.actors, 0)
        self.watch = Watch(work)
        self.piloted_tasks, self.piloted_seconds = 0, 0.0
        self.collected, self.collecting_seconds = 0, 0.0

    def run(self) -> None:
        """Feed and collect until nothing is left."""
        for _ in range(CALLS_IN_FLIGHT):
            for worker in list(self.team.actors):
                self._feed(worker)
        while self.calls:
            with contextlib.suppress(queue.Empty):
                self._collect(self.done.get(timeout=POLL_SECONDS))
                self.watch.progress()
            if self.calls and self.watch.is_late():
                self.watch.check(self._left(), self._where())

    def _left(self) -> int:
        flying = sum(len(batch) for _, batch, _ in self.calls.values())
        return flying + len(self.common) + sum(map(len, self.own.values()))

    def _where(self) -> str:
        nodes = sorted({str(self.team.places[worker].node_id) for worker, _, _ in self.calls.values()})
        return f", in the hands of workers on node {', '.join(nodes)}"

    def _feed(self, worker: int) -> None:
        """Submit the worker's next batch, if it is alive, there is one, and it has few enough in hand."""
        if worker not in self.team.actors:
            return
        waiting = self.own[worker] or self.common
        spare = len(waiting) > len(self.team.actors) or waiting is self.own[worker]
        if not waiting or self.in_flight[worker] >= (CALLS_IN_FLIGHT if spare else 1):
            return
        batch = [waiting.popleft() for _ in range(self._batch_size(waiting, worker))]
        payloads = [self.work.payloads[task] for task, _ in batch]
        self.observer.submitted(len(batch))
        submitted = time.monotonic()
        actor = self.team.actors[worker]
        call: Future[Any] = actor.run.remote(self.work.call, self.work.function, payloads).future()
        self.calls[call] = (worker, batch, submitted)
        self.in_flight[worker] += 1
        call.add_done_callback(self.done.put)

    def _batch_size(self, waiting: deque[Attempt], worker: int) -> int:
        task_seconds = self.work.task_seconds
        if task_seconds is None and self.piloted_tasks:
            task_seconds = self.piloted_seconds / self.piloted_tasks
        if not task_seconds:
            # the pilot is one task; what waits behind it keeps the worker busy until its time is known
            return max(1, len(waiting) // WAITING_PART) if self.in_flight[worker] else 1
        sharing = 1 if waiting is not self.common else len(self.team.actors)
        longest, shortest = (
            round(one / task_seconds) for one in (self._call_seconds(), SHORTEST_CALL_SECONDS)
        )
        guided = max(len(waiting) // (2 * sharing), shortest)
        # never more than a worker's part of what is left, but no crumbs either
        part = max(-(-len(waiting) // sharing), shortest // 2)
        return max(1, min(longest, guided, part, len(waiting)))

    def _call_seconds(self) -> float:
        """Return how long a call is to last, so that the driver has time for those of all workers."""
        each = self.collecting_seconds / max(1, self.collected)
        return max(CALL_SECONDS, len(self.team.actors) * each / DRIVER_PART)

    def _collect(self, call: Future[Any]) -> None:
        import ray

        received = time.monotonic()
        worker, batch, submitted = self.calls.pop(call)
        try:
            seconds, came = call.result()
        except ray.exceptions.RayTaskError as error:
            # the worker lives, but could not take the call: a module is missing there, or the like
            self.in_flight[worker] -= 1
            self._fail(worker, batch, submitted, error.cause)
            self._feed(worker)
            return
        except ray.exceptions.RayError as error:
            self._lose(worker, batch, submitted, error)
            return
        self.piloted_tasks += len(batch)
        self.piloted_seconds += seconds
        self.in_flight[worker] -= 1
        self._feed(worker)
        self.collected += 1
        self.collecting_seconds += time.monotonic() - received
        self.home.take(batch, came, worker, self.team.places[worker].node_id, submitted, received)

    def _fail(self, worker: int, batch: list[Attempt], submitted: float, error: Exception) -> None:
        """Write the attempts down as failed."""
        node_id, kind, now = self.team.places[worker].node_id, type(error).__name__, time.monotonic()
        for task, attempt in batch:
            self.observer.completed(
                Completion(task, attempt, worker, node_id, submitted, now, None, kind, first_line(error))
            )

    def _lose(self, worker: int, batch: list[Attempt], submitted: float, error: Exception) -> None:
        """Write down the failed attempts and hand the lost worker's tasks to the others."""
        self.team.actors.pop(worker, None)
        self.common.extend(self.own.pop(worker, ()))
        self._fail(worker, batch, submitted, error)
        self.common.extend((task, attempt + 1) for task, attempt in batch if attempt < MOST_ATTEMPTS)
        if not self.team.actors:
            raise EngineError(f"the last worker was lost with {self._left()} tasks open: {first_line(error)}")
        for other in list(self.team.actors):
            self._feed(other)
