"""Two runs that can be compared, or the sentence that says why they cannot."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from lab.analysis.two_runs import ASSUMED, Comparison, compare, logs_of
from lab.data.environment import read_environment
from lab.data.listing import all_listed
from lab.data.reading import empty, read_table
from lab.data.records import FILES
from lab.data.store import Run, read_run, read_trials
from lab.errors import DataError
from lab.experiment.rules import Flag, Real, Text, parameter
from lab.report.comparable import (
    Difference,
    begun,
    differences,
    refuse_a_copy,
    refuse_checks,
    refuse_nothing_in_common,
    refuse_other_machines,
    refuse_other_work,
    refuse_unfinished,
    taking_turns,
)
from lab.report.runs_alike import configuration
from lab.report.study import Study

PERCENT = Real(0.0, 49.0, "percent")
NAME = Text(r".+", "the id of a run, as `lab list` shows it, or its folder")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How two runs are to be compared."""

    margin_percent: float = parameter(PERCENT, "%", default=3.0)
    """What the second run may lose before it counts as slower."""
    scatter_percent: float = parameter(PERCENT, "%", default=100 * ASSUMED)
    """What levels of runs of one kind are taken to scatter by where too few runs tell it."""
    across_machines: bool = parameter(Flag(), default=False)
    changed_work: bool = parameter(Flag(), default=False)
    """Whether the function that is measured may be another: it is what the comparison is about."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Named(Asked):
    """What `notebooks/compare.ipynb` can be told."""

    first: str = parameter(NAME)
    second: str = parameter(NAME)


@dataclasses.dataclass(frozen=True)
class TwoRuns:
    """Two runs, what differs between them, and how their throughput compares: the second beside the first."""

    first: Study
    second: Study
    asked: Asked
    comparison: Comparison
    logs: tuple[pd.DataFrame, pd.DataFrame]
    differences: tuple[Difference, ...]


def two_runs(first: Path, second: Path, asked: Asked) -> TwoRuns:
    """Read two runs from their folders and compare them; raises `DataError` where they cannot be compared."""
    if first.resolve() == second.resolve():
        raise DataError(f"{first.name} is both runs: a run is compared with another one, name two")
    for folder in (first, second):
        refuse_checks(folder)
    one, other = read_run(first), read_run(second)
    refuse_a_copy(one, other)
    for run in (one, other):
        refuse_unfinished(run)
    paired = taking_turns(one.environment, other.environment)
    refuse_other_work(one, other, asked.changed_work or paired)
    if not asked.across_machines:
        refuse_other_machines(one, other)
    logs = logs_of(one.trials), logs_of(other.trials)
    refuse_nothing_in_common(one, other, logs)
    groups = () if paired else kinds(one, other)
    found = compare(*logs, asked.margin_percent / 100, paired, groups, asked.scatter_percent / 100)
    studies = Study(one), Study(other)
    return TwoRuns(*studies, asked, found, logs, tuple(differences(one, other)))


def kinds(*runs: Run) -> list[list[pd.DataFrame]]:
    """Return the other complete runs that lie beside these and have the configuration of one, by kind.

    Runs of one kind have the same code and versions, too: what they differ by is what runs differ by.
    """
    wanted = {configuration(Study(run)) for run in runs} - {None}
    found: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for run in _beside(runs) if wanted else ():
        mine = configuration(Study(run))
        if mine in wanted:
            told = [run.environment.get(name) for name in ("code", "versions")]
            found.setdefault((str(mine), str(told)), []).append(logs_of(run.trials))
    return list(found.values())


def _beside(runs: Sequence[Run]) -> Iterable[Run]:
    known = {begun(run) for run in runs}
    for folder in dict.fromkeys(run.directory.parent for run in runs if run.directory.parent.name):
        for one in all_listed(folder.parent, folder.name):
            if one.state == "complete":
                run = _without_tasks(one.directory)
                if begun(run) not in known:
                    known.add(begun(run))
                    yield run


def _without_tasks(directory: Path) -> Run:
    """Read what levels of a run need: its trials, its nodes and its environment."""
    tables = {name.removesuffix(".csv"): empty(record) for name, record in FILES.items()}
    nodes = directory / "nodes.csv"
    known = {"trials": read_trials(directory)} | ({"nodes": read_table(nodes)} if nodes.exists() else {})
    return Run(directory, read_environment(directory), **{**tables, **known})
