"""Log ratios with what they are uncertain by, however it came together, and the slow-downs they can find."""

import dataclasses
from collections.abc import Sequence
from functools import cache
from math import exp, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lab.analysis.intervals import LEVEL, Estimate

Numbers = NDArray[np.float64]
Part = tuple[float, float]
"""A variance of a log ratio, and its degrees of freedom."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ratio:
    """The throughput of the second run relative to the first: its logarithm, with what that is uncertain by.

    `n` counts blocks. `log` and `error`, a standard error, are None where they are not known.
    """

    n: int
    log: float | None
    error: float | None
    freedom: float
    level: float = LEVEL

    @property
    def estimate(self) -> Estimate:
        """Return the ratio with Student's interval of its logarithm, transformed back."""
        if self.log is None or self.error is None:
            return Estimate(self.n, None if self.log is None else exp(self.log), None, None, self.level)
        half = self.error * critical(self.level, self.freedom)
        return Estimate(self.n, exp(self.log), exp(self.log - half), exp(self.log + half), self.level)

    def power(self, loss: float, margin: float) -> float | None:
        """Return how often an interval as wide as this one finds a true slow-down (0.05 is 5 %).

        Found: the whole interval lies below 1 - margin. Where the ratio will lie is Student's distribution
        about the truth, as wide as it was seen to be; with a spread of few blocks put for the true one into
        the noncentral t, small slow-downs would seem to be found far oftener than they are.
        """
        if self.error is None:
            return None
        beyond = log(1 - margin) - log(1 - loss)
        if self.error == 0:
            return float(beyond > 0)
        found = special.stdtr(self.freedom, beyond / self.error - critical(self.level, self.freedom))
        return float(found)

    def found_from(self, power: float, margin: float) -> float | None:
        """Return the smallest slow-down that an interval as wide as this one finds with that power."""
        if self.error is None:
            return None
        steps = critical(self.level, self.freedom) + float(special.stdtrit(self.freedom, power))
        return 1 - (1 - margin) * exp(-self.error * steps)


def part(values: Numbers) -> Part | None:
    """Return the variance of a mean and its degrees of freedom; None of fewer than two values."""
    return (float(values.var(ddof=1)) / len(values), len(values) - 1) if len(values) > 1 else None


def ratio(n: int, value: float | None, parts: Sequence[Part | None], level: float) -> Ratio:
    """Return a ratio whose error has these parts; its freedom is that of Welch (Biometrika 34, 1947)."""
    known = [one for one in parts if one is not None]
    if value is None or len(known) < len(parts):
        return Ratio(n, value, None, 0, level)
    variance = sum(one for one, _ in known)
    weights = sum(one**2 / freedom for one, freedom in known)
    return Ratio(n, value, sqrt(variance), variance**2 / weights if weights else inf, level)


@cache
def critical(level: float, freedom: float) -> float:
    """Return the quantile of Student's t at which a two-sided interval of that level ends."""
    return float(special.stdtrit(freedom, (1 + level) / 2))
