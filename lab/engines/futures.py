"""`concurrent.futures.ProcessPoolExecutor` of the standard library: one map over the whole work."""

import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from time import monotonic
from typing import Any

from lab.engines import Observer, Work
from lab.engines.mapped import late, one_node, report, seconds_left, task_of, told_of
from lab.engines.members import READY_SECONDS, Members, Staffed, find, nap


class Team(Staffed):
    """An executor whose workers have all answered."""

    def __init__(self, executor: ProcessPoolExecutor, members: Members) -> None:
        super().__init__(members)
        self._executor = executor

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Map over all tasks, and report them once the map has returned."""
        observer.submitted(len(work.payloads))
        submitted, came = monotonic(), list[Any]()
        with told_of("futures"):
            try:
                came.extend(
                    self._executor.map(
                        task_of(work), work.payloads, timeout=seconds_left(work), chunksize=work.batch
                    )
                )
            except BrokenProcessPool as error:
                raise self._members.loss() from error
            except TimeoutError as error:
                raise late(work, len(work.payloads) - len(came)) from error
        report(observer, work, submitted, came)


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Start the executor and yield it once each worker has answered."""
    one_node("futures", nodes)
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    members = Members(())
    try:
        with told_of("futures"):
            members = find("futures", workers, lambda naps: executor.map(nap, naps, timeout=READY_SECONDS))
        yield Team(executor, members)
    finally:
        # `shutdown` waits for what runs, and a task may run for long
        executor.shutdown(wait=False, cancel_futures=True)
        members.end()
        executor.shutdown()
