"""The observer of a window: keeps what ended, writes it down when the clock has stopped, and adds it up."""

import hashlib
import math
import time
from typing import Any

from lab.data.records import TaskRecord
from lab.engines import Completion
from lab.errors import EngineError
from lab.experiment.setting import Setting
from lab.measure.task import Outcome

FLUSH_SECONDS = 10.0
MOST_KEPT = 50_000
"""How long, and how many, rows of a window are kept in memory: a kill costs these, of a trial that is redone.

To write a row takes the driver three times as long as to take a result, and so it mostly waits until the
clock has stopped.
"""
SOON_SECONDS = 2.0
FEW = 500
"""As few rows as these are written this soon: that takes the driver some 3 ms a second."""

SHIP = ": put the module beside the file of the work, whose folder is sent along, or install it there"
"""What helps where the nodes lack a module."""


class Recorder:
    """Keeps completions of a window; `rows` is false for tasks too short to have a row each.

    Tasks from `planned` on are steps on the way to the others' results: they have rows, and no result.
    """

    def __init__(
        self,
        trial_id: str,
        setting: Setting,
        warmup: bool,
        fail_fast: bool = False,
        rows: bool = True,
        planned: float = math.inf,
    ) -> None:
        self.trial_id, self.setting, self.warmup, self.fail_fast = trial_id, setting, warmup, fail_fast
        self.origin = 0.0
        self.last_received: float | None = None
        self.outcomes: dict[int, Outcome] = {}
        self.task_cpu_seconds = self.task_seconds = 0.0
        self.failures: list[str] = []
        self.raised: dict[int, str] = {}
        """What the work itself raised, by task: these tasks have ended, if not well."""
        self._rows, self._planned, self._kept = rows, planned, list[Completion]()
        self._submitted = self._ended = 0
        self._flushed = time.monotonic()

    def submitted(self, tasks: int) -> None:
        """Count what the engine has taken."""
        self._submitted += tasks

    def completed(self, completion: Completion) -> None:
        """Keep the attempt."""
        self._ended += 1
        self.last_received = completion.received
        measurement = completion.measurement
        self._kept.append(completion)
        if measurement is None or measurement.outcome is None:
            self._failed(completion)
        waited, many = completion.received - self._flushed, len(self._kept)
        if waited > (SOON_SECONDS if many <= FEW else FLUSH_SECONDS) or many >= MOST_KEPT:
            self.flush()

    def _failed(self, completion: Completion) -> None:
        said = completion if completion.measurement is None else completion.measurement
        self.failures.append(f"{said.error_kind}: {said.error_message}")
        if completion.measurement is not None:
            self.raised[completion.task] = str(said.error_kind)
            if self.fail_fast:
                raise EngineError(f"item {completion.task} raised {self.failures[-1]}")

    def flush(self) -> None:
        """Write a row for each attempt that is kept, and add up what they took."""
        kept, self._kept = self._kept, []
        for one in kept:
            if one.measurement is not None:
                self.task_cpu_seconds += one.measurement.cpu_seconds
                self.task_seconds += one.measurement.finished - one.measurement.started
                if one.measurement.outcome is not None and one.task < self._planned:
                    self.outcomes[one.task] = one.measurement.outcome
        if self._rows and kept:
            self.setting.sink.extend([self._record(one) for one in kept])
        self._flushed = time.monotonic()

    def _record(self, completion: Completion) -> TaskRecord:
        cluster = self.setting.cluster
        node_id = cluster.node_of(completion.node_id)
        offset = cluster.offset_seconds(node_id)
        return task_record(completion, self.trial_id, node_id, self.warmup, self.origin, offset)

    def queue_length(self) -> int:
        """Return submitted minus completed."""
        return self._submitted - self._ended

    def facts(self) -> dict[str, Any]:
        """Return what the trial's row says of its tasks, once all that ended is written."""
        known = self.task_cpu_seconds == self.task_cpu_seconds
        return {
            "tasks": len(self.outcomes),
            "failed_attempts": len(self.failures),
            "units": sum(outcome.units for outcome in self.outcomes.values()),
            "digest": self.digest(),
            "task_cpu_seconds": self.task_cpu_seconds if known else None,
        }

    def check(self, tasks: int) -> None:
        """Raise `EngineError` where a task has not ended, or each of them raised."""
        missing = tasks - len(self.outcomes.keys() | self.raised.keys())
        last = self.failures[-1] if self.failures else "none was reported"
        if missing:
            raise EngineError(f"{missing} of {tasks} tasks have no result; the last failure: {last}")
        if tasks and not self.outcomes:
            lacks = SHIP if "ModuleNotFoundError" in self.raised.values() else ""
            raise EngineError(f"the work raised on each of {tasks} items; the last failure: {last}{lacks}")

    def digest(self) -> str:
        """Return the digest of all results in task order, 16 hexadecimal digits; of a raised one its type."""
        ended = {task: f"raised {kind}" for task, kind in self.raised.items()}
        ended |= {task: outcome.digest for task, outcome in self.outcomes.items()}
        texts = (ended[task] for task in sorted(ended))
        return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def task_record(
    completion: Completion, trial_id: str, node_id: str, warmup: bool, origin: float, offset: float
) -> TaskRecord:
    """Return the row of a completion, its times counted from the window's begin.

    `offset` is what the node's clock is ahead of the driver's.
    """
    there = origin + offset
    measurement = completion.measurement
    outcome = None if measurement is None else measurement.outcome
    return TaskRecord(
        trial_id=trial_id,
        task=completion.task,
        attempt=completion.attempt,
        warmup=warmup,
        node_id=node_id,
        worker=completion.worker,
        submitted_seconds=completion.submitted - origin,
        started_seconds=None if measurement is None else measurement.started - there,
        finished_seconds=None if measurement is None else measurement.finished - there,
        received_seconds=completion.received - origin,
        cpu_seconds=None if measurement is None else measurement.cpu_seconds,
        status="failed" if outcome is None else "ok",
        error_kind=completion.error_kind if measurement is None else measurement.error_kind,
        error_message=completion.error_message if measurement is None else measurement.error_message,
        units=None if outcome is None else outcome.units,
        digest=None if outcome is None else outcome.digest,
        result_bytes=None if measurement is None else measurement.result_bytes,
        step=completion.step,
    )
