"""Tests of lab.analysis.intervals: hand-computed values, coverage, and what is unknown."""

from math import exp, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.intervals import (
    Estimate,
    detectable_ratio,
    log_ratios,
    mean_estimate,
    proportion_estimate,
    ratio_estimate,
)
from lab.errors import DataError

REPEATS = 1000


def test_mean_of_three_by_hand():
    """The mean of 1, 2, 3 is 2 with t(2) = 4.303 standard errors of 1 / sqrt(3) on either side."""
    estimate = mean_estimate([1, 2, 3])
    assert (estimate.n, estimate.value, estimate.level) == (3, 2.0, 0.95)
    assert estimate.low == pytest.approx(2 - 4.30265 / 3**0.5, abs=1e-4)
    assert estimate.high == pytest.approx(2 + 4.30265 / 3**0.5, abs=1e-4)


def test_nothing_is_unknown_and_one_has_no_spread():
    """No value gives None, and one value gives itself without an interval: never 0."""
    assert mean_estimate([]) == Estimate(0, None, None, None)
    assert mean_estimate([5.0]) == Estimate(1, 5.0, None, None)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_values_are_dropped(missing):
    """A missing value of any kind neither counts nor becomes 0."""
    assert mean_estimate([1.0, missing, 3.0]) == mean_estimate([1.0, 3.0])
    assert log_ratios([1.0, missing], [2.0, 3.0]) == [pytest.approx(log(0.5))]


def test_mean_covers_the_truth_at_its_level():
    """The 95 % interval of 5 normal values holds the true mean in 95 % of the cases, to 2 points."""
    values = np.random.default_rng(1).normal(3.0, 2.0, (REPEATS, 5))
    estimates = [mean_estimate(row) for row in values]
    covered = sum(estimate.low <= 3.0 <= estimate.high for estimate in estimates)
    assert covered / REPEATS == pytest.approx(0.95, abs=0.02)


def test_ratio_covers_the_truth_while_blocks_drift():
    """Drift that hits both sides of a pair alike cancels, and the interval keeps its level."""
    generator = np.random.default_rng(2)
    drift = generator.lognormal(0.0, 1.0, (REPEATS, 6))
    top = 1.9 * drift * generator.lognormal(0.0, 0.05, (REPEATS, 6))
    bottom = drift * generator.lognormal(0.0, 0.05, (REPEATS, 6))
    estimates = [ratio_estimate(one, other) for one, other in zip(top, bottom, strict=True)]
    covered = sum(estimate.low <= 1.9 <= estimate.high for estimate in estimates)
    assert covered / REPEATS == pytest.approx(0.95, abs=0.02)
    assert max(estimate.high / estimate.low for estimate in estimates) < 1.6


def test_ratio_of_two_pairs_by_hand():
    """Ratios 1 and 4 have the geometric mean 2."""
    estimate = ratio_estimate([3.0, 8.0], [3.0, 2.0])
    half = float(stats.t.ppf(0.975, 1)) * log(4) / 2
    assert estimate.value == pytest.approx(2.0)
    assert estimate.low == pytest.approx(2 * exp(-half))
    assert estimate.high == pytest.approx(2 * exp(half))


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=8))
def test_ratio_and_its_inverse_agree(pairs):
    """Swapping the sides inverts the value and both bounds."""
    top, bottom = zip(*pairs, strict=True)
    one, other = ratio_estimate(top, bottom), ratio_estimate(bottom, top)
    assert one.value == pytest.approx(1 / other.value)
    assert log(one.low) == pytest.approx(-log(other.high), abs=1e-9)


@pytest.mark.parametrize("wrong", [0.0, -1.5])
def test_ratio_refuses_what_has_no_logarithm(wrong):
    """A value of 0 or less is named in a DataError."""
    with pytest.raises(DataError, match=str(wrong)):
        ratio_estimate([1.0, wrong], [1.0, 1.0])


def test_ratio_refuses_unequal_columns():
    """Columns of different lengths are no pairs."""
    with pytest.raises(DataError, match="2, 1"):
        ratio_estimate([1.0, 2.0], [1.0])


def test_proportion_by_hand():
    """No failure in n attempts is bounded by 1 - 0.025^(1/n); 1 of 2 is symmetric about a half."""
    none = proportion_estimate(0, 10)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1 - 0.025**0.1)
    assert proportion_estimate(10, 10).high == 1.0
    half = proportion_estimate(1, 2)
    assert half.low + half.high == pytest.approx(1.0)


def test_proportion_without_attempts_is_unknown():
    """0 of 0 is not 0 %."""
    assert proportion_estimate(0, 0) == Estimate(0, None, None, None)


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2)])
def test_proportion_refuses_impossible_counts(counts):
    """More failures than attempts, or fewer than none, is an error."""
    with pytest.raises(DataError, match="attempts"):
        proportion_estimate(*counts)


@pytest.mark.parametrize("truth", [0.01, 0.06, 0.3, 0.5])
def test_proportion_never_covers_less_than_its_level(truth):
    """Summed over all outcomes of 20 attempts, the exact interval covers at least 95 %."""
    estimates = [proportion_estimate(failures, 20) for failures in range(21)]
    weights = stats.binom.pmf(np.arange(21), 20, truth)
    covered = sum(
        weight
        for weight, estimate in zip(weights, estimates, strict=True)
        if estimate.low <= truth <= estimate.high
    )
    assert covered >= 0.95


@pytest.mark.parametrize("n", [3, 5, 20])
def test_detectable_ratio_is_detected_four_times_in_five(n):
    """A true ratio of that size makes the paired t test significant in 80 % of simulated comparisons."""
    pattern = np.linspace(-1.0, 1.0, n)
    pattern *= 0.03 / pattern.std(ddof=1)
    truth = log(detectable_ratio(pattern))
    simulated = np.random.default_rng(n).normal(truth, 0.03, (4000, n))
    detected = stats.ttest_1samp(simulated, 0.0, axis=1).pvalue < 0.05
    assert detected.mean() == pytest.approx(0.8, abs=0.025)


def test_detectable_ratio_shrinks_with_blocks_and_grows_with_spread():
    """More blocks see smaller effects, more spread hides larger ones, and one block tells nothing."""
    assert detectable_ratio([0.01]) is None
    assert 1 < detectable_ratio([-0.01, 0.01] * 8) < detectable_ratio([-0.01, 0.01] * 2)
    assert detectable_ratio([-0.01, 0.01] * 2) < detectable_ratio([-0.02, 0.02] * 2)
