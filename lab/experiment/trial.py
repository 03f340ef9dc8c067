"""One trial from start to end: workers up, warm-up, the timed window, and every row of it in the ledger."""

import dataclasses
import hashlib
import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from lab.clusters.attached import Cluster
from lab.data.records import TaskRecord, Trial
from lab.engines import Completion, Team, Work
from lab.engines.teams import ON_RAY, TEAMS, Engine
from lab.errors import ClusterError, DataError, EngineError
from lab.experiment.expected import Expected
from lab.experiment.plan import PlannedTrial
from lab.measure.environment import utc_now
from lab.measure.task import Outcome, first_line
from lab.workload import Prepared


class Sink(Protocol):
    """Where rows go: a run's ledger, or the log of the job that a client reads them from."""

    def append(self, record: Any) -> None:
        """Take one row."""

    def sync(self) -> None:
        """Bring all rows to where they are safe."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What all trials of a session share."""

    sink: Sink
    cluster: Cluster
    sample_seconds: float
    deadline_seconds: float
    stall_seconds: float
    wait_seconds: float
    engines: Mapping[str, Engine] = dataclasses.field(default_factory=lambda: TEAMS)


SETTINGS = ("sample_seconds", "deadline_seconds", "stall_seconds", "wait_seconds")
"""The numbers of a setting, in order, as a request to another machine names them."""


class Recorder:
    """The observer of a window: writes a row for each completion and keeps what the trial's row needs."""

    def __init__(self, trial_id: str, setting: Setting, warmup: bool, fail_fast: bool = False) -> None:
        self.trial_id, self.setting, self.warmup, self.fail_fast = trial_id, setting, warmup, fail_fast
        self.origin = 0.0
        self.last_received: float | None = None
        self.outcomes: dict[int, Outcome] = {}
        self.task_cpu_seconds = self.task_seconds = 0.0
        self.failures: list[str] = []
        self.raised: dict[int, str] = {}
        """What the work itself raised, by task: these tasks have ended, if not well."""
        self._submitted = self._ended = 0

    def submitted(self, tasks: int) -> None:
        """Count what the engine has taken."""
        self._submitted += tasks

    def completed(self, completion: Completion) -> None:
        """Write the attempt down."""
        cluster = self.setting.cluster
        node_id = completion.node_id or cluster.here
        offset = cluster.offset_seconds(node_id)
        record = task_record(completion, self.trial_id, node_id, self.warmup, self.origin, offset)
        self.setting.sink.append(record)
        self._ended += 1
        self.last_received = completion.received
        measurement = completion.measurement
        if measurement is not None:
            self.task_cpu_seconds += measurement.cpu_seconds
            self.task_seconds += measurement.finished - measurement.started
        if measurement is not None and measurement.outcome is not None:
            self.outcomes[completion.task] = measurement.outcome
            return
        self.failures.append(f"{record.error_kind}: {record.error_message}")
        if measurement is not None:
            self.raised[completion.task] = str(record.error_kind)
            if self.fail_fast:
                raise EngineError(f"item {completion.task} raised {self.failures[-1]}")

    def queue_length(self) -> int:
        """Return submitted minus completed."""
        return self._submitted - self._ended

    def check(self, tasks: int) -> None:
        """Raise `EngineError` where a task has not ended, or each of them raised."""
        missing = tasks - len(self.outcomes.keys() | self.raised.keys())
        last = self.failures[-1] if self.failures else "none was reported"
        if missing:
            raise EngineError(f"{missing} of {tasks} tasks have no result; the last failure: {last}")
        if tasks and not self.outcomes:
            raise EngineError(f"the work raised on each of {tasks} items; the last failure: {last}")

    def digest(self) -> str:
        """Return the digest of all results in task order, 16 hexadecimal digits; of a raised one its type."""
        ended = {task: f"raised {kind}" for task, kind in self.raised.items()}
        ended |= {task: outcome.digest for task, outcome in self.outcomes.items()}
        texts = (ended[task] for task in sorted(ended))
        return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def run_trial(
    planned: PlannedTrial,
    attempt: int,
    prepared: Prepared,
    expected: Expected,
    setting: Setting,
) -> Trial:
    """Run a trial and write its row, whatever happens; a fault of engine or cluster makes it a failed one.

    All else is raised after the row is written, such as `KeyboardInterrupt`. What is no fault of the trial,
    a full disk or a user's Ctrl-C, leaves it interrupted, so that it is done again.
    """
    configuration = dataclasses.asdict(planned.configuration)
    row: dict[str, Any] = {
        "trial_id": f"{planned.slot:03d}-{attempt}",
        "slot": planned.slot,
        "attempt": attempt,
        "block": planned.block,
        **configuration,
        "workers": planned.configuration.workers,
        "started_at": utc_now(),
        "load_before": os.getloadavg()[0],
        "lost_workers": 0,
        "status": "interrupted",
    }
    try:
        outcomes = _measure(row, prepared, setting)
        if prepared.same_results:
            expected.check(row["digest"], outcomes)
        row["status"] = "ok"
    except BaseException as error:
        row["error_kind"], row["error_message"] = type(error).__name__, first_line(error)
        if isinstance(error, Exception) and not isinstance(error, DataError):
            row["status"] = "failed"
        if not isinstance(error, EngineError | ClusterError):
            raise
    finally:
        trial = Trial(**row)
        setting.sink.append(trial)
        setting.sink.sync()
    return trial


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
    )


