"""Ray: one actor a worker, fed by the driver through a bounded window of calls in flight.

Dynamic: a worker gets its next batch when it returns one; a second batch waits at the worker, so that it
never idles for a round trip, as long as more tasks are left than workers. Batches are sized so that a
call lasts `CALL_SECONDS`, and shrink towards the end (guided self-scheduling, Polychronopoulos and Kuck
1987), since the driver needs about a millisecond for each call. Static: a worker gets its share only.
A worker that is lost has its tasks handed to the others, at most `MOST_ATTEMPTS` times.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psutil

from lab.engines import Completion, Observer, Work, shares
from lab.errors import EngineError
from lab.measure.task import Measurement, first_line, measure_task
from lab.workloads import Outcome

CALL_SECONDS = 0.2
CALLS_IN_FLIGHT = 2
MOST_ATTEMPTS = 3
POLL_SECONDS = 0.5
READY_SECONDS = 120.0
END_SECONDS = 30.0

Attempt = tuple[int, int]
"""A task's index and the number of the attempt."""


class Worker:
    """The body of an actor."""

    def identity(self) -> tuple[str, int]:
        """Return Ray's id of the node and the process id."""
        import os

        import ray

        return ray.get_runtime_context().get_node_id()[:12], os.getpid()

    def run(self, function: Callable[[Any], Outcome], payloads: Sequence[Any]) -> list[Measurement]:
        """Run a batch of tasks and return a measurement for each."""
        return [measure_task(function, payload) for payload in payloads]


class Actors:
    """W actors that have answered, each with its own queue of calls."""

    def __init__(self, actors: Sequence[Any], identities: Sequence[tuple[str, int]]) -> None:
        self.actors = dict(enumerate(actors))
        self.node_ids = [node_id for node_id, _ in identities]
        self.processes = tuple(psutil.Process(pid) for _, pid in identities)

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Run all tasks, each to exactly one success or a recorded failure."""
        _Dispatch(self, work, schedule, observer).run()


class _Dispatch:
    """One pass of a team over some work: the queues, and the calls in flight."""

    def __init__(self, team: Actors, work: Work, schedule: str, observer: Observer) -> None:
        self.team, self.work, self.observer = team, work, observer
        tasks, static = len(work.payloads), schedule == "static"
        self.common: deque[Attempt] = deque(() if static else ((task, 1) for task in range(tasks)))
        own = shares(tasks if static else 0, len(team.actors))
        self.own = {
            worker: deque((task, 1) for task in share) for worker, share in zip(team.actors, own, strict=True)
        }
        self.calls: dict[Any, tuple[int, list[Attempt], float]] = {}
        self.in_flight = dict.fromkeys(team.actors, 0)

    def run(self) -> None:
        """Feed and collect until nothing is left."""
        import ray

        for _ in range(CALLS_IN_FLIGHT):
            for worker in list(self.team.actors):
                self._feed(worker)
        while self.calls:
            done, _ = ray.wait(list(self.calls), num_returns=1, timeout=POLL_SECONDS)
            for call in done:
                self._collect(call)
            if self.calls and time.monotonic() > self.work.deadline:
                raise EngineError(
                    f"the deadline passed with {self._left()} of {len(self.work.payloads)} tasks open"
                )

    def _left(self) -> int:
        flying = sum(len(batch) for _, batch, _ in self.calls.values())
        return flying + len(self.common) + sum(map(len, self.own.values()))

    def _feed(self, worker: int) -> None:
        """Submit the worker's next batch, if it is alive, there is one, and it has few enough in hand."""
        if worker not in self.team.actors:
            return
        queue = self.own[worker] or self.common
        spare = len(queue) > len(self.team.actors) or queue is self.own[worker]
        if not queue or self.in_flight[worker] >= (CALLS_IN_FLIGHT if spare else 1):
            return
        batch = [queue.popleft() for _ in range(self._batch_size(queue))]
        payloads = [self.work.payloads[task] for task, _ in batch]
        self.observer.submitted(len(batch))
        submitted = time.monotonic()
        call = self.team.actors[worker].run.remote(self.work.function, payloads)
        self.calls[call] = (worker, batch, submitted)
        self.in_flight[worker] += 1

    def _batch_size(self, queue: deque[Attempt]) -> int:
        if not self.work.task_seconds:
            return 1
        sharing = 1 if queue is not self.common else len(self.team.actors)
        wanted = round(CALL_SECONDS / self.work.task_seconds)
        return max(1, min(wanted, len(queue) // (2 * CALLS_IN_FLIGHT * sharing)))

    def _collect(self, call: Any) -> None:
        import ray

        worker, batch, submitted = self.calls.pop(call)
        try:
            measurements = ray.get(call)
        except ray.exceptions.RayTaskError as error:
            # the worker lives, but could not take the call: a module is missing there, or the like
            self.in_flight[worker] -= 1
            self._fail(worker, batch, submitted, error.cause)
            self._feed(worker)
            return
        except ray.exceptions.RayError as error:
            self._lose(worker, batch, submitted, error)
            return
        received = time.monotonic()
        self.in_flight[worker] -= 1
        self._feed(worker)
        for (task, attempt), measurement in zip(batch, measurements, strict=True):
            node_id = self.team.node_ids[worker]
            self.observer.completed(
                Completion(task, attempt, worker, node_id, submitted, received, measurement)
            )

    def _fail(self, worker: int, batch: list[Attempt], submitted: float, error: Exception) -> None:
        """Write the attempts down as failed; the first line of Ray's own errors names no address."""
        node_id, kind, now = self.team.node_ids[worker], type(error).__name__, time.monotonic()
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


@contextlib.contextmanager
def team(workers: int) -> Iterator[Actors]:
    """Start the actors on the running Ray, yield them once each has answered, and end their processes."""
    import ray

    actors = [ray.remote(Worker).options(num_cpus=1).remote() for _ in range(workers)]
    processes: tuple[psutil.Process, ...] = ()
    try:
        ready = _ready(actors)
        processes = ready.processes
        yield ready
    finally:
        for actor in actors:
            ray.kill(actor)
        psutil.wait_procs(processes, timeout=END_SECONDS)


def _ready(actors: Sequence[Any]) -> Actors:
    """Return the actors once each has answered."""
    import ray

    try:
        identities = ray.get([actor.identity.remote() for actor in actors], timeout=READY_SECONDS)
        return Actors(actors, identities)
    except (ray.exceptions.RayError, psutil.NoSuchProcess) as error:
        raise EngineError(
            f"{len(actors)} Ray workers did not all start within {READY_SECONDS:.0f} s: the node has too few "
            f"CPUs declared or too little memory left ({type(error).__name__})"
        ) from error
