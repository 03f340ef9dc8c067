"""Tests of lab.published.single_node_claims: each claim can hold, fail and be beyond telling."""

import pandas as pd
import pytest
from synthetic import CORES, synthetic_run

from lab.analysis.measures import measures
from lab.published.single_node_claims import (
    cpu_levels_off,
    memory_rises,
    single_node_verdicts,
    throughput_doubles,
    throughput_falls,
    unequal_digests,
    where_quiet,
)

NOISE = (0.99, 1.0, 1.01)


def rows(column, by_workers, noise=NOISE):
    """Return measures of one column: its value by worker count, times the noise of each block."""
    return pd.DataFrame(
        [
            {"mode": "search", "block": block, "workers": workers, column: value * factor}
            for block, factor in enumerate(noise)
            for workers, value in by_workers.items()
        ]
    )


def jitter(table, column, workers, factors):
    """Multiply the column of one worker count by one factor per block."""
    chosen = table["workers"] == workers
    table.loc[chosen, column] *= factors
    return table


@pytest.mark.parametrize(
    ("second", "spread", "outcome"),
    [
        (2.0, 0.01, "holds"),
        (1.85, 0.001, "holds"),
        (1.5, 0.01, "does not hold"),
        (2.5, 0.01, "does not hold"),
        (1.8, 0.01, "not decided"),
        (2.0, 0.2, "not decided"),
    ],
)
def test_doubling(second, spread, outcome):
    """A ratio is a doubling where its whole interval lies within 10 % of 2, none where outside."""
    table = rows("throughput", {1: 100.0, 2: 100.0 * second})
    verdict = throughput_doubles(jitter(table, "throughput", 2, [1 - spread, 1.0, 1 + spread]))
    assert verdict.outcome == outcome
    assert "n = 3 blocks" in verdict.evidence


@pytest.mark.parametrize(
    ("most", "spread", "outcome"),
    [
        (0.85, 0.01, "holds"),
        (1.05, 0.001, "does not hold"),
        (1.0, 0.002, "does not hold"),
        (0.995, 0.001, "does not hold"),
        (0.97, 0.001, "holds"),
        (0.99, 0.05, "not decided"),
    ],
)
def test_fall_beyond_the_cores(most, spread, outcome):
    """Throughput falls where it loses 2 % for certain, and does not where such a loss is ruled out."""
    table = rows("throughput", {1: 1.0, 4: 100.0, 6: 120.0, 8: 100.0 * most})
    verdict = throughput_falls(jitter(table, "throughput", 8, [1 - spread, 1.0, 1 + spread]), 4)
    assert verdict.outcome == outcome
    assert verdict.evidence.startswith("8 workers on 4 cores")


@pytest.mark.parametrize(
    ("use", "outcome"),
    [
        ({1: 57.5, 2: 84.4, 6: 90.8}, "holds"),
        ({1: 50.0, 2: 75.0, 6: 99.0}, "does not hold"),
        ({1: 90.0, 2: 80.0, 6: 80.0}, "does not hold"),
        ({1: 50.0, 2: 75.0, 6: 85.0}, "not decided"),
    ],
)
def test_cpu_rises_then_levels_off(use, outcome):
    """CPU use has to rise up to the cores and to stay within 10 points beyond."""
    assert cpu_levels_off(rows("cpu_percent", use), 2).outcome == outcome


@pytest.mark.parametrize(
    ("per_worker", "factors", "outcome"),
    [
        (80, [1, 1.01, 1.02], "holds"),
        (-80, [1, 1.01, 1.02], "does not hold"),
        (1, [0.5, 1, 1.5], "not decided"),
    ],
)
def test_memory_rises(per_worker, factors, outcome):
    """Memory rises where the interval of the slope over workers lies above 0."""
    table = rows(
        "lab_memory_bytes", {one: (900.0 + per_worker * one) * 2**20 for one in (1, 2, 4)}, (1, 1, 1)
    )
    assert memory_rises(jitter(table, "lab_memory_bytes", 4, factors)).outcome == outcome


