"""joblib with loky, its own processes: the idiom `Parallel(n_jobs=W)(delayed(function)(x) for x in xs)`.

With one worker joblib starts no process: it runs the tasks in the driver, one after another.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

from lab.engines import Observer, Work
from lab.engines.driver import put_back
from lab.engines.mapped import late, needed, one_node, report, seconds_left, task_of, told_of
from lab.engines.members import Members, Staffed, find, nap


class Team(Staffed):
    """The processes that joblib keeps for its next call."""

    def __init__(self, workers: int, members: Members) -> None:
        super().__init__(members)
        self._workers = workers

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it has its own
        """Hand all tasks over, and report them once all have returned."""
        from joblib.externals.loky.process_executor import BrokenProcessPool

        observer.submitted(len(work.payloads))
        submitted = monotonic()
        with told_of("joblib"), _ended_at_the_deadline(work, self._members):
            try:
                came = _parallel(self._workers, task_of(work), _handed_over(work), work.batch)
            except BrokenProcessPool as error:
                if monotonic() > work.deadline:
                    raise late(work, len(work.payloads)) from error
                raise self._members.loss() from error
        report(observer, work, submitted, came)


def _parallel(workers: int, function: Any, values: Iterable[Any], batch: int) -> list[Any]:
    """Return the function's results.

    All is dispatched at once, as with the other libraries: by default joblib hands a task over when one ends,
    for the sake of inputs that are made on the way, and takes somewhat longer for short tasks.
    """
    from joblib import Parallel, delayed

    # with one worker the tasks run in this process
    home = put_back() if workers == 1 else contextlib.nullcontext()
    parallel = Parallel(n_jobs=workers, backend="loky", batch_size=batch, pre_dispatch="all")
    with home:
        results: list[Any] = parallel(delayed(function)(value) for value in values)
    return results


def _handed_over(work: Work) -> Iterator[Any]:
    """Yield the payloads up to the deadline: with one worker each is done before the next is taken."""
    for task, payload in enumerate(work.payloads):
        if monotonic() > work.deadline:
            raise late(work, len(work.payloads) - task)
        yield payload


@contextlib.contextmanager
def _ended_at_the_deadline(work: Work, members: Members) -> Iterator[None]:
    """Kill the processes at the deadline: joblib's `timeout` is of a task, and begins anew with the next."""
    timer = threading.Timer(seconds_left(work), members.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Team]:
    """Have joblib start its processes, and yield once each has answered."""
    one_node("joblib", nodes)
    with needed("joblib", "joblib"):
        import joblib  # noqa: F401  whether it is there
        from joblib.externals.loky import get_reusable_executor
    members = Members(())
    try:
        if workers > 1:
            with told_of("joblib"):
                members = find("joblib", workers, lambda naps: _parallel(workers, nap, naps, 1))
        yield Team(workers, members)
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
        members.end()
