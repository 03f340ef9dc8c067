"""Tests of lab.analysis.configurations: means over blocks, pairs, the A/A arm, and what failed."""

import numpy as np
import pandas as pd
import pytest
from synthetic import synthetic_run

from lab.analysis.configurations import (
    CONFIGURATION,
    average,
    compare,
    copy_pairs,
    pairs,
    pooled_ratio,
)
from lab.analysis.intervals import Estimate
from lab.analysis.measures import measures
from lab.analysis.trials import odd
from lab.errors import DataError

RAY = {"arm": "experiment", "engine": "ray", "schedule": "dynamic"}


@pytest.fixture(scope="module")
def run():
    """Return the frames of a made-up run."""
    return synthetic_run(seed=4)


@pytest.fixture(scope="module")
def table(run):
    """Return the measures of that run."""
    return measures(*run)


def small_table(throughput):
    """Return measures with the given throughput of {(engine, workers): one per block}."""
    rows = [
        {
            "mode": "search",
            "arm": "experiment",
            "engine": engine,
            "schedule": "dynamic",
            "cluster": "embedded",
            "nodes": 1,
            "workers_per_node": workers,
            "workers": workers,
            "block": block,
            "throughput": value,
        }
        for (engine, workers), values in throughput.items()
        for block, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_the_interval_of_a_throughput_is_above_0():
    """By hand: of 1 and 100 the geometric mean is 10; t(0.975, 1) = 12.7062, standard error ln(100) / 2."""
    found = average("throughput", [1.0, 100.0])
    half = 12.7062 * np.log(100) / 2
    assert found.value == pytest.approx(10.0)
    assert [found.low, found.high] == pytest.approx([10 * np.exp(-half), 10 * np.exp(half)], rel=1e-3)


def test_a_throughput_of_0_keeps_the_arithmetic_mean():
    """A trial that found nothing has no logarithm, and is not left out."""
    found = average("throughput", [0.0, 4.0])
    assert (found.n, found.value) == (2, 2.0)


def test_worker_counts_are_pooled_within_blocks():
    """By hand: blocks of ratios 0.5, 2 and 0.25, 1 have the geometric means 1 and 0.5; a third lacks one."""
    made = small_table(
        {
            ("ray", 2): (5.0, 2.5, 1.0),
            ("processes", 2): (10.0, 10.0, 1.0),
            ("ray", 4): (40.0, 20.0),
            ("processes", 4): (20.0, 20.0, 1.0),
            ("ray", 6): (1.0, 1.0, 1.0),
        }
    )
    both = [
        tuple({"engine": engine, "workers": count} for engine in ("ray", "processes")) for count in (2, 4, 6)
    ]
    found = pooled_ratio(made, "throughput", both[:2])
    half = 12.7062 * np.log(2) / 2  # two log ratios, 0 and -ln 2: standard error ln(2) / 2
    middle = 0.5**0.5
    assert (found.n, found.value) == (2, pytest.approx(middle))
    assert [found.low, found.high] == pytest.approx([middle * np.exp(-half), middle * np.exp(half)], rel=1e-3)
    assert pooled_ratio(made, "throughput", both[2:]) == Estimate(0)


def test_unmeasured_is_of_no_trial():
    """The mean of values that no trial has is unknown, with n = 0."""
    assert average("gpu_percent", [float("nan")] * 2) == Estimate(0)


def test_unknown_metric_is_named(table):
    """A misspelt metric is refused by name instead of giving an empty table."""
    with pytest.raises(DataError, match="troughput"):
        compare(table, "troughput", {**RAY, "workers": 2}, {**RAY, "workers": 1})


def test_compare_finds_the_true_ratio(table):
    """2 workers against 1 are close to twice as fast in the made-up run, in every mode and block."""
    ratio = compare(table, "throughput", {**RAY, "workers": 2}, {**RAY, "workers": 1})
    assert ratio.n == 6
    assert ratio.low < 1.96 < ratio.high


def test_compare_pairs_by_block(table):
    """A block that lacks one side is left out, and a block factor on both sides cancels."""
    search = table[table["mode"] == "search"].copy()
    search["throughput"] = 10.0 ** search["block"] * search["workers"]
    first, second = {**RAY, "workers": 4}, {**RAY, "workers": 2}
    exact = compare(search, "throughput", first, second)
    assert [exact.value, exact.low, exact.high] == pytest.approx([2.0, 2.0, 2.0])
    hurt = search[~((search["block"] == 1) & (search["workers"] == 2))]
    assert pairs(hurt, "throughput", first, second).index.tolist() == [("search", 0), ("search", 2)]
    assert compare(hurt, "throughput", first, second).n == 2


def test_nothing_to_compare_is_unknown(table):
    """A configuration that was never measured gives n = 0 and None."""
    nothing = compare(table, "throughput", {**RAY, "workers": 99}, {**RAY, "workers": 1})
    assert nothing == Estimate(0, None, None, None)


def test_ambiguous_choice_is_named(table):
    """A choice that fits several trials of a block is refused, with their names."""
    with pytest.raises(DataError, match="more than one trial of block 0") as caught:
        compare(table, "throughput", {"engine": "ray", "workers": 2}, {**RAY, "workers": 1})
    assert "-1" in str(caught.value)


def test_unknown_column_is_named(table):
    """A misspelt column is refused by name."""
    with pytest.raises(DataError, match="worker_count"):
        compare(table, "throughput", {"worker_count": 2}, {"workers": 1})


def test_copy_is_paired_with_its_own_experiment(table):
    """Only the experiment of the same engine, schedule and size, in the same block, is the copy's pair."""
    marked = table.copy()
    marked["throughput"] = np.where(marked["arm"] == "copy", 6.0, marked["workers"].astype(float))
    found = copy_pairs(marked, "throughput")
    assert len(found) == 6
    assert (found["copy"] == found["experiment"]).all()


def test_no_copy_no_pairs(table):
    """Without a copy arm there is nothing to compare."""
    assert copy_pairs(table[table["arm"] != "copy"], "throughput").empty


def test_failures_keep_their_reason(run):
    """Every trial that is not ok is listed with its error, or with the lack of one."""
    trials = run[0].copy()
    trials.loc[3, ["status", "error_kind", "error_message"]] = ["failed", "EngineError", "no worker is left"]
    trials.loc[5, "status"] = "interrupted"
    listed = odd(trials)
    assert listed["trial_id"].tolist() == ["003-1", "005-1"]
    assert listed["reason"].tolist() == ["EngineError: no worker is left", "no reason was recorded"]
    assert set(CONFIGURATION) <= set(listed.columns)
    assert odd(run[0]).empty
