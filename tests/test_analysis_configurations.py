"""Tests of lab.analysis.configurations: means over blocks, pairs, the A/A arm, and what failed."""

import numpy as np
import pandas as pd
import pytest
from synthetic import synthetic_run

from lab.analysis.configurations import (
    CONFIGURATION,
    compare,
    compare_over_workers,
    configurations,
    copy_pairs,
    pairs,
)
from lab.analysis.intervals import Estimate, mean_estimate, ratio_estimate
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


def test_one_row_per_configuration_and_metric(table):
    """Every configuration of the plan appears once per metric, over all its blocks."""
    rows = configurations(table, ["throughput", "gpu_percent"])
    assert len(rows) == 2 * 2 * (1 + 4 + 2 * 4 + 1)
    assert not rows.duplicated([*CONFIGURATION, "metric"]).any()
    assert (rows.loc[rows["metric"] == "throughput", "n"] == 3).all()


def test_interval_is_that_of_the_blocks(table):
    """A row holds the mean and the t interval of its configuration's trials, of logarithms where due."""
    rows = configurations(table, ["throughput", "cpu_percent"]).set_index([*CONFIGURATION, "metric"])
    key = {"mode": "search", **RAY, "cluster": "embedded", "nodes": 1, "workers_per_node": 4}
    key["workers"] = 4
    chosen = table[(table[list(key)] == pd.Series(key)).all(axis=1)]
    geometric = ratio_estimate(chosen["throughput"].tolist(), [1.0] * len(chosen))
    for metric, expected in (
        ("throughput", geometric),
        ("cpu_percent", mean_estimate(chosen["cpu_percent"])),
    ):
        row = rows.loc[(*(key[name] for name in CONFIGURATION), metric)]
        assert row[["value", "low", "high"]].tolist() == [expected.value, expected.low, expected.high]


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
    row = configurations(small_table({("ray", 1): (1.0, 100.0)}), ["throughput"]).iloc[0]
    half = 12.7062 * np.log(100) / 2
    assert row["value"] == pytest.approx(10.0)
    assert row[["low", "high"]].tolist() == pytest.approx([10 * np.exp(-half), 10 * np.exp(half)], rel=1e-3)


def test_a_throughput_of_0_keeps_the_arithmetic_mean():
    """A trial that found nothing has no logarithm, and is not left out."""
    row = configurations(small_table({("ray", 1): (0.0, 4.0)}), ["throughput"]).iloc[0]
    assert (row["n"], row["value"]) == (2, 2.0)


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
    found = compare_over_workers(made, "throughput", {"engine": "ray"}, {"engine": "processes"}, (2, 4))
    half = 12.7062 * np.log(2) / 2  # two log ratios, 0 and -ln 2: standard error ln(2) / 2
    middle = 0.5**0.5
    assert (found.n, found.value) == (2, pytest.approx(middle))
    assert [found.low, found.high] == pytest.approx([middle * np.exp(-half), middle * np.exp(half)], rel=1e-3)
    nothing = compare_over_workers(made, "throughput", {"engine": "ray"}, {"engine": "processes"}, (6,))
    assert nothing == Estimate(0, None, None, None)


def test_unmeasured_is_nan_with_n_of_none(table):
    """A metric that no trial has is NaN with n = 0."""
    rows = configurations(table, ["gpu_percent"])
    assert (rows["n"] == 0).all()
    assert rows[["value", "low", "high"]].isna().all(axis=None)


def test_unknown_metric_is_named(table):
    """A misspelt metric is refused by name instead of giving an empty table."""
    with pytest.raises(DataError, match="troughput"):
        configurations(table, ["troughput"])


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


def test_a_run_without_results_has_no_configurations(run):
    """Where every trial failed, the tables are empty and have their columns."""
    trials = run[0].assign(status="failed")
    rows = configurations(measures(trials, *run[1:]))
    assert rows.empty
    assert list(rows.columns) == [*CONFIGURATION, "metric", "n", "value", "low", "high"]
