"""How often a size is chosen rightly, left open or chosen wrongly, on made-up sweeps with recorded noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from lab.analysis.choice import PART, choose
from lab.analysis.laws import AMDAHL, UNIVERSAL, Law
from lab.synthetic.sweeps import Noise, disturbed, drawn_truth, true_throughput

SIZES = (1, 2, 3, 4, 5, 6)
BLOCKS, SWEEPS, SEED = 5, 200, 23

Curve = Callable[[np.random.Generator], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What became of so many sweeps of one kind: chosen rightly, left open, chosen wrongly."""

    name: str
    right: int
    left_open: int
    wrong: int

    @property
    def sweeps(self) -> int:
        """Return how many sweeps there were."""
        return self.right + self.left_open + self.wrong


def _knee(rng: np.random.Generator) -> Sequence[float]:
    knee = int(rng.integers(1, SIZES[-1]))
    return [100.0 * min(size, knee) for size in SIZES]


def _of(law: Law) -> Curve:
    def drawn(rng: np.random.Generator) -> Sequence[float]:
        truth = drawn_truth(law, SIZES, rng)
        return [true_throughput(law, truth, size) for size in SIZES]

    return drawn


CURVES: Mapping[str, Curve] = {
    "flat": lambda _: [100.0] * len(SIZES),
    "linear": lambda _: [100.0 * size for size in SIZES],
    "a knee at 1 to 5": _knee,
    "Amdahl": _of(AMDAHL),
    "Universal Scalability Law": _of(UNIVERSAL),
}


@cache
def of_curves(noise: Noise, sweeps: int = SWEEPS) -> tuple[Chosen, ...]:
    """Return what was chosen in so many sweeps of every curve.

    Right is the smallest size whose true throughput lies within PART of the best of those measured.
    """
    return tuple(_chosen(name, curve, noise, sweeps) for name, curve in CURVES.items())


def _chosen(name: str, curve: Curve, noise: Noise, sweeps: int) -> Chosen:
    rng = np.random.default_rng(SEED)
    right = left_open = wrong = 0
    for _ in range(sweeps):
        truth = np.array(curve(rng))
        best = SIZES[int(np.flatnonzero(truth >= (1 - PART) * truth.max())[0])]
        found = choose(SIZES, np.log(disturbed(truth.tolist(), SIZES, BLOCKS, noise, rng).throughputs))
        size = None if found is None else found.size
        left_open += size is None
        right += size == best
        wrong += size not in (None, best)
    return Chosen(name, right, left_open, wrong)
