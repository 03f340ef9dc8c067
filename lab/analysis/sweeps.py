"""A sweep: throughput over sizes and blocks; its means, its noise, and resamples of whole blocks."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from lab.analysis.laws import Numbers
from lab.errors import DataError

FEWEST_SIZES = 4

FEWEST_BLOCKS, ADVISED_BLOCKS = 3, 5
"""Blocks below which no law is fitted, and the advice: of two, bands beyond the sizes hold too seldom."""

LEAST_BLOCKS = 2
"""Blocks that a mean with an interval needs."""

RESAMPLES = 400
SEED = 17

WIDEST = 50.0
"""What a block's random weight is cut to: of two blocks one in a hundred is beyond; no quantile needs it."""

LEAST_NOISE = 0.001
"""What a trial scatters at least, as a part of its throughput: equal values of a few blocks prove no less."""

Reason = Literal[
    "shared host",
    "unequal nodes",
    "nothing measured",
    "few blocks",
    "few sizes",
    "no law fits",
    "bends at the end",
    "too far",
    "below the smallest",
    "beyond reach",
    "not sure",
]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Throughput against size: sizes ascend, throughputs are (blocks, sizes) in units/s, NaN where unknown.

    A throughput of 0 or less counts as unknown. `work` says whether it grows with the size (weak scaling) or
    not; `own_processors` whether nodes that share a host have quotas that fit it, or hosts of their own;
    `equal_nodes` whether all nodes have as many cores, of one kind.
    Raises DataError where sizes do not ascend from 1 or more, and where shapes differ.
    """

    sizes: tuple[int, ...]
    throughputs: Numbers
    work: Literal["fixed", "grows"] = "fixed"
    own_processors: bool = True
    equal_nodes: bool = True

    def __post_init__(self) -> None:
        if list(self.sizes) != sorted(set(self.sizes)) or min(self.sizes, default=1) < 1:
            raise DataError(f"sizes of a sweep must ascend from 1 or more, but got {self.sizes}")
        if self.throughputs.ndim != 2 or self.throughputs.shape[1] != len(self.sizes):
            raise DataError(
                f"throughputs need a row per block and a column for each of {len(self.sizes)} sizes, but "
                f"their shape is {self.throughputs.shape}"
            )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer: the reason, the number that decides, its limit, and the sizes to measure."""

    reason: Reason
    found: float
    limit: float
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Means:
    """The log means of the sizes that are known: sizes and logs (k,), counts (k,) of the blocks of each.

    `apart` (blocks, k) is what each block is off the means, 0 where unknown; `rest` (blocks, k) the same less
    the block's own level, NaN where unknown; `freedom` the degrees of freedom of `rest`.
    """

    sizes: Numbers
    logs: Numbers
    counts: Numbers
    apart: Numbers
    rest: Numbers
    freedom: int

    @property
    def blocks(self) -> int:
        """Return how many blocks know anything."""
        return len(self.apart)

    @property
    def errors(self) -> Numbers:
        """Return the standard errors (k,) of the log means, over blocks."""
        found: Numbers = np.sqrt((self.apart**2).sum(axis=0) / (self.blocks * (self.blocks - 1)))
        return found

    @property
    def noise(self) -> float:
        """Return the spread of one trial, in logarithms, around its size's mean and its block's level."""
        return max(LEAST_NOISE, sqrt(float(np.nansum(self.rest**2)) / self.freedom))

    def without_largest(self) -> "Means":
        """Return the means of all sizes but the largest."""
        freedom = max(1, self.freedom - int(self.counts[-1]) + 1)
        columns = self.sizes[:-1], self.logs[:-1], self.counts[:-1], self.apart[:, :-1], self.rest[:, :-1]
        return Means(*columns, freedom)


def means(sweep: Sweep) -> Means | Refusal:
    """Return the means of a sweep over blocks; sizes that fewer than two blocks know are left out.

    Where a trial is missing, the levels of the blocks that are there are allowed for: log throughput is taken
    to be a size's mean plus a block's level plus a rest, by least squares. Refused: nothing known, one block.
    """
    known = (sweep.throughputs > 0) & np.isfinite(sweep.throughputs)
    used = known.sum(axis=0) >= LEAST_BLOCKS
    if not known.any():
        return Refusal("nothing measured", 0.0, 1.0, sweep.sizes)
    if not used.any():
        return Refusal("few blocks", 1.0, ADVISED_BLOCKS, sweep.sizes)
    blocks = known[:, used].any(axis=1)
    known = known[np.ix_(blocks, used)]
    logs = np.log(np.where(known, sweep.throughputs[np.ix_(blocks, used)], 1.0))
    return _split(np.array(sweep.sizes, dtype=float)[used], logs, known)


def _split(sizes: Numbers, logs: Numbers, known: np.ndarray) -> Means:
    block, size = np.nonzero(known)
    design = np.zeros((len(block), sum(known.shape)))
    design[np.arange(len(block)), size] = 1.0
    design[np.arange(len(block)), len(sizes) + block] = 1.0
    solved = np.linalg.lstsq(design, logs[known])[0]
    levels = solved[len(sizes) :] - solved[len(sizes) :].mean()
    middle = solved[: len(sizes)] + solved[len(sizes) :].mean()
    rest = np.where(known, logs - middle - levels[:, None], np.nan)
    counts = known.sum(axis=0).astype(float)
    # a size that fewer blocks know has a mean that is less sure by as much
    fewer = np.sqrt(len(levels) * (len(levels) - 1) / (counts * (counts - 1)))
    apart = levels[:, None] + np.nan_to_num(rest) * fewer
    freedom = max(1, int(known.sum()) - sum(known.shape) + 1)
    return Means(sizes, middle, counts, apart, rest, freedom)


def resampled(found: Means, count: int, seed: int) -> Numbers:
    """Return log means (count, k) as they might have been, each with whole blocks weighted anew at random.

    Every block's deviations are multiplied by one normal number, and all of them by what makes up for so few
    blocks: any weighted sum of the means has then the spread of Student's t over the blocks. Source: Wu,
    Jackknife, bootstrap and other resampling methods in regression analysis, Annals of Statistics 14 (1986).
    """
    generator = np.random.default_rng(seed)
    blocks = found.blocks
    freedom = blocks - 1
    weights = generator.standard_normal((count, blocks))
    weights *= np.sqrt(freedom / generator.chisquare(freedom, count))[:, None]
    off: Numbers = np.clip(weights, -WIDEST, WIDEST) @ found.apart / sqrt(blocks * freedom)
    return found.logs + off
