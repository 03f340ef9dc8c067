"""Ray: `ray.util.multiprocessing.Pool`, the standard library's pool on actors: one map over the whole work.

It deals the chunks out in turn before any has run, so a worker with long tasks gets no fewer than the others.
"""

import contextlib
from collections.abc import Iterator
from time import monotonic
from typing import Any

from lab.engines import Observer, Watch, Work
from lab.engines.mapped import report, task_of, told_of
from lab.engines.members import READY_SECONDS, Members, Staffed, find, nap
from lab.engines.ray_node import node_with

POLL_SECONDS = 0.5


class Team(Staffed):
    """A pool whose actors have all answered."""

    def __init__(self, pool: Any, node_id: str, members: Members) -> None:
        super().__init__(members)
        self._pool, self._node_id = pool, node_id

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Map over all tasks, and report them once the map has returned."""
        observer.submitted(len(work.payloads))
        submitted, watch = monotonic(), Watch(work)
        if not work.payloads:
            return
        with told_of("ray_pool"):
            result = self._pool.map_async(task_of(work), work.payloads, chunksize=work.batch)
            result.wait(POLL_SECONDS)
            while not result.ready():
                watch.check(len(work.payloads))
                result.wait(POLL_SECONDS)
            came = result.get()
        report(observer, work, submitted, came, node_id=self._node_id)


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Start the pool on the running Ray and yield it once each actor has answered."""
    node_id = node_with("ray_pool", workers, nodes)
    from ray.util.multiprocessing import Pool

    members = Members(())
    with told_of("ray_pool"):
        pool = Pool(processes=workers)
    try:
        with told_of("ray_pool"):
            members = find(
                "ray_pool",
                workers,
                lambda naps: pool.map_async(nap, naps, chunksize=1).get(READY_SECONDS),
                node_id,
            )
        yield Team(pool, node_id, members)
    finally:
        pool.terminate()
        members.wait()
        members.end()
