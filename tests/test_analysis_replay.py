"""Tests of lab.analysis.replay: schedules without cost, and the reference report's efficiency curve."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.analysis.replay import finish_times, given_up, random_searches, replayed_efficiency
from lab.errors import DataError, ParameterError

durations = st.lists(st.floats(0.01, 10), min_size=1, max_size=30)

TRIES = 1000
RATIO = 9.7
"""Time of a 1024-bit prime over that of a 512-bit one, of the same method."""


def prime_pool(bits, seconds, tries=TRIES, size=20000):
    """Return seconds of searches by random odd numbers, given up after `tries`.

    `seconds` is the mean without giving up. An odd number of that size is prime with probability
    2 / (bits log 2), by the prime number theorem.
    """
    chance = 2 / (bits * log(2))
    drawn = np.random.default_rng(bits).geometric(chance, size)
    return np.minimum(drawn, tries) * chance * seconds


def ends(work, workers, schedule):
    """Return when each worker ends its last task."""
    return finish_times(np.array([work], dtype=float), workers, schedule)[0]


def test_static_by_hand():
    """Task i goes to worker i mod 2: 1 + 3 against 2 + 4."""
    assert ends([1, 2, 3, 4], 2, "static").tolist() == [4.0, 6.0]


def test_dynamic_by_hand():
    """The next task goes to the worker that is free first: 4 | 1 1 1 1 is perfect."""
    assert ends([4, 1, 1, 1, 1], 2, "dynamic").tolist() == [4.0, 4.0]


@given(durations, st.integers(1, 8))
def test_dynamic_keeps_grahams_bound(work, workers):
    """List scheduling takes at most (2 - 1/W) times the best makespan (Graham 1966)."""
    best = max(sum(work) / workers, max(work))
    assert ends(work, workers, "dynamic").max() <= (2 - 1 / workers) * best + 1e-9


@given(durations, st.integers(1, 8), st.sampled_from(["dynamic", "static"]))
def test_no_work_is_lost(work, workers, schedule):
    """The workers' finish times add up to the work, since nobody waits."""
    assert ends(work, workers, schedule).sum() == pytest.approx(sum(work))


@pytest.mark.parametrize(
    ("schedule", "curve"),
    [("static", [1.00, 0.88, 0.79, 0.73, 0.68, 0.62]), ("dynamic", [1.00, 0.96, 0.92, 0.87, 0.82, 0.78])],
)
def test_the_reports_efficiency_curve_needs_no_scheduling_cost(schedule, curve):
    """Random task lengths with the report's cap of 1000 tries give its efficiency curve."""
    batches = [(prime_pool(512, 1.0), 50), (prime_pool(1024, RATIO), 20)]
    values = [replayed_efficiency(batches, workers, schedule, 2000, 1).value for workers in range(1, 7)]
    assert values == pytest.approx(curve, abs=0.015)


def test_without_the_cap_the_curve_is_steeper():
    """The cap of 1000 tries cuts the longest searches, and without it 6 shares fit more than 0.02 worse."""
    capped, free = (
        replayed_efficiency(
            [(prime_pool(512, 1.0, tries), 50), (prime_pool(1024, RATIO, tries), 20)], 6, "static", 2000, 1
        ).value
        for tries in (TRIES, 10**9)
    )
    assert free < capped - 0.02


def test_barrier_between_batches():
    """Each batch of one task keeps one of two workers idle, although both would fit side by side."""
    estimate = replayed_efficiency([([1.0], 1), ([1.0], 1)], 2, "dynamic", 3, 0)
    assert (estimate.n, estimate.value, estimate.low) == (3, 0.5, 0.5)


def test_equal_tasks_in_equal_shares_lose_nothing():
    """Tasks of one length that divide evenly are fully efficient on both schedules."""
    for schedule in ("dynamic", "static"):
        assert replayed_efficiency([([2.0], 12)], 4, schedule, 5, 0).value == pytest.approx(1.0)


def test_same_seed_same_answer():
    """The seed decides the draw."""
    first, again, other = (
        replayed_efficiency([([1.0, 2.0, 5.0], 9)], 3, "static", 50, seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("wrong", [[], [1.0, 0.0], [1.0, float("nan")], [-1.0]])
def test_durations_must_be_known_and_positive(wrong):
    """An empty, missing, zero or negative duration is an error, not a silent 0."""
    with pytest.raises(DataError, match="duration"):
        replayed_efficiency([(wrong, 1)], 2, "static", 1, 0)


@pytest.mark.parametrize(
    ("workers", "schedule", "named"), [(0, "static", "0"), (2, "random", "random"), (-1, "dynamic", "-1")]
)
def test_impossible_parameters_are_named(workers, schedule, named):
    """An unknown schedule and fewer than one worker are refused by name."""
    with pytest.raises(ParameterError, match=named):
        replayed_efficiency([([1.0], 1)], workers, schedule, 1, 0)


@pytest.mark.parametrize(("batches", "repeats"), [([], 5), ([([1.0], 0)], 5), ([([1.0], 1)], 0)])
def test_empty_replays_are_refused(batches, repeats):
    """Neither no batch, nor an empty batch, nor no repeat is an efficiency."""
    with pytest.raises(ParameterError, match="replay"):
        replayed_efficiency(batches, 1, "static", repeats, 0)


def test_random_searches_have_the_mean_and_the_limit_of_their_law():
    """By hand: of 1024 bits one odd number in 354.9 is prime, so 1000 tries last 2.818 means, in 6 %."""
    found = random_searches(1024, 1000, 2.0)
    assert found.max() == pytest.approx(2 * 1000 / 354.9, rel=1e-3)
    assert (found == found.max()).mean() == pytest.approx((1 - 1 / 354.9) ** 999, abs=0.01)
    assert random_searches(1024, 10**9, 2.0).mean() == pytest.approx(2.0, rel=0.03)


def test_given_up_cuts_at_the_time_of_the_last_try():
    """A search that would have given up is cut at its limit of tries, and shorter ones stay as they are."""
    durations = [1.0] * 99 + [101.0]  # mean 2 s: of 1024 bits that is 354.9 tries
    cut = given_up(durations, bits=1024, tries=1000)
    assert cut[:99].tolist() == [1.0] * 99
    assert cut[99] == pytest.approx(2.0 * 1000 / (1024 * log(2) / 2))
