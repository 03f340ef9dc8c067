"""Work that waits for memory: it moves much more data than it computes, and the cores share one memory.

Known beforehand: an item moves 2 GB through arrays of 40 MB, larger than most caches. All workers of a
machine together move no more than its memory allows: where that is less than its cores could ask for,
gigabytes a second stop growing before the cores run out, and each item takes more processor seconds than it
does alone.
Run it: lab run examples/memory_bound.py:work --workers 1,2
"""

from functools import cache
from typing import Any

import numpy as np

from lab import Workload

LENGTH = 5_000_000  # integers of 8 bytes: three arrays of 40 MB in each worker
PASSES = 10
GIGABYTES = 2  # LENGTH * 8 bytes * 5 arrays read or written * PASSES


def triad(item: int) -> int:
    """Return a number that depends on every pass of a = b + item * c, the kernel of the STREAM benchmark."""
    a, b, c = arrays()
    for number in range(PASSES):
        np.multiply(c, item + number, out=a)
        np.add(a, b, out=a)
    return int(a[::4096].sum())


@cache
def arrays() -> tuple[Any, Any, Any]:
    """Return the three arrays; they are made once in each worker."""
    b, c = (np.random.default_rng(seed).integers(0, 1000, size=LENGTH) for seed in (1, 2))
    return np.zeros_like(b), b, c


def gigabytes(_: int) -> int:
    """Return how many gigabytes one result took."""
    return GIGABYTES


items = range(60)
work = Workload(
    triad, items, unit="gigabytes", units=gigabytes, set_up=arrays, words="Moves data through memory."
)
