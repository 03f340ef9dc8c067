"""Ray: plain tasks, one call of a remote function a batch, then `ray.get` of all.

A task takes one CPU, so that as many run at once as Ray has CPUs; those beyond the workers are set aside. Ray
does the tasks of a worker that died again, three times by default, and those of a worker that its memory
monitor killed without limit (`RAY_task_oom_retries`): that is left as it is.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from lab.engines import Observer, Work
from lab.engines.carried import batches, run_batch
from lab.engines.mapped import late, report, seconds_left, told_of
from lab.engines.members import END_SECONDS, READY_SECONDS, Members, Staffed, find, nap
from lab.engines.ray_node import end_workers, no_more_than, node_with, raylet_of


class Team(Staffed):
    """As many CPUs of Ray as there are workers; Ray has a process for each."""

    def __init__(self, node_id: str, members: Members) -> None:
        super().__init__(members)
        self._node_id = node_id

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Submit all batches, and report the tasks once all have returned."""
        import ray

        observer.submitted(len(work.payloads))
        submitted, remote = monotonic(), ray.remote(run_batch)
        calls = [remote.remote(work.call, work.function, batch) for batch in batches(work)]
        try:
            with told_of("ray_tasks"):
                results = ray.get(calls, timeout=seconds_left(work))
        except BaseException as error:
            _give_up(calls)
            if isinstance(error.__cause__, ray.exceptions.GetTimeoutError):
                raise late(work, len(work.payloads)) from error
            raise
        report(observer, work, submitted, itertools.chain.from_iterable(results), node_id=self._node_id)


def _give_up(calls: Sequence[Any]) -> None:
    """End the calls that are open, and wait until Ray does none of them again."""
    import ray

    _, still_open = ray.wait(calls, num_returns=len(calls), timeout=0)
    for call in still_open:
        ray.cancel(call, force=True)
    ray.wait(calls, num_returns=len(calls), timeout=END_SECONDS, fetch_local=False)


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Yield once Ray has started a process for each worker."""
    node_id = node_with("ray_tasks", workers, nodes)
    import ray

    remote, members, raylet = ray.remote(nap), Members(()), None
    with no_more_than(workers):
        try:
            with told_of("ray_tasks"):
                members = find(
                    "ray_tasks",
                    workers,
                    lambda naps: ray.get([remote.remote(one) for one in naps], timeout=READY_SECONDS),
                    node_id,
                )
            raylet = raylet_of(members.places[0].pid)
            yield Team(node_id, members)
        finally:
            end_workers(raylet, (nap, run_batch))
            members.end()
