"""Numbers as text: digits from the interval, units beside them, unknowns said."""

import pytest

from lab.analysis.intervals import Estimate
from lab.formats import count, estimate, listing, memory, number, percent, seconds, short_estimate


def test_an_estimate_comes_with_unit_interval_and_n() -> None:
    """The text of an estimate holds all that is needed to judge it."""
    assert (
        estimate(Estimate(5, 12.31, 11.91, 12.72), "primes/s")
        == "12.3 primes/s (95 % interval 11.9 to 12.7, n = 5)"
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (12.3456, 11.9, 12.7, "12.3 (11.9 to 12.7)"),
        (1.9573, 1.80, 2.13, "1.96 (1.80 to 2.13)"),
        (0.99412, 0.9921, 0.9963, "0.9941 (0.9921 to 0.9963)"),
        (1234.5, 1100.0, 1370.0, "1,234 (1,100 to 1,370)"),
        (95.0, 95.0, 95.0, "95.0 (95.0 to 95.0)"),
        (0.831234, 0.831233, 0.831235, "0.8312 (0.8312 to 0.8312)"),
        (-0.001, -0.4, 0.4, "0.0 (-0.4 to 0.4)"),
    ],
)
def test_the_interval_chooses_the_digits(value: float, low: float, high: float, text: str) -> None:
    """No digit is shown that the interval makes meaningless, and never more than four."""
    assert short_estimate(Estimate(5, value, low, high)) == text


def test_one_observation_has_no_interval() -> None:
    """Where there is no interval, the text says so in place of showing one."""
    assert estimate(Estimate(1, 12.345, None, None), "s") == "12.3 s (n = 1, too few for an interval)"
    assert short_estimate(Estimate(1, 12.345, None, None)) == "12.3"


@pytest.mark.parametrize("form", [number, percent, seconds, memory])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_an_unknown_is_not_zero(form, value: float | None) -> None:
    """An unknown number is said to be unknown."""
    assert form(value) == "not known"


def test_an_unknown_estimate_is_said() -> None:
    """An estimate without a value is said to be unknown."""
    assert estimate(Estimate(0, None, None, None), "s") == short_estimate(None) == "not known"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (0.00085, "850 µs"),
        (0.045, "45.0 ms"),
        (0.9999, "1.00 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 0 s"),
        (200.4, "3 min 20 s"),
        (7500.0, "2 h 5 min"),
    ],
)
def test_a_duration_is_in_the_unit_that_reads_best(value: float, text: str) -> None:
    """Microseconds to hours, never a row of zeros."""
    assert seconds(value) == text


def test_memory_and_counts_read_as_words() -> None:
    """Bytes are in powers of 1024, and one worker is no 'workers'."""
    assert memory(4.2 * 2**30) == "4.20 GiB"
    assert [count(1, "worker"), count(6, "worker"), count(2, "process", "processes")] == [
        "1 worker",
        "6 workers",
        "2 processes",
    ]


def test_a_listing_ends_with_and() -> None:
    """One, two and more items read as a sentence has them; none is nothing."""
    assert [listing(items) for items in ((), (1,), (1, 2), (1, 2, 4))] == ["", "1", "1 and 2", "1, 2 and 4"]
