"""The one writer of a run's folder: appends a row at a time, and goes on where a run was cut short.

A row is one line, written by a single call to the operating system, so a kill at any moment costs at
most the row in flight; a torn last line is cut off when the run is opened again. Only one process at a
time may write to a run. The environment file is written last, by `begin_session`: a folder without one is
no run yet.
"""

import csv
import dataclasses
import errno
import fcntl
import io
import json
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd

from lab.data.records import FILES, SCHEMA_VERSION, NodeFacts, TaskRecord, columns, work_of
from lab.data.store import ENVIRONMENT, header, read_environment, read_table
from lab.errors import DataError

T = TypeVar("T")


class Table:
    """The one writer of a file of rows."""

    def __init__(self, path: Path, record: type) -> None:
        """Open or make the file, with its header in place and a torn last line cut off."""
        self._path = path
        self._handle = _ask_disk(path, partial(_open_for_append, path, record))
        # a row for each task: to look the fields up takes as long as to write the row
        self._columns = columns(record)
        self._values = operator.attrgetter(*(one.name for one in self._columns))

    def extend(self, records: Sequence[Any]) -> None:
        """Write rows; a full disk leaves the file as it was before and raises `DataError`.

        So does a value that whoever reads the file would refuse.
        """
        lines = [self._line(self._values(one)) for one in records]
        _ask_disk(self._path, partial(_write, self._handle, b"".join(lines)))

    def _line(self, values: Sequence[Any]) -> bytes:
        for column, value in zip(self._columns, values, strict=True):
            if fault := column.fault(value):
                raise DataError(f"{self._path}, column {column.name}: {fault}; the row was not written")
        return _line([SCHEMA_VERSION, *map(_field, values)])

    def sync(self) -> None:
        """Have the operating system bring all rows to the disk."""
        _ask_disk(self._path, partial(os.fsync, self._handle))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class Ledger:
    """The one writer of a run's folder; a context manager."""

    def __init__(self, directory: Path, facts: Mapping[str, Any], files: Mapping[str, type] = FILES) -> None:
        """Open or make `directory`; `facts["parameters"]` must equal those of an earlier session."""
        self.directory, self._facts = directory, facts
        self.session = 0
        self._files = {record: directory / name for name, record in files.items()}
        self._tables: dict[type, Table] = {}
        _ask_disk(directory, lambda: directory.mkdir(parents=True, exist_ok=True))
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
        """Close the files and let the next writer in."""
        self._opened.close()

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

    _ask_disk(path, write)


def _open_for_append(path: Path, record: type) -> int:
    """Open for appending, with the header in place and a torn last line cut off; checks before it cuts."""
    head = _line(header(record))
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole or not head.startswith(content):
        read_table(path)
    if whole and not content.startswith(head):
        raise DataError(
            f"{path} was begun by an older version of this lab, with fewer columns: finish the run with that "
            "version, or choose another run_id"
        )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.ftruncate(handle, whole)
    if not whole:
        _write(handle, head)
    return handle


def _write(handle: int, line: bytes) -> None:
    """Write the whole line, or leave the file as it was and raise `OSError`."""
    size = os.fstat(handle).st_size
    try:
        if os.write(handle, line) != len(line):
            raise OSError(errno.ENOSPC, "only part of the row was written")
    except OSError:
        os.ftruncate(handle, size)
        raise


def _constant(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that all sessions of a run share, as JSON would give them back."""
    constant: dict[str, Any] = json.loads(json.dumps({**facts, "session": None}))
    del constant["session"]
    return constant


def _field(value: Any) -> str:
    """Return the text of a value: empty for an unknown, microseconds for seconds, one line for a message."""
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return " ".join(str(value).split())


def _line(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode(errors="backslashreplace")


def _lock(directory: Path) -> int:
    path = directory / ".lock"
    handle = _ask_disk(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DataError(
            f"another process is writing to {directory}: wait for it, or choose another run_id"
        ) from None
    except OSError as error:
        os.close(handle)
        raise _disk_error(path, error) from error
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
