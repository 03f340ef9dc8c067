"""Coverage: how often the intervals of these pages hold the truth, by simulation on recorded noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.configurations import CONFIGURATION
from lab.analysis.intervals import LEVEL, Estimate, leaves_out_zero, proportion_estimate

Numbers = NDArray[np.float64]

REPETITIONS = 20_000
SEED = 11
FEWEST = 20
"""Recorded values below which no simulation is made of them."""


def residuals(measures: pd.DataFrame, metric: str = "throughput") -> list[Numbers]:
    """Return for every configuration its log metric in each block, less their mean."""
    return [_centred(row) for row in _logs(measures, metric).to_numpy()]


def ratio_residuals(measures: pd.DataFrame, metric: str = "throughput") -> list[Numbers]:
    """Return the same of log ratios, of configurations taken two by two: no trial is in two of them."""
    pairs = [
        rows.iloc[place] - rows.iloc[place + 1]
        for _, rows in _logs(measures, metric).groupby(level="mode")
        for place in range(0, len(rows) - 1, 2)
    ]
    return [_centred(pair.to_numpy(dtype=np.float64)) for pair in pairs]


@dataclass(frozen=True, slots=True)
class Pool:
    """Noise of many configurations in one pool, of mean 0.

    `scaled_over` is over how many blocks each value's spread was taken; None for values as recorded.
    """

    values: Numbers
    scaled_over: NDArray[np.int64] | None = None


def pooled(vectors: Sequence[Numbers], own_spread: bool) -> Pool:
    """Return the noise of many configurations as one pool; those without any spread are left out.

    In units of each one's own spread, quiet and noisy configurations are alike. As recorded they are mixed,
    which makes the tails heavier than those of any one of them. All values are widened to make up for the
    mean that was taken off.
    """
    known = [one for one in vectors if len(one) > 1 and one.std() > 0]
    blocks = np.concatenate([np.empty(0, dtype=np.int64), *(np.full(len(one), len(one)) for one in known)])
    scales = [one.std(ddof=1) if own_spread else 1.0 for one in known]
    parts = [one / scale for one, scale in zip(known, scales, strict=True)]
    values = np.concatenate([np.empty(0), *parts]) * np.sqrt(blocks / np.maximum(blocks - 1, 1))
    return Pool(values, blocks if own_spread else None)


def coverage(
    pool: Pool, blocks: int, repetitions: int = REPETITIONS, seed: int = SEED, level: float = LEVEL
) -> Estimate:
    """Return how often the interval of so many values drawn from the pool, whose mean is 0, holds 0.

    The spread of n blocks takes a part of any outlier with it: values in units of it get a spread back, that
    of n normal values (a chi distribution), so that normal noise is normal again and its coverage free of
    bias. With the exact interval of the simulation, of that level; n counts its repetitions. Unknown for
    fewer than two blocks, and for a pool of fewer than FEWEST values.
    """
    if blocks < 2 or len(pool.values) < FEWEST:
        return Estimate(0)
    generator = np.random.default_rng(seed)
    places = generator.integers(len(pool.values), size=(repetitions, blocks))
    drawn = pool.values[places]
    if pool.scaled_over is not None:
        freedom = pool.scaled_over[places] - 1
        drawn = drawn * np.sqrt(generator.chisquare(freedom) / freedom)
    return proportion_estimate(int((~leaves_out_zero(drawn)).sum()), repetitions, level)


def _logs(measures: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the log of the metric: a row per configuration, a column per block, NaN where unknown."""
    known = measures[measures[metric].astype(float) > 0]
    logs = known.assign(log=np.log(known[metric].astype(float)))
    return logs.pivot_table(index=CONFIGURATION, columns="block", values="log")


def _centred(values: Numbers) -> Numbers:
    known = values[~np.isnan(values)]
    return known - known.mean() if len(known) else known
