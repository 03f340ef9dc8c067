"""Equivalence: whether two things differ by less than a margin that was named before they were measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.analysis.intervals import Estimate, ratio_estimate

ERROR = 0.05
"""Chance of calling two things equivalent that differ by just the margin, at most."""

Outcome = Literal["equivalent", "small difference", "slower", "faster", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Equivalence:
    """A ratio with its usual interval and that of the two one-sided tests, the margin, and the outcome."""

    ratio: Estimate
    tested: Estimate
    margin: float
    outcome: Outcome

    @property
    def limits(self) -> tuple[float, float]:
        """Return the ends of the margin around a ratio of 1."""
        return 1 - self.margin, 1 + self.margin


def equivalence(
    first: Sequence[float | None], second: Sequence[float | None], margin: float, error: float = ERROR
) -> Equivalence:
    """Return what pairs say of the ratio first / second of something of which more is better.

    Two one-sided t tests on the log ratios at `error` each, which is the same as the interval of level
    1 - 2 * error (90 %) lying within 1 - margin and 1 + margin (Schuirmann, Journal of Pharmacokinetics and
    Biopharmaceutics 15, 1987). Within it: equivalent, or a small difference where the usual interval leaves
    out 1. Where the usual interval lies wholly beyond the margin: slower or faster. Raises DataError on
    unequal lengths and on values <= 0.
    """
    ratio = ratio_estimate(first, second)
    tested = ratio_estimate(first, second, 1 - 2 * error)
    return Equivalence(ratio, tested, margin, _outcome(ratio, tested, margin))


def _outcome(ratio: Estimate, tested: Estimate, margin: float) -> Outcome:
    if ratio.low is None or ratio.high is None or tested.low is None or tested.high is None:
        return "cannot be told"
    if ratio.high < 1 - margin:
        return "slower"
    if ratio.low > 1 + margin:
        return "faster"
    if not (tested.low > 1 - margin and tested.high < 1 + margin):
        return "cannot be told"
    return "equivalent" if ratio.low <= 1 <= ratio.high else "small difference"
