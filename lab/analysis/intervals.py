"""Estimates with their uncertainty: means, paired ratios, proportions, and what could be detected."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, isnan, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from lab.errors import DataError

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value from n observations with its two-sided interval; what is unknown is None, never 0."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = LEVEL

    def map(self, change: Callable[[float], float]) -> "Estimate":
        """Return the same with value and ends changed, as far as they are known."""
        value, low, high = (None if one is None else change(one) for one in (self.value, self.low, self.high))
        return Estimate(self.n, value, low, high, self.level)

    def times(self, factor: float) -> "Estimate":
        """Return the same in another unit, or as a part of something."""
        return self.map(lambda one: factor * one)


def mean_estimate(values: Iterable[float | None], level: float = LEVEL) -> Estimate:
    """Return the mean with its interval by Student's t; missing values are dropped.

    Value None without any value, low and high None below two: a spread cannot be told from one.
    Source: Student, The probable error of a mean, Biometrika 6 (1908).
    """
    known = _known(values)
    n = len(known)
    if n == 0:
        return Estimate(0, level=level)
    mean = float(known.mean())
    if n == 1:
        return Estimate(1, mean, None, None, level)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(known.std(ddof=1)) / sqrt(n)
    return Estimate(n, mean, mean - half, mean + half, level)


def mean_against(
    values: Iterable[float | None], error: float, freedom: int, level: float = LEVEL
) -> Estimate:
    """Return the mean of values that were all compared with one reference, which has an error of its own.

    `error` is the standard error that the reference adds to all of them alike, NaN where it is not known, and
    `freedom` its degrees of freedom; those of both together are Welch's (Biometrika 34, 1947).
    """
    found = mean_estimate(values, level)
    if found.low is None or found.value is None or error == 0:
        return found
    if isnan(error) or freedom < 1:
        return Estimate(found.n, found.value, None, None, level)
    own = (found.value - found.low) / float(stats.t.ppf((1 + level) / 2, found.n - 1))
    variance = own**2 + error**2
    welch = variance**2 / (own**4 / (found.n - 1) + error**4 / freedom)
    half = float(stats.t.ppf((1 + level) / 2, welch)) * sqrt(variance)
    return Estimate(found.n, found.value, found.value - half, found.value + half, level)


def geometric_mean(values: Iterable[float], level: float = LEVEL) -> Estimate:
    """Return the geometric mean of values with its interval; a value of 0 or less is left out."""
    return geometric_estimate([log(value) for value in values if value > 0], level)


def ratio_estimate(
    numerators: Sequence[float | None], denominators: Sequence[float | None], level: float = LEVEL
) -> Estimate:
    """Return the geometric mean of the ratios of pairs, with its interval.

    Student's t on the log ratios, transformed back: the interval of a ratio and that of its inverse agree.
    A pair with a missing side is dropped. Raises DataError on unequal lengths and on values <= 0.
    """
    return geometric_estimate(log_ratios(numerators, denominators), level)


def geometric_estimate(logarithms: Iterable[float | None], level: float = LEVEL) -> Estimate:
    """Return the mean of logarithms and its interval, both transformed back."""
    return mean_estimate(logarithms, level).map(exp)


def log_ratios(numerators: Sequence[float | None], denominators: Sequence[float | None]) -> list[float]:
    """Return the natural log of the ratio of every pair of which both sides are known.

    Raises DataError on unequal lengths and on values <= 0, naming the value.
    """
    if len(numerators) != len(denominators):
        raise DataError(
            f"pairs need two equally long columns, but got {len(numerators)}, {len(denominators)}"
        )
    return [
        log(_positive(top)) - log(_positive(bottom))
        for top, bottom in zip(numerators, denominators, strict=True)
        if not _missing(top) and not _missing(bottom)
    ]


def unpaired_ratio(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Estimate:
    """Return the ratio of the geometric means of two independent samples, with Welch's interval on logs.

    n is that of the smaller sample; no interval below two values in either, no value without any. Source:
    Welch, The generalization of Student's problem, Biometrika 34 (1947). Raises DataError on values <= 0.
    """
    tops, bottoms = ([log(_positive(one)) for one in sample] for sample in (first, second))
    n = min(len(tops), len(bottoms))
    if n == 0:
        return Estimate(0, level=level)
    value = exp(float(np.mean(tops)) - float(np.mean(bottoms)))
    if n == 1:
        return Estimate(1, value, None, None, level)
    between = stats.ttest_ind(tops, bottoms, equal_var=False).confidence_interval(level)
    return Estimate(n, value, exp(float(between.low)), exp(float(between.high)), level)


def proportion_estimate(failures: int, attempts: int, level: float = LEVEL) -> Estimate:
    """Return failures / attempts with its exact interval; all None without attempts.

    Source: Clopper and Pearson, The use of confidence or fiducial limits, Biometrika 26 (1934).
    Raises DataError unless 0 <= failures <= attempts.
    """
    if not 0 <= failures <= attempts:
        raise DataError(f"failures must lie in 0..attempts, but got {failures} of {attempts}")
    if attempts == 0:
        return Estimate(0, level=level)
    successes, tail = attempts - failures, (1 - level) / 2
    low = float(stats.beta.ppf(tail, failures, successes + 1)) if failures else 0.0
    high = float(stats.beta.ppf(1 - tail, failures + 1, successes)) if successes else 1.0
    return Estimate(attempts, failures / attempts, low, high, level)


def median_estimate(values: Iterable[float | None], level: float = LEVEL) -> Estimate:
    """Return the median with its interval from order statistics, whatever the distribution.

    The interval holds the median with at least that level; there is none where too few values could give
    it. Missing values are dropped. Source: Conover, Practical Nonparametric Statistics (1999), section 3.2.
    """
    known = np.sort(_known(values))
    n = len(known)
    if n == 0:
        return Estimate(0, level=level)
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    median = float(np.median(known))
    if rank < 1:
        return Estimate(n, median, None, None, level)
    return Estimate(n, median, float(known[rank - 1]), float(known[n - rank]), level)


def leaves_out_zero(samples: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.bool_]:
    """Tell for each row of samples whether Student's t interval of its mean leaves out 0.

    The interval is that of `mean_estimate`; rows need two columns or more.
    """
    n = samples.shape[1]
    half = stats.t.ppf((1 + level) / 2, n - 1) * samples.std(axis=1, ddof=1) / sqrt(n)
    marks: NDArray[np.bool_] = np.abs(samples.mean(axis=1)) > half
    return marks


def detectable_ratio(log_ratios: Iterable[float | None], level: float = LEVEL) -> float | None:
    """Return the smallest true ratio above 1 that a comparison like this one would have seen.

    Seen: with power 0.8, by a two-sided paired t test over as many blocks with this spread of the log
    ratios. The noncentrality at which the upper tail has that power is that of Cohen, Statistical Power
    Analysis (1988), section 2.2; the other tail is negligible. None below two pairs.
    """
    known = _known(log_ratios)
    n = len(known)
    if n < 2:
        return None
    critical = stats.t.ppf((1 + level) / 2, n - 1)
    noncentrality = float(special.nctdtrinc(n - 1, 1 - POWER, critical))
    return float(np.exp(noncentrality * known.std(ddof=1) / sqrt(n)))


def _known(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([float(value) for value in values if value is not None and not _missing(value)])


def _missing(value: float | None) -> bool:
    # str() of pandas' own missing value, which float() refuses, is "<NA>"
    return value is None or str(value) == "<NA>" or isnan(value)


def _positive(value: float | None) -> float:
    if value is None or value <= 0:
        raise DataError(f"a ratio needs values above 0, but got {value}: look at the trial it comes from")
    return float(value)
