"""Attempts at tasks as arrays, placed on the nodes of their trials.

A *place* is one node with workers in one trial. Arrays rather than frames: ten million rows are accounted
for in seconds.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.nodes import latest
from lab.data.store import Run

Numbers = NDArray[np.float64]
Places = NDArray[np.int32]
Marks = NDArray[np.bool_]

OF_TRIAL = [
    "mode",
    "block",
    "engine",
    "cluster",
    "duration_seconds",
    "task_cpu_seconds",
    "driver_cpu_seconds",
    "driver_sampler_cpu_seconds",
]
"""Columns that a place takes over from its trial."""

OF_WINDOW = [
    "workers",
    "clock_uncertainty_seconds",
    "cpu_seconds",
    "workers_cpu_seconds",
    "ray_cpu_seconds",
    "sampler_cpu_seconds",
    "throttled_seconds",
]
"""Columns of windows.csv that hold numbers of a place."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of all windows, warm-ups left out, sorted by place, worker and start.

    All arrays have one entry per attempt; times are seconds since the window began, NaN where unknown.
    `task` numbers the tasks from 0, `tasks` is how many there are. `first` marks the first attempt of each
    worker.
    """

    place: Places
    task: NDArray[np.int32]
    tasks: int
    submitted: Numbers
    started: Numbers
    finished: Numbers
    received: Numbers
    cpu_seconds: Numbers
    succeeded: Marks
    first: Marks


def unplaced(tasks: pd.DataFrame) -> frozenset[str]:
    """Return the trials whose engine reports all results at the end: their tasks' worker is below 0.

    Where a single worker was lost under its task, that is not known either, but of a failed attempt only.
    """
    told = (tasks["worker"] < 0) & (tasks["status"] == "ok") & ~tasks["warmup"].astype(bool)
    return frozenset(tasks.loc[told, "trial_id"])


def read_places(run: Run) -> tuple[pd.DataFrame, Places]:
    """Return one row per place, numbered from 0, and the place of every row of tasks.csv, or -1.

    A place has the columns of OF_TRIAL, OF_WINDOW, quota_cores, cpu_source, and `window`: status of its row
    in windows.csv, empty where tasks.csv alone knows of it. Of repeated rows the last counts here. Rows of
    trials that trials.csv does not have are at no place.
    """
    of_task, trials = pd.factorize(run.tasks["trial_id"])
    at_node, nodes = pd.factorize(run.tasks["node_id"])
    seen = np.zeros(len(trials) * len(nodes), dtype=bool)
    key = of_task * len(nodes) + at_node
    seen[key] = True
    pairs = np.flatnonzero(seen)
    told = pd.DataFrame({"trial_id": trials[pairs // len(nodes)], "node_id": nodes[pairs % len(nodes)]})
    places = _places(run, told)
    number = np.full(len(seen), -1, dtype=np.int32)
    row = pd.Index(trials).get_indexer(pd.Index(places["trial_id"]))
    column = pd.Index(nodes).get_indexer(pd.Index(places["node_id"]))
    known = (row >= 0) & (column >= 0)
    number[(row * len(nodes) + column)[known]] = np.flatnonzero(known)
    return places, number[key]


def _places(run: Run, told: pd.DataFrame) -> pd.DataFrame:
    """Return the places that windows.csv or tasks.csv tell of, with all their facts as floats or texts."""
    keys = ["trial_id", "node_id"]
    # a serial loop has no workers of its own: the driver is its one worker
    loops = run.trials.loc[run.trials["engine"] == "serial", "trial_id"]
    workers = run.windows["workers"].mask(run.windows["trial_id"].isin(loops), 1)
    held = run.windows.assign(workers=workers)[workers > 0].drop_duplicates(keys, keep="last")
    held = held[[*keys, "status", *OF_WINDOW]].rename(columns={"status": "window"})
    trials = run.trials.rename(columns={"sampler_cpu_seconds": "driver_sampler_cpu_seconds"})
    trials = trials.drop_duplicates("trial_id", keep="last")[["trial_id", *OF_TRIAL]]
    facts = latest(run.nodes)[["node_id", "quota_cores", "cpu_source"]]
    every = pd.concat([held[keys], told.astype(object)]).drop_duplicates().reset_index(drop=True)
    placed = (
        every.merge(held, on=keys, how="left").merge(trials, on="trial_id").merge(facts, "left", "node_id")
    )
    numbers = [*OF_WINDOW, *OF_TRIAL[4:], "quota_cores"]
    return placed.astype(dict.fromkeys(numbers, "float64")).assign(block=placed["block"].astype("int64"))


def read_attempts(run: Run, of_row: Places) -> Attempts:
    """Return the attempts of a run; `of_row` is the place of every row of tasks.csv."""
    tasks = run.tasks
    rows = np.flatnonzero(~tasks["warmup"].to_numpy(dtype=bool) & (of_row >= 0))
    worker = tasks["worker"].to_numpy(dtype=np.int64)[rows]
    # one more than the workers: that of a lost attempt may be -1
    segment = of_row[rows].astype(np.int64) * (int(worker.max(initial=0)) + 2) + worker + 1
    started = _numbers(tasks["started_seconds"], rows)
    order = np.argsort(_narrow(segment), kind="stable")
    first = changes(segment[order])
    if (np.diff(started[order]) < 0)[~first[1:]].any():
        order = np.lexsort((started, segment))
    rows, started = rows[order], started[order]
    del segment, worker, order
    task, names = pd.factorize(tasks["task"].to_numpy(dtype=np.int64)[rows])
    return Attempts(
        place=of_row[rows],
        task=task.astype(np.int32),
        tasks=len(names),
        submitted=_numbers(tasks["submitted_seconds"], rows),
        started=started,
        finished=_numbers(tasks["finished_seconds"], rows),
        received=_numbers(tasks["received_seconds"], rows),
        cpu_seconds=_numbers(tasks["cpu_seconds"], rows),
        succeeded=(tasks["status"] == "ok").to_numpy(dtype=bool)[rows],
        first=first,
    )


def summed(place: NDArray[np.integer], weights: Numbers, number: int) -> Numbers:
    """Return the sum of weights for each of so many places; NaN where one of its weights is."""
    total: Numbers = np.asarray(np.bincount(place, weights, number), dtype=np.float64)
    return total


def overlaps(attempts: Attempts) -> Marks:
    """Mark the attempts that began before the one before on the same worker had ended."""
    earlier = np.empty_like(attempts.finished)
    earlier[:1], earlier[1:] = -np.inf, attempts.finished[:-1]
    marks: Marks = ~attempts.first & (attempts.started < earlier)
    return marks


def _numbers(column: pd.Series, rows: NDArray[np.int64]) -> Numbers:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)[rows]


def changes(values: NDArray[np.generic]) -> Marks:
    """Mark the entries that differ from the one before, and the first."""
    return np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]])


def _narrow(values: NDArray[np.int64]) -> NDArray[np.generic]:
    # numpy sorts 16 bits by radix, and 32 twice as fast as 64
    most = int(values.max(initial=0))
    return values.astype(np.uint16 if most < 2**16 else np.int32 if most < 2**31 else np.int64)
