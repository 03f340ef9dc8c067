"""Tests of lab.analysis.trials and error_rates: what counts as a measurement, and what failed on the way."""

import pandas as pd
import pytest
from synthetic import multi_node_run

from lab.analysis.error_rates import NO_KIND, error_rates
from lab.analysis.measures import measures
from lab.analysis.trials import LOST, lost_workers, odd, sound


@pytest.fixture
def run():
    """Return the frames of a made-up run over nodes, with one trial that lost two workers."""
    frames = list(multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=2, schedules=("dynamic",)))
    frames[0].loc[2, "lost_workers"] = 2
    return frames


def test_a_trial_that_lost_workers_is_no_measurement(run):
    """It has no row of measures and is in no mean, though its status is ok."""
    lost = run[0].loc[2, "trial_id"]
    table = measures(*run)
    assert lost not in table.index
    assert len(table) == len(run[0]) - 1


def test_it_is_listed_with_its_reason(run):
    """Its status in the list says that it lost workers, and the reason how many."""
    listed = odd(run[0])
    assert listed["trial_id"].tolist() == [run[0].loc[2, "trial_id"]]
    assert listed["status"].tolist() == [LOST]
    assert listed["reason"].tolist() == ["workers lost before the last task was done: 2"]


def test_a_failed_trial_keeps_its_own_reason(run):
    """A trial that failed is listed as failed, with its error, whether or not it had lost workers."""
    run[0].loc[2, ["status", "error_kind", "error_message"]] = ["failed", "EngineError", "none is left"]
    listed = odd(run[0])
    assert listed[["status", "reason"]].iloc[0].tolist() == ["failed", "EngineError: none is left"]


def test_an_unknown_number_of_lost_workers_is_none(run):
    """Where nothing was written down of lost workers, the trial counts."""
    trials = run[0].assign(lost_workers=pd.array([None] * len(run[0]), dtype="Int64"))
    assert not lost_workers(trials).any()
    assert len(sound(trials)) == len(trials)


def test_rates_count_every_attempt_by_kind(run):
    """By hand: in 96 tasks of 2 trials 3 attempts more failed, of two kinds; Clopper-Pearson of 3 in 99."""
    trials, tasks = run[0], run[1]
    mine = trials[(trials["nodes"] == 2) & (trials["arm"] == "experiment")]["trial_id"].tolist()
    extra = tasks[tasks["trial_id"].isin(mine) & ~tasks["warmup"]].iloc[:3]
    extra = extra.assign(attempt=2, status="failed", error_kind=["WorkerCrashed", "WorkerCrashed", None])
    warm = tasks[tasks["warmup"]].iloc[:1].assign(status="failed")
    found = error_rates(trials, pd.concat([tasks, extra, warm]))
    row = found[(found["nodes"] == 2) & (found["arm"] == "experiment")].iloc[0]
    assert row[["trials", "attempts", "failed"]].tolist() == [2, 99, 3]
    assert row["kinds"] == {"WorkerCrashed": 2, NO_KIND: 1}
    assert row["rate"].value == pytest.approx(3 / 99)
    assert [row["rate"].low, row["rate"].high] == pytest.approx([0.0063, 0.0860], abs=2e-4)
    assert found["failed"].sum() == 3


def test_rates_hold_failed_trials_and_no_interrupted_ones(run):
    """The attempts of a trial that failed count; those of one that was cut short do not."""
    trials, tasks = run[0], run[1]
    whole = error_rates(trials, tasks)["attempts"].sum()
    assert error_rates(trials.assign(status="failed"), tasks)["attempts"].sum() == whole
    assert error_rates(trials.assign(status="interrupted"), tasks).empty
