"""Ray: `ray.util.ActorPool` over one actor a worker: each actor that is free gets the next batch."""

import contextlib
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from lab.engines import Observer, Watch, Work
from lab.engines.mapped import Call, batches, report, run_batch, task_of, told_of
from lab.engines.members import READY_SECONDS, Members, Staffed, find, nap
from lab.engines.ray_node import node_with
from lab.measure.task import Measurement

POLL_SECONDS = 0.5


class Worker:
    """The body of an actor."""

    def nap(self, seconds: float) -> int:
        """Hold the worker for a moment, and return its process id."""
        return nap(seconds)

    def run(self, first: int, call: Call, payloads: Sequence[Any]) -> tuple[int, list[Measurement]]:
        """Run a batch; results come home out of order, so it says which was its first task."""
        return first, run_batch(call, payloads)


class Team(Staffed):
    """Actors that have all answered."""

    def __init__(self, actors: Sequence[Any], node_id: str, members: Members) -> None:
        super().__init__(members)
        self._actors, self._node_id = actors, node_id

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Submit all batches, and report the tasks of each as it returns."""
        observer.submitted(len(work.payloads))
        submitted, call = monotonic(), task_of(work)
        with told_of("ray_actor_pool"):
            pool = _filled(self._actors, call, work)
            for first, measurements in _unordered(pool, work):
                report(observer, submitted, measurements, first, self._node_id)


def _filled(actors: Sequence[Any], call: Call, work: Work) -> Any:
    """Return a pool that has the whole work."""
    from ray.util import ActorPool

    pool = ActorPool(list(actors))
    for number, batch in enumerate(batches(work)):
        pool.submit(lambda actor, task: actor.run.remote(*task), (number * work.batch, call, batch))
    return pool


def _unordered(pool: Any, work: Work) -> Iterator[tuple[int, list[Measurement]]]:
    """Yield what returns: the loop of `ActorPool.map_unordered`, which itself would wait for ever."""
    watch, still_open = Watch(work), len(work.payloads)
    while pool.has_next():
        try:
            first, measurements = pool.get_next_unordered(timeout=POLL_SECONDS)
        except TimeoutError:
            watch.check(still_open)
            continue
        still_open -= len(measurements)
        watch.progress()
        yield first, measurements


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Start the actors on the running Ray and yield them once each has answered."""
    node_id = node_with("ray_actor_pool", workers, nodes)
    import ray

    actor, members = ray.remote(Worker), Members(())
    actors = [actor.remote() for _ in range(workers)]

    def ask(naps: Sequence[float]) -> list[int]:
        calls = [one.nap.remote(seconds) for one, seconds in zip(actors, naps, strict=True)]
        pids: list[int] = ray.get(calls, timeout=READY_SECONDS)
        return pids

    try:
        with told_of("ray_actor_pool"):
            members = find("ray_actor_pool", workers, ask, node_id)
        yield Team(actors, node_id, members)
    finally:
        for one in actors:
            ray.kill(one)
        members.wait()
        members.end()
