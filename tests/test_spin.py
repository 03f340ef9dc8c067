"""The workload of a stated length: work that can be counted, calibrated, and that its digest proves."""

import itertools
import pickle
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.workloads import spin as module
from lab.workloads.spin import Spin, added, iterations_for, iterations_per_second, spin

from lab.errors import ParameterError


def ticking(steps: Iterable[float]) -> Callable[[], float]:
    """Return a clock by which one loop after another takes so long; between two it stands still."""
    now, forth = 0.0, itertools.cycle((False, True))
    step = iter(steps)

    def clock() -> float:
        nonlocal now
        if next(forth):
            now += next(step)
        return now

    return clock


def test_the_sum_is_known_by_hand() -> None:
    """Ten numbers modulo 8 are 0 to 7, 0 and 1: 29, or 1d in base 16."""
    assert added(10) == 29
    assert spin(Spin(10)).digest == "000000000000001d"


@given(iterations=st.integers(1, 3000), count=st.integers(1, 4))
def test_the_digest_is_the_sum_of_the_work(iterations: int, count: int) -> None:
    """Every addition is done: the digest is the sum of a unit by formula, and the units are the count."""
    eights, rest = divmod(iterations, 8)
    outcome = spin(Spin(iterations, count))
    assert int(outcome.digest, 16) == 28 * eights + rest * (rest - 1) // 2
    assert outcome.units == count
    assert len(outcome.digest) == 16


def test_the_same_work_has_the_same_digest_and_other_work_another() -> None:
    """Digests are equal for equal work, by another process' copy of the task too, and differ with it."""
    task = Spin(1000)
    assert spin(task) == spin(pickle.loads(pickle.dumps(task)))
    assert len({spin(Spin(one)).digest for one in (1000, 1002, 1003, 2000)}) == 4


def test_three_at_once_are_three_times_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of three units does the work three times and comes to the digest of one; less work does not."""
    done: list[int] = []
    monkeypatch.setattr("lab.workloads.spin.added", lambda iterations: done.append(iterations) or 1000)
    one, three = spin(Spin(500)), spin(Spin(500, 3))
    assert (one.units, three.units) == (1, 3)
    assert done == [500] * 4
    assert one.digest == three.digest


@pytest.mark.parametrize("seconds", [1e-5, 0.001, 0.2, 7.0])
def test_iterations_are_linear_in_the_seconds(seconds: float) -> None:
    """By a clock that gives 1000 additions 4 ms, a second is 250 000 of them, and all else in proportion."""
    expected = max(1, round(250_000 * seconds))
    assert iterations_for(seconds, ticking(itertools.repeat(0.004))) == expected


def test_short_loops_are_made_longer_before_they_count() -> None:
    """1000 additions in 1 ms and 2000 in 2 ms are too few: 4000 in 4 ms are measured."""
    clock = ticking([0.001, 0.002, 0.004, *[0.004] * module.CALIBRATIONS])
    assert iterations_per_second(clock) == pytest.approx(1e6)


def test_the_rate_is_the_median_of_the_loops() -> None:
    """Loops that were held up, fewer than half of them, change nothing."""
    held_up = [0.004] * 5 + [9.0] * 4
    assert len(held_up) == module.CALIBRATIONS
    assert iterations_per_second(ticking([0.004, *held_up])) == pytest.approx(250_000)


def test_a_long_spin_takes_longer_by_the_real_clock() -> None:
    """The real clock gives some iterations, and more for more seconds."""
    assert 1 <= iterations_for(1e-4) < iterations_for(1.0)


def test_at_least_one_addition() -> None:
    """A length below one addition is one."""
    assert iterations_for(1e-12) == 1


@pytest.mark.parametrize(("iterations", "count"), [(0, 1), (-1, 1), (1, 0)])
def test_no_work_is_refused(iterations: int, count: int) -> None:
    """A spin of no iterations, or none of them, is refused with both values."""
    with pytest.raises(ParameterError, match=rf"not {iterations} and {count}$"):
        Spin(iterations, count)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_no_length_is_refused(seconds: float) -> None:
    """A length that is none is refused."""
    with pytest.raises(ParameterError, match="seconds > 0"):
        iterations_for(seconds)


def test_a_clock_that_stands_still_is_refused() -> None:
    """The calibration ends where the clock never moves."""
    with pytest.raises(ParameterError, match="stands still"):
        iterations_per_second(lambda: 1.0)
