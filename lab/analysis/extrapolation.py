"""What a sweep over sizes says of sizes that were not measured: laws, fitted and compared, or a refusal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.analysis.fits import LEVEL, FittedLaw, compared, ends, errors_at_largest, estimate, misfit
from lab.analysis.intervals import Estimate
from lab.analysis.laws import GUSTAFSON, LAWS, Numbers
from lab.analysis.sweeps import (
    ADVISED_BLOCKS,
    FEWEST_BLOCKS,
    FEWEST_SIZES,
    RESAMPLES,
    SEED,
    Means,
    Refusal,
    Sweep,
    means,
    resampled,
)

FARTHEST = 2.0
"""The largest size is predicted beyond by this factor at most, the smallest below by its inverse."""

SURPRISED = 0.98
"""Level at which the largest size differs from what every law foretold: nothing beyond is predicted then."""

NEAR, APART = 2.0, 3.0
"""AICc by which a law may be behind the best, to have foretold the largest size, and to remain.

Up to 2 a law has substantial support, from 4 on considerably less. Source: Burnham and Anderson, Model
Selection and Multimodel Inference (2002), section 2.6. With 3, bands of laws that look alike on so few sizes
hold each other's truth as often as they promise, as the made-up sweeps of the page on trust tell.
"""

PART = 0.03
"""What one more has to bring, as a part of the throughput, before the knee."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The laws of a sweep, best first, of which the first few or all remain.

    Those remain whose AICc is within APART of the best. `surprise` says why nothing is said of larger sizes,
    where no law foretold the largest.
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
            return Refusal("too far", float(size), float(FARTHEST * sizes[-1]), (int(np.ceil(nearest)),))
        if size > sizes[-1] and self.surprise is not None:
            return self.surprise
        return estimate(self.band(np.array([float(size)]), level)[:, 0], self.means.blocks, level)

    def band(self, sizes: Numbers, level: float = LEVEL) -> Numbers:
        """Return value, low and high end (3, q) of the throughput at sizes (q,), however far they are."""
        return self.envelope(lambda throughput: throughput, sizes, level)

    def envelope(self, value: Callable[[Numbers], Numbers], sizes: Numbers, level: float = LEVEL) -> Numbers:
        """Return a value (r, ...) of throughputs (r, q): the best law's, and the envelope's ends (3, ...)."""
        found = np.stack(
            [ends(value(one.law.formula(sizes, one.parameters)), level) for one in self.remaining]
        )
        return np.stack([found[0, 0], found[:, 1].min(axis=0), found[:, 2].max(axis=0)])

    def knee(self, part: float = PART) -> Estimate | None:
        """Return the size from which one more brings less than a part of the throughput; None if too far.

        A ceiling and the maximum of a law are such sizes. Value or high are None where beyond FARTHEST.
        """
        sizes = np.arange(self.means.sizes[0], FARTHEST * self.means.sizes[-1] + 1)

        def first(throughput: Numbers) -> Numbers:
            little = throughput[:, 1:] < (1 + part) * throughput[:, :-1]
            return np.where(little.any(axis=1), sizes[little.argmax(axis=1)], np.inf)

        found = estimate(self.envelope(first, sizes), self.means.blocks)
        return None if found.low is None else found


def fit(sweep: Sweep, seed: int = SEED) -> Fitted | Refusal:
    """Fit every law to the logs of a sweep, or say why not and what to measure.

    Least squares of the means over blocks, weighted by the blocks that each size has. Refused: nodes that
    share a host without quotas that fit it, or are not alike, too few blocks or sizes, and means that no law
    comes near.
    """
    if not sweep.own_processors:
        return Refusal("shared host", 0.0, 1.0, sweep.sizes)
    if not sweep.equal_nodes:
        return Refusal("unequal nodes", 0.0, 1.0, ())
    found = means(sweep)
    if isinstance(found, Refusal):
        return found
    if found.blocks < FEWEST_BLOCKS:
        return Refusal("few blocks", found.blocks, ADVISED_BLOCKS, sweep.sizes)
    known = len(found.sizes)
    if known < FEWEST_SIZES:
        failed = tuple(size for size in sweep.sizes if size not in found.sizes)
        asked = failed or advised(sweep.sizes, FEWEST_SIZES - known)
        return Refusal("few sizes", known, FEWEST_SIZES, asked)
    laws = [*LAWS, GUSTAFSON] if sweep.work == "grows" else LAWS
    others = compared(laws, found.without_largest())
    errors = {
        one.law: float(errors_at_largest(one.law, one.parameters, found, found.logs[None])[0])
        for one in others
    }
    fits = [replace(one, left_out_error=errors[one.law]) for one in compared(laws, found)]
    refused = misfit(found, fits[0])
    if refused is not None:
        return refused
    logs = np.vstack([found.logs, resampled(found, RESAMPLES, seed)])
    remaining = [
        replace(one, parameters=one.law.search(found.sizes, logs, found.counts))
        for one in _remaining(fits, APART)
    ]
    return Fitted(found, tuple(fits), tuple(remaining), _surprise(others, found, logs))


def _remaining(fits: Sequence[FittedLaw], apart: float) -> list[FittedLaw]:
    return [one for one in fits if one.aicc - fits[0].aicc <= apart]


def _surprise(others: Sequence[FittedLaw], found: Means, logs: Numbers) -> Refusal | None:
    """Return the refusal of a largest size that the laws of the others do not foretell within noise.

    Those laws are the ones within NEAR of the best on the other sizes. Found is the smallest of their
    errors, as a part of the throughput; the limit is what noise explains of it. Less than PART is no bend.
    """
    errors = []
    for one in _remaining(others, NEAR):
        parameters = one.law.search(found.sizes[:-1], logs[:, :-1], found.counts[:-1])
        value, low, high = ends(errors_at_largest(one.law, parameters, found, logs), SURPRISED)
        if low <= PART and high >= -PART:
            return None
        errors.append((abs(float(value)), abs(float(value)) - float(min(abs(low), abs(high)))))
    return Refusal("bends at the end", *min(errors), advised(found.sizes, 1))


def advised(sizes: Sequence[float] | Numbers, count: int) -> tuple[int, ...]:
    """Return so many sizes that go on from a sweep's as its last two do."""
    step = sizes[-1] - sizes[-2] if len(sizes) > 1 else sizes[-1]
    return tuple(int(sizes[-1] + step * place) for place in range(1, count + 1))
