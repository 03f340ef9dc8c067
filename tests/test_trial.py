"""Tests of lab.experiment.trial: what a trial does in which order, and what it leaves when it goes wrong."""

import dataclasses
import errno
import os
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from fakes import (
    NODE_ID,
    FakeCluster,
    FakeEngines,
    FakeTeam,
    fail_on_three,
    no_outcome,
    slow_square,
    square,
)

from lab.clusters import alone
from lab.data.ledger import Ledger
from lab.data.store import read_run
from lab.engines import Completion, serial
from lab.errors import ClusterError, DataError, EngineError
from lab.experiment.plan import Configuration, PlannedTrial
from lab.experiment.recorder import FEW, FLUSH_SECONDS, MOST_KEPT, SOON_SECONDS, Recorder
from lab.experiment.trial import Expected, Setting, run_trial
from lab.measure.task import measured
from lab.workload import Prepared

FACTS = {
    "planned_trials": 1,
    "parameters": {},
    "session": {"started_at": "2026-01-01T00:00:00.000+00:00"},
}


@pytest.fixture
def lab(tmp_path):
    """Yield a function that runs one trial with fakes, and one that reads back what is in the ledger."""
    directory = tmp_path / "a"
    ledger = Ledger(directory, FACTS)
    ledger.begin_session()
    cluster = FakeCluster()

    def run(engines, function=square, payloads=range(5), expected=None, attempt=1, **changes):
        how = {name: changes.pop(name) for name in ("warm", "fail_fast") if name in changes}
        name = next(iter(engines))
        workers = 1 if name == "serial" else 2
        configuration = Configuration("find", "experiment", name, "dynamic", "embedded", 1, workers)
        setting = Setting(ledger, cluster, 0.05, 60.0, 60.0, 1.0, engines)
        return run_trial(
            PlannedTrial(12, 3, configuration),
            attempt,
            Prepared(function, tuple(payloads), measured, **how),
            Expected(expected),
            dataclasses.replace(setting, **changes),
        )

    with ledger:
        yield SimpleNamespace(run=run, read=lambda: read_run(directory), ledger=ledger)


def test_the_order_of_one_trial(lab):
    """Workers up, one warm-up task for each worker, the window, workers down: nothing else."""
    fakes = FakeEngines("ray")
    lab.run(fakes.table)
    assert fakes.transcript == [
        "ray starts 2",
        "ray runs 2 tasks, static",
        "ray runs 5 tasks, dynamic",
        "ray ends",
    ]


def test_the_row_of_a_trial(lab):
    """The row returned is the row written, with the plan's place, the work done and its times."""
    trial = lab.run(FakeEngines("ray").table)
    run = lab.read()
    row = run.trials.iloc[0]
    assert trial.trial_id == row["trial_id"] == "012-1"
    assert (row["slot"], row["attempt"], row["block"], row["status"]) == (12, 1, 3, "ok")
    assert (row["tasks"], row["units"], row["failed_attempts"]) == (5, 5, 0)
    assert row["digest"] == trial.digest
    assert pd.isna(row["error_kind"])
    for name in ("startup_seconds", "warmup_seconds", "duration_seconds", "sampler_cpu_seconds"):
        assert row[name] >= 0, name
    assert pd.Timestamp(row["started_at"]).tzinfo is not None


