"""The numbers of report B, on Ray versus multiprocessing, which this laboratory repeats on equal terms.

Source: "Ray vs Multiprocessing benchmark" (in Korean, 15 April 2025): seconds to blur and equalise random
images, with Ray on a cluster in Kubernetes and with multiprocessing in a container. Its front page names
what it compares, time and memory, and no result; the seconds are those of its results.
"""

import pandas as pd

from lab.analysis.trials import sound
from lab.data.engines import TABLE
from lab.data.store import Run

SOURCE = "“Ray vs Multiprocessing benchmark”, a report in Korean of April 2025"
"""The report as a page cites it."""

TASKS = (10, 30, 50)

SECONDS = {
    ("Ray", 1): (94.6, 88.7, 87.1),
    ("Ray", 2): (73.7, 69.1, 69.7),
    ("multiprocessing", 2): (162.0, 179.0, 182.0),
    ("multiprocessing", 4): (84.8, 97.1, 97.7),
}
"""Seconds for each number of TASKS, of Ray's worker nodes and of multiprocessing's cores."""

CORES = {("Ray", 1): 2, ("Ray", 2): 3, ("multiprocessing", 2): 2, ("multiprocessing", 4): 4}
"""Cores that each was really given: as many worker nodes of Ray had as many cores and one of the head."""

FLAWS = (
    "unequal processors, and in multiprocessing as many processes as tasks",
    "what is called 100 MB is 25 MB, and the Gaussian blur is a box filter",
    "the memory is that of the driver alone; nothing was repeated, warmed up or seeded, and no outputs "
    "were compared",
)
"""Why its numbers are no comparison of Ray and multiprocessing."""

FASTER = "Ray is faster than multiprocessing with as many workers"
TWICE = "with as many workers, multiprocessing takes at least twice Ray's time"
FALLS_BEHIND = "the more tasks, the further multiprocessing falls behind Ray"
FEWER_CORE_SECONDS = "Ray takes fewer core-seconds for the same work"
DRIVER_MEMORY = "the memory of the driver tells what a run needs"
LESS_MEMORY = "Ray needs less memory than multiprocessing"


MEGABYTE = 1e6
"""Bytes in the report's unit of data and of memory."""


def in_its_columns(run: Run) -> pd.DataFrame:
    """Return a run's images as the report has them in its CSV file, a row for each trial that ended well.

    Columns: framework, data_size_mb (of one image), num_tasks, complexity, execution_time (s) and
    memory_used (MB, of the driver alone). What the run does not know is missing.
    """
    rows = sound(run.trials)
    rows = rows[rows["mode"] == "images"]
    frameworks = {name: engine.framework for name, engine in TABLE.items()}
    return pd.DataFrame(
        {
            "framework": [frameworks.get(name, name) for name in rows["engine"]],
            "data_size_mb": rows["item_bytes"].astype(float) / MEGABYTE,
            "num_tasks": rows["planned_tasks"],
            "complexity": float(run.environment.get("parameters", {}).get("complexity", "nan")),
            "execution_time": rows["duration_seconds"],
            "memory_used": rows["driver_memory_bytes"].astype(float) / MEGABYTE,
        }
    ).reset_index(drop=True)


def core_seconds(framework: str) -> tuple[float, float]:
    """Return cores given times seconds, smallest and largest over all numbers of tasks and cores."""
    found = [CORES[key] * one for key, seconds in SECONDS.items() if key[0] == framework for one in seconds]
    return min(found), max(found)


def time_ratios(count: int = 2) -> dict[int, float]:
    """Return seconds with Ray divided by seconds with multiprocessing at an equal count: tasks -> ratio."""
    pairs = zip(SECONDS["Ray", count], SECONDS["multiprocessing", count], strict=True)
    return {tasks: ray / plain for tasks, (ray, plain) in zip(TASKS, pairs, strict=True)}
