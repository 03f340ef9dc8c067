"""Work of a stated length: additions in pure Python, as many as take that long on this machine.

It is work, not waiting: an item that is held up takes longer, as real work does.

Known beforehand: an item is the sum of so many numbers modulo 8, which a formula gives, too. 200 equal items
of about 10 ms share nothing: w workers on w free cores are w times as fast as one.
Run it: lab run examples/spin.py:spin --items examples/spin.py:items --workers 1,2
"""

import time
from collections.abc import Callable
from math import isfinite
from statistics import median

# What is added is at most this: the sum is one machine word up to 3 * 10^8 additions, each as dear as the
# last. Longer loops, of 10 seconds and more, slow down by a few percent.
STEPS = 7
# Of the sum and of the numbers, a multiple of 8: Python keeps the integers up to 256 ready, which made the
# first additions cheaper, and an item of 10 microseconds 11 % shorter than stated.
START = 1024

CALIBRATION_SECONDS = 0.003
CALIBRATIONS = 9
FIRST_ITERATIONS = 1000
MOST_ITERATIONS = 2**24  # no machine does more in the calibration's time

items = (200_000,) * 200


def spin(iterations: int) -> int:
    """Return the sum of the numbers from 0 to iterations - 1, each modulo 8, by adding them up.

    What is not additions stays below a microsecond, a tenth of the shortest item. Raises ValueError for an
    item without work.
    """
    if iterations < 1:
        raise ValueError(f"a spin needs iterations >= 1, not {iterations}")
    total = START
    for number in range(START, START + iterations):
        total += number & STEPS
    return total - START


def iterations_for(seconds: float, clock: Callable[[], float] = time.perf_counter) -> int:
    """Return how many additions take so many seconds here and now, at least one; linear in the seconds.

    It measures anew each time: for several lengths of one experiment, measure `iterations_per_second` once.
    Raises ValueError unless the seconds are positive and finite.
    """
    if not (seconds > 0 and isfinite(seconds)):
        raise ValueError(f"a spin needs seconds > 0, not {seconds}")
    return max(1, round(seconds * iterations_per_second(clock)))


def iterations_per_second(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the rate of additions: the median of several loops, each of a few milliseconds.

    Raises ValueError where the clock stands still.
    """
    iterations = FIRST_ITERATIONS
    while _timed(iterations, clock) < CALIBRATION_SECONDS:
        iterations *= 2
        if iterations > MOST_ITERATIONS:
            raise ValueError("a spin cannot be calibrated by a clock that stands still")
    return iterations / median(_timed(iterations, clock) for _ in range(CALIBRATIONS))


def _timed(iterations: int, clock: Callable[[], float]) -> float:
    began = clock()
    spin(iterations)
    return clock() - began
