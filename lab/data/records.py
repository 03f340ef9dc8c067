"""What the lab writes down: one frozen dataclass per CSV file, each column with its unit and meaning.

The column table is the dataclasses themselves: `columns(Trial)` is what the store writes and checks,
and what the Method page prints. An unknown value is `None` here and an empty field in the file.
"""

import dataclasses
from collections.abc import Mapping

from lab.data.columns import Column, column, columns
from lab.data.mechanism_records import MECHANISMS, Mechanism
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """One run that something was taken from again and again, and that was gone on with: what it then held."""

    kind: str = column(
        "",
        "what was killed or taken away",
        choices=(
            "lab run",
            "papermill",
            "worker process",
            "raylet",
            "container",
            "head",
            "network",
            "memory",
            "disk",
        ),
    )
    cluster: str = column("", "where the run was", choices=("embedded", "compose", "container"))
    kills: int = column("", "how often, each time at a seeded random moment")
    resumes: int = column("", "how often the run was gone on with")
    trials: int = column("", "slots of the plan with a trial that ended")
    units: int = column("", "items of these trials")
    rows: int = column("", "in all files at the end")
    rows_lost: int = column("", "that were whole at a kill, and were not there later")
    rows_doubled: int = column("", "beyond the first of one key")
    units_not_once: int = column(
        "", "items without one good row, in slots that failed with a reason left out"
    )
    failures: int = column("", "trials and attempts that failed or were interrupted")
    failures_untold: int = column("", "of these, rows without kind and message")
    duration_seconds: float = column("s", "from the first start to the end")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlantedCause:
    """One run of work whose cause of lost time is known, and the causes that its account came to."""

    round: int = column("", "in each, every cause is planted once, in a random order")
    cluster: str = column("", "where the run was", choices=("embedded", "compose"))
    planted: str = column("", "the cause that is known to be there")
    duration_seconds: float = column("s", "of the whole run")
    named: str | None = column(
        "", "the causes that hold, with spaces between them; empty: none", default=None
    )
    mistaken: str | None = column(
        "",
        "of these, those that neither the planted work nor other work on the machine brings along",
        default=None,
    )


FILES: Mapping[str, type] = {
    "trials.csv": Trial,
    "tasks.csv": TaskRecord,
    "samples.csv": Sample,
    "windows.csv": NodeWindow,
    "nodes.csv": NodeFacts,
}
"""What every run of an experiment has; the first is that of the trials."""

CHECKS: Mapping[str, type] = {
    "checks.csv": Check,
    "kills.csv": Kills,
    "mechanisms.csv": Mechanism,
    "causes.csv": PlantedCause,
}
"""What a run has that has no trials: one of these."""

__all__ = [
    "CHECKS",
    "FILES",
    "MECHANISMS",
    "SCHEMA_VERSION",
    "Check",
    "Column",
    "Kills",
    "Mechanism",
    "NodeFacts",
    "NodeWindow",
    "PlantedCause",
    "Sample",
    "TaskRecord",
    "Trial",
    "columns",
    "work_of",
]
