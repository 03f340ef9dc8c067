"""Dask: a local cluster of one process and one thread a worker; one future a batch, then gather.

The scheduler is a thread of the driver, as a user of `LocalCluster` has it. A worker that is lost is started
anew, and its tasks are done again, until a task has lost its worker more often than `allowed-failures`.
"""

import contextlib
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from lab.engines import Observer, Watch, Work
from lab.engines.carried import batches, run_batch
from lab.engines.mapped import needed, one_node, report, seconds_left, told_of
from lab.engines.members import READY_SECONDS, Members, Staffed
from lab.errors import EngineError

POLL_SECONDS = 5.0
"""Seldom: each look at some thousand futures takes the driver some milliseconds."""


class Team(Staffed):
    """A client whose cluster is up."""

    def __init__(self, client: Any, members: Members) -> None:
        super().__init__(members)
        self._client = client

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Submit all batches, and report the tasks once all have returned."""
        from distributed import KilledWorker

        observer.submitted(len(work.payloads))
        submitted = monotonic()
        with told_of("dask"):
            try:
                results = self._gathered(work)
            except KilledWorker as error:
                raise EngineError(
                    f"{self._members.loss()}, and so did all that its task was given to"
                ) from error
        report(observer, work, submitted, itertools.chain.from_iterable(results))

    def _gathered(self, work: Work) -> Any:
        """Return the results; `pure` would give the second of two equal tasks the result of the first."""
        parts = batches(work)
        if not parts:
            return []
        calls, functions = [work.call] * len(parts), [work.function] * len(parts)
        futures = self._client.map(run_batch, calls, functions, parts, pure=False)
        try:
            _wait(futures, work)
            return self._client.gather(futures)
        except BaseException:
            self._client.cancel(futures, force=True)
            raise


def _wait(futures: Sequence[Any], work: Work) -> None:
    """Wait for all; Dask itself would wait for ever for a worker that it cannot start again."""
    from distributed import wait

    watch, ended = Watch(work), 0
    while True:
        try:
            wait(futures, timeout=min(POLL_SECONDS, seconds_left(work)))
        except TimeoutError:
            done = sum(future.done() for future in futures)
            if done > ended:
                ended = done
                watch.progress()
            watch.check(len(work.payloads))
        else:
            return


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Start the cluster and yield it once each worker has answered; it listens on 127.0.0.1 alone."""
    one_node("dask", nodes)
    with needed("dask", "distributed"):
        from distributed import Client, LocalCluster
    members = Members(())
    try:
        with contextlib.ExitStack() as stack:
            with told_of("dask"):
                cluster = stack.enter_context(
                    LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        processes=True,
                        host="127.0.0.1",
                        # no dashboard: but its server is there in any case, and would take port 8787
                        dashboard_address="127.0.0.1:0",
                        scheduler_kwargs={"dashboard": False},
                        silence_logs=logging.CRITICAL,
                    )
                )
                client = stack.enter_context(Client(cluster))
                client.wait_for_workers(workers, timeout=READY_SECONDS)
                members = Members(client.run(os.getpid).values())
            yield Team(client, members)
    finally:
        members.end()
