"""Runs over time: where their level changes by more than runs differ by anyway."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import stats

from lab.analysis.intervals import LEVEL, Estimate, geometric_estimate
from lab.analysis.verdicts import shared_level

FEWEST = 2
"""Runs on each side of a change: a single odd one is no new level."""


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """Runs from `begin` up to `end`, which is not of it, that no change parts; n of the mean counts runs."""

    begin: int
    end: int
    mean: Estimate
    ratio: Estimate | None
    """To the level before, at the level that all tests of the series share; None of the first."""


def levels(logarithms: Sequence[float], level: float = LEVEL) -> tuple[Level, ...]:
    """Return the levels of a series of runs, oldest first, given as logarithms, one a run; none of no run.

    A change is looked for by cutting the series in two where the means of both sides differ most by the
    pooled t test, and each part again (Scott and Knott, Biometrics 30, 1974). All places of the series share
    half the error (Dunn, 1961), so that of series without a change at most the part 1 - level has one, also
    where few runs scatter otherwise than normally (a test simulates it); they must be independent.
    """
    values = np.asarray(logarithms, dtype=float)
    shared = shared_level(2 * (len(values) - 2 * FEWEST + 1), level)
    ends = [0, *_changes(values, 0, shared), len(values)]
    parts = [values[begin:end] for begin, end in pairwise(ends)]
    if not len(values):
        return ()
    ratios = [None, *(_ratio(*pair, shared) for pair in pairwise(parts))]
    return tuple(
        Level(begin, begin + len(part), geometric_estimate(part), ratio)
        for begin, part, ratio in zip(ends, parts, ratios, strict=False)
    )


def _changes(values: np.ndarray, begin: int, level: float) -> list[int]:
    """Return the places at which new levels begin, ascending, `begin` added to each."""
    n = len(values)
    cut = np.arange(FEWEST, n - FEWEST + 1)
    if not len(cut) or np.ptp(values) == 0:
        return []
    first = np.cumsum(values)[cut - 1] / cut
    second = (values.sum() - cut * first) / (n - cut)
    between = cut * (n - cut) / n * (first - second) ** 2
    within = np.maximum(((values - values.mean()) ** 2).sum() - between, np.finfo(float).tiny)
    best = int(np.argmax(between))
    if stats.f.sf(between[best] / within[best] * (n - 2), 1, n - 2) >= 1 - level:
        return []
    place = int(cut[best])
    before, after = _changes(values[:place], begin, level), _changes(values[place:], begin + place, level)
    return [*before, begin + place, *after]


def _ratio(before: np.ndarray, after: np.ndarray, level: float) -> Estimate:
    """Return the ratio of a level to the one before, by the test that found the change; n counts its runs."""
    found = stats.ttest_ind(after, before).confidence_interval(level)
    value, low, high = np.exp([after.mean() - before.mean(), found.low, found.high])
    return Estimate(len(after), float(value), float(low), float(high), level)
