"""The number pi from random points, each item with a random stream of its own.

A stream that starts from the item's number gives the same points in whichever worker the item runs.

Known beforehand: pi / 4 of the 1,000,000 points of an item are in the quarter circle: 785,398, give or take
411. The items share nothing: w workers on w free cores are about w times as fast as one.
Run it: lab run examples/monte_carlo.py:work --items examples/monte_carlo.py:items --workers 1,2
"""

import numpy as np

SEED = 7
POINTS = 1_000_000
CHUNK = 50_000  # two arrays of 400 kB stay in the cache

items = range(200)


def work(item: int) -> int:
    """Return how many of the points fall into the quarter circle."""
    generator = np.random.default_rng([SEED, item])
    inside = 0
    for _ in range(POINTS // CHUNK):
        x, y = generator.random((2, CHUNK))
        inside += int(np.count_nonzero(x * x + y * y < 1.0))
    return inside


def pi(counts: list[int]) -> float:
    """Return the estimate of pi from the results of several items."""
    return 4 * sum(counts) / (POINTS * len(counts))
