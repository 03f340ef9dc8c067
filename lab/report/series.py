"""The series of each experiment's figures, and how the trials of each are found."""

from collections.abc import Mapping

import pandas as pd

from lab.formats import count

Wanted = Mapping[str, object]
"""Values of columns that a series' trials have; a tuple stands for any of its values."""

SINGLE_NODE: Mapping[str, Wanted] = {
    "Ray, dynamic": {"arm": "experiment", "engine": "ray", "schedule": "dynamic"},
    "Ray, static": {"arm": "experiment", "engine": "ray", "schedule": "static"},
    "plain processes": {"arm": "baseline", "engine": "processes"},
    "serial loop": {"arm": "baseline", "engine": "serial"},
}

SIDES = {"containers": ("experiment", "compose"), "host": ("baseline", "local")}
"""What the Docker experiment compares: arm and cluster of each side."""

COUNTED = {"single_node": "workers", "multi_node": "nodes", "docker": "workers_per_node"}
"""What the series of each experiment run over."""


def series_of(experiment: str, trials: pd.DataFrame) -> Mapping[str, Wanted]:
    """Return the series of a run: of several nodes or of Docker, as many as it has loads or sizes."""
    if experiment == "single_node":
        return SINGLE_NODE
    if experiment == "multi_node":
        arms = {"arm": ("experiment", "baseline"), "engine": "ray"}
        loads = _planned(trials, "workers_per_node")
        return {f"{count(one, 'worker')} each{_shares(by)}": {**arms, **by} for one, by in loads}
    sizes = _planned(trials, "nodes")

    def size(nodes: int) -> str:
        return f", {count(nodes, 'node')}"

    several = len({one for one, _ in sizes}) > 1
    return {
        f"{side}{size(one) * several}{_shares(by)}": {
            "arm": arm,
            "engine": "ray",
            "cluster": cluster,
            **by,
        }
        for one, by in sizes
        for side, (arm, cluster) in SIDES.items()
    }


def _planned(trials: pd.DataFrame, column: str) -> list[tuple[int, Wanted]]:
    """Return the values of a column that were planned, for each schedule: dynamic first, then ascending."""
    ray = trials.loc[trials["engine"] == "ray", ["schedule", column]].drop_duplicates()
    rows = ray.sort_values(["schedule", column]).itertuples(index=False)
    return [(int(value), {"schedule": str(schedule), column: int(value)}) for schedule, value in rows]


def _shares(by: Wanted) -> str:
    return ", static" if by["schedule"] == "static" else ""
