"""The speed of one worker alone: the processor time that each task takes where nothing else runs."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.attempts import Attempts, Marks, Numbers, summed
from lab.analysis.doubts import Examined
from lab.analysis.trials import sound

SOURCES = ("same block", "other blocks", "none")
"""Where the speed of one worker alone is from."""


def useful_seconds(examined: Examined) -> tuple[Numbers, pd.Series]:
    """Return the useful processor seconds of every place, and whence the speed of one worker alone is."""
    places, attempts = examined.places, examined.attempts
    group = places.groupby(["mode", "cluster", "block"], sort=False).ngroup().to_numpy()
    kind = places.groupby(["mode", "cluster"], sort=False).ngroup().to_numpy()
    alone = _is_alone(examined)
    groups, blocks = _means(attempts, alone, group)
    of_group = pd.Series(kind, group).groupby(level=0).first()
    others = pd.DataFrame(blocks).groupby(of_group.reindex(groups).to_numpy()).median()
    # one row of times per block, then one per kind of cluster and mode, then one of unknowns: the last, -1
    unknown = np.full((1, attempts.tasks), np.nan)
    times = np.vstack([blocks, others.to_numpy().reshape(len(others), attempts.tasks), unknown])
    own = pd.Index(groups).get_indexer(pd.Index(group))
    fallback = others.index.get_indexer(pd.Index(kind))
    row = np.where(own >= 0, own, np.where(fallback >= 0, len(groups) + fallback, -1))
    done = attempts.succeeded
    found = times[row[attempts.place[done]], attempts.task[done]]
    useful = summed(attempts.place[done], found, len(places))
    useful = np.where(row < 0, np.nan, useful)
    source = np.select([np.isnan(useful), own >= 0], [SOURCES[2], SOURCES[0]], SOURCES[1])
    return useful, pd.Series(source, places.index)


def _is_alone(examined: Examined) -> Marks:
    """Mark the places of sound trials with one Ray worker on one node."""
    trials = sound(examined.run.trials)
    single = trials[(trials["engine"] == "ray") & (trials["nodes"] == 1) & (trials["workers_per_node"] == 1)]
    marks: Marks = examined.places["trial_id"].isin(single["trial_id"]).to_numpy(dtype=bool)
    return marks & ~examined.spoiled("terms")


def _means(
    attempts: Attempts, alone: Marks, group: NDArray[np.integer]
) -> tuple[NDArray[np.integer], Numbers]:
    """Return the groups that have a worker alone, and its mean seconds for each task: groups by tasks."""
    measured = alone[attempts.place] & attempts.succeeded
    groups, row = np.unique(group[alone], return_inverse=True)
    row_of_place = np.zeros(len(group), dtype=np.int64)
    row_of_place[alone] = row
    key = row_of_place[attempts.place[measured]] * attempts.tasks + attempts.task[measured]
    cells = len(groups) * attempts.tasks
    total, number = np.bincount(key, attempts.cpu_seconds[measured], cells), np.bincount(key, minlength=cells)
    means = np.divide(total, number, out=np.full(cells, np.nan), where=number > 0)
    return groups, means.reshape(len(groups), attempts.tasks)
