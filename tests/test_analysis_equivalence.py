"""Tests of lab.analysis.equivalence: the two one-sided tests by hand, every outcome, and their error."""

from math import exp

import numpy as np
import pytest

from lab.analysis.equivalence import equivalence

MARGIN = 0.05


def of_ratios(*ratios, margin=MARGIN):
    """Return the equivalence of pairs with these ratios."""
    return equivalence(ratios, [1.0] * len(ratios), margin)


def test_both_intervals_by_hand():
    """Log ratios -0.02, 0, 0.02: standard error 0.02 / sqrt(3); t of 2 is 2.91999 and 4.30265."""
    found = of_ratios(exp(-0.02), 1.0, exp(0.02))
    error = 0.02 / 3**0.5
    assert found.ratio.value == pytest.approx(1.0)
    assert [found.tested.low, found.tested.high] == pytest.approx(
        [exp(-2.91999 * error), exp(2.91999 * error)], rel=1e-5
    )
    assert [found.ratio.low, found.ratio.high] == pytest.approx(
        [exp(-4.30265 * error), exp(4.30265 * error)], rel=1e-5
    )
    assert (found.tested.level, found.ratio.level) == (0.9, 0.95)
    assert found.limits == pytest.approx((0.95, 1.05))


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ((0.99, 1.0, 1.01), "equivalent"),
        ((0.979, 0.98, 0.981), "small difference"),
        ((1.019, 1.02, 1.021), "small difference"),
        ((0.899, 0.9, 0.901), "slower"),
        ((1.099, 1.1, 1.101), "faster"),
        ((0.9, 1.0, 1.1), "cannot be told"),
        ((0.94, 0.95, 0.96), "cannot be told"),
        ((1.0,), "cannot be told"),
        ((), "cannot be told"),
    ],
)
def test_every_outcome(ratios, outcome):
    """Within the margin, beyond it, across its end, and with too few pairs for an interval."""
    assert of_ratios(*ratios).outcome == outcome


def test_the_90_percent_interval_decides():
    """Log ratios -0.02, 0, 0.02 reach to 3.4 % at 90 % and to 5.1 % at 95 %: within 5 % all the same."""
    found = of_ratios(exp(-0.02), 1.0, exp(0.02))
    assert found.ratio.high > 1 + MARGIN > found.tested.high
    assert found.outcome == "equivalent"


def test_a_wider_margin_forgives_more():
    """The same pairs are slower by more than 5 % and different by less than 20 %."""
    assert of_ratios(0.899, 0.9, 0.901).outcome == "slower"
    assert of_ratios(0.899, 0.9, 0.901, margin=0.2).outcome == "small difference"


def test_a_pair_with_a_gap_is_dropped():
    """An unknown side takes its pair out."""
    found = equivalence([1.0, None, 1.01], [1.0, 1.0, 1.0], MARGIN)
    assert (found.ratio.n, found.tested.n) == (2, 2)


@pytest.mark.parametrize("truth", [1 - MARGIN, 1 + MARGIN])
@pytest.mark.parametrize("pairs", [3, 5, 10])
def test_the_error_at_the_margin_is_5_percent_at_most(truth, pairs):
    """Where the truth is just the margin, 4000 runs of equal noise are within it in 5 % (+ 1 % of chance)."""
    drawn = np.random.default_rng(pairs).normal(np.log(truth), 0.01, (4000, pairs))
    outcomes = [of_ratios(*row).outcome for row in np.exp(drawn)]
    within = sum(one in ("equivalent", "small difference") for one in outcomes) / len(outcomes)
    assert within <= 0.06


def test_equal_sides_are_found_equivalent():
    """With 10 pairs and 2 % of noise, nine in ten runs of equal sides are within 5 %."""
    drawn = np.random.default_rng(0).normal(0.0, 0.02, (500, 10))
    outcomes = [of_ratios(*row).outcome for row in np.exp(drawn)]
    assert sum(one in ("equivalent", "small difference") for one in outcomes) >= 0.9 * len(outcomes)
