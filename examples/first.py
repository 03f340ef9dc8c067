"""The smallest job: a function, and what to call it with.

Known beforehand: 200 equal items that share nothing: w workers on w free cores are w times as fast as one.
Run it: lab run examples/first.py:work --items examples/first.py:items --workers 1,2
"""

items = range(200)


def work(item: int) -> int:
    """Return a sum that takes about 10 ms of one core."""
    total = 0
    for number in range(250_000):
        total += number * item % 7
    return total