def test_the_rows_of_its_tasks(lab):
    """Each worker has a warm-up row, flagged, then each task one row; times count from the window's begin."""
    lab.run(FakeEngines("ray").table)
    tasks = lab.read().tasks
    assert list(tasks["warmup"]) == [True, True] + [False] * 5
    assert list(tasks["worker"]) == [0, 1, 0, 1, 0, 1, 0]
    window = tasks[~tasks["warmup"]]
    assert list(window["task"]) == [0, 1, 2, 3, 4]
    assert set(tasks["node_id"]) == {NODE_ID}
    order = ["submitted_seconds", "started_seconds", "finished_seconds", "received_seconds"]
    assert (window[order].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (window["submitted_seconds"] >= 0).all()


def test_the_window_ends_with_the_last_completion(lab):
    """The duration is the last result's time of receipt; what is before and after lies outside."""
    trial = lab.run(FakeEngines("ray").table, slow_square)
    window = lab.read().tasks.query("not warmup")
    assert trial.duration_seconds == pytest.approx(window["received_seconds"].max(), abs=1e-6)


def test_what_was_seen_of_the_nodes_is_written(lab):
    """Samples and counters of the window are rows, and the node's facts come once, before the first trial."""
    lab.run(FakeEngines("ray").table)
    lab.run(FakeEngines("ray").table, attempt=2)
    run = lab.read()
    assert list(run.samples["trial_id"]) == list(run.windows["trial_id"]) == ["012-1", "012-2"]
    assert list(run.nodes["node_id"]) == [NODE_ID]


def test_times_are_on_the_drivers_clock(lab):
    """What a node's clock is ahead of the driver's is taken off the times that its workers told."""

    class Ahead(FakeTeam):
        def run(self, work, schedule, observer):
            def completed(one):
                there = one.measurement._replace(
                    started=one.measurement.started + 1000,
                    finished=one.measurement.finished + 1000,
                )
                observer.completed(one._replace(node_id="far", measurement=there))

            super().run(work, schedule, SimpleNamespace(submitted=observer.submitted, completed=completed))

    lab.run(FakeEngines("ray", team=Ahead).table, cluster=FakeCluster({"far": 1000.0}))
    tasks = lab.read().tasks
    assert set(tasks["node_id"]) == {"far"}
    order = ["submitted_seconds", "started_seconds", "finished_seconds", "received_seconds"]
    assert (tasks[order].diff(axis=1).iloc[:, 1:] >= -1e-6).all(axis=None)


def test_too_few_nodes_make_a_failed_trial(lab):
    """Where the nodes do not come, the trial is failed with that reason, and the run can go on."""

    class Missing(FakeCluster):
        def need(self, nodes, seconds):
            raise ClusterError(f"{nodes} nodes are asked for, and 0 are alive after {seconds} s")

    fakes = FakeEngines("ray")
    trial = lab.run(fakes.table, cluster=Missing())
    assert (trial.status, trial.error_kind) == ("failed", "ClusterError")
    assert fakes.transcript == []


def test_a_trial_that_fails_as_its_cluster_is_taken_away_is_interrupted(lab):
    """What has the run end after a failure leaves the trial to be done again, and not failed."""

    class Missing(FakeCluster):
        def need(self, *_):
            raise ClusterError("the nodes are gone")

    def taken():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.run(FakeEngines("ray").table, cluster=Missing(), after_failure=taken)
    assert lab.read().trials["status"].tolist() == ["interrupted"]


def test_a_task_that_raises_is_a_row_and_no_gap(lab):
    """The trial goes on to its end and counts the others; the row says what was raised."""
    trial = lab.run(FakeEngines("ray").table, fail_on_three)
    assert trial.status == "ok"
    run = lab.read()
    row = run.trials.iloc[0]
    assert (row["status"], row["tasks"], row["failed_attempts"]) == ("ok", 4, 1)
    assert row["duration_seconds"] > 0
    bad = run.tasks[run.tasks["status"] == "failed"].iloc[0]
    assert (bad["task"], bad["error_kind"]) == (3, "ValueError")
    assert bad["error_message"] == 'three is "not" allowed,'
    assert pd.isna(bad["units"])
    assert pd.isna(bad["digest"])
    assert bad["started_seconds"] <= bad["finished_seconds"]


def test_work_that_raises_on_every_item_makes_a_failed_trial(lab):
    """A trial without a single result has measured nothing: it is failed and names the error."""
    trial = lab.run(FakeEngines("ray").table, fail_on_three, payloads=[3, 3], warm=0)
    assert (trial.status, trial.error_kind) == ("failed", "EngineError")
    assert trial.error_message.startswith("the work raised on each of 2 items; the last failure: ValueError")


def test_a_module_that_is_missing_where_the_work_runs_is_told_with_what_helps(lab):
    """Work that imports it within its function raises on every item: the way to ship it is named."""

    def needs(item):
        raise ModuleNotFoundError(f"No module named 'only_{item}'")

    trial = lab.run(FakeEngines("ray").table, needs, payloads=[1, 1], warm=0)
    assert trial.error_message.endswith(
        "ModuleNotFoundError: No module named 'only_1': put the module beside the file of the work, whose "
        "folder is sent along, or install it there"
    )


def test_work_that_is_to_fail_fast_ends_its_trial(lab):
    """The first item that raises ends the trial, which is failed and names the item."""
    trial = lab.run(FakeEngines("ray").table, fail_on_three, fail_fast=True)
    assert trial.status == "failed"
    assert 'item 3 raised ValueError: three is "not" allowed,' in trial.error_message
    assert trial.tasks == 3


def test_a_failing_warmup_makes_a_failed_trial(lab):
    """Where a worker cannot do even its warm-up, the window never opens."""
    fakes = FakeEngines("ray")
    trial = lab.run(fakes.table, fail_on_three, payloads=[3, 1])
    assert trial.status == "failed"
    assert trial.duration_seconds is None
    assert fakes.transcript[1:] == ["ray runs 2 tasks, static", "ray ends"]
    assert list(lab.read().tasks["warmup"]) == [True, True]


def test_an_engine_that_fails_in_the_warmup_leaves_its_rows(lab):
    """What ended before the engine gave up has its row, and the trial says why it failed."""

    class Broken(FakeTeam):
        def run(self, work, schedule, observer):
            super().run(work, schedule, observer)
            raise EngineError("the engine gave up")

    trial = lab.run(FakeEngines("ray", team=Broken).table)
    assert (trial.status, trial.error_message) == ("failed", "the engine gave up")
    assert list(lab.read().tasks["warmup"]) == [True, True]


def test_a_ray_that_died_does_not_hide_why_a_trial_failed(monkeypatch):
    """Where the object store cannot be asked any more, what it held is unknown, and the rest is told."""

    def gone():
        raise ConnectionError("no Ray answers")

    monkeypatch.setattr(alone, "bytes_in_use", gone)
    machine = alone.Alone()
    machine.begin("000-1", FakeTeam("ray", 1, []), 0.5, True, int)
    facts = machine.end().facts
    assert facts["object_store_bytes"] is None
    assert facts["cpu_seconds"] >= 0


def test_a_worker_lost_in_warmup_makes_a_failed_trial(lab):
    """A trial of W workers is never run by fewer, even if another made up for the lost one's warm-up."""

    class Lossy(FakeTeam):
        def run(self, work, schedule, observer):
            now = time.monotonic()
            observer.submitted(1)
            observer.completed(Completion(0, 1, 0, None, now, now, None, "WorkerLost", "gone"))
            super().run(work, schedule, observer)

    trial = lab.run(FakeEngines("ray", team=Lossy).table)
    assert (trial.status, trial.duration_seconds) == ("failed", None)
    assert trial.error_message == "a worker was lost in its warm-up: WorkerLost: gone"


def test_a_lost_task_makes_a_failed_trial(lab):
    """Where an engine forgets a task without a word, the trial is failed, not short."""

    class Forgetful(FakeTeam):
        def run(self, work, schedule, observer):
            payloads = work.payloads if schedule == "static" else work.payloads[1:]
            super().run(dataclasses.replace(work, payloads=payloads), schedule, observer)

    trial = lab.run(FakeEngines("ray", team=Forgetful).table)
    assert trial.status == "failed"
    assert trial.error_message == "1 of 5 tasks have no result; the last failure: none was reported"


def test_what_is_no_outcome_makes_a_failed_trial(lab):
    """A workload that returns something else fails its tasks with a clear word."""
    trial = lab.run(FakeEngines("ray").table, no_outcome)
    assert trial.status == "failed"
    assert "TypeError: a workload returns an Outcome, not function" in trial.error_message


def test_another_digest_fails_the_trial(lab):
    """Both digests are named; the trial keeps its own, and all its rows."""
    trial = lab.run(FakeEngines("ray").table, expected="feedfeedfeedfeed")
    assert trial.status == "failed"
    assert trial.digest in trial.error_message
    assert "feedfeedfeedfeed" in trial.error_message
    assert lab.read().trials.iloc[0]["digest"] == trial.digest
    assert lab.run(FakeEngines("ray").table, expected=trial.digest, attempt=2).status == "ok"


def test_the_digest_does_not_depend_on_the_order(lab):
    """Results in another order of completion come to the same digest; other results to another."""

    class Backwards(FakeTeam):
        def run(self, work, schedule, observer):
            kept = []
            super().run(work, schedule, SimpleNamespace(submitted=observer.submitted, completed=kept.append))
            for completion in reversed(kept):
                observer.completed(completion)

    first = lab.run(FakeEngines("ray").table)
    second = lab.run(FakeEngines("processes", team=Backwards).table, attempt=2)
    other = lab.run(FakeEngines("processes").table, payloads=range(1, 6), attempt=3)
    assert first.digest == second.digest != other.digest


def test_a_retried_task_counts_once(lab):
    """An attempt that was lost is counted as failed; the task counts once, and the trial is ok."""

    class Retrying(FakeTeam):
        def run(self, work, schedule, observer):
            if schedule == "dynamic":
                observer.submitted(1)
                now = time.monotonic()
                observer.completed(Completion(4, 1, 1, None, now, now, None, "ActorDiedError", "gone"))
            super().run(work, schedule, observer)

    trial = lab.run(FakeEngines("ray", team=Retrying).table)
    assert (trial.status, trial.tasks, trial.failed_attempts) == ("ok", 5, 1)


class CutShort(FakeTeam):
    """Does its warm-up, and two tasks of the window, before something else happens."""

    error: BaseException = KeyboardInterrupt()

    def run(self, work, schedule, observer):
        """Stop after two tasks of the window."""
        if schedule == "static":
            super().run(work, schedule, observer)
            return
        super().run(dataclasses.replace(work, payloads=work.payloads[:2]), schedule, observer)
        raise self.error


def test_ctrl_c_leaves_an_interrupted_row(lab):
    """Ctrl-C ends the run, not before the trial has its row and the rows of what it had done."""
    fakes = FakeEngines("ray", team=CutShort)
    with pytest.raises(KeyboardInterrupt):
        lab.run(fakes.table)
    run = lab.read()
    assert fakes.transcript[-1] == "ray ends"
    assert (run.trials.iloc[0]["status"], run.trials.iloc[0]["tasks"]) == ("interrupted", 2)
    assert run.trials.iloc[0]["error_kind"] == "KeyboardInterrupt"
    assert len(run.tasks) == 4
    assert not run.complete


def test_an_error_of_the_lab_itself_ends_the_run(lab):
    """A fault of the program is written down and raised: it is no measurement."""

    class Broken(CutShort):
        error = ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError):
        lab.run(FakeEngines("ray", team=Broken).table)
    assert lab.read().trials.iloc[0]["status"] == "failed"