def test_memory_slope_by_hand():
    """300 MiB more over 3 more workers is 100 MiB per worker."""
    verdict = memory_rises(rows("lab_memory_bytes", {1: 500 * 2**20, 4: 800 * 2**20}))
    assert "+100.0" in verdict.evidence


def test_synthetic_machine():
    """On the made-up machine of 4 cores, which does as its law says, all four claims get their due."""
    table = measures(*synthetic_run(blocks=8, workers=(1, 2, 4, 8)))
    outcomes = [verdict.outcome for verdict in single_node_verdicts(table, CORES)]
    assert outcomes[0] == outcomes[2] == outcomes[3] == "holds"
    assert len({verdict.claim for verdict in single_node_verdicts(table, CORES)}) == 4


def test_one_block_tells_nothing():
    """One block has no spread: no verdict, and the reason says so."""
    for verdict in single_node_verdicts(measures(*synthetic_run(blocks=1)), CORES):
        assert verdict.outcome == "not decided"
        assert "2" in verdict.evidence


@pytest.mark.parametrize(("workers", "missing"), [((1, 4, 6), "2"), ((2, 4, 6), "1")])
def test_missing_worker_counts_are_named(workers, missing):
    """A claim about worker counts that were not measured cannot be told, and the reason names them."""
    verdict = single_node_verdicts(measures(*synthetic_run(workers=workers)), CORES)[0]
    assert verdict.outcome == "not decided"
    assert f"no trial with {missing} worker" in verdict.evidence


def test_no_more_workers_than_cores_tells_nothing_of_beyond():
    """Without more workers than cores nothing is known of what happens beyond them."""
    verdicts = single_node_verdicts(measures(*synthetic_run(workers=(1, 2, 4))), CORES)
    assert [verdict.outcome for verdict in verdicts[1:3]] == ["not decided"] * 2
    assert "more workers than the 4 cores" in verdicts[1].evidence


def test_no_trials_at_all():
    """A mode that was not run gives four verdicts that cannot be told."""
    verdicts = single_node_verdicts(measures(*synthetic_run()), CORES, mode="factor")
    assert [verdict.outcome for verdict in verdicts] == ["not decided"] * 4


def test_other_arms_and_clusters_do_not_count():
    """Baselines, copies and larger clusters neither confuse nor change the verdicts on one machine."""
    table = measures(*synthetic_run(nodes=(1, 2)))
    alone = table[(table["arm"] == "experiment") & (table["nodes"] == 1) & (table["schedule"] == "dynamic")]
    assert single_node_verdicts(table, CORES) == single_node_verdicts(alone, CORES)


def test_a_machine_that_was_not_quiet_tells_nothing():
    """One trial of three above the limit takes the verdict and adds the reason; unknown ones do not."""
    verdict = throughput_doubles(rows("throughput", {1: 100.0, 2: 200.0}))
    assert where_quiet(verdict, pd.Series([0.1, float("nan")]), 0.1) is verdict
    hurt = where_quiet(verdict, pd.Series([0.02, 0.25, 0.1]), 0.1)
    assert (verdict.outcome, hurt.outcome) == ("holds", "not decided")
    assert hurt.evidence.startswith(verdict.evidence)
    assert "in 1 of 3 trials other processes used more than 10 % of the cores, 25 % at most" in hurt.evidence


def test_unequal_digests():
    """Work is named where ok trials disagree or one has no digest; failed trials have no say."""
    trials = synthetic_run(blocks=1)[0]
    assert unequal_digests(trials) == []
    search = trials.index[trials["mode"] == "search"][0]
    find = trials.index[trials["mode"] == "find"][0]
    wrong = trials.copy()
    wrong.loc[search, "digest"] = "other"
    wrong.loc[find, "digest"] = None
    assert [name.partition(",")[0] for name in unequal_digests(wrong)] == ["find", "search"]
    wrong.loc[[search, find], "status"] = "failed"
    assert unequal_digests(wrong) == []
