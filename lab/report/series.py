"""The series of each kind of run, and how the trials of each are found."""

from collections.abc import Mapping

import pandas as pd

from lab.data.engines import label, ordered
from lab.formats import count

Wanted = Mapping[str, object]
"""Values of columns that a series' trials have; a tuple stands for any of its values."""

LOOP = "serial"
"""The engine that is a loop in the driver: it has one worker, whatever is asked for."""

EQUAL = ", equal batches"
"""What follows the name of an engine that was told to carry several items in a call."""

SIDES = {"containers": ("experiment", "compose"), "host": ("baseline", "local")}
"""What the Docker experiment compares: arm and cluster of each side."""

COUNTED = {"single_node": "workers", "multi_node": "nodes", "docker": "workers_per_node"}
"""What the series of each kind of run go over."""

UNITS = {
    "images": "images",
    "search": "primes",
    "find": "primes",
    "factor": "numbers",
    "spin": "tasks",
}
"""What the modes of runs count that do not say so themselves, the steadier work first."""

WORDS = {
    "images": "filters images",
    "search": "finds every prime of a range of numbers",
    "find": "finds one random prime",
    "factor": "factors a number",
    "spin": "computes for a stated time",
}
"""What a task of these modes does."""

GROWING = ", which grows with the workers (weak scaling)"
"""What is said of the work of a weak sweep."""

COMPARED = ("ray_vs_multiprocessing", "break_even")
"""The experiments that compare engines, each with as many workers."""


def kind_of(experiment: str, trials: pd.DataFrame) -> str:
    """Return the kind of a run, a key of COUNTED: own work is one of nodes where it ran on several."""
    if experiment in COUNTED:
        return experiment
    return "multi_node" if (trials["nodes"] > 1).any() else "single_node"


def name_of(engine: str, schedule: str = "") -> str:
    """Return what figures, tables and sentences call an engine, with its schedule where it has several."""
    return ", ".join(filter(None, ("Ray" if engine == "ray" else label(engine), schedule)))


PROCESSES = name_of("processes")


def series_of(kind: str, trials: pd.DataFrame) -> Mapping[str, Wanted]:
    """Return the series of a run of a kind: those that it has trials of, Ray's first and the loop last."""
    found: dict[str, Wanted] = {}
    for engine, batching in _ways(trials) if kind != "docker" else ():
        schedules = sorted(set(trials.loc[trials["engine"] == engine, "schedule"]))
        wanted: Wanted = {"arm": ("experiment", "baseline"), "engine": engine}
        if batching:
            wanted = {**wanted, "batching": batching}
        shares = EQUAL * (batching == "equal")
        if engine == LOOP:
            found[name_of(engine)] = wanted
        elif kind == "single_node":
            told = engine == "ray" or len(schedules) > 1
            found |= {name_of(engine, one * told) + shares: {**wanted, "schedule": one} for one in schedules}
        else:
            other = f", {name_of(engine)}{shares}" * (engine != "ray")
            found |= {
                f"{count(one, 'worker')} each{other}{_shares(by)}": {**wanted, **by}
                for one, by in _planned(trials, "workers_per_node", engine)
            }
    return found or _of_sides(trials)


def _of_sides(trials: pd.DataFrame) -> Mapping[str, Wanted]:
    """Return the series of a run of Docker: both sides, as many as it has sizes."""
    sizes = _planned(trials, "nodes")
    several = len({one for one, _ in sizes}) > 1
    return {
        f"{side}{(', ' + count(one, 'node')) * several}{_shares(by)}": {
            "arm": arm,
            "engine": "ray",
            "cluster": cluster,
            **by,
        }
        for one, by in sizes
        for side, (arm, cluster) in SIDES.items()
    }


def _ways(trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Return each engine, and its batching where it ran in equal batches: those are apart from one a call."""
    found = []
    for engine in sorted(ordered(trials["engine"]), key=_rank):
        its = set(trials.loc[trials["engine"] == engine, "batching"].dropna())
        found += (
            [(engine, one) for one in ("none", "equal") if one in its] if "equal" in its else [(engine, "")]
        )
    return found


def _rank(engine: str) -> tuple[bool, bool]:
    """Return the place of an engine in legends: this lab's dispatch, the others, the loop."""
    return engine != "ray", engine == LOOP


def _planned(trials: pd.DataFrame, column: str, engine: str = "ray") -> list[tuple[int, Wanted]]:
    """Return the values of a column that were planned, for each schedule: dynamic first, then ascending."""
    ray = trials.loc[trials["engine"] == engine, ["schedule", column]].drop_duplicates()
    rows = ray.sort_values(["schedule", column]).itertuples(index=False)
    return [(int(value), {"schedule": str(schedule), column: int(value)}) for schedule, value in rows]


def _shares(by: Wanted) -> str:
    return ", static" if by["schedule"] == "static" else ""
