"""The one writer of a run's folder: appends a row at a time, and goes on where a run was cut short.

A row is one line, written by a single call to the operating system, so a kill at any moment costs at
most the row in flight; a torn last line is cut off when the run is opened again. Only one process at a
time may write to a run.
"""

import csv
import dataclasses
import errno
import fcntl
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd

from lab.errors import DataError
from lab.records import FILES, SCHEMA_VERSION, TaskRecord, Trial
from lab.store import ENVIRONMENT, header, read_environment, read_table

T = TypeVar("T")


class Ledger:
    """The one writer of a run's folder; a context manager."""

    def __init__(self, directory: Path, facts: Mapping[str, Any]) -> None:
        """Open or make `directory`; `facts["parameters"]` must equal those of an earlier session."""
        self.directory = directory
        self._files = {record: directory / name for name, record in FILES.items()}
        self._handles: dict[type, int] = {}
        _ask_disk(directory, lambda: directory.mkdir(parents=True, exist_ok=True))
        with ExitStack() as opened:
            opened.callback(os.close, _lock(directory))
            self.session = self._begin_session(facts)
            for record, path in self._files.items():
                self._handles[record] = _ask_disk(path, partial(_open_for_append, path, record))
                opened.callback(os.close, self._handles[record])
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files and let the next writer in."""
        self._opened.close()

    def append(self, record: Any) -> None:
        """Write one row; a full disk leaves the file as it was before and raises `DataError`."""
        handle, path = self._handles[type(record)], self._files[type(record)]
        line = _line([SCHEMA_VERSION, *(_field(value) for value in _values(record))])
        size = os.fstat(handle).st_size
        try:
            if os.write(handle, line) != len(line):
                raise OSError(errno.ENOSPC, "only part of the row was written")
        except OSError as error:
            os.ftruncate(handle, size)
            raise _disk_error(path, error) from error

    def sync(self) -> None:
        """Have the operating system bring all rows to the disk."""
        for record, handle in self._handles.items():
            _ask_disk(self._files[record], partial(os.fsync, handle))

    def earlier_trials(self) -> pd.DataFrame:
        """Return the trials that are in the ledger."""
        return read_table(self._files[Trial])

    def trial_ids_with_tasks(self) -> tuple[str, ...]:
        """Return the ids of all trials that have task rows, in order of first appearance."""
        return tuple(read_table(self._files[TaskRecord])["trial_id"].unique())

    def note(self, **facts: Any) -> None:
        """Set facts of this session in the environment file, such as its end."""
        environment = read_environment(self.directory)
        environment["sessions"][self.session - 1].update(facts)
        self._write_environment(environment)

    def _begin_session(self, facts: Mapping[str, Any]) -> int:
        session = dict(facts["session"])
        constant = {key: value for key, value in facts.items() if key != "session"}
        path = self.directory / ENVIRONMENT
        if not path.exists():
            self._write_environment({"schema_version": SCHEMA_VERSION, **constant, "sessions": [session]})
            return 1
        environment = read_environment(self.directory)
        _refuse_other(path, environment, constant)
        environment["sessions"].append(session)
        self._write_environment(environment)
        return len(environment["sessions"])

    def _write_environment(self, environment: Mapping[str, Any]) -> None:
        path = self.directory / ENVIRONMENT
        draft = path.with_suffix(".new")

        def write() -> None:
            draft.write_text(json.dumps(environment, indent=2, sort_keys=False) + "\n")
            draft.replace(path)

        _ask_disk(path, write)


def _open_for_append(path: Path, record: type) -> int:
    """Open for appending, with the header in place and a torn last line cut off."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(handle).st_size
    whole = os.pread(handle, size, 0).rfind(b"\n") + 1
    os.ftruncate(handle, whole)
    if whole == 0:
        os.write(handle, _line(header(record)))
    else:
        read_table(path)
    return handle


def _values(record: Any) -> Iterable[Any]:
    return (getattr(record, field.name) for field in dataclasses.fields(record))


def _field(value: Any) -> str:
    """Return the text of a value: empty for an unknown, microseconds for seconds, one line for a message."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return " ".join(str(value).split())


def _line(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _lock(directory: Path) -> int:
    path = directory / ".lock"
    handle = _ask_disk(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise DataError(
            f"another process is writing to {directory}: wait for it, or choose another run_id"
        ) from None
    return handle


def _refuse_other(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to mix measurements: a run goes on only with its own parameters, code, versions and machine."""
    for key, value in wanted.items():
        if found.get(key) == json.loads(json.dumps(value)):
            continue
        before, now = found.get(key), value
        if isinstance(before, dict) and isinstance(now, Mapping):
            keys = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
            before, now = {k: before.get(k) for k in keys}, {k: now.get(k) for k in keys}
        raise DataError(
            f"the run in {path.parent} was begun with other {key}: {before} there, {now} now. "
            "Go on with the same, or choose another run_id for a new run"
        )


def _ask_disk(path: Path, operation: Callable[[], T]) -> T:
    """Carry out a file operation; an error of the operating system becomes a `DataError` with a way out."""
    try:
        return operation()
    except OSError as error:
        raise _disk_error(path, error) from error


def _disk_error(path: Path, error: OSError) -> DataError:
    cure = {
        errno.ENOSPC: "the disk is full: free some space and start again with the same run_id",
        errno.EDQUOT: "your disk quota is used up: free some space and start again with the same run_id",
        errno.EACCES: "no permission: make the folder writable for this user",
        errno.EPERM: "no permission: make the folder writable for this user",
        errno.EROFS: "the file system is read-only: clone to a writable place",
        errno.ENOTDIR: "a file stands where a folder belongs: move it away",
        errno.EEXIST: "a file stands where a folder belongs: move it away",
    }.get(error.errno or 0, "see the operating system's message")
    return DataError(f"cannot write {path}: {error.strerror}; {cure}")
