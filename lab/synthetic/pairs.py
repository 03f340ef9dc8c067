"""Pairs of made-up runs with a planted slow-down: how often comparing them raises an alarm, or finds it."""

from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np
import pandas as pd

from lab.analysis.two_runs import ASSUMED, compare
from lab.analysis.verdicts import within
from lab.synthetic.sweeps import Noise

PAIRS, BLOCKS, CONFIGURATIONS, SEED = 200, 5, 6, 31
MARGIN = 0.03
LOSSES = (0.03, 0.05, 0.10)
"""The slow-downs that are planted."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of pairs with one planted slow-down; with 0, of A/A pairs.

    `marks` tell for each pair whether it was found slower or, of A/A pairs, different in either direction;
    `powers` are the powers that the comparisons printed.
    """

    paired: bool
    loss: float
    marks: tuple[bool, ...]
    powers: tuple[float, ...]


@cache
def of_pairs(noise: Noise, pairs: int = PAIRS, blocks: int = BLOCKS) -> tuple[Found, ...]:
    """Return what became of so many pairs without and with each of LOSSES, taking turns and apart."""
    return tuple(
        _found(noise, paired, loss, pairs, blocks) for paired in (True, False) for loss in (0.0, *LOSSES)
    )


def _found(noise: Noise, paired: bool, loss: float, pairs: int, blocks: int) -> Found:
    rng = np.random.default_rng(SEED)
    made = [compare(*made_pair(noise, loss, paired, rng, blocks), MARGIN, paired) for _ in range(pairs)]
    marks = (
        one.change == "slower" if loss else one.outcome(within(MARGIN)) == "does not hold" for one in made
    )
    return Found(paired, loss, tuple(marks), tuple(one.power(loss) or 0.0 for one in made))


def made_pair(
    noise: Noise,
    loss: float,
    paired: bool,
    rng: np.random.Generator,
    blocks: int = BLOCKS,
    configurations: int = CONFIGURATIONS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two runs as `lab.analysis.two_runs.logs_of` does, the second slower by `loss` throughout.

    Every configuration has the spread of a recorded one, in both runs. Runs that take turns share the levels
    of their blocks; others have their own, and levels of whole runs that scatter by ASSUMED.
    """
    spreads = rng.choice(noise.spreads, (configurations, 1))
    shared = rng.choice(noise.levels, blocks)
    found = []
    for change in (0.0, log(1 - loss)):
        level = shared if paired else rng.choice(noise.levels, blocks) + rng.normal(0.0, ASSUMED)
        rest = rng.choice(noise.shapes, (configurations, blocks)) * spreads
        found.append(pd.DataFrame(rest + level + change))
    return found[0], found[1]