def _measure(row: dict[str, Any], prepared: Prepared, setting: Setting) -> Mapping[int, Outcome]:
    """Fill the row: nodes there, workers up and warm, then the window; return the outcomes by task."""
    payloads, warm_one = prepared.items, prepared.items[prepared.warm]
    deadline = time.monotonic() + setting.deadline_seconds
    setting.cluster.need(row["nodes"], setting.wait_seconds)
    for facts in setting.cluster.take_new():
        setting.sink.append(facts)
    asked = time.monotonic()
    with setting.engines[row["engine"]](row["workers"], row["nodes"]) as team:
        row["startup_seconds"] = time.monotonic() - asked
        setting.cluster.synchronize(team)
        warm = Recorder(row["trial_id"], setting, warmup=True)
        warm.origin = began = time.monotonic()
        work = Work(
            prepared.function,
            [warm_one] * row["workers"],
            deadline,
            stall_seconds=setting.stall_seconds,
            call=prepared.call,
        )
        team.run(work, "static", warm)
        row["warmup_seconds"] = time.monotonic() - began
        warm.check(row["workers"])
        if len(warm.failures) > len(warm.raised):
            raise EngineError(f"a worker was lost in its warm-up: {warm.failures[-1]}")
        task_seconds = warm.task_seconds / row["workers"]
        work = dataclasses.replace(work, payloads=payloads, task_seconds=task_seconds)
        recorder = Recorder(row["trial_id"], setting, False, prepared.fail_fast)
        try:
            run_window(row, team, work, recorder, setting)
        finally:
            row |= {
                "tasks": len(recorder.outcomes),
                "failed_attempts": len(recorder.failures),
                "lost_workers": team.lost_workers,
                "units": sum(outcome.units for outcome in recorder.outcomes.values()),
                "digest": recorder.digest(),
                "task_cpu_seconds": recorder.task_cpu_seconds,
            }
        recorder.check(len(payloads))
        return recorder.outcomes


def run_window(row: dict[str, Any], team: Team, work: Work, recorder: Recorder, setting: Setting) -> None:
    """Run the work between two readings of the clocks, with all nodes sampled in between."""
    cluster = setting.cluster
    recorder.origin = cluster.begin(
        row["trial_id"], team, setting.sample_seconds, row["engine"] in ON_RAY, recorder.queue_length
    )
    try:
        team.run(work, row["schedule"], recorder)
    finally:
        ended = recorder.last_received or time.monotonic()
        watched = cluster.end()
        sampler = watched.driver.counters.sampler_cpu_seconds or 0.0
        row |= {
            "duration_seconds": ended - recorder.origin,
            "driver_cpu_seconds": watched.driver.own_cpu_seconds - sampler,
            "system_cpu_seconds": watched.driver.counters.ray_cpu_seconds,
            "sampler_cpu_seconds": sampler,
            "steal_seconds": watched.driver.counters.steal_seconds,
        }
        for record in (*watched.windows, *watched.samples):
            setting.sink.append(record)
