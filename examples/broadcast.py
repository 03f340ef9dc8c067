"""Large data that is sent with every item, although it is the same each time.

Known beforehand: a table of 4,000,000 bytes travels with each of 64 items, 256 MB in all. If the program
sends B bytes a second, there are at most B / 4 MB results a second, however many workers there are. On n
nodes, (n - 1) / n of the bytes cross the network.
Run it: lab run examples/broadcast.py:work --items examples/broadcast.py:items --workers 1,2
"""

from typing import Any

import numpy as np

ROWS, COLUMNS = 500, 1000  # of 8 bytes each
ITEMS = 64


def items() -> list[tuple[Any, int]]:
    """Return a copy of the same large table for each item, with a small number that differs."""
    table = np.random.default_rng(7).integers(0, 1000, size=(ROWS, COLUMNS))
    return [(table.copy(), weight) for weight in range(1, ITEMS + 1)]


def work(item: tuple[Any, int]) -> int:
    """Return a sum over the whole table: a few milliseconds, which the journey may well exceed."""
    table, weight = item
    return int((table * weight % 1009).sum())
