"""The example of a stated length: work that can be counted, calibrated, and that its sum proves."""

import importlib
import itertools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))
module: Any = importlib.import_module("spin")

spin = module.spin
iterations_for, iterations_per_second = module.iterations_for, module.iterations_per_second


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
    """Ten numbers modulo 8 are 0 to 7, 0 and 1: 29."""
    assert spin(10) == 29


@given(iterations=st.integers(1, 3000))
def test_the_result_is_the_sum_of_the_work(iterations: int) -> None:
    """Every addition is done: the sum is the one by formula."""
    eights, rest = divmod(iterations, 8)
    assert spin(iterations) == 28 * eights + rest * (rest - 1) // 2


def test_other_work_has_another_sum() -> None:
    """Work left out or done twice is seen in the sum."""
    assert len({spin(one) for one in (1000, 1002, 1003, 2000)}) == 4


def test_a_spin_adds_so_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes over as many numbers as are asked for, none of which Python keeps ready."""
    ranges: list[range] = []
    monkeypatch.setattr(
        module, "range", lambda *ends: ranges.append(range(*ends)) or ranges[-1], raising=False
    )
    spin(500)
    assert [len(one) for one in ranges] == [500]
    assert ranges[0].start > 256


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


@pytest.mark.parametrize("iterations", [0, -1])
def test_no_work_is_refused(iterations: int) -> None:
    """A spin of no iterations is refused with their number."""
    with pytest.raises(ValueError, match=rf"iterations >= 1, not {iterations}$"):
        spin(iterations)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_no_length_is_refused(seconds: float) -> None:
    """A length that is none is refused."""
    with pytest.raises(ValueError, match="seconds > 0"):
        iterations_for(seconds)


def test_a_clock_that_stands_still_is_refused() -> None:
    """The calibration ends where the clock never moves."""
    with pytest.raises(ValueError, match="stands still"):
        iterations_per_second(lambda: 1.0)
