"""Made-up sweeps: a law with known parameters, and noise as runs recorded it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lab.analysis.configurations import CONFIGURATION
from lab.analysis.coverage import FEWEST
from lab.analysis.laws import AMDAHL, CEILING, LINEAR, ROUNDED, UNIVERSAL, Law
from lab.analysis.sweeps import Means, Sweep, means


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of recorded trials, in logarithms: what single trials and whole blocks were off by.

    `shapes` are trials in units of their configuration's spread, `spreads` those spreads, `levels` what all
    trials of a block had in common.
    """

    shapes: tuple[float, ...]
    spreads: tuple[float, ...]
    levels: tuple[float, ...]


def recorded_noise(measures: Iterable[pd.DataFrame]) -> Noise | None:
    """Return the noise of runs, from their frames of `lab.analysis.measures.measures`, mode by mode.

    What fitting a mean to each configuration and a level to each block takes off the spread is given back.
    None where fewer than FEWEST trials tell any.
    """
    modes = [found for frame in measures for _, rows in frame.groupby("mode") for found in _means(rows)]
    rests = [one.rest * np.sqrt((~np.isnan(one.rest)).sum() / one.freedom) for one in modes]
    columns = [column[~np.isnan(column)] for rest in rests for column in rest.T]
    spreads = [float(np.sqrt(np.mean(column**2))) for column in columns]
    noisy = [(column, spread) for column, spread in zip(columns, spreads, strict=True) if spread > 0]
    shapes = [value / spread for column, spread in noisy for value in column]
    levels = [
        value * np.sqrt(one.blocks / (one.blocks - 1))
        for one in modes
        for value in (one.apart - np.nan_to_num(one.rest)).mean(axis=1)
    ]
    if len(shapes) < FEWEST:
        return None
    return Noise(tuple(shapes), tuple(spread for _, spread in noisy), tuple(levels))


def _means(rows: pd.DataFrame) -> list[Means]:
    table = rows.pivot_table(index="block", columns=CONFIGURATION, values="throughput")
    if table.shape[1] < 2:
        return []
    found = means(Sweep(tuple(range(1, table.shape[1] + 1)), table.to_numpy(dtype=float)))
    return [found] if isinstance(found, Means) else []


def true_throughput(law: Law, truth: Sequence[float], size: float) -> float:
    """Return what a law with those parameters gives at a size, in units/s."""
    return float(law.formula(np.array([float(size)]), np.array([truth], dtype=float))[0, 0])


def disturbed(
    throughputs: Sequence[float],
    sizes: tuple[int, ...],
    blocks: int,
    noise: Noise,
    rng: np.random.Generator,
    grows: bool = False,
) -> Sweep:
    """Return a sweep of any throughputs (units/s, one a size) with that noise."""
    rest = rng.choice(noise.shapes, (blocks, len(sizes))) * rng.choice(noise.spreads, len(sizes))
    off = rest + rng.choice(noise.levels, (blocks, 1))
    return Sweep(sizes, np.array(throughputs) * np.exp(off), "grows" if grows else "fixed")


def drawn_truth(law: Law, sizes: tuple[int, ...], rng: np.random.Generator) -> tuple[float, ...]:
    """Return parameters of a law whose bend, where it has one, the largest sizes show.

    s of Amdahl from 1 to 30 %; the maximum of the Universal Scalability Law between half the largest size and
    twice that; a ceiling reached between the second size and nine tenths of the largest, a rounded one with p
    from 2 to 6.
    """
    largest = sizes[-1]
    if law is AMDAHL:
        return 100.0, _between(0.01, 0.3, rng)
    if law is UNIVERSAL:
        s = _between(0.01, 0.2, rng)
        return 100.0, s, (1 - s) / _between(largest / 2, largest * 2, rng) ** 2
    if law in (CEILING, ROUNDED):
        ceiling = 100.0 * _between(sizes[1], 0.9 * largest, rng)
        return (100.0, ceiling) if law is CEILING else (100.0, ceiling, _between(2.0, 6.0, rng))
    return (100.0,) if law is LINEAR else (100.0, _between(0.02, 0.5, rng))


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    """Return a number from low to high, evenly on logs."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
