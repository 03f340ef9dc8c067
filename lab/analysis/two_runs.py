"""Two runs compared: the ratio of their throughput, one verdict, and what slow-down it would have found."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from lab.analysis.configurations import CONFIGURATION, WORK
from lab.analysis.intervals import LEVEL
from lab.analysis.ratios import Numbers, Ratio, part, ratio
from lab.analysis.trials import sound
from lab.analysis.verdicts import Outcome, Range, at_least, judge, shared_level

KEY = [*(one for one in CONFIGURATION if one != "arm"), *WORK]
"""What tells one configuration of a run from another: the A/A arm repeats one of them, and is left out."""

ASSUMED = 0.02
"""What levels of runs are taken to scatter by (standard deviation, 0.02 is 2 %) where too few runs tell."""

FEWEST = 3
"""Degrees of freedom from which on runs tell what runs differ by: four runs of one kind have three."""

MOST = 0.5
"""The part of the configurations that a block must have to count for all together."""

LARGEST = 0.99
"""The largest slow-down that is asked for: throughput falls to a hundredth."""

Change = Literal["slower", "faster", "within the margin", "not slower", "undecided"]


@dataclasses.dataclass(frozen=True, slots=True)
class Between:
    """The variance of the log throughput of runs of one kind, as a whole and of each configuration."""

    overall: float
    each: tuple[float, ...]
    freedom: int
    runs: int


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared: all configurations together, each by itself, and what the intervals cover.

    `between` is what runs differ by where runs tell it, None where ASSUMED stands for it; neither matters
    where `paired`, since blocks that took turns were made at the same time.
    """

    overall: Ratio
    each: Mapping[tuple[object, ...], Ratio]
    margin: float
    paired: bool
    whole: int
    """Configurations that no block lacks: `overall` is of these."""
    between: Between | None = None

    def outcome(self, true_for: Range) -> Outcome:
        """Return whether a claim about the ratio holds, for all configurations together.

        It does not hold either where it does not for one of them. Together they err as often as one interval
        of LEVEL: half of that is of the mean, the other half is shared by the configurations.
        """
        alone = [judge(one.estimate, true_for) for one in self.each.values()]
        return "does not hold" if "does not hold" in alone else judge(self.overall.estimate, true_for)

    @property
    def change(self) -> Change:
        """Return the verdict in a word: whether the second run is slower than the first beyond the margin."""
        outcome = self.outcome(at_least(1 - self.margin))
        if outcome != "holds":
            return "slower" if outcome == "does not hold" else "undecided"
        found = self.overall.estimate
        assert found.low is not None
        assert found.high is not None
        if found.low > 1 + self.margin:
            return "faster"
        return "within the margin" if found.high <= 1 + self.margin else "not slower"

    def power(self, loss: float) -> float | None:
        """Return how often a comparison like this finds a slow-down of all configurations (0.05 is 5 %).

        It is found by the mean of all or by one of them: at least as often as by the likelier of the two.
        The level of a run is in both. Paired, hardly anything is, so that what the mean misses the most
        precise configuration finds by itself.
        """
        together = self.overall.power(loss, self.margin)
        if together is None or len(self.each) < 2:
            return together
        alone = max(one.power(loss, self.margin) or 0.0 for one in self.each.values())
        return 1 - (1 - together) * (1 - alone) if self.paired else max(together, alone)

    def found_from(self, power: float) -> float | None:
        """Return the smallest slow-down that is found with that power; None where even LARGEST is not."""

        def short(loss: float) -> float:
            return (self.power(loss) or 0.0) - power

        if short(LARGEST) < 0:
            return None
        return float(optimize.brentq(short, self.margin, LARGEST)) if short(self.margin) < 0 else self.margin


