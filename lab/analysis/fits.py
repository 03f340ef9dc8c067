"""Laws fitted to the means of a sweep and compared, and how far the means are off the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt

import numpy as np
from scipy import special

from lab.analysis.intervals import Estimate
from lab.analysis.laws import Law, Numbers
from lab.analysis.sweeps import Means, Refusal

LEVEL = 0.9

CHANCE = 0.01
"""How often means that follow the best law may be refused as too far off it."""


UNTOLD = 1e9
"""AICc of a law with more parameters than there are trials to tell them."""


@dataclass(frozen=True, slots=True)
class FittedLaw:
    """A law on a sweep: its parameters on the means in the first row, then on each resample (r, p).

    `left_out_error` is its prediction of the largest size from the others, over what that is, less 1. A law
    that does not remain has no resamples.
    """

    law: Law
    parameters: Numbers
    aicc: float
    left_out_error: float = float("nan")

    def estimates(self, blocks: int) -> dict[str, Estimate]:
        """Return each parameter with its interval over so many blocks; without for a law not to remain."""
        columns = zip(self.law.parameters, self.parameters.T, strict=True)
        return {name: estimate(ends(column), blocks) for name, column in columns}

    def squares(self, found: Means) -> Numbers:
        """Return the weighted squares (k,) of what the log means are off the law."""
        fitted = np.log(self.law.formula(found.sizes, self.parameters[:1]))[0]
        apart: Numbers = (found.logs - fitted) ** 2 * found.counts
        return apart


def compared(laws: Sequence[Law], found: Means) -> list[FittedLaw]:
    """Return the laws on the means of a sweep, the best by AICc first.

    AICc is over all trials, with the blocks' levels taken off. Source: Hurvich and Tsai, Regression and time
    series model selection in small samples, Biometrika 76 (1989).
    """
    trials = found.counts.sum() - found.blocks + 1
    scatter = found.noise**2 * found.freedom
    fits = []
    for law in laws:
        one = FittedLaw(law, law.search(found.sizes, found.logs[None], found.counts), UNTOLD)
        unknowns = len(law.parameters) + 1
        if trials > unknowns + 1:
            squares = scatter + one.squares(found).sum()
            penalty = 2 * unknowns * (1 + (unknowns + 1) / (trials - unknowns - 1))
            one = replace(one, aicc=float(trials * np.log(squares / trials) + penalty))
        fits.append(one)
    return sorted(fits, key=lambda one: one.aicc)


def errors_at_largest(law: Law, parameters: Numbers, found: Means, logs: Numbers) -> Numbers:
    """Return for rows of log means (r, k) what the law gives for the largest size, over it, less 1 (r,)."""
    errors: Numbers = law.formula(found.sizes[-1:], parameters)[:, 0] / np.exp(logs[:, -1]) - 1
    return errors


def misfit(found: Means, best: FittedLaw) -> Refusal | None:
    """Return the refusal of means that the best law does not come near, with the size that is farthest off.

    Means that follow it are off by one noise floor (the noise of a trial over the root of the blocks), as the
    root of the mean square has it; F's distribution says how many so few sizes and blocks may give. Source:
    the test for lack of fit of Draper and Smith, Applied Regression Analysis (1998), section 2.1.
    """
    squares, free = best.squares(found), max(1, len(found.sizes) - len(best.law.parameters))
    floors = sqrt(float(squares.sum()) / free) / found.noise
    limit = sqrt(float(special.fdtri(free, found.freedom, 1 - CHANCE)))
    if floors <= limit:
        return None
    worst = int(squares.argmax())
    near = found.sizes[max(0, worst - 1) : worst + 2]
    asked = {int(found.sizes[worst]), *(round((a + b) / 2) for a, b in pairwise(near))}
    return Refusal("no law fits", floors, limit, tuple(sorted(asked)))


def ends(values: Numbers, level: float = LEVEL) -> Numbers:
    """Return the first row, that of the means, and the interval of the rest: (3, ...) of (r, ...).

    The ends are NaN without a rest.
    """
    if len(values) == 1:
        return np.stack([values[0], np.full_like(values[0], np.nan), np.full_like(values[0], np.nan)])
    parts = (1 - level) / 2, (1 + level) / 2
    return np.stack([values[0], *np.quantile(values[1:], parts, axis=0, method="nearest")])


def estimate(found: Numbers, blocks: int, level: float = LEVEL) -> Estimate:
    """Return a value and the ends of its interval (3,) as an estimate; what is not finite is None."""
    value, low, high = (float(one) if np.isfinite(one) else None for one in found)
    return Estimate(blocks, value, low, high, level)
