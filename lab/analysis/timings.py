"""Timings of engines: what is derived from each, means per engine, and the arm that repeats an engine."""

from collections.abc import Mapping, Sequence
from math import log

import pandas as pd

from lab.analysis.configurations import average, compare, select
from lab.analysis.disturbances import LIMITS, Disturbance
from lab.analysis.intervals import Estimate
from lab.analysis.noise import CopyComparison, copy_comparisons
from lab.analysis.trials import odd
from lab.data.engines import ENGINES

WORK = ["workload", "tasks", "task_seconds"]
"""The columns of timings.csv that tell one piece of work, whose result is one, from another."""

CONFIGURATION = ["mode", "transfer", "tasks", "task_seconds", "batching", "arm", "engine", "workers"]
"""The columns that tell one configuration of an engine from another; `mode` is the workload."""

METRICS = ("throughput", "cpu_seconds", "startup_seconds", "peak_memory_bytes")
"""What the A/A arm is compared by."""

MEGABYTE = 1e6
"""Report B's unit of memory."""

WAYS = ("none", "equal", "own")
"""Ways to put tasks into calls, in the order of pages."""

Chosen = Mapping[str, object]


def measures(timings: pd.DataFrame) -> pd.DataFrame:
    """Return one row per timing that ended well, indexed by trial_id: its columns and what follows from them.

    `workload` is called mode, as elsewhere. Added are throughput (units/s; tasks/s where units are not
    counted), seconds_per_task, driver_memory_bytes (the driver alone, as report B measures it) and
    missed_part (of the whole tree's peak, 0..1: what the driver's number leaves out).
    """
    good = timings[(timings["status"] == "ok") & (timings["duration_seconds"] > 0)]
    rows = good.rename(columns={"workload": "mode"}).set_index("trial_id")
    tasks, seconds = rows["tasks"].astype(float), rows["duration_seconds"].astype(float)
    units = rows["units"].astype(float)
    units = tasks.where(units.isna() | (rows["mode"] == "spin"), units)
    driver = MEGABYTE * rows["memory_used"].astype(float)
    return rows.assign(
        throughput=units / seconds,
        seconds_per_task=seconds / tasks,
        driver_memory_bytes=driver,
        missed_part=1 - driver / rows["peak_memory_bytes"].astype(float),
    )


def failures(timings: pd.DataFrame) -> pd.DataFrame:
    """Return the timings that did not end well, with a column `reason`."""
    return odd(timings.assign(lost_workers=0))


def engines(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the engines that rows are of, in the order of ENGINES."""
    found = set(rows["engine"])
    return tuple(name for name in ENGINES if name in found)


def ways(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return engine and batching of rows, in the order of ENGINES and WAYS."""
    found = set(zip(rows["engine"], rows["batching"], strict=True))
    return tuple((name, way) for name in ENGINES for way in WAYS if (name, way) in found)


def levels(rows: pd.DataFrame, metric: str) -> dict[str, Estimate]:
    """Return the mean of a metric per engine over the blocks, with its interval, in the order of ENGINES.

    `rows` hold one timing per engine and block.
    """
    return {name: average(metric, select(rows, {"engine": name})[metric].tolist()) for name in engines(rows)}


def work(rows: pd.DataFrame, mode: str, engine: str = "ray") -> dict[str, object]:
    """Return the work of a workload that engines are compared on: most tasks, images made by workers.

    Of the counts of tasks that the engine has, or else any; empty where nothing of the workload was timed.
    """
    mine = rows[(rows["mode"] == mode) & (rows["arm"] == "experiment")]
    made = mine[mine["transfer"] == "seed"]
    mine = made if len(made) else mine
    counts = mine.loc[mine["engine"] == engine, "tasks"] if engine in set(mine["engine"]) else mine["tasks"]
    if counts.empty:
        return {}
    chosen: dict[str, object] = {"mode": mode, "tasks": int(counts.max())}
    return chosen | ({"transfer": "seed"} if len(made) else {})


def against(
    rows: pd.DataFrame, metric: str, chosen: Chosen, engine: str = "ray", other: str = "pool"
) -> Estimate:
    """Return the ratio of two engines on the same work, paired by block; n = 0 where no block has both."""
    mine = select(rows, {"arm": "experiment", **chosen})
    return compare(mine, metric, {"engine": engine}, {"engine": other})


def copies(rows: pd.DataFrame, metrics: Sequence[str] = METRICS) -> tuple[CopyComparison, ...]:
    """Return the A/A comparison of the work of every workload by each metric; none without a copy."""
    found: list[CopyComparison] = []
    for mode in dict.fromkeys(rows["mode"]):
        both = select(rows, {"mode": mode})
        copied = both[both["arm"] == "copy"]
        chosen = work(copied.assign(arm="experiment"), str(mode))
        if chosen:
            found += copy_comparisons(select(both, chosen), metrics, CONFIGURATION)
    return tuple(found)


def told_apart(ratio: Estimate, copy: CopyComparison | None) -> bool | None:
    """Tell whether a ratio differs from 1 by more than noise; None where it has no interval.

    Its interval has to leave out 1. Where that of the A/A ratio does so too, the ratio has also to be farther
    from 1 than the A/A ratio is.
    """
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return None
    if ratio.low <= 1 <= ratio.high:
        return False
    noise = copy.ratio.value if copy is not None and copy.alarmed else None
    return noise is None or abs(log(ratio.value)) > abs(log(noise))


def noise_of(timings: pd.DataFrame, cores: int) -> tuple[Disturbance, ...]:
    """Return what disturbed a run on one machine: steal in each timing, and the load before the first."""
    ended = timings[timings["status"] != "interrupted"].set_index("trial_id")
    seconds = ended["duration_seconds"].astype(float)
    first = ended.dropna(subset=["started_at"]).sort_values("started_at").head(1)
    amounts = {
        "stolen": ended["steal_seconds"].astype(float) / (seconds.where(seconds > 0) * cores),
        "load": first["load_before"].astype(float) / cores,
    }
    return tuple(Disturbance(kind, LIMITS[kind], found.dropna()) for kind, found in amounts.items())


def unequal_results(timings: pd.DataFrame) -> list[str]:
    """Return the work of which not all timings that ended well have one digest: 'images, 10 tasks'."""
    done = timings[timings["status"] == "ok"]
    counts = done.groupby(WORK, dropna=False)["digest"].agg(lambda found: found.nunique(dropna=False))
    return [f"{workload}, {tasks} tasks" for workload, tasks, _ in counts.index[counts > 1]]
