"""What a sweep over sizes says of sizes that were not measured: laws, fitted and compared, or a refusal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt

import numpy as np
from scipy import stats

from lab.analysis.intervals import Estimate
from lab.analysis.laws import GUSTAFSON, LAWS, Law, Numbers
from lab.analysis.sweeps import FEWEST_SIZES, RESAMPLES, SEED, Means, Refusal, Sweep, means, resampled

LEVEL = 0.9
FARTHEST = 2.0
"""The largest size is predicted beyond by this factor at most, the smallest below by its inverse."""

CHANCE = 0.01
"""How often means that follow the best law may be refused as too far off it."""

SURPRISED = 0.98
"""Level at which the largest size differs from what every law foretold: nothing beyond is predicted then."""

APART, FAR_APART = 2.0, 7.0
"""AICc by which a law may be behind the best and remain, and by which one that foretold the largest size may.

Source: Burnham and Anderson, Model Selection and Multimodel Inference (2002), section 2.6: up to 2 a model
has substantial support, up to 7 considerably less.
"""

PART = 0.03
"""What one more has to bring, as a part of the throughput, before the knee."""


@dataclass(frozen=True, slots=True)
class FittedLaw:
    """A law on a sweep: its parameters on the means in the first row, then on each resample (r, p).

    `left_out_error` is its prediction of the largest size from the others, over what that is, less 1. A law
    that does not remain has no resamples.
    """

    law: Law
    parameters: Numbers
    aicc: float
    left_out_error: float

    def estimates(self, blocks: int) -> dict[str, Estimate]:
        """Return each parameter with its interval over so many blocks; without for a law not to remain."""
        columns = zip(self.law.parameters, self.parameters.T, strict=True)
        return {name: quantiles(column, blocks) for name, column in columns}


@dataclass(frozen=True, slots=True)
class Fitted:
    """The laws of a sweep, best first, of which the first few or all remain.

    Those remain whose AICc is within APART of the best, and the one that foretold the largest size best.
    `surprise` says why nothing is said of larger sizes, where no law foretold the largest.
    """

    means: Means
    laws: tuple[FittedLaw, ...]
    remaining: tuple[FittedLaw, ...]
    surprise: Refusal | None

    @property
    def weights(self) -> tuple[float, ...]:
        """Return Akaike's weight of each law, 0..1: they add up to 1."""
        parts = np.exp([(self.laws[0].aicc - one.aicc) / 2 for one in self.laws])
        return tuple((parts / parts.sum()).tolist())

    def predict(self, size: float, level: float = LEVEL) -> Estimate | Refusal:
        """Return the throughput (units/s) at a size: the best law's, in the envelope of those that remain.

        It is that of many trials; a single one scatters around it. Refused: beyond FARTHEST times the sizes
        measured ("too far"), and beyond the largest where no law foretold that one ("bends at the end").
        """
        sizes = self.means.sizes
        if not sizes[0] / FARTHEST <= size <= FARTHEST * sizes[-1]:
            nearest = size / FARTHEST if size > sizes[-1] else size * FARTHEST
            return Refusal("too far", size, FARTHEST * sizes[-1], (int(np.ceil(nearest)),))
        if size > sizes[-1] and self.surprise is not None:
            return self.surprise
        return self.envelope(lambda throughput: throughput[:, 0], np.array([float(size)]), level)

    def envelope(self, value: Callable[[Numbers], Numbers], sizes: Numbers, level: float = LEVEL) -> Estimate:
        """Return a value (r,) of throughputs (r, q) at sizes (q,): the best law's, and the envelope."""
        found = [
            quantiles(value(one.law.formula(sizes, one.parameters)), self.means.blocks, level)
            for one in self.remaining
        ]
        low, high = min(one.low or 0.0 for one in found), max(one.high or 0.0 for one in found)
        return Estimate(self.means.blocks, found[0].value, low, high, level)

    def knee(self, part: float = PART) -> Estimate | None:
        """Return the size from which one more brings less than a part of the throughput; None if too far.

        A ceiling and the maximum of a law are such sizes. Value or high are None where beyond FARTHEST.
        """
        sizes = np.arange(self.means.sizes[0], FARTHEST * self.means.sizes[-1] + 1)

        def first(throughput: Numbers) -> Numbers:
            little = throughput[:, 1:] < (1 + part) * throughput[:, :-1]
            return np.where(little.any(axis=1), sizes[little.argmax(axis=1)], np.inf)

        found = self.envelope(first, sizes)
        value, low, high = (
            None if one is None or np.isinf(one) else one for one in (found.value, found.low, found.high)
        )
        return None if low is None else Estimate(found.n, value, low, high, found.level)


