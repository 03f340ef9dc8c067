"""Engines run the same work in different ways, all behind one contract.

An engine is a function `team(workers, nodes)` that returns a context manager: it starts that many workers,
equally many on each of exactly so many nodes, yields a `Team` whose workers have all answered, and ends
them. A team may run work more than once; the
driver warms it up by running one task per worker under the static schedule.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from lab.errors import EngineError
from lab.measure.task import Measurement, measured

Call = Callable[[Any], Callable[[Any], Measurement]]
"""Returns, of a function, what a worker runs for each payload; engines ask once for a worker's batch.

`measured` times each task; a `lab.measure.bare.Bare` times nothing, and engines then run the function alone.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """A function and the payloads to call it with, one a task; the deadline is on the monotonic clock."""

    function: Any
    payloads: Sequence[Any]
    deadline: float
    task_seconds: float | None = None
    """What one task is expected to take, from the warm-up; engines that batch size their batches by it."""
    stall_seconds: float = float("inf")
    """For so long no task may end: a node that hangs must not hold up the run until its deadline."""
    batch: int = 1
    """How many tasks a call to a worker carries; not for engines that size their batches themselves."""
    call: Call = measured
    """How a worker runs a task."""
    keep_results: bool = False
    """Have measurements hold what the function returned; without it, it is let go where it arrives."""
    steps: "Callable[[Sequence[Any]], Steps] | None" = None
    """Of work whose tasks follow from results: made of the payloads, it says what comes next."""


class Completion(NamedTuple):
    """One attempt at one task that ended; times are monotonic seconds. A lost worker measured nothing.

    A tuple, since there is one for each task: a frozen dataclass takes five times as long to make.
    """

    task: int
    attempt: int
    worker: int
    node_id: str | None
    submitted: float
    received: float
    measurement: Measurement | None
    error_kind: str | None = None
    error_message: str | None = None
    step: str | None = None
    """What the task was, where the work makes its tasks as it goes."""


class Step(NamedTuple):
    """A task that follows from results: an item's last step has the item's index, others lie beyond."""

    task: int
    payload: Any


class Steps(Protocol):
    """What comes next in work whose tasks follow from results; asked and told by one thread."""

    def next(self) -> Step | None:
        """Return a step that can be begun, or None where that takes a result first."""

    def is_needed(self, step: Step) -> bool:
        """Tell whether a step that was given out can still bring anything."""

    def ended(self, step: Step, measurement: Measurement) -> str:
        """Take a step's result, and return what it was in a few words."""

    def loses_worker(self) -> bool:
        """Tell whether a worker is to be killed now: work that measures what that costs says so, once."""


class Observer(Protocol):
    """Is told what happens while a team runs: the trial writes it down."""

    def submitted(self, tasks: int) -> None:
        """Take note that this many more tasks are in the engine's hands."""

    def completed(self, completion: Completion) -> None:
        """Take note of an attempt that ended, well or not."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: Ray's id of its node, or `None` for the driver's own, and its process id there."""

    node_id: str | None
    pid: int


class Team(Protocol):
    """Workers that are up."""

    @property
    def places(self) -> Sequence[Place]:
        """Return where the workers are, for readings of their processes."""

    @property
    def node_watches(self) -> Mapping[str, Any]:
        """Return, by node, an actor there that watches it; the driver watches its own node itself."""

    @property
    def lost_workers(self) -> int:
        """Return how many workers were lost so far."""

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Run all tasks and report each; raises `EngineError` where the rest cannot be done."""


class Watch:
    """The clock beside a running work: raises once the deadline has passed or nothing moves any more."""

    def __init__(self, work: Work) -> None:
        self._work, self._last = work, time.monotonic()

    def progress(self) -> None:
        """Take note that a task ended."""
        self._last = time.monotonic()

    def is_late(self) -> bool:
        """Tell whether the deadline has passed, or nothing moved for too long."""
        now = time.monotonic()
        return now > self._work.deadline or now - self._last > self._work.stall_seconds

    def check(self, open_tasks: int, where: str = "") -> None:
        """Raise `EngineError` where the work takes too long; `where` tells who has the open tasks."""
        if not self.is_late():
            return
        left = f"{open_tasks} of {len(self._work.payloads)} tasks open{where}"
        if time.monotonic() > self._work.deadline:
            raise EngineError(f"the deadline passed with {left}")
        raise EngineError(f"stalled: no task ended for {self._work.stall_seconds:g} s, with {left}")


def shares(tasks: int, workers: int) -> list[list[int]]:
    """Return the static schedule: task i belongs to worker i mod W, decided before any work."""
    return [list(range(worker, tasks, workers)) for worker in range(workers)]
