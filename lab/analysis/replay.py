"""Replaying task durations with no cost of scheduling: the efficiency that luck alone leaves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.analysis.intervals import Estimate, mean_estimate
from lab.errors import DataError, ParameterError

SCHEDULES = ("dynamic", "static")

Durations = Sequence[float] | NDArray[np.float64]


def replayed_efficiency(
    batches: Sequence[tuple[Durations, int]], workers: int, schedule: str, repeats: int, seed: int
) -> Estimate:
    """Return the mean efficiency over repeats of batches of random durations, with its interval.

    Each batch is (pool of durations in seconds, count): count of them are drawn with replacement. Batches run
    one after another, with a barrier between; the efficiency of a repeat is work / (workers * the sum of the
    makespans). The interval is that of the mean, so it narrows with repeats. Raises DataError without
    durations or where one is not above 0, ParameterError on an unknown schedule and below one worker.
    """
    if not batches or repeats < 1 or any(count < 1 for _, count in batches):
        raise ParameterError(
            f"a replay needs batches with a count >= 1 and repeats >= 1, but got {len(batches)} batches of"
            f" {[count for _, count in batches]} tasks, {repeats=}"
        )
    generator = np.random.default_rng(seed)
    work, makespan = np.zeros(repeats), np.zeros(repeats)
    for pool, count in batches:
        drawn = generator.choice(_checked(pool, workers, schedule), size=(repeats, count))
        work += drawn.sum(axis=1)
        makespan += finish_times(drawn, workers, schedule).max(axis=1)
    return mean_estimate((work / (workers * makespan)).tolist())


def random_searches(
    bits: int, tries: int, seconds: float, size: int = 20_000, seed: int = 0
) -> NDArray[np.float64]:
    """Return the durations of made-up searches for primes: a geometric number of tries, at most `tries`.

    One in bits * ln 2 / 2 odd numbers of that size is prime (prime number theorem). `seconds` is the mean
    duration of a search that does not give up.
    """
    chance = 2 / (bits * np.log(2))
    drawn = np.random.default_rng((seed, bits)).geometric(chance, size)
    found: NDArray[np.float64] = np.minimum(drawn, tries) * chance * seconds
    return found


def given_up(durations: Durations, bits: int, tries: int) -> NDArray[np.float64]:
    """Return the durations of searches for primes, cut where each would have given up after so many tries.

    Among odd numbers of that size one in bits * ln 2 / 2 is prime (prime number theorem), so the mean
    duration is that of so many tries.
    """
    work = np.asarray(durations, dtype=float)
    tries_of_the_mean = bits * np.log(2) / 2
    cut: NDArray[np.float64] = np.minimum(work, work.mean() * tries / tries_of_the_mean)
    return cut


def _checked(durations: Durations, workers: int, schedule: str) -> NDArray[np.float64]:
    if workers < 1:
        raise ParameterError(f"a replay needs at least 1 worker, but got {workers}")
    if schedule not in SCHEDULES:
        raise ParameterError(f"schedule must be one of {', '.join(SCHEDULES)}, but got {schedule!r}")
    work = np.asarray(durations, dtype=float)
    if work.size == 0:
        raise DataError("a replay needs task durations, but got none: drop tasks that have no times first")
    if not (np.isfinite(work) & (work > 0)).all():
        wrong = work[~(np.isfinite(work) & (work > 0))][0]
        raise DataError(f"a task duration must be finite and above 0 seconds, but got {wrong}")
    return work


def finish_times(drawn: NDArray[np.float64], workers: int, schedule: str) -> NDArray[np.float64]:
    """Return when each worker (repeats, workers) ends its last of tasks (repeats, tasks), in their order.

    Dynamic: the next task goes to the worker that is free first (list scheduling; Graham, Bell System
    Technical Journal 45, 1966). Static: task i goes to worker i mod workers.
    """
    repeats, tasks = drawn.shape
    finish = np.zeros((repeats, workers))
    row = np.arange(repeats)
    for task in range(tasks):
        worker = finish.argmin(axis=1) if schedule == "dynamic" else task % workers
        finish[row, worker] += drawn[:, task]
    return finish
