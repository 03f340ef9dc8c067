"""A task of a stated length: additions in pure Python, as many as take that long on this machine.

It is work, not waiting: a task that is held up takes longer, as real work does.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from statistics import median

from lab.errors import ParameterError
from lab.measure.task import Outcome

STEPS = 7
"""What is added is at most this: the sum is one machine word up to 3 * 10^8 additions, each as dear as the
last. Longer loops, of 10 seconds and more, slow down by a few percent."""

START = 1024
"""Of the sum and of the numbers, a multiple of 8: Python keeps the integers up to 256 ready, which made the
first additions cheaper, and a task of 10 microseconds 11 % shorter than stated."""

CALIBRATION_SECONDS = 0.003
CALIBRATIONS = 9
FIRST_ITERATIONS = 1000
MOST_ITERATIONS = 2**24
"""No machine does more in the calibration's time."""


@dataclass(frozen=True, slots=True)
class Spin:
    """`count` units of work in one task, each of so many additions."""

    iterations: int
    count: int = 1

    def __post_init__(self) -> None:
        """Raise ParameterError for a task without work."""
        if self.iterations < 1 or self.count < 1:
            raise ParameterError(
                f"a spin needs iterations >= 1 and count >= 1, not {self.iterations} and {self.count}"
            )


def spin(payload: Spin) -> Outcome:
    """Do the work; the digest is the sum of all additions by unit, in 16 hexadecimal digits.

    A task of many units so comes to the same as many tasks of one. The sum is not hashed: what is not
    additions stays below a microsecond, a tenth of the shortest task.
    """
    total, iterations = 0, payload.iterations
    for _ in range(payload.count):
        total += added(iterations)
    return Outcome(payload.count, f"{total // payload.count:016x}")


def added(iterations: int) -> int:
    """Return the sum of the numbers from 0 to iterations - 1, each modulo 8, by adding them up."""
    total = START
    for number in range(START, START + iterations):
        total += number & STEPS
    return total - START


def iterations_for(seconds: float, clock: Callable[[], float] = time.perf_counter) -> int:
    """Return how many additions take so many seconds here and now, at least one; linear in the seconds.

    It measures anew each time: for several lengths of one experiment, measure `iterations_per_second` once.
    Raises ParameterError unless the seconds are positive and finite.
    """
    if not (seconds > 0 and isfinite(seconds)):
        raise ParameterError(f"a spin needs seconds > 0, not {seconds}")
    return max(1, round(seconds * iterations_per_second(clock)))


def iterations_per_second(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the rate of additions: the median of several loops, each of a few milliseconds.

    Raises ParameterError where the clock stands still.
    """
    iterations = FIRST_ITERATIONS
    while _timed(iterations, clock) < CALIBRATION_SECONDS:
        iterations *= 2
        if iterations > MOST_ITERATIONS:
            raise ParameterError("a spin cannot be calibrated by a clock that stands still")
    return iterations / median(_timed(iterations, clock) for _ in range(CALIBRATIONS))


def _timed(iterations: int, clock: Callable[[], float]) -> float:
    began = clock()
    added(iterations)
    return clock() - began