def fit(sweep: Sweep, seed: int = SEED) -> Fitted | Refusal:
    """Fit every law to the logs of a sweep, or say why not and what to measure.

    Least squares of the means over blocks, weighted by the blocks that each size has; laws are compared by
    AICc over all trials, the blocks' levels taken off (Hurvich and Tsai, Biometrika 76, 1989). Refused: nodes
    that share a host without quotas that fit it, too few blocks or sizes, and means that no law comes near.
    """
    if not sweep.own_processors:
        return Refusal("shared host", 0.0, 1.0, sweep.sizes)
    found = means(sweep)
    if isinstance(found, Refusal):
        return found
    if len(found.sizes) < FEWEST_SIZES:
        return Refusal(
            "few sizes", len(found.sizes), FEWEST_SIZES, advised(sweep.sizes, FEWEST_SIZES - len(found.sizes))
        )
    laws = [*LAWS, GUSTAFSON] if sweep.work == "grows" else LAWS
    fits = sorted((_fit_law(law, found) for law in laws), key=lambda one: one.aicc)
    misfit = _misfit(found, fits[0])
    if misfit is not None:
        return misfit
    logs = np.vstack([found.logs, resampled(found, RESAMPLES, seed)])
    remaining = tuple(
        replace(one, parameters=one.law.search(found.sizes, logs, found.counts)) for one in _remaining(fits)
    )
    return Fitted(found, tuple(fits), remaining, _surprise(found, fits, logs))


def _remaining(fits: Sequence[FittedLaw]) -> list[FittedLaw]:
    foretold = min(fits, key=lambda one: abs(one.left_out_error))
    return [one for one in fits if one.aicc - fits[0].aicc <= (FAR_APART if one is foretold else APART)]


def _surprise(found: Means, fits: Sequence[FittedLaw], logs: Numbers) -> Refusal | None:
    """Return the refusal of a largest size that differs from what each law foretold by more than noise.

    Found is the smallest of the errors, as a part of the throughput; the limit is what noise explains of it.
    """
    errors = []
    for one in fits:
        error = quantiles(_left_out_errors(one.law, found, logs), found.blocks, SURPRISED)
        value, low, high = error.value or 0.0, error.low or 0.0, error.high or 0.0
        if low <= 0 <= high:
            return None
        errors.append((abs(value), abs(value) - min(abs(low), abs(high))))
    return Refusal("bends at the end", *min(errors), advised(found.sizes, 1))


def _left_out_errors(law: Law, found: Means, logs: Numbers) -> Numbers:
    """Return the error of the largest size's prediction by the others for each row of log means (r, k)."""
    others = law.search(found.sizes[:-1], logs[:, :-1], found.counts[:-1])
    errors: Numbers = law.formula(found.sizes[-1:], others)[:, 0] / np.exp(logs[:, -1]) - 1
    return errors


def _fit_law(law: Law, found: Means) -> FittedLaw:
    parameters = law.search(found.sizes, found.logs[None], found.counts)
    squares = found.noise**2 * found.freedom + _squares(law, parameters, found)
    trials = found.counts.sum() - found.blocks + 1
    error = float(_left_out_errors(law, found, found.logs[None])[0])
    return FittedLaw(law, parameters, _aicc(squares, trials, len(law.parameters) + 1), error)


def _squares(law: Law, parameters: Numbers, found: Means) -> float:
    """Return the weighted squares of what the log means are off a law."""
    return float((found.logs - np.log(law.formula(found.sizes, parameters[:1]))[0]) ** 2 @ found.counts)


def _aicc(squares: float, trials: float, unknowns: int) -> float:
    if trials <= unknowns + 1:
        return float("inf")
    return float(
        trials * np.log(squares / trials) + 2 * unknowns * (1 + (unknowns + 1) / (trials - unknowns - 1))
    )


def _misfit(found: Means, best: FittedLaw) -> Refusal | None:
    """Return the refusal of means that the best law does not come near, with the size that is farthest off.

    Means that follow it are off by one noise floor (the noise of a trial over the root of the blocks), as the
    root of the mean square has it; F's distribution says how many so few sizes and blocks may give. Source:
    the test for lack of fit of Draper and Smith, Applied Regression Analysis (1998), section 2.1.
    """
    free = max(1, len(found.sizes) - len(best.law.parameters))
    floors = sqrt(_squares(best.law, best.parameters, found) / free) / found.noise
    limit = sqrt(float(stats.f.isf(CHANCE, free, found.freedom)))
    if floors <= limit:
        return None
    fitted = np.log(best.law.formula(found.sizes, best.parameters[:1]))[0]
    worst = int(((found.logs - fitted) ** 2 * found.counts).argmax())
    near = found.sizes[max(0, worst - 1) : worst + 2]
    asked = {int(found.sizes[worst]), *(round((a + b) / 2) for a, b in pairwise(near))}
    return Refusal("no law fits", floors, limit, tuple(sorted(asked)))


def advised(sizes: Sequence[float] | Numbers, count: int) -> tuple[int, ...]:
    """Return so many sizes that go on from a sweep's as its last two do."""
    step = sizes[-1] - sizes[-2] if len(sizes) > 1 else sizes[-1]
    return tuple(int(sizes[-1] + step * place) for place in range(1, count + 1))


def quantiles(values: Numbers, blocks: int, level: float = LEVEL) -> Estimate:
    """Return the first value, that of the means, with the interval of the rest, that of the resamples."""
    if len(values) == 1:
        return Estimate(blocks, float(values[0]), None, None, level)
    ends = np.quantile(values[1:], ((1 - level) / 2, (1 + level) / 2), method="nearest")
    return Estimate(blocks, float(values[0]), float(ends[0]), float(ends[1]), level)
