"""How many workers or nodes to use: the fewest that come near the best, or the sizes that remain possible."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lab.analysis.intervals import LEVEL, Estimate
from lab.analysis.verdicts import Outcome, all_of, at_least, judge, shared_level

PART = 0.03
"""Sizes within this part of the best throughput are near it."""

MOST_BLOCKS = 100
"""A run of more blocks than this is not proposed: sizes that it would take to tell apart are as good."""

LIKELY = 0.8
"""How often the repeats that are proposed decide."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """How many to use.

    `possible` are the sizes that may be the fewest within `part` of the best; one of them alone is the
    `size` to use, unless nothing shows that it is near the best. `loss` is the part of the best throughput
    that the smallest of them may lose at most (0..1), `blocks` the repeats in all that would tell whether
    it is near, each None where it is not known. `largest`: the largest size that was measured is possible, so
    that larger ones may be better still.
    """

    size: int | None
    possible: tuple[int, ...]
    part: float
    loss: float | None
    blocks: int | None
    largest: bool


def ratios(logs: Numbers, level: float = LEVEL) -> list[list[Estimate]]:
    """Return the ratio of each size to each other, with intervals of that level each.

    `logs` are logarithms of throughput, blocks by sizes, NaN where a trial failed. Blocks are paired; the
    spread of a difference is that of all sizes pooled, or that of the pair itself where it is larger, since
    sizes need not scatter alike. Without two blocks that have both sizes there is no interval.
    """
    spread, freedom = pooled_spread(logs)
    width = float(stats.t.ppf((1 + level) / 2, freedom)) if freedom > 0 else inf
    columns = list(logs.T)
    return [[_ratio(one, other, spread, width, level) for other in columns] for one in columns]


def pooled_spread(logs: Numbers) -> tuple[float, int]:
    """Return the standard deviation of one trial's log throughput within its block, and its freedom.

    That is what is left of a trial less the mean of its size and the mean of its block.
    """
    left = logs.copy()
    # a few rounds make both means vanish where trials are missing; without, one does
    for _ in range(20):
        left = left - np.nanmean(left, axis=0)
        left = left - np.nanmean(left, axis=1, keepdims=True)
    known = int(np.isfinite(left).sum())
    freedom = known - logs.shape[1] - logs.shape[0] + 1
    return (sqrt(float(np.nansum(left**2)) / freedom), freedom) if freedom > 0 else (float("nan"), 0)


def _ratio(first: Numbers, second: Numbers, spread: float, width: float, level: float) -> Estimate:
    apart = (first - second)[np.isfinite(first - second)]
    n = len(apart)
    if n == 0:
        return Estimate(0, level=level)
    value = exp(float(apart.mean()))
    if n == 1 or not isfinite(width):
        return Estimate(n, value, None, None, level)
    half = width * max(sqrt(2) * spread, float(apart.std(ddof=1))) / sqrt(n)
    return Estimate(n, value, value * exp(-half), value * exp(half), level)


def choose(sizes: Sequence[int], logs: Numbers, part: float = PART, level: float = LEVEL) -> Choice | None:
    """Return how many to use; None where no size was measured.

    `sizes` ascend and name the columns of `logs`, as in `ratios`. A size is near the best where its ratio to
    every other is above 1 - part, and is not where one of them is below. The fewest that are near, all
    smaller ones not, are the size to use.
    """
    measured = np.flatnonzero(np.isfinite(logs).any(axis=0)).tolist()
    sizes, logs = [sizes[place] for place in measured], logs[:, measured]
    logs = logs[np.isfinite(logs).any(axis=1)]
    if not sizes:
        return None
    near = near_best(logs, part, level)
    left = places = [place for place, outcome in enumerate(near) if outcome != "does not hold"]
    first = next((place for place in places if near[place] == "holds"), None)
    # beyond one that is near for certain, none can be the fewest
    places = [place for place in places if first is None or place <= first]
    decided = len(places) == 1 and first is not None and len(sizes) > 1
    return Choice(
        size=sizes[places[0]] if decided else None,
        possible=tuple(sizes[place] for place in places),
        part=part,
        loss=0.0 if 1 == len(left) < len(sizes) else _loss(ratios(logs[:, left], level)[0]),
        blocks=None if decided else _blocks(logs[:, left], part, level),
        largest=places[-1] == len(sizes) - 1,
    )


def near_best(logs: Numbers, part: float = PART, level: float = LEVEL) -> list[Outcome]:
    """Return for each size whether it lies within a part of the best.

    That it does takes all of its comparisons, each of which has to hold by itself (an intersection-union
    test: Berger, Technometrics 24, 1982); that it does not takes one, so that they share one error rate. What
    is far from the best for certain need not scatter as the best do: the others are judged without it.
    """
    found = _near_best(logs, part, level)
    left = [place for place, outcome in enumerate(found) if outcome != "does not hold"]
    if 1 < len(left) < len(found):
        for place, outcome in zip(left, near_best(logs[:, left], part, level), strict=True):
            found[place] = outcome
    return found


def _near_best(logs: Numbers, part: float, level: float) -> list[Outcome]:
    each, together = ratios(logs, level), ratios(logs, shared_level(logs.shape[1] - 1, level))
    found: list[Outcome] = []
    for place in range(logs.shape[1]):
        others = [other for other in range(logs.shape[1]) if other != place]
        holds = all_of(judge(each[place][other], at_least(1 - part)) for other in others)
        fails = all_of(judge(together[place][other], at_least(1 - part)) for other in others)
        found.append(holds if holds == "holds" else fails if fails == "does not hold" else "not decided")
    return found


def _loss(row: Sequence[Estimate]) -> float | None:
    """Return the part of the best throughput that the first size may lose at most."""
    lows = [one.low for one in row[1:]]
    if not lows or any(low is None for low in lows):
        return None
    return max(0.0, 1 - min(low for low in lows if low is not None))


def _blocks(logs: Numbers, part: float, level: float) -> int | None:
    """Return the blocks in all that would most likely tell whether the first size is near the best.

    They do with a probability of LIKELY, if the means are right. None where MOST_BLOCKS would not, or the
    spread is not known.
    """
    spread, freedom = pooled_spread(logs)
    if not freedom or not spread:
        return None
    means = np.nanmean(logs, axis=0)
    sizes = logs.shape[1]
    apart = abs(float(means[0] - means.max() - log(1 - part)))
    each = shared_level(sizes - 1, level)
    for blocks in range(len(logs) + 1, MOST_BLOCKS + 1):
        width = float(sum(stats.t.ppf(one, (blocks - 1) * (sizes - 1)) for one in ((1 + each) / 2, LIKELY)))
        if width * sqrt(2 / blocks) * spread <= apart:
            return blocks
    return None
