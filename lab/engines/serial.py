"""The baseline of all baselines: a plain loop in the driver's own process."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.engines import Completion, Observer, Place, Work
from lab.engines.driver import put_back
from lab.errors import EngineError


class Loop:
    """One worker: the driver itself."""

    places: Sequence[Place] = ()
    node_watches: Mapping[str, Any] = {}
    lost_workers = 0

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  one worker, one schedule
        """Run the tasks one after another."""
        with put_back():
            for task, payload in enumerate(work.payloads):
                observer.submitted(1)
                submitted = time.monotonic()
                measurement = work.call(work.function, payload)
                observer.completed(Completion(task, 1, 0, None, submitted, time.monotonic(), measurement))
                if time.monotonic() > work.deadline and task + 1 < len(work.payloads):
                    raise EngineError(f"the deadline passed after {task + 1} of {len(work.payloads)} tasks")


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Loop]:
    """Yield the loop; it takes exactly one worker."""
    if (workers, nodes) != (1, 1):
        raise EngineError(f"engine serial has one worker on one node, not {workers} on {nodes}")
    yield Loop()
