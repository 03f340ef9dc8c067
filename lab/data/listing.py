"""Every run of a data folder in a line: what it is, what worked, and whether it is complete.

The rule of what a run is, and of what state it is in, is this one for pages, lists and commands:

- A run is a folder, or a link to one, of `data/EXPERIMENT/` that holds environment.json or a table with rows.
  Hidden folders, files, links to nothing, and folders with anything else are no runs and are passed over.
- It is damaged where what it holds cannot be read, or where it lies with another experiment than its own; it
  is of another version where a file has another schema version.
- It is a copy where another folder has its run id and its start: the one that is named by the run id is the
  run, or the first by name where none is.
- Else it is complete where every planned trial has ended, well or not, and unfinished where not.
- The newest is the one that began last; of one that does not tell, its files' last change stands for that.
"""

import dataclasses
import datetime
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from lab.data.earlier import TIMINGS
from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.reading import TABLES, read_table
from lab.data.records import CHECKS
from lab.data.store import TRIALS, ended_slots, read_trials
from lab.errors import DataError, LabError, VersionError

State = Literal["complete", "unfinished", "damaged", "of another version", "copy"]


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """One run as it is listed, in one of the states that this module tells of."""

    run_id: str
    """The name of its folder."""
    started_at: str
    profile: str
    machine: str
    state: State
    directory: Path
    trials: int | None = None
    planned_trials: int | None = None
    work: str = ""
    reason: str = ""
    """Why it is damaged, of another version, or a copy."""

    @property
    def told(self) -> str:
        """Return its state in words, or how many of its trials have ended."""
        return f"{self.trials} of {self.planned_trials} trials" if self.state == "unfinished" else self.state

    @property
    def experiment(self) -> str:
        """Return the name of its experiment."""
        return self.directory.parent.name


def all_listed(data: Path, experiment: str = "*") -> tuple[Listed, ...]:
    """Return the lines of all runs, or of an experiment's, newest first."""
    folders = [one for one in data.glob(f"{experiment}/*") if not _hidden(one, data) and is_run(one)]
    known = [(one, _environment(one)) for one in sorted(folders)]
    originals = dict(_originals(known))
    lines = [_line(folder, found, originals.get(folder)) for folder, found in known]
    return tuple(sorted(lines, key=lambda one: (_moment(one), one.run_id), reverse=True))


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run, or what is left of one."""
    if not folder.is_dir():
        return False
    if not os.access(folder, os.R_OK | os.X_OK):
        # what cannot be looked into is not passed over in silence
        return True
    return (folder / ENVIRONMENT).exists() or any(_has_rows(folder / name) for name in TABLES)


def refused(one: Listed, error: LabError) -> Listed:
    """Return the line of a run that cannot be shown for an error."""
    state: State = "of another version" if isinstance(error, VersionError) else "damaged"
    # without the path of this machine, which pages must not show
    told = str(error).replace(f"{one.directory}{os.sep}", "").replace(str(one.directory), one.run_id)
    return dataclasses.replace(one, state=state, reason=told)


def _hidden(folder: Path, data: Path) -> bool:
    return any(part.startswith(".") for part in folder.relative_to(data).parts)


def _has_rows(path: Path) -> bool:
    return path.is_file() and path.read_bytes().count(b"\n") > 1


def _environment(folder: Path) -> Mapping[str, Any] | DataError:
    try:
        return read_environment(folder)
    except DataError as error:
        return error


def _originals(known: Iterable[tuple[Path, Mapping[str, Any] | DataError]]) -> Iterator[tuple[Path, Path]]:
    """Yield each copy with the folder that it is a copy of."""
    same: dict[tuple[object, ...], list[Path]] = {}
    for folder, found in known:
        if not isinstance(found, DataError):
            key = folder.parent, found.get("run_id", folder.name), found["sessions"][0]["started_at"]
            same.setdefault(key, []).append(folder)
    for (_, run_id, _), folders in same.items():
        original = next((one for one in folders if one.name == run_id), folders[0])
        yield from ((one, original) for one in folders if one != original)


def _line(folder: Path, found: Mapping[str, Any] | DataError, original: Path | None) -> Listed:
    if isinstance(found, DataError):
        return refused(Listed(folder.name, _last_change(folder), "", "", "damaged", folder), found)
    machine = found.get("machine", {})
    line = Listed(
        run_id=folder.name,
        started_at=str(found["sessions"][0]["started_at"]),
        profile=str(found.get("parameters", {}).get("profile") or ""),
        machine=f"{machine.get('cpu_model') or 'unknown processor'}, {machine.get('cores') or '?'} cores",
        state="damaged",
        directory=folder,
        planned_trials=int(found["planned_trials"]),
        work=_work(found),
    )
    if original is not None:
        return dataclasses.replace(line, state="copy", reason=f"it is a copy of {original.name}")
    if found.get("experiment", line.experiment) != line.experiment:
        return dataclasses.replace(line, reason=f"it is a run of {found['experiment']}: move it there")
    return _told(line, found)


def _told(line: Listed, environment: Mapping[str, Any]) -> Listed:
    """Return a line with its state, and how many trials have ended."""
    checks = [path for name in CHECKS if (path := line.directory / name).exists()]
    try:
        ended = len(read_table(checks[0])) if checks else _ended(line.directory, _changes(line.directory))
    except DataError as error:
        return refused(line, error)
    if checks:
        finished = "finished_at" in environment["sessions"][-1]
        return dataclasses.replace(line, state="complete" if finished else "unfinished")
    state: State = "complete" if ended == environment["planned_trials"] else "unfinished"
    return dataclasses.replace(line, state=state, trials=ended)


def _changes(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return size and last change of each file of trials; none where a file is not there."""
    found = [path.stat() for name in (TRIALS, TIMINGS) if (path := folder / name).exists()]
    return tuple((one.st_size, one.st_mtime_ns) for one in found)


@lru_cache(maxsize=10_000)
def _ended(folder: Path, changes: tuple[tuple[int, int], ...]) -> int:  # noqa: ARG001  of what was read
    """Return how many slots of the plan have a trial that ended; of unchanged files it is counted once."""
    return ended_slots(read_trials(folder))


def _last_change(folder: Path) -> str:
    path = folder / ENVIRONMENT
    changed = (path if os.path.exists(path) else folder).stat().st_mtime
    return datetime.datetime.fromtimestamp(changed, datetime.UTC).isoformat(timespec="milliseconds")


def _moment(one: Listed) -> datetime.datetime:
    return datetime.datetime.fromisoformat(one.started_at)


def _work(environment: Mapping[str, Any]) -> str:
    """Return where the work came from, or the names of the lab's own."""
    works = environment.get("works", {})
    parameters = environment.get("parameters", {})
    if works:
        weak = " (weak scaling)" if parameters.get("scaling") == "weak" else ""
        return ", ".join(str(one.get("source") or name) for name, one in works.items()) + weak
    return ", ".join(parameters.get("modes") or parameters.get("workloads") or ())
