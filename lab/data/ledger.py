"""The one writer of a run's folder: appends a row at a time, and goes on where a run was cut short.

Rows are whole lines, written by a single call to the operating system, so a kill at any moment costs at
most those in flight; a torn last line is cut off when the run is opened again. Only one process at a
time may write to a run. The environment file is written last, by `begin_session`: a folder without one is
no run yet.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.reading import read_table
from lab.data.records import FILES, SCHEMA_VERSION, NodeFacts, TaskRecord, work_of
from lab.data.table import Table, ask_disk, disk_error
from lab.errors import DataError

LOCK = ".lock"


class Ledger:
    """The one writer of a run's folder; a context manager."""

    def __init__(self, directory: Path, facts: Mapping[str, Any], files: Mapping[str, type] = FILES) -> None:
        """Open or make `directory`; `facts["parameters"]` must equal those of an earlier session."""
        self.directory, self._facts = directory, facts
        self.session = 0
        self._files = {record: directory / name for name, record in files.items()}
        self._tables: dict[type, Table] = {}
        ask_disk(directory, lambda: directory.mkdir(parents=True, exist_ok=True))
        with ExitStack() as opened:
            opened.callback(os.close, _lock(directory))
            self._refuse_other()
            for record, path in self._files.items():
                self._tables[record] = Table(path, record)
                opened.callback(self._tables[record].close)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files and let the next writer in; of a run that never began nothing is left."""
        if not self.session and not (self.directory / ENVIRONMENT).exists():
            self._remove_empty()
        self._opened.close()

    def _remove_empty(self) -> None:
        with contextlib.suppress(OSError, DataError):
            if not any(len(read_table(path)) for path in self._files.values()):
                for path in (*self._files.values(), self.directory / LOCK):
                    path.unlink()
                self.directory.rmdir()

    def append(self, record: Any) -> None:
        """Write one row; a full disk leaves the file as it was before and raises `DataError`.

        Facts of a node are those of this session, whoever found them.
        """
        if isinstance(record, NodeFacts):
            record = dataclasses.replace(record, session=self.session)
        self.extend([record])

    def extend(self, records: Sequence[Any]) -> None:
        """Write several rows of one kind at once; the rest as in `append`."""
        self._tables[type(records[0])].extend(records)

    def sync(self) -> None:
        """Have the operating system bring all rows to the disk."""
        for table in self._tables.values():
            table.sync()

    def earlier_trials(self) -> pd.DataFrame:
        """Return the trials that are in the ledger: the rows of its first file."""
        return read_table(next(iter(self._files.values())))

    def digests(self) -> dict[str, str]:
        """Return the digest that the good trials of each work came to, by `work_of`."""
        trials = self.earlier_trials()
        good = trials[trials["status"] == "ok"]
        named = map(work_of, good["mode"], good["planned_tasks"], good["task_seconds"])
        return dict(zip(named, good["digest"], strict=True))

    def trial_ids_with_tasks(self) -> tuple[str, ...]:
        """Return the ids of all trials that have task rows, in order of first appearance."""
        return tuple(read_table(self._files[TaskRecord])["trial_id"].unique())

    def begin_session(self) -> None:
        """Write the facts of this session into the environment file: from here on there is a run."""
        environment = {"schema_version": SCHEMA_VERSION, **_constant(self._facts), "sessions": []}
        if (self.directory / ENVIRONMENT).exists():
            environment = read_environment(self.directory)
        environment["sessions"].append(dict(self._facts["session"]))
        write_environment(self.directory, environment)
        self.session = len(environment["sessions"])

    def note(self, **facts: Any) -> None:
        """Set facts of this session in the environment file, such as its end."""
        environment = read_environment(self.directory)
        environment["sessions"][self.session - 1].update(facts)
        write_environment(self.directory, environment)

    def _refuse_other(self) -> None:
        if (self.directory / ENVIRONMENT).exists():
            _refuse_other(self.directory, read_environment(self.directory), _constant(self._facts))


def write_environment(directory: Path, environment: Mapping[str, Any]) -> None:
    """Put the environment file into the folder, in the place of one that is there: whole or not at all."""
    path = directory / ENVIRONMENT
    draft = path.with_suffix(".new")

    def write() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(environment, indent=2, sort_keys=False) + "\n")
        draft.replace(path)

    ask_disk(path, write)


def _constant(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that all sessions of a run share, as JSON would give them back."""
    constant: dict[str, Any] = json.loads(json.dumps({**facts, "session": None}))
    del constant["session"]
    return constant


def _lock(directory: Path) -> int:
    path = directory / LOCK
    handle = ask_disk(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DataError(
            f"another process is writing to {directory}: wait for it, or choose another run_id"
        ) from None
    except OSError as error:
        os.close(handle)
        raise disk_error(path, error) from error
    return handle


def _refuse_other(directory: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to mix measurements: a run goes on only with its own parameters, code, versions and machine."""
    for key, value in wanted.items():
        before, now = found.get(key), value
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            keys = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
            before, now = {k: before.get(k) for k in keys}, {k: now.get(k) for k in keys}
        raise DataError(
            f"the run in {directory} was begun with other {key}: {before} there, {now} now. "
            "Go on with the same, or choose another run_id for a new run"
        )
