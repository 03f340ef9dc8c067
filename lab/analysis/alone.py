"""The speed of one worker alone: the processor time that each task takes where nothing else runs."""

import numpy as np
import pandas as pd

from lab.analysis.attempts import Marks, Numbers, summed
from lab.analysis.doubts import Examined
from lab.analysis.trials import sound
from lab.data.store import Run

SOURCES = ("run", "none")
"""Where the speed of one worker alone is from: all such trials of the run, or there is none."""


def useful_seconds(examined: Examined) -> tuple[Numbers, pd.Series]:
    """Return the useful processor seconds of every place, and whence the speed of one worker alone is.

    A task counts as the mean of what it took in all sound trials of one worker, of the same mode and kind of
    cluster, over all blocks: a mean of many, so that no single noisy trial moves the terms of its block.
    """
    places, attempts = examined.places, examined.attempts
    kind = places.groupby(["mode", "cluster"], sort=False).ngroup().to_numpy()
    # a number for each task of each kind
    key = kind[attempts.place].astype(np.int64) * attempts.tasks + attempts.task
    cells = (int(kind.max(initial=-1)) + 1) * attempts.tasks
    measured = alone(examined)[attempts.place] & attempts.succeeded
    number = np.bincount(key[measured], minlength=cells)
    total = np.bincount(key[measured], attempts.cpu_seconds[measured], cells)
    means = np.divide(total, number, out=np.full(cells, np.nan), where=number > 0)
    done = attempts.succeeded
    useful = summed(attempts.place[done], means[key[done]], len(places))
    # of a place that has done nothing, too, it is known only where there is something to compare with
    useful[~np.isin(kind, kind[alone(examined)])] = np.nan
    return useful, pd.Series(np.where(np.isnan(useful), SOURCES[1], SOURCES[0]), places.index)


def alone(examined: Examined) -> Marks:
    """Mark the places of sound trials with one Ray worker on one node."""
    single = one_worker(sound(examined.run.trials))
    marks: Marks = examined.places["trial_id"].isin(single["trial_id"]).to_numpy(dtype=bool)
    return marks & ~examined.spoiled("terms")


def beside_others(run: Run, trials: pd.DataFrame) -> pd.Series:
    """Return how much more processor time a task takes while every worker is at work, by trial: 1 is none.

    Takes the sound ones of `Account.trials`. In each trial those tasks count that ended before a worker had
    its last behind it; each is compared with the mean of the same task in the trials of one worker alone, of
    its mode and kind of cluster. NaN where there are none.
    """
    tasks = run.tasks[run.tasks["trial_id"].isin(trials.index) & (run.tasks["status"] == "ok")]
    tasks = tasks[~tasks["warmup"].astype(bool)].join(trials[["mode", "cluster"]], on="trial_id")
    alone = tasks[tasks["trial_id"].isin(one_worker(trials).index)]
    key = ["mode", "cluster", "task"]
    means = alone.groupby(key)["cpu_seconds"].mean().rename("alone_seconds")
    ends = tasks.groupby(["trial_id", "node_id", "worker"])["finished_seconds"].max()
    first_end = tasks["trial_id"].map(ends.groupby("trial_id").min())
    full = tasks[tasks["finished_seconds"] <= first_end].join(means, on=key)
    sums = full.groupby("trial_id")[["cpu_seconds", "alone_seconds"]].agg("sum", skipna=False)
    return (sums["cpu_seconds"] / sums["alone_seconds"]).reindex(trials.index)


def one_worker(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with one Ray worker on one node."""
    of_one = (trials["nodes"] == 1) & (trials["workers_per_node"] == 1)
    return trials[of_one & (trials["engine"] == "ray")]
