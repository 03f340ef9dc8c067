"""Tests of lab.analysis.queue: the queue of one trial as an exact step function."""

from math import isnan

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.analysis.queue import mean_and_max, queue_lengths


def attempts(times, warmup=False):
    """Return task rows with the given (submitted, received) times."""
    return pd.DataFrame(times, columns=["submitted_seconds", "received_seconds"], dtype=float).assign(
        warmup=warmup
    )


def test_steps_by_hand():
    """Two tasks at 0, answered at 1 and 3, make a queue of 2, 1, 0 whose mean over 4 s is 1."""
    lengths = queue_lengths(attempts([(0, 1), (0, 3)]))
    assert lengths["at_seconds"].tolist() == [0, 1, 3]
    assert lengths["length"].tolist() == [2, 1, 0]
    assert mean_and_max(lengths, 4.0) == (1.0, 2.0)


def test_one_in_one_out_is_no_step_up():
    """A task submitted at the instant of an answer does not make the queue longer."""
    assert queue_lengths(attempts([(0, 1), (1, 2)]))["length"].tolist() == [1, 1, 0]


def test_warmups_do_not_queue():
    """Warm-up rows leave the queue as it is."""
    window = attempts([(0, 1)])
    both = pd.concat([window, attempts([(-2, -1), (-2, 5)], warmup=True)])
    pd.testing.assert_frame_equal(queue_lengths(both), queue_lengths(window))


def test_times_outside_the_window_do_not_weigh():
    """The mean is over the window alone."""
    assert mean_and_max(queue_lengths(attempts([(-1, 10)])), 2.0) == (1.0, 1.0)


@pytest.mark.parametrize("times", [[], [(0, 1), (0, None)]])
def test_unknown_queue_is_nan(times):
    """Without tasks, or with an answer whose time is missing, the queue is unknown."""
    lengths = queue_lengths(attempts(times))
    assert list(lengths.columns) == ["at_seconds", "length"]
    assert lengths.empty
    assert all(isnan(value) for value in mean_and_max(lengths, 1.0))


def test_window_without_length_is_nan():
    """A window of unknown length has no mean."""
    assert all(isnan(value) for value in mean_and_max(queue_lengths(attempts([(0, 1)])), float("nan")))


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.001, 5)), min_size=1, max_size=12))
def test_littles_law(spans):
    """The mean queue times the window is the sum of the times that tasks spent in it (Little 1961)."""
    times = [(begin, begin + span) for begin, span in spans]
    mean, highest = mean_and_max(queue_lengths(attempts(times)), 10.0)
    assert mean * 10.0 == pytest.approx(sum(end - begin for begin, end in times))
    assert highest <= len(times)
