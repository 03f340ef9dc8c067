"""Runs of one piece of work on one kind of machine, oldest first: what the page of history shows."""

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from math import log
from typing import Any

import numpy as np
import pandas as pd

from lab.analysis.configurations import CONFIGURATION, WORK
from lab.analysis.history import Level, levels
from lab.analysis.intervals import Estimate, geometric_estimate
from lab.analysis.trials import sound
from lab.data.environment import read_environment
from lab.data.listing import Listed, all_listed
from lab.data.store import read_trials
from lab.experiment.own_parameters import Own
from lab.formats import count, seconds
from lab.report.book import Book
from lab.report.markdown import safe, shortened
from lab.report.runs_alike import OF_ONE_RUN
from lab.report.series import EQUAL, UNITS, name_of

OF_SIZES = (
    *("workers", "workers_per_node", "nodes", "engines", "schedules", "batchings", "modes", "workloads"),
    *("against", "work", "items", "address", "dashboard_port", "sample_seconds", "fail_fast"),
    *("may_scale", "wait_seconds", "object_store_megabytes"),
)
"""Parameters that say what else was measured: runs that differ in them may share a configuration."""

MACHINE = ("cpu_model", "cores", "architecture")
"""What tells one kind of machine from another; a host's own id is another after each boot."""

POINT = [*CONFIGURATION, *WORK]
RANKED = ["engine", "workers", "task_seconds", "planned_tasks", "schedule", "batching", "transfer"]
"""The configuration that is shown has most of these; Ray goes first, and of other texts the last."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One run of a history: its line, its facts, and the level of the configuration; n = 0 is a gap."""

    listed: Listed
    environment: Mapping[str, Any]
    found: Estimate

    @property
    def days(self) -> float:
        """Return when it began, in days since 1970."""
        return datetime.datetime.fromisoformat(self.listed.started_at).timestamp() / 86400


@dataclasses.dataclass(frozen=True)
class History:
    """The runs of one piece of work on one kind of machine, oldest first, at one configuration."""

    mode: str
    configuration: str
    unit: str
    entries: tuple[Entry, ...]

    @property
    def known(self) -> tuple[Entry, ...]:
        """Return the runs that have a level."""
        return tuple(one for one in self.entries if one.found.value is not None)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Return the levels that changes part; their places count the runs that have one."""
        return levels([log(one.found.value) for one in self.known if one.found.value])


def histories(book: Book) -> Iterator[History]:
    """Yield the history of every piece of work, of each mode."""
    groups: dict[str, list[tuple[Listed, Mapping[str, Any]]]] = {}
    for one in all_listed(book.folder()):
        # what was measured beside another run is another version of its day
        if one.state in ("complete", "unfinished") and one.trials is not None:
            environment = read_environment(one.directory)
            if (environment.get("against") or {}).get("role") != "B":
                groups.setdefault(_same(environment), []).append((one, environment))
    for runs in groups.values():
        yield from _of_group(runs[::-1])


def _same(environment: Mapping[str, Any]) -> str:
    """Return what runs of one history have in common: work, items, parameters, and the kind of machine."""
    given = dict(environment.get("parameters") or {})
    if environment.get("experiment") == "own":
        # a parameter that came later had its default before
        given = {field.name: field.default for field in dataclasses.fields(Own)} | given
    machine = environment.get("machine") or {}
    works = {
        mode: {name: (facts or {}).get(name) for name in ("source", "unit", "items_digest")}
        for mode, facts in (environment.get("works") or {}).items()
    }
    kept = {name: value for name, value in given.items() if name not in (*OF_ONE_RUN, *OF_SIZES)}
    facts = environment.get("experiment"), works, kept, {name: machine.get(name) for name in MACHINE}
    return json.dumps(facts, sort_keys=True)


def _of_group(runs: Sequence[tuple[Listed, Mapping[str, Any]]]) -> Iterator[History]:
    """Yield the history of each mode at the configuration that most runs have, the largest on Ray."""
    every = pd.concat([_trials(one).assign(run=place) for place, (one, _) in enumerate(runs)])
    for mode, mine in every.groupby("mode", sort=False):
        sizes = mine.groupby("point").agg({"run": "nunique", **dict.fromkeys(RANKED, "first")})
        best = sizes.assign(ray=sizes["engine"] == "ray").sort_values(["run", "ray", *RANKED[1:]]).iloc[-1]
        rows = mine[mine["point"] == best.name]
        entries = tuple(
            Entry(one, environment, geometric_estimate(rows.loc[rows["run"] == place, "log"]))
            for place, (one, environment) in enumerate(runs)
        )
        yield History(str(mode), _configuration(rows.iloc[0], mine), _unit(runs[-1][1], str(mode)), entries)


def _trials(one: Listed) -> pd.DataFrame:
    """Return the good trials of a complete run, with their configuration as the text `point`."""
    trials = sound(read_trials(one.directory))
    good = (trials["arm"] != "copy") & (trials["units"] > 0)
    found = trials[good & (one.state == "complete")].copy()
    found["log"] = np.log((found["units"] / found["duration_seconds"]).astype(float))
    found["point"] = [
        json.dumps([str(value) for value in row]) for row in found[POINT].itertuples(index=False)
    ]
    return found


def _configuration(trial: pd.Series, mine: pd.DataFrame) -> str:
    """Return the configuration of a trial in words: what its engine has several of in these runs is named."""
    same = mine[mine["engine"] == trial["engine"]]
    several = {
        one: str(trial[one]) for one in ("schedule", "batching", "transfer") if same[one].nunique() > 1
    }
    ways = EQUAL * (several.get("batching") == "equal")
    told = [f"{name_of(str(trial['engine']), several.get('schedule', ''))}{ways}"]
    told += [f"transfer {several['transfer']}"] if "transfer" in several else []
    told.append(count(int(trial["workers"]), "worker"))
    nodes = int(trial["nodes"])
    tasks = (
        f"tasks made for {seconds(float(trial['task_seconds']))}" if pd.notna(trial["task_seconds"]) else ""
    )
    return ", ".join(filter(None, (*told, f"{nodes} nodes" * (nodes > 1), tasks)))


def _unit(environment: Mapping[str, Any], mode: str) -> str:
    found = (environment.get("works") or {}).get(mode) or {}
    return f"{shortened(str(found.get('unit') or UNITS.get(mode, 'items')))}/s"


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what two runs of one history record that differs, each with both values."""
    pairs = zip(facts_of(before).items(), facts_of(now).values(), strict=True)
    return [
        f"{name} {safe(old)} to {safe(new)}"
        for (name, old), new in pairs
        if old != new and None not in (old, new)
    ]


def facts_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run records that its level may depend on; None is not known."""
    session, machine = environment["sessions"][0], environment.get("machine") or {}
    versions, commit = environment.get("versions") or {}, session.get("commit")
    works = environment.get("works") or {}
    return {
        "commit of the lab": commit
        and f"{commit[:7]}{' with changes' * bool(session.get('uncommitted_changes'))}",
        "code of the work": ", ".join(str((one or {}).get("digest"))[:7] for one in works.values()) or None,
        "Ray": versions.get("ray"),
        "Python": versions.get("python"),
        "quota of cores": machine.get("quota_cores"),
        "kernel": machine.get("kernel"),
        "boot": session.get("host_id"),
    }
