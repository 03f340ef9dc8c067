"""What the lab writes down: one frozen dataclass per CSV file, each column with its unit and meaning.

The column table is the dataclasses themselves: `columns(Trial)` is what the store writes and checks,
and what the Method page prints. An unknown value is `None` here and an empty field in the file.
"""

import dataclasses
from collections.abc import Mapping

from lab.data.columns import Column, column, columns
from lab.data.node_records import NodeFacts, NodeWindow, Sample
from lab.data.trial_records import TaskRecord, Trial, work_of

SCHEMA_VERSION = 2
"""Raised whenever a column is renamed, removed or changes its meaning."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One value of the lab beside that of another instrument."""

    check: str = column(
        "",
        "what is compared: task times and task begins with Ray's own events, memory with docker stats, "
        "throughput while measuring with that without, processor time of the processes with the cgroup's",
        choices=("task times", "task begins", "memory", "measuring on/off", "processor time"),
    )
    unit: str = column("", "of both values", choices=("s", "B", "1/s", "CPU s"))
    block: int = column("", "the pair of windows, measuring on and off, that it comes from; else 0")
    node: str = column(
        "", "Ray's id of the node, first 12 digits, or the kind of cluster for all of its nodes"
    )
    lab_value: float | None = column("as told", "what the lab measured, or got while measuring", default=None)
    reference_value: float | None = column(
        "as told", "what the other instrument says, or was got without measuring", default=None
    )


FILES: Mapping[str, type] = {
    "trials.csv": Trial,
    "tasks.csv": TaskRecord,
    "samples.csv": Sample,
    "windows.csv": NodeWindow,
    "nodes.csv": NodeFacts,
}
"""What every run of an experiment has; the first is that of the trials."""

CHECKS: Mapping[str, type] = {"checks.csv": Check}
"""What a validation has."""

__all__ = [
    "CHECKS",
    "FILES",
    "SCHEMA_VERSION",
    "Check",
    "Column",
    "NodeFacts",
    "NodeWindow",
    "Sample",
    "TaskRecord",
    "Trial",
    "columns",
    "work_of",
]
