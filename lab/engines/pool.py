"""`multiprocessing.Pool`, the pool of the standard library: one map over the whole work.

A pool that loses a worker starts another one, but never does the lost tasks: its map would wait for ever. So
the processes are looked at while it runs.
"""

import contextlib
import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.pool import Pool
from time import monotonic
from typing import Any

from lab.engines import Observer, Watch, Work
from lab.engines.mapped import one_node, report, task_of, told_of
from lab.engines.members import READY_SECONDS, Members, Staffed, find, nap

POLL_SECONDS = 0.5
TERMINATE_SECONDS = 3.0


class Team(Staffed):
    """A pool whose workers have all answered."""

    def __init__(self, pool: Pool, members: Members) -> None:
        super().__init__(members)
        self._pool = pool

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Map over all tasks, and report them once the map has returned."""
        observer.submitted(len(work.payloads))
        submitted, watch = monotonic(), Watch(work)
        with told_of("pool"):
            result = self._pool.map_async(task_of(work), work.payloads, chunksize=work.batch)
            result.wait(POLL_SECONDS)
            while not result.ready():
                watch.check(len(work.payloads))
                if self._members.lost():
                    raise self._members.loss()
                result.wait(POLL_SECONDS)
            came = result.get()
        report(observer, work, submitted, came)


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Start the pool and yield it once each worker has answered."""
    one_node("pool", nodes)
    before = set(multiprocessing.active_children())
    pool = multiprocessing.get_context("spawn").Pool(workers)
    try:
        with told_of("pool"):
            members = find(
                "pool", workers, lambda naps: pool.map_async(nap, naps, chunksize=1).get(READY_SECONDS)
            )
        yield Team(pool, members)
    finally:
        _end(pool, before)


def _end(pool: Pool, before: set[Any]) -> None:
    """End the pool, also where a killed worker took the lock of the queue along: `terminate` then hangs."""
    ending = threading.Thread(target=_terminate, args=(pool,), daemon=True)
    ending.start()
    ending.join(TERMINATE_SECONDS)
    for child in set(multiprocessing.active_children()) - before:
        if "PoolWorker" in child.name:
            child.kill()
            child.join()


def _terminate(pool: Pool) -> None:
    # it reads what is left of the queue, and may fail on it: what it leaves running is killed next
    with contextlib.suppress(Exception):
        pool.terminate()
