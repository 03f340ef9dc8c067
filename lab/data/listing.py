"""Every run of a data folder in a line: what it is, what worked, and whether it is complete."""

import dataclasses
import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.data.records import CHECKS
from lab.data.store import ENVIRONMENT, is_complete, read_environment, read_trials
from lab.errors import DataError


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """One run as it is listed: complete, unfinished, or damaged."""

    run_id: str
    started_at: str
    profile: str
    machine: str
    state: str
    directory: Path
    trials: int | None = None
    planned_trials: int | None = None
    work: str = ""
    reason: str = ""
    """Why it is damaged."""

    @property
    def experiment(self) -> str:
        """Return the name of its experiment."""
        return self.directory.parent.name


def listed(folder: Path) -> Listed:
    """Return a run's line; raises `DataError` where its environment file is damaged or missing."""
    environment = read_environment(folder)
    machine = environment.get("machine", {})
    unread = Listed(
        run_id=folder.name,
        started_at=str(environment["sessions"][0]["started_at"]),
        profile=str(environment.get("parameters", {}).get("profile", "")),
        machine=f"{machine.get('cpu_model', 'unknown processor')}, {machine.get('cores', '?')} cores",
        state="damaged",
        directory=folder,
        planned_trials=int(environment["planned_trials"]),
        work=_work(environment),
    )
    (checks,) = CHECKS
    if (folder / checks).exists():
        state = "complete" if "finished_at" in environment["sessions"][-1] else "unfinished"
        return dataclasses.replace(unread, state=state)
    try:
        trials = read_trials(folder)
    except DataError as error:
        return dataclasses.replace(unread, reason=_reason(folder, error))
    ended = int(trials.loc[trials["status"] != "interrupted", "slot"].nunique())
    state = "complete" if is_complete(trials, environment) else "unfinished"
    return dataclasses.replace(unread, state=state, trials=ended)


def all_listed(data: Path, experiment: str = "*") -> tuple[Listed, ...]:
    """Return the lines of all runs, or of an experiment's, newest first; a damaged one has a line as well."""
    folders = [path.parent for path in data.glob(f"{experiment}/*/{ENVIRONMENT}")]
    return tuple(sorted(map(_listed_or_damaged, folders), key=lambda one: one.started_at, reverse=True))


def _listed_or_damaged(folder: Path) -> Listed:
    try:
        return listed(folder)
    except DataError as error:
        changed = datetime.datetime.fromtimestamp((folder / ENVIRONMENT).stat().st_mtime, datetime.UTC)
        began = changed.isoformat(timespec="milliseconds")
        return Listed(folder.name, began, "", "", "damaged", folder, reason=_reason(folder, error))


def _reason(folder: Path, error: DataError) -> str:
    """Return why a run is damaged, without the path of this machine, which pages must not show."""
    return str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)


def _work(environment: Mapping[str, Any]) -> str:
    """Return where the work came from, or the names of the lab's own."""
    works = environment.get("works", {})
    parameters = environment.get("parameters", {})
    if works:
        return ", ".join(str(one.get("source") or name) for name, one in works.items())
    return ", ".join(map(str, parameters.get("modes") or parameters.get("workloads") or ()))
