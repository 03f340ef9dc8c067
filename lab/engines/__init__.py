"""Engines run the same work in different ways, all behind one contract.

An engine is a function `team(workers)` that returns a context manager: it starts that many workers,
yields a `Team` whose workers have all answered, and ends them. A team may run work more than once; the
driver warms it up by running one task per worker under the static schedule.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psutil

from lab.measure.task import Measurement
from lab.workloads import Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """A function and the payloads to call it with, one a task; the deadline is on the monotonic clock."""

    function: Callable[[Any], Outcome]
    payloads: Sequence[Any]
    deadline: float
    task_seconds: float | None = None
    """What one task is expected to take, from the warm-up; engines that batch size their batches by it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Completion:
    """One attempt at one task that ended; times are monotonic seconds. A lost worker measured nothing."""

    task: int
    attempt: int
    worker: int
    node_id: str | None
    submitted: float
    received: float
    measurement: Measurement | None
    error_kind: str | None = None
    error_message: str | None = None


class Observer(Protocol):
    """Is told what happens while a team runs: the trial writes it down."""

    def submitted(self, tasks: int) -> None:
        """Take note that this many more tasks are in the engine's hands."""

    def completed(self, completion: Completion) -> None:
        """Take note of an attempt that ended, well or not."""


class Team(Protocol):
    """Workers that are up."""

    @property
    def processes(self) -> Sequence[psutil.Process]:
        """Return the workers' processes on this host, for memory readings."""

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Run all tasks and report each; raises `EngineError` where the rest cannot be done."""


def shares(tasks: int, workers: int) -> list[list[int]]:
    """Return the static schedule: task i belongs to worker i mod W, decided before any work."""
    return [list(range(worker, tasks, workers)) for worker in range(workers)]
