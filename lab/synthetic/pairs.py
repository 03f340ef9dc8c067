"""Pairs of made-up runs with a planted slow-down: how often comparing them raises an alarm, or finds it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import pandas as pd

from lab.analysis.intervals import Estimate, proportion_estimate
from lab.analysis.two_runs import ASSUMED, Comparison, compare
from lab.analysis.verdicts import within
from lab.synthetic.sweeps import Noise

PAIRS, BLOCKS, CONFIGURATIONS, SEED = 200, 5, 6, 31
MARGIN = 0.03
LOSSES = (0.03, 0.05, 0.10)
"""The slow-downs that are planted."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of pairs with one planted slow-down, 0 for A/A pairs.

    `alarms` are pairs found to differ in either direction, `slower` those found slower; `promised` is the
    mean of the power that each comparison printed, None for A/A pairs.
    """

    paired: bool
    loss: float
    pairs: int
    alarms: int
    slower: int
    promised: float | None

    def rate(self, level: float) -> Estimate:
        """Return the part of the pairs that raised an alarm or, with a slow-down planted, were found slower."""
        return proportion_estimate(self.slower if self.loss else self.alarms, self.pairs, level)


def of_pairs(
    noise: Noise, pairs: int = PAIRS, margin: float = MARGIN, blocks: int = BLOCKS
) -> tuple[Found, ...]:
    """Return what became of so many pairs without and with each of LOSSES, interleaved and apart."""
    return tuple(
        _found(noise, paired, loss, pairs, margin, blocks)
        for paired in (True, False)
        for loss in (0.0, *LOSSES)
    )


def _found(noise: Noise, paired: bool, loss: float, pairs: int, margin: float, blocks: int) -> Found:
    rng = np.random.default_rng(SEED)
    made = [
        compare(*made_pair(noise, loss, paired, rng, blocks), margin=margin, paired=paired)
        for _ in range(pairs)
    ]
    alarms = sum(one.outcome(within(margin)) == "does not hold" for one in made)
    slower = sum(one.change == "slower" for one in made)
    return Found(
        paired, loss, pairs, alarms, slower, float(np.mean([*_powers(made, loss)])) if loss else None
    )


def _powers(made: list[Comparison], loss: float) -> Iterator[float]:
    yield from (one.power(loss) or 0.0 for one in made)


def made_pair(
    noise: Noise,
    loss: float,
    paired: bool,
    rng: np.random.Generator,
    blocks: int = BLOCKS,
    configurations: int = CONFIGURATIONS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two runs as `lab.analysis.two_runs.logs_of` does, the second slower by `loss` throughout.

    Every configuration has the spread of a recorded one, in both runs. Interleaved runs share the levels of
    their blocks; others have their own, and levels of whole runs that scatter by ASSUMED.
    """
    spreads = rng.choice(noise.spreads, (configurations, 1))
    shared = rng.choice(noise.levels, blocks)
    found = []
    for change in (0.0, log(1 - loss)):
        level = shared if paired else rng.choice(noise.levels, blocks) + rng.normal(0.0, ASSUMED)
        rest = rng.choice(noise.shapes, (configurations, blocks)) * spreads
        found.append(pd.DataFrame(rest + level + change))
    return found[0], found[1]
