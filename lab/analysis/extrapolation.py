"""What a sweep over sizes says of sizes that were not measured: laws, fitted and compared, or a refusal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from lab.analysis.intervals import Estimate
from lab.analysis.laws import GUSTAFSON, LAWS, Law, Numbers
from lab.analysis.sweeps import FEWEST_SIZES, Means, Refusal, Sweep, means, resampled

LEVEL = 0.9
RESAMPLES = 400
SEED = 17

FARTHEST = 2.0
"""The largest size is predicted beyond by this factor at most, the smallest below by its inverse."""

FLOORS = 3.0
"""Noise floors that the mean of a size may be off the best law by; more where few blocks tell the noise."""

APART = 2.0
"""AICc by which a law may be behind the best and remain. Source: Burnham and Anderson, Model Selection and
Multimodel Inference (2002), section 2.6: up to 2 a model has substantial support."""

PART = 0.03
"""What one more has to bring, as a part of the throughput, before the knee."""


@dataclass(frozen=True, slots=True)
class FittedLaw:
    """A law on a sweep: parameters of the means in the first row, then of each resample (r, p)."""

    law: Law
    parameters: Numbers
    aicc: float
    left_out_error: float
    """Prediction of the largest size by the others, over what was measured there, less 1."""

    def estimates(self, blocks: int) -> dict[str, Estimate]:
        """Return each parameter with its interval."""
        return {
            name: _quantiles(self.parameters[:, place], blocks)
            for place, name in enumerate(self.law.parameters)
        }


@dataclass(frozen=True, slots=True)
class Fitted:
    """The laws of a sweep, best first; `remaining` are those that cannot be told from the best."""

    means: Means
    laws: tuple[FittedLaw, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """Return Akaike's weight of each law, 0..1: they add up to 1."""
        parts = np.exp([(self.laws[0].aicc - one.aicc) / 2 for one in self.laws])
        return tuple((parts / parts.sum()).tolist())

    @property
    def remaining(self) -> tuple[FittedLaw, ...]:
        """Return the laws whose AICc is within APART of the best."""
        return tuple(one for one in self.laws if one.aicc - self.laws[0].aicc <= APART)

    def predict(self, size: float, level: float = LEVEL) -> Estimate | Refusal:
        """Return the throughput (units/s) at a size: the best law's, in the envelope of those that remain.

        Refused ("too far") beyond FARTHEST times the sizes measured.
        """
        sizes = self.means.sizes
        if not sizes[0] / FARTHEST <= size <= FARTHEST * sizes[-1]:
            nearest = size / FARTHEST if size > sizes[-1] else size * FARTHEST
            return Refusal("too far", size, FARTHEST * sizes[-1], (int(np.ceil(nearest)),))
        return self.envelope(lambda throughput: throughput[:, 0], np.array([float(size)]), level)

    def envelope(self, value: Callable[[Numbers], Numbers], sizes: Numbers, level: float = LEVEL) -> Estimate:
        """Return a value (r,) of throughputs (r, q) at sizes (q,): the best law's, and the envelope."""
        found = [
            _quantiles(value(one.law.formula(sizes, one.parameters)), self.means.blocks, level)
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
        return Refusal("few sizes", len(found.sizes), FEWEST_SIZES, _next(sweep.sizes, len(found.sizes)))
    logs = np.vstack([found.logs, resampled(found, RESAMPLES, seed)])
    laws = [*LAWS, GUSTAFSON] if sweep.work == "grows" else LAWS
    fits = sorted((_fit_law(law, found, logs) for law in laws), key=lambda one: one.aicc)
    return _misfit(found, fits[0]) or Fitted(found, tuple(fits))


def _fit_law(law: Law, found: Means, logs: Numbers) -> FittedLaw:
    parameters = law.search(found.sizes, logs, found.counts)
    fitted = np.log(law.formula(found.sizes, parameters[:1]))[0]
    squares = found.noise**2 * found.freedom + float((found.logs - fitted) ** 2 @ found.counts)
    trials = found.counts.sum() - found.blocks + 1
    return FittedLaw(
        law, parameters, _aicc(squares, trials, len(law.parameters) + 1), _left_out_error(law, found)
    )


def _aicc(squares: float, trials: float, unknowns: int) -> float:
    if trials <= unknowns + 1:
        return float("inf")
    return float(
        trials * np.log(squares / trials) + 2 * unknowns * (1 + (unknowns + 1) / (trials - unknowns - 1))
    )


def _left_out_error(law: Law, found: Means) -> float:
    parameters = law.search(found.sizes[:-1], found.logs[None, :-1], found.counts[:-1])
    return float(law.formula(found.sizes[-1:], parameters)[0, 0] / np.exp(found.logs[-1])) - 1


def _misfit(found: Means, best: FittedLaw) -> Refusal | None:
    """Return the refusal of means that the best law does not come near, with the size that is farthest off.

    Means scatter around the true law by their noise floors: the noise of a trial over the root of the blocks.
    """
    fitted = np.log(best.law.formula(found.sizes, best.parameters[:1]))[0]
    floors = np.abs(found.logs - fitted) * np.sqrt(found.counts) / found.noise
    limit = float(stats.t.isf(stats.norm.sf(FLOORS), found.freedom))
    if floors.max() <= limit:
        return None
    worst = int(floors.argmax())
    near = found.sizes[max(0, worst - 1) : worst + 2]
    between = (round((a + b) / 2) for a, b in pairwise(near))
    asked = {int(found.sizes[worst]), *between}
    return Refusal("no law fits", float(floors.max()), limit, tuple(sorted(asked)))


def _next(sizes: Sequence[int], known: int) -> tuple[int, ...]:
    """Return sizes that go on from a sweep's as its last two do, until there are enough."""
    largest, step = sizes[-1], sizes[-1] - sizes[-2] if len(sizes) > 1 else sizes[-1]
    return tuple(largest + step * place for place in range(1, 1 + FEWEST_SIZES - known))


def _quantiles(values: Numbers, blocks: int, level: float = LEVEL) -> Estimate:
    """Return the first value, that of the means, with the interval of the rest, that of the resamples."""
    ends = np.quantile(values[1:], ((1 - level) / 2, (1 + level) / 2), method="nearest")
    return Estimate(blocks, float(values[0]), float(ends[0]), float(ends[1]), level)
