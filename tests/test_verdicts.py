"""Tests of lab.analysis.verdicts: one rule, by which every claim can hold, fail and stay open."""

import pytest

from lab.analysis.intervals import Estimate
from lab.analysis.verdicts import all_of, at_least, at_most, judge, shared_level, within


def found(low, high):
    """Return an estimate with that interval."""
    return Estimate(5, (low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.90, 0.97, "holds"),
        (0.90, 0.98, "holds"),
        (0.985, 0.995, "does not hold"),
        (0.97, 0.99, "not decided"),
        (0.90, 1.10, "not decided"),
        (1.01, 1.02, "does not hold"),
    ],
)
def test_a_fall_is_a_fall_only_beyond_its_margin(low, high, outcome):
    """A loss of 0.5 to 1.5 % is no fall of 2 %, whatever the order of the questions."""
    assert judge(found(low, high), at_most(0.98)) == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.98, 1.01, "holds"), (0.90, 1.10, "not decided"), (1.04, 1.06, "does not hold")],
)
def test_no_difference_seen_is_no_equality(low, high, outcome):
    """Two things are equal where the interval lies within the margin, not where it holds 1."""
    assert judge(found(low, high), within(0.03)) == outcome


def test_one_block_decides_nothing():
    """Without an interval no claim is decided, in either direction."""
    one = Estimate(1, 5.0, None, None)
    assert {judge(one, rule) for rule in (at_least(1.0), at_most(1.0), within(0.1))} == {"not decided"}


def test_a_claim_of_parts_needs_all_of_them():
    """One part that fails decides; one that is open keeps the whole open; no parts decide nothing."""
    assert all_of(("holds", "holds")) == "holds"
    assert all_of(("holds", "not decided")) == "not decided"
    assert all_of(("not decided", "does not hold")) == "does not hold"
    assert all_of(()) == "not decided"


def test_claims_of_one_page_share_their_error():
    """Ten claims at 95 % together are ten at 99.5 % each."""
    assert shared_level(10) == pytest.approx(0.995)
    assert shared_level(0) == shared_level(1) == pytest.approx(0.95)
