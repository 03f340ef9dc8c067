"""How often the bands of made-up sweeps hold the truth, where it is a law and where it is none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import exp

import numpy as np

from lab.analysis.extrapolation import FARTHEST, Fitted, fit
from lab.analysis.laws import GUSTAFSON, LAWS, Law
from lab.synthetic.sweeps import Noise, disturbed, drawn_truth, true_throughput

SWEEPS, CURVED_SWEEPS = 1000, 200
"""Sweeps of each law, and of each curve that is none."""

DESIGNS = ((1, 2, 3, 4), (1, 2, 3, 4, 5, 6), (1, 2, 4, 8), (1, 2, 4, 8, 16))
"""Sizes of the sweeps, in turn."""

BLOCKS = 5
SEED = 11

Truth = Callable[[float], float]
"""True throughput of a size."""

Drawn = Callable[[tuple[int, ...], np.random.Generator], Truth]
"""Draws the truth of a sweep with those sizes."""

CURVES: Mapping[str, Truth] = {
    "half is lost beyond the middle": lambda part: part if part <= 0.6 else part / 2,
    "a fifth of the gain beyond the middle": lambda part: min(part, 0.5) + max(0.0, part - 0.5) / 5,
    "faster than linear, N^1.2": lambda part: part**1.2,
    "a power of N, N^0.8": lambda part: part**0.8,
    "a power of N, N^0.9": lambda part: part**0.9,
    "a ceiling that is approached exponentially": lambda part: 1 - exp(-3 * part),
}
"""Curves that follow none of the laws, over the size as a part of the largest of the sweep."""


@dataclass(frozen=True, slots=True)
class Covered:
    """What became of the sweeps of a law or curve: for each that has a fit, the parts of its bands that hold.

    `inside` are the parts (0..1) of the sizes measured at which the band holds the truth, `outside` those of
    the sizes up to twice the largest, of sweeps that say anything of these.
    """

    name: str
    sweeps: int
    inside: tuple[float, ...]
    outside: tuple[float, ...]

    @property
    def missed(self) -> tuple[float, ...]:
        """Return for every sweep the part of the larger sizes at which a band misses the truth."""
        return (*(1 - held for held in self.outside), *[0.0] * (self.sweeps - len(self.outside)))


@cache
def of_laws(noise: Noise, sweeps: int = SWEEPS) -> tuple[Covered, ...]:
    """Return what became of so many sweeps of each law, whose parameters are drawn anew for each."""

    def drawn(law: Law, sizes: tuple[int, ...], rng: np.random.Generator) -> Truth:
        return partial(true_throughput, law, drawn_truth(law, sizes, rng))

    return tuple(
        _covered(law.name, partial(drawn, law), noise, sweeps, law is GUSTAFSON) for law in (*LAWS, GUSTAFSON)
    )


@cache
def of_curves(noise: Noise, sweeps: int = CURVED_SWEEPS) -> tuple[Covered, ...]:
    """Return what became of so many sweeps of each curve that follows no law."""

    def scaled(curve: Truth, sizes: tuple[int, ...], _rng: np.random.Generator) -> Truth:
        return lambda size: curve(size / sizes[-1])

    return tuple(_covered(name, partial(scaled, curve), noise, sweeps) for name, curve in CURVES.items())


def _covered(name: str, drawn: Drawn, noise: Noise, sweeps: int, grows: bool = False) -> Covered:
    rng = np.random.default_rng(SEED)
    inside, outside = [], []
    for number in range(sweeps):
        sizes = DESIGNS[number % len(DESIGNS)]
        truth = drawn(sizes, rng)
        found = fit(disturbed([truth(size) for size in sizes], sizes, BLOCKS, noise, rng, grows))
        if isinstance(found, Fitted):
            inside.append(_held(found, sizes, truth))
            if found.surprise is None:
                beyond = range(sizes[-1] + 1, int(FARTHEST * sizes[-1]) + 1)
                outside.append(_held(found, beyond, truth))
    return Covered(name, sweeps, tuple(inside), tuple(outside))


def _held(found: Fitted, sizes: Sequence[int], truth: Truth) -> float:
    """Return the part of the sizes at which the band holds the truth."""
    _, low, high = found.band(np.array(sizes, dtype=float))
    true = np.array([truth(size) for size in sizes])
    return float(((low <= true) & (true <= high)).mean())
