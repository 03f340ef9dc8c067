"""Ray: `ray.util.ActorPool` over one actor a worker: each actor that is free gets the next batch."""

import contextlib
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from lab.engines import Call, Observer, Watch, Work
from lab.engines.carried import Home, batches, run_batch
from lab.engines.mapped import UNKNOWN_WORKER, told_of
from lab.engines.members import READY_SECONDS, Members, Staffed, find, nap
from lab.engines.ray_node import node_with

POLL_SECONDS = 0.5


class Worker:
    """The body of an actor."""

    def nap(self, seconds: float) -> int:
        """Hold the worker for a moment, and return its process id."""
        return nap(seconds)

    def run(self, first: int, call: Call, function: Any, payloads: Sequence[Any]) -> tuple[int, list[Any]]:
        """Run a batch; results come home out of order, so it says which was its first task."""
        return first, run_batch(call, function, payloads)


class Team(Staffed):
    """Actors that have all answered."""

    def __init__(self, actors: Sequence[Any], node_id: str, members: Members) -> None:
        super().__init__(members)
        self._actors, self._node_id = actors, node_id

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Submit all batches, and report the tasks of each as it returns."""
        observer.submitted(len(work.payloads))
        submitted = monotonic()
        with told_of("ray_actor_pool"), Home(work, observer) as home:
            pool = _filled(self._actors, work)
            for first, came in _unordered(pool, work):
                attempts = [(task, 1) for task in range(first, first + len(came))]
                home.take(attempts, came, UNKNOWN_WORKER, self._node_id, submitted, monotonic())


def _filled(actors: Sequence[Any], work: Work) -> Any:
    """Return a pool that has the whole work."""
    from ray.util import ActorPool

    pool = ActorPool(list(actors))
    for number, batch in enumerate(batches(work)):
        one = number * work.batch, work.call, work.function, batch
        pool.submit(lambda actor, task: actor.run.remote(*task), one)
    return pool


def _unordered(pool: Any, work: Work) -> Iterator[tuple[int, list[Any]]]:
    """Yield what returns: the loop of `ActorPool.map_unordered`, which itself would wait for ever."""
    watch, still_open = Watch(work), len(work.payloads)
    while pool.has_next():
        try:
            first, came = pool.get_next_unordered(timeout=POLL_SECONDS)
        except TimeoutError:
            watch.check(still_open)
            continue
        still_open -= len(came)
        watch.progress()
        yield first, came


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
