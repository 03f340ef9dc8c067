"""How many for a purpose: the fewest that meet a target, and what a result costs at each size."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
from scipy import stats

from lab.analysis.extrapolation import FARTHEST, Fitted, advised
from lab.analysis.fits import ends, estimate
from lab.analysis.intervals import Estimate
from lab.analysis.laws import Numbers
from lab.analysis.sweeps import RESAMPLES, SEED, Means, Refusal, Sweep, means, resampled
from lab.errors import ParameterError

CHANCE = 0.9

SECONDS_PER_HOUR = 3600

EVERY_SIZE = np.geomspace(1.0, 1e6, 400)
"""Where the most that a law ever reaches is looked for."""


@dataclass(frozen=True, slots=True)
class Smallest:
    """The fewest that meet a target, the throughput (units/s) there, and where that is known from."""

    size: int
    throughput: Estimate
    source: Literal["measured", "law"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a unit costs at a size, and what each further unit costs that the step to the next size brings.

    In the money of the price. `next_unit` is None for the largest size, and for workers of one node. Its high
    end is None where the step may bring nothing, and so is its value where it brought nothing.
    """

    size: int
    unit: Estimate
    next_unit: Estimate | None


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of the sizes that were measured, and those that cannot be told from the cheapest."""

    sizes: tuple[Cost, ...]
    cheapest: tuple[int, ...]


def smallest(
    sweep: Sweep, fitted: Fitted | Refusal, target: float, chance: float = CHANCE
) -> Smallest | Refusal:
    """Return the fewest whose throughput is the target (units/s) or more with that chance.

    A size that was measured is judged by its own trials alone, by Student's t over blocks; a size between or
    beyond by the laws. The throughput meant is that of many trials. Refused: by what refuses the fit where no
    measured size meets the target; "below the smallest" where fewer than were tried may do; "beyond reach"
    where no law that remains gets there at any size; "too far" and "not sure" with the size to measure.
    Raises ParameterError unless target > 0 and 0.5 <= chance < 1.
    """
    if not target > 0 or not isfinite(target):
        raise ParameterError(f"a target must be above 0 units/s, but got {target}")
    if not 0.5 <= chance < 1:
        raise ParameterError(f"the chance to meet a target must be from 0.5 to below 1, but got {chance}")
    found = means(sweep)
    if isinstance(found, Refusal):
        return found
    known = known_sizes(found, fitted, chance)
    for size, one in known.items():
        if (one.throughput.low or 0.0) >= target:
            if size > 1 and size == found.sizes[0]:
                return Refusal("below the smallest", target, one.throughput.low or 0.0, (size // 2,))
            return one
    return fitted if isinstance(fitted, Refusal) else _unmet(fitted, known, target)


def known_sizes(found: Means, fitted: Fitted | Refusal, chance: float = CHANCE) -> dict[int, Smallest]:
    """Return what is known of each size, ascending; the low end is reached or exceeded with that chance."""
    return dict(_known(found, fitted, 2 * chance - 1))


def _known(found: Means, fitted: Fitted | Refusal, level: float) -> Iterator[tuple[int, Smallest]]:
    measured = {int(size): place for place, size in enumerate(found.sizes)}
    for size in range(int(found.sizes[0]), int(FARTHEST * found.sizes[-1]) + 1):
        if size in measured:
            yield size, Smallest(size, _measured(found, measured[size], level), "measured")
        elif isinstance(fitted, Fitted):
            there = fitted.predict(size, level)
            if isinstance(there, Estimate):
                yield size, Smallest(size, there, "law")


def _measured(found: Means, place: int, level: float) -> Estimate:
    half = float(stats.t.ppf((1 + level) / 2, found.counts[place] - 1) * found.errors[place])
    middle = found.logs[place]
    low, high = np.exp(middle - half), np.exp(middle + half)
    return Estimate(int(found.counts[place]), float(np.exp(middle)), float(low), float(high), level)


def _unmet(fitted: Fitted, known: dict[int, Smallest], target: float) -> Refusal:
    """Return why no size meets a target, and which to measure."""
    most = float(fitted.envelope(lambda throughput: throughput.max(axis=1), EVERY_SIZE)[2])
    if most < target:
        return Refusal("beyond reach", target, most, ())
    if fitted.surprise is not None:
        return fitted.surprise
    near = [size for size, one in known.items() if (one.throughput.high or 0.0) >= target]
    farthest = FARTHEST * fitted.means.sizes[-1]
    if near:
        return Refusal("not sure", target, known[near[0]].throughput.low or 0.0, (near[0],))
    return Refusal("too far", target, farthest, advised(fitted.means.sizes, 1))


def costs(sweep: Sweep, price: float, nodes: bool = True) -> Costs | Refusal:
    """Return what a unit costs at each size that was measured, for a price per node-hour.

    Where sizes are not `nodes` but workers of one, all cost the same, and no step to the next has a cost.
    Intervals are those of whole blocks weighted anew, so that the noise of a block, which all sizes share,
    falls out of the comparison of two. Raises ParameterError for a price below 0.
    """
    if not price >= 0 or not isfinite(price):
        raise ParameterError(f"a price per node-hour must be 0 or more, but got {price}")
    found = means(sweep)
    if isinstance(found, Refusal):
        return found
    throughput = np.exp(np.vstack([found.logs, resampled(found, RESAMPLES, SEED)]))
    per_second = price * (found.sizes if nodes else np.ones_like(found.sizes)) / SECONDS_PER_HOUR
    units = per_second / throughput
    more = np.diff(throughput, axis=1)
    steps = np.where(more > 0, np.diff(per_second) / np.where(more > 0, more, 1.0), np.inf)
    of_units, of_steps = ([estimate(one, found.blocks) for one in ends(rows).T] for rows in (units, steps))
    last = [*of_steps, None] if nodes else [None] * len(of_units)
    rows = zip(found.sizes.astype(int).tolist(), of_units, last, strict=True)
    return Costs(tuple(Cost(*row) for row in rows), _cheapest(found, units))


def _cheapest(found: Means, units: Numbers) -> tuple[int, ...]:
    dearer = ends(units - units[:, [int(units[0].argmin())]])[1] > 0
    return tuple(found.sizes[~dearer].astype(int).tolist())