def logs_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Return log throughput (units/s) of trials that ended well: configurations in rows, blocks in columns.

    The index are the columns of KEY, in which nothing stands for what is not known.
    """
    done = sound(trials)
    done = done[(done["arm"] != "copy") & (done["units"] > 0) & (done["duration_seconds"] > 0)]
    rates = done["units"].astype(float) / done["duration_seconds"].astype(float)
    texts = {one: done[one].astype(object).where(done[one].notna(), "").astype(str) for one in KEY}
    counts = {one: done[one].astype(int) for one in ("nodes", "workers_per_node", "workers")}
    table = pd.DataFrame({**texts, **counts, "block": done["block"].astype(int), "log": np.log(rates)})
    return table.groupby([*KEY, "block"])["log"].mean().unstack("block")


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    margin: float,
    paired: bool = False,
    groups: Iterable[Sequence[pd.DataFrame]] = (),
    assumed: float = ASSUMED,
) -> Comparison:
    """Return how the throughput of a second run compares with that of a first, over what both measured.

    Takes frames of `logs_of`. Paired, blocks of one number are pairs; else both runs are samples of their
    own, and what runs differ by comes from `groups`, each of runs of one kind, or is `assumed`.
    """
    both = first.index.intersection(second.index)
    if paired:
        blocks = first.columns.intersection(second.columns)
        first, second = first[blocks], second[blocks]
    a, b = (one.loc[both].to_numpy(dtype=np.float64) for one in (first, second))
    whole, *together = _as_a_whole(a, b, paired)
    known = None if paired else between_runs(groups, both, whole)
    levels = (shared_level(2), shared_level(2 * len(both))) if len(both) > 1 else (LEVEL, LEVEL)
    variances = [None] * (1 + len(both)) if known is None else [known.overall, *known.each]
    rows = zip([together[0], *a], [together[1], *b], variances, strict=True)
    ratios = [
        _paired(one, other, level) if paired else _apart(one, other, level, variance, known, assumed)
        for (one, other, variance), level in zip(rows, [levels[0], *[levels[1]] * len(both)], strict=True)
    ]
    each = dict(zip(both, ratios[1:], strict=True))
    return Comparison(ratios[0], each, margin, paired, int(whole.sum()), known)


def between_runs(
    groups: Iterable[Sequence[pd.DataFrame]], configurations: pd.Index, whole: NDArray[np.bool_]
) -> Between | None:
    """Return what runs of one kind differ by; None where they leave fewer than FEWEST degrees of freedom.

    `whole` tells which of the configurations count for a run as a whole.
    """
    sums, freedom, runs = np.zeros(1 + len(configurations)), 0, 0
    for group in groups:
        having = [one.loc[configurations] for one in group if configurations.isin(one.index).all()]
        if len(having) > 1:
            levels = np.array([_levels(one.to_numpy(dtype=np.float64), whole) for one in having])
            sums += levels.var(axis=0, ddof=1) * (len(having) - 1)
            freedom, runs = freedom + len(having) - 1, runs + len(having)
    if freedom < FEWEST or not np.isfinite(sums).all():
        return None
    variances = (sums / freedom).tolist()
    return Between(variances[0], tuple(variances[1:]), freedom, runs)


def _levels(logs: Numbers, whole: NDArray[np.bool_]) -> Numbers:
    """Return the mean log throughput of a run, of all its configurations and of each."""
    each = np.array([one[np.isfinite(one)].mean() if np.isfinite(one).any() else np.nan for one in logs])
    return np.array([each[whole].mean() if whole.any() else np.nan, *each])


def _as_a_whole(a: Numbers, b: Numbers, paired: bool) -> tuple[NDArray[np.bool_], Numbers, Numbers]:
    """Return which configurations no block lacks in either run, and their mean in every block of both.

    A configuration of which a trial failed is judged by itself alone: else its block would be lost to all.
    A block counts where it has most configurations.
    """
    known = [np.isfinite(a + b)] * 2 if paired else [np.isfinite(a), np.isfinite(b)]
    blocks = [one.mean(axis=0) > MOST for one in known]
    whole = np.all([one[:, kept].all(axis=1) for one, kept in zip(known, blocks, strict=True)], axis=0)
    if not whole.any():
        return whole, np.empty(0), np.empty(0)
    means = [one[whole][:, kept].mean(axis=0) for one, kept in zip((a, b), blocks, strict=True)]
    return whole, means[0], means[1]


def _paired(first: Numbers, second: Numbers, level: float) -> Ratio:
    apart = _known(second - first)
    return ratio(len(apart), float(apart.mean()) if len(apart) else None, [part(apart)], level)


def _apart(
    first: Numbers,
    second: Numbers,
    level: float,
    variance: float | None,
    known: Between | None,
    assumed: float,
) -> Ratio:
    a, b = _known(first), _known(second)
    n = min(len(a), len(b))
    value = float(b.mean() - a.mean()) if n else None
    if known is not None and variance is not None:
        # the levels of runs scatter by what is within them, too
        return ratio(n, value, [(2 * variance, known.freedom)], level)
    return ratio(n, value, [part(a), part(b), (2 * assumed**2, inf)], level)


def _known(values: Numbers) -> Numbers:
    return values[np.isfinite(values)]
