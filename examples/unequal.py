"""Items of unequal times, the longest last: at the end one worker works, and all others wait for it.

Known beforehand: 160 items cost 1 and the last costs 40, 200 in all. In this order w workers take 160 / w +
40: they are 200 / (160 / w + 40) times as fast as one, 1.67 with 2, 2.5 with 4. With the longest first, 2
are twice and 4 are 4 times as fast. In whatever order, the longest item alone allows no more than 5 times.
Run it: lab run examples/unequal.py:work --items examples/unequal.py:items --workers 1,2
and again with --items examples/unequal.py:longest_first
"""

STEPS = 250_000  # of an item that costs 1, about 10 ms of one core

items = [1] * 160 + [40]
longest_first = sorted(items, reverse=True)


def work(cost: int) -> int:
    """Return a sum over as many steps as the item costs."""
    total = 0
    for number in range(cost * STEPS):
        total += number % 7
    return total
