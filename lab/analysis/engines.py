"""Engines beside each other: the rows that compare them, and the work that they are compared on."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis.configurations import average, compare, select
from lab.analysis.intervals import LEVEL, Estimate
from lab.data.engines import ordered

WAYS = ("none", "equal", "own")
"""Ways to put tasks into calls, in the order of pages."""

Chosen = Mapping[str, object]


def worker_counts(trials: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of workers that engines ran with, ascending; the plain loop is not asked."""
    several = trials.loc[trials["engine"] != "serial", "workers"]
    return tuple(sorted(int(one) for one in several.unique())) or (1,)


def with_most_workers(measures: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the measures of the experiment arm with most workers, and of the plain loop."""
    return measures[
        (measures["arm"] == "experiment") & ((measures["workers"] == most) | (measures["engine"] == "serial"))
    ]


def ways(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return engine and batching of rows, in the order of the engines' table and of WAYS."""
    found = set(zip(rows["engine"], rows["batching"], strict=True))
    return tuple((name, way) for name in ordered(rows["engine"]) for way in WAYS if (name, way) in found)


def levels(rows: pd.DataFrame, metric: str) -> dict[str, Estimate]:
    """Return the mean of a metric per engine over the blocks, with its interval, in the order of the table.

    `rows` hold one trial per engine and block.
    """
    return {
        name: average(metric, select(rows, {"engine": name})[metric].tolist())
        for name in ordered(rows["engine"])
    }


def largest_work(rows: pd.DataFrame, mode: str, engine: str = "ray") -> dict[str, object]:
    """Return the work of a mode that engines are compared on: most tasks, images made by workers.

    Of the counts of tasks that the engine has, or else any; empty where no row is of the mode.
    """
    mine = select(rows, {"mode": mode})
    made = select(mine, {"transfer": "seed"})
    mine = made if len(made) else mine
    if mine.empty:
        return {}
    own = select(mine, {"engine": engine})
    most = (own if len(own) else mine)["planned_tasks"].max()
    chosen: dict[str, object] = {"mode": mode}
    # runs of earlier versions that have one work only do not say how many tasks it has
    chosen |= {} if pd.isna(most) else {"planned_tasks": int(most)}
    return chosen | ({"transfer": "seed"} if len(made) else {})


def against(rows: pd.DataFrame, metric: str, chosen: Chosen, level: float = LEVEL) -> Estimate:
    """Return the ratio of Ray to multiprocessing.Pool on the same work, paired by block; n = 0 without."""
    mine = select(rows, {"arm": "experiment", **chosen})
    return compare(mine, metric, {"engine": "ray"}, {"engine": "pool"}, level)
