"""Files of earlier versions of this lab, read as those of today: measured rows are kept, never rewritten.

Before December 2026 the experiments that compare engines had a file of their own, `timings.csv`. Its rows are
trials: some columns had another name, and some were another report's names for what others hold.
"""

import dataclasses
from typing import Any, get_type_hints

import pandas as pd

from lab.data.trial_records import Trial

TIMINGS = "timings.csv"
"""What stood in the place of trials.csv."""

RENAMED = {"workload": "mode", "tasks": "planned_tasks"}
FOREIGN: dict[str, Any] = {
    "framework": str,
    "data_size_mb": float | None,
    "num_tasks": int,
    "complexity": float | None,
    "execution_time": float | None,
    "memory_used": float | None,
}
NAMES = (
    *("trial_id", "slot", "attempt", "block", "arm", "engine", "workers", "workload", "transfer", "batching"),
    *("batch", "tasks", "task_seconds", "status", "error_kind", "error_message", "started_at"),
    *("startup_seconds", "warmup_seconds", "duration_seconds", "units", "digest", "task_cpu_seconds"),
    *("cpu_seconds", "memory_before_bytes", "peak_memory_bytes", "object_store_bytes"),
    *("sampler_cpu_seconds", "steal_seconds", "load_before", *FOREIGN),
)
"""The columns of timings.csv, in order."""

MEGABYTE = 1e6


def _timing() -> type:
    """Return the record of a row of timings.csv: a trial's columns under the names of then."""
    hints = get_type_hints(Trial) | FOREIGN
    meta = {one.name: one.metadata for one in dataclasses.fields(Trial)}
    plain = {"unit": "", "meaning": "", "choices": ()}
    fields = [
        (
            name,
            hints[RENAMED.get(name, name)],
            dataclasses.field(metadata=meta.get(RENAMED.get(name, name), plain)),
        )
        for name in NAMES
    ]
    return dataclasses.make_dataclass("Timing", fields, frozen=True, kw_only=True)


EARLIER = {TIMINGS: _timing()}
"""The files that are read and no longer written."""


def trials_of(timings: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of timings.csv as those of trials.csv, of which `trials` is a table without rows.

    What ended well had finished all of its tasks. What did not exist then is unknown.
    """
    found = timings.rename(columns=RENAMED)
    found = found.assign(
        schedule="dynamic",
        cluster="embedded",
        nodes=1,
        workers_per_node=found["workers"],
        tasks=found["planned_tasks"].where(found["status"] == "ok"),
        item_bytes=(MEGABYTE * found["data_size_mb"]).round(),
        driver_memory_bytes=(MEGABYTE * found["memory_used"]).round(),
    )
    return found.reindex(columns=trials.columns).astype(trials.dtypes.to_dict())
