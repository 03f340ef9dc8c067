"""The baseline of all baselines: a plain loop in the driver's own process."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from lab.engines import Completion, Observer, Place, Work
from lab.engines.carried import Home
from lab.engines.driver import put_back
from lab.errors import EngineError
from lab.measure.bare import Bare

LOOK_SECONDS = 0.05
"""A bare loop looks at the clock about so often."""


class Loop:
    """One worker: the driver itself."""

    places: Sequence[Place] = ()
    node_watches: Mapping[str, Any] = {}
    lost_workers = 0

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  one worker, one schedule
        """Run the tasks one after another; those of a bare call are reported after the last one."""
        with put_back():
            if isinstance(work.call, Bare):
                _run_bare(work, work.call, observer)
            else:
                _run(work, observer)


def _run(work: Work, observer: Observer) -> None:
    measured = work.call(work.function)
    for task, payload in enumerate(work.payloads):
        observer.submitted(1)
        submitted = time.monotonic()
        measurement = measured(payload)
        if not work.keep_results:
            measurement = measurement._replace(result=None)
        observer.completed(Completion(task, 1, 0, None, submitted, time.monotonic(), measurement))
        if time.monotonic() > work.deadline and task + 1 < len(work.payloads):
            raise _late(work, task + 1)


def _run_bare(work: Work, call: Bare, observer: Observer) -> None:
    """Run the loop that one would write by hand, in parts that grow until one takes a while."""
    observer.submitted(len(work.payloads))
    loop, payloads, results = call.loop(work.function), iter(work.payloads), list[Any]()
    began = now = time.monotonic()
    size = 1
    while len(results) < len(work.payloads) and now <= work.deadline:
        results += loop(islice(payloads, size))
        before, now = now, time.monotonic()
        size = max(1, size // 2) if now - before > LOOK_SECONDS else 2 * size
    attempts = ((task, 1) for task in range(len(results)))
    with Home(work, observer) as home:
        home.take(attempts, results, 0, None, began, now)
    if len(results) < len(work.payloads):
        raise _late(work, len(results))


def _late(work: Work, done: int) -> EngineError:
    return EngineError(f"the deadline passed after {done} of {len(work.payloads)} tasks")


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Loop]:
    """Yield the loop; it takes exactly one worker."""
    if (workers, nodes) != (1, 1):
        raise EngineError(f"engine serial has one worker on one node, not {workers} on {nodes}")
    yield Loop()