def test_a_full_disk_is_no_failure_of_the_trial(lab, monkeypatch):
    """A disk that is full in the window ends the run, and leaves the slot to be done again."""
    write = os.write

    def full_for_tasks(handle, line):
        if b",false," in line:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, line)

    monkeypatch.setattr(os, "write", full_for_tasks)
    with pytest.raises(DataError, match="disk is full"):
        lab.run(FakeEngines("ray").table)
    run = lab.read()
    assert (run.trials.iloc[0]["status"], run.trials.iloc[0]["error_kind"]) == ("interrupted", "DataError")
    assert not run.complete


def test_the_deadline_makes_a_failed_trial(lab):
    """A trial that takes too long is failed with what it had done; the run can go on."""
    trial = lab.run({"serial": serial.team}, slow_square, payloads=range(200), deadline_seconds=0.2)
    assert trial.status == "failed"
    assert f"the deadline passed after {trial.tasks} of 200 tasks" in trial.error_message
    assert 0 < trial.tasks < 200
    assert (~lab.read().tasks["warmup"]).sum() == trial.tasks


def test_the_last_task_may_pass_the_deadline(lab):
    """A trial that has all its results is not thrown away for the moment after them."""
    trial = lab.run({"serial": serial.team}, slow_square, payloads=[1], deadline_seconds=0.01)
    assert trial.status == "ok"


@pytest.mark.parametrize(
    ("rows", "seconds", "written"),
    [
        (FEW, SOON_SECONDS - 1, False),
        (FEW, SOON_SECONDS + 1, True),
        (FEW + 1, SOON_SECONDS + 1, False),
        (FEW + 1, FLUSH_SECONDS + 1, True),
        (MOST_KEPT, 0, True),
    ],
)
def test_few_rows_are_written_soon_and_many_later(rows, seconds, written):
    """Few rows cost the driver next to nothing, and a kill then costs few; many wait, but not for ever."""
    kept = []
    cluster = SimpleNamespace(node_of=lambda _: "node", offset_seconds=lambda _: 0.0)
    recorder = Recorder(
        "000-1", SimpleNamespace(sink=SimpleNamespace(extend=kept.extend), cluster=cluster), False
    )
    begun = time.monotonic()
    for task in range(rows):
        last = task == rows - 1
        now = begun + seconds if last else begun
        recorder.completed(Completion(task, 1, 0, None, begun, now, None, "WorkerLost", "gone"))
        assert last or not kept
    assert len(kept) == (rows if written else 0)
    recorder.flush()
    assert len(kept) == rows
