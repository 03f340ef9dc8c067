"""One trial from start to end: workers up, warm-up, the timed window, and every row of it in the ledger."""

import contextlib
import dataclasses
import gc
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from lab.data.records import Trial
from lab.engines import Team, Work
from lab.engines.sharing import Opening, handed_over
from lab.engines.teams import ON_RAY
from lab.errors import ClusterError, DataError, EngineError
from lab.experiment.expected import Expected
from lab.experiment.plan import PlannedTrial
from lab.experiment.recorder import Recorder
from lab.experiment.setting import Setting
from lab.measure.environment import utc_now
from lab.measure.task import Outcome, first_line
from lab.workload import Prepared


def row_of(planned: PlannedTrial, attempt: int, tasks: int | None = None) -> dict[str, Any]:
    """Return what the row of a trial says of its place in the plan; it is interrupted until it has ended."""
    row = dataclasses.asdict(planned.configuration)
    del row["tasks"]
    return {
        "trial_id": f"{planned.slot:03d}-{attempt}",
        "slot": planned.slot,
        "attempt": attempt,
        "block": planned.block,
        **row,
        "workers": planned.configuration.workers,
        "planned_tasks": planned.configuration.tasks if tasks is None else tasks,
        "status": "interrupted",
    }


def unmeasured(planned: PlannedTrial, attempt: int, error_message: str, **facts: Any) -> Trial:
    """Return the row of a trial whose process ended before it did."""
    return Trial(**row_of(planned, attempt) | facts, error_message=error_message)


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
    row = row_of(planned, attempt, len(prepared.items))
    row |= {
        "started_at": utc_now(),
        "load_before": os.getloadavg()[0],
        "lost_workers": 0,
        "item_bytes": prepared.facts.get("item_bytes"),
    }
    try:
        outcomes = _measure(row, prepared, setting)
        if prepared.same_results:
            expected.check(row["digest"], outcomes)
        row["status"] = "ok"
    except BaseException as error:
        row["error_kind"], row["error_message"] = type(error).__name__, first_line(error)
        if isinstance(error, Exception) and not isinstance(error, DataError):
            setting.after_failure()
            row["status"] = "failed"
        if not isinstance(error, EngineError | ClusterError):
            raise
    finally:
        trial = Trial(**row)
        setting.sink.append(trial)
        setting.sink.sync()
    return trial


def _measure(row: dict[str, Any], prepared: Prepared, setting: Setting) -> Mapping[int, Outcome]:
    """Fill the row: nodes there, workers up and warm, then the window; return the outcomes by task."""
    # items that are drawn are drawn here, and not in the window
    payloads, warm_one = prepared.items, prepared.items[prepared.warm]
    deadline = time.monotonic() + setting.deadline_seconds
    setting.cluster.need(row["nodes"], setting.wait_seconds)
    for facts in setting.cluster.take_new():
        setting.sink.append(facts)
    with setting.start(row["engine"], row["workers"], row["nodes"]) as (team, startup_seconds):
        row["startup_seconds"] = startup_seconds
        setting.cluster.synchronize(team)
        work = Work(
            prepared.function,
            [warm_one] * row["workers"],
            deadline,
            stall_seconds=setting.stall_seconds,
            batch=row["batch"] or 1,
            call=Opening(prepared.call) if row["transfer"] == "shared" else prepared.call,
        )
        warm_seconds = None if prepared.command else _warm_up(row, team, work, prepared, setting)
        work = dataclasses.replace(work, payloads=payloads, task_seconds=warm_seconds, steps=prepared.steps)
        planned = math.inf if prepared.steps is None else len(payloads)
        told = prepared.fail_fast, prepared.rows, planned
        recorder = Recorder(row["trial_id"], setting, False, *told)
        try:
            run_window(row, team, work, recorder, setting)
        finally:
            recorder.flush()
            row |= recorder.facts() | {"lost_workers": team.lost_workers}
        recorder.check(len(payloads))
        return recorder.outcomes


def _warm_up(
    row: dict[str, Any], team: Team, work: Work, prepared: Prepared, setting: Setting
) -> float | None:
    """Have every worker run an item; returns what one took, in seconds, None where that is not measured."""
    warm = Recorder(row["trial_id"], setting, warmup=True, rows=prepared.rows)
    warm.origin = began = time.monotonic()
    try:
        # one task for each worker, whatever the batches are
        team.run(dataclasses.replace(work, batch=1), "static", warm)
        row["warmup_seconds"] = time.monotonic() - began
    finally:
        # on the disk before the window: by these rows a trial that is killed in it is known
        warm.flush()
    warm.check(row["workers"])
    if len(warm.failures) > len(warm.raised):
        raise EngineError(f"a worker was lost in its warm-up: {warm.failures[-1]}")
    seconds = warm.task_seconds / row["workers"]
    return seconds if seconds == seconds else None


def run_window(row: dict[str, Any], team: Team, work: Work, recorder: Recorder, setting: Setting) -> None:
    """Run the work between two readings of the clocks, with all nodes sampled in between."""
    cluster, on_ray = setting.cluster, row["engine"] in ON_RAY
    with contextlib.ExitStack() as held:
        # a collection of all that is there, Ray's modules and the items, would stop the driver 0.1 to 0.3 s
        gc.freeze()
        held.callback(gc.unfreeze)
        recorder.origin = cluster.begin(
            row["trial_id"], team, setting.sample_seconds, on_ray, recorder.queue_length
        )
        try:
            transfer = row.get("transfer") or "value"
            payloads = held.enter_context(handed_over(work.payloads, transfer, on_ray))
            team.run(dataclasses.replace(work, payloads=payloads), row["schedule"], recorder)
        finally:
            ended = recorder.last_received or time.monotonic()
            # what is shared is held until the last sample of memory is taken
            watched = cluster.end()
            row |= {"duration_seconds": ended - recorder.origin, **watched.facts}
            for record in (*watched.windows, *watched.samples):
                setting.sink.append(record)
