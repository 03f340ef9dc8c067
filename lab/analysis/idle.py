"""What the idle time of workers costs: the cores that nobody could use because a worker was in no task."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.attempts import Attempts, Marks, Numbers, Places, changes, summed

CHUNK = 2**18
"""Attempts of shared nodes whose starts and ends are sorted at a time."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What the workers of each place left undone, in core-seconds, and their seconds inside tasks."""

    startup: Numbers
    gaps: Numbers
    tail: Numbers
    body_seconds: Numbers


def idle_core_seconds(attempts: Attempts, places: pd.DataFrame) -> Idle:
    """Return what idle workers cost before their first task, between tasks, and after the last.

    k workers on a node with a quota of Q cores can use min(Q, k) of them; while b of them are inside a task,
    min(Q, b). The difference is lost, in equal parts to those that are idle: each idle worker costs
    (min(Q, k) - min(Q, b)) / (k - b) cores. That is a whole core where the cores suffice, and nothing as long
    as the others can use all cores without it. A worker that never had a task is idle after its last.
    Attempts are cut to the window, and to the end of the one before on the same worker.
    """
    window, workers = (places[name].to_numpy() for name in ("duration_seconds", "workers"))
    known = np.isfinite(attempts.started) & np.isfinite(attempts.finished)
    known &= np.isfinite(window)[attempts.place]
    place = attempts.place[known]
    # the first attempt of a worker may be one without times
    first = _first_known(attempts.first, known)
    started, finished = _cut(attempts, known, first, window[place])
    cost_started, cost_finished, cost_of_window = _costs(place, started, finished, places)
    last = np.append(first[1:], True)[: len(first)]
    between = cost_started[1:] - cost_finished[:-1]
    number = len(places)
    tail = summed(place[last], cost_of_window[place[last]] - cost_finished[last], number)
    without = workers - np.bincount(place[first], minlength=number)
    return Idle(
        startup=summed(place[first], cost_started[first], number),
        gaps=summed(place[1:][~first[1:]], between[~first[1:]], number),
        tail=tail + without * cost_of_window,
        body_seconds=summed(place, finished - started, number),
    )


def _first_known(first: Marks, known: Marks) -> Marks:
    if known.all():
        return first
    return changes(np.cumsum(first)[known])


def _cut(attempts: Attempts, known: Marks, first: Marks, window: Numbers) -> tuple[Numbers, Numbers]:
    """Return begin and end of the attempts that have times, within the window and one after the other."""
    started, finished = attempts.started[known], attempts.finished[known]
    np.clip(started, 0, window, out=started)
    np.clip(finished, started, np.maximum(window, started), out=finished)
    if (started[1:] < finished[:-1])[~first[1:]].any():
        latest_end = pd.Series(finished).groupby(np.cumsum(first)).cummax().to_numpy()
        before = np.where(first, -np.inf, np.concatenate([[-np.inf], latest_end[:-1]]))
        started = np.maximum(started, before)
        finished = np.maximum(finished, started)
    return started, finished


def _costs(
    place: Places, started: Numbers, finished: Numbers, places: pd.DataFrame
) -> tuple[Numbers, Numbers, Numbers]:
    """Return what a worker that were idle from the window's begin would have cost by then, in core-seconds.

    By each start, by each end, and by the end of each place's window.
    """
    window, workers, cores = (
        places[name].to_numpy() for name in ("duration_seconds", "workers", "quota_cores")
    )
    weight = np.minimum(1.0, cores / workers)
    cost_started, cost_finished, cost_of_window = (
        started * weight[place],
        finished * weight[place],
        weight * window,
    )
    # with one worker, or a core for each, the cost of a second is the same at all times
    for rows in _chunks(place, (workers > cores) & (workers > 1)):
        costs, of_window = _shared_costs(place[rows], started[rows], finished[rows], places)
        cost_started[rows], cost_finished[rows] = np.split(costs, 2)
        touched = np.isfinite(of_window)
        cost_of_window[touched] = of_window[touched]
    return cost_started, cost_finished, cost_of_window


def _chunks(place: Places, shared: Marks) -> list[NDArray[np.intp]]:
    """Return the rows of the shared places in chunks that sort in little memory; no place is cut in two."""
    rows = np.flatnonzero(shared[place])
    begins = np.flatnonzero(changes(place[rows]))
    ends = np.arange(CHUNK, len(rows), CHUNK)
    cuts = begins[np.searchsorted(begins, ends[ends <= begins.max(initial=0)])]
    return np.split(rows, np.unique(cuts)) if len(rows) else []


def _shared_costs(
    place: Places, started: Numbers, finished: Numbers, places: pd.DataFrame
) -> tuple[Numbers, Numbers]:
    """Return the costs by all starts, then all ends, and by each window's end, where workers share cores."""
    window, workers, cores = (
        places[name].to_numpy() for name in ("duration_seconds", "workers", "quota_cores")
    )
    at, where = np.concatenate([started, finished]), np.concatenate([place, place])
    order = np.lexsort((at, where))
    at, where = at[order], where[order]
    busy = np.cumsum(np.where(order < len(place), 1, -1).astype(np.int8), dtype=np.int32)
    begins = changes(where)
    ends = np.append(begins[1:], True)
    before = np.concatenate([[0], busy[:-1]])
    idle = np.maximum(workers[where] - before, 1)
    lost = np.minimum(cores, workers)[where] - np.minimum(cores[where], before)
    since = np.where(begins, at, np.diff(at, prepend=0.0))
    step = np.maximum(lost, 0) / idle * since
    total = np.cumsum(step)
    offset = np.zeros(len(places))
    offset[where[begins]] = (total - step)[begins]
    costs = np.empty_like(total)
    costs[order] = total - offset[where]
    of_window = np.full(len(places), np.nan)
    rest = window[where[ends]] - at[ends]
    of_window[where[ends]] = (total - offset[where])[ends] + (cores / workers)[where[ends]] * rest
    return costs, of_window
