"""The one writer of a file of rows: whole lines, each checked, written by a single call each time."""

import csv
import errno
import io
import operator
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

from lab.data.columns import LARGEST, Column
from lab.data.reading import header, read_table
from lab.data.records import SCHEMA_VERSION, columns
from lab.errors import DataError

T = TypeVar("T")


class Table:
    """The one writer of a file of rows."""

    def __init__(self, path: Path, record: type) -> None:
        """Open or make the file, with its header in place and a torn last line cut off."""
        self._path = path
        self._handle = ask_disk(path, partial(_open_for_append, path, record))
        # a row for each task: to look the fields up takes as long as to write the row
        self._columns = columns(record)
        self._values = operator.attrgetter(*(one.name for one in self._columns))

    def extend(self, records: Sequence[Any]) -> None:
        """Write rows; a full disk leaves the file as it was before and raises `DataError`.

        So does a value that whoever reads the file would refuse.
        """
        values = zip(*map(self._values, records), strict=True)
        texts = [self._texts(column, known) for column, known in zip(self._columns, values, strict=True)]
        lines = _lines(zip(repeat(str(SCHEMA_VERSION)), *texts, strict=False))
        ask_disk(self._path, partial(_write, self._handle, lines))

    def _texts(self, column: Column, values: Sequence[Any]) -> Iterable[str]:
        """Return a column's texts. A value that stands there again, as most do, is looked at once."""
        kinds = set(map(type, values))
        if column.kind is float and kinds == {float} and all(abs(one) <= LARGEST for one in values):
            return map(_field_of_float, values)
        # of several kinds, 1 and True would be one key
        keys = values if len(kinds) == 1 else list(zip(map(type, values), values, strict=True))
        texts = {}
        for key, value in dict(zip(keys, values, strict=True)).items():
            if fault := column.fault(value):
                raise DataError(f"{self._path}, column {column.name}: {fault}; the row was not written")
            texts[key] = _field(value)
        return [texts[keys[0]]] * len(keys) if len(texts) == 1 else map(texts.__getitem__, keys)

    def sync(self) -> None:
        """Have the operating system bring all rows to the disk."""
        ask_disk(self._path, partial(os.fsync, self._handle))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def _open_for_append(path: Path, record: type) -> int:
    """Open for appending, with the header in place and a torn last line cut off; checks before it cuts."""
    head = _lines([header(record)])
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


def _field(value: Any) -> str:
    """Return the text of a value: empty for an unknown, microseconds for seconds, one line for a message."""
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _field_of_float(value)
    return " ".join(str(value).split())


def _field_of_float(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


def ask_disk(path: Path, operation: Callable[[], T]) -> T:
    """Carry out a file operation; an error of the operating system becomes a `DataError` with a way out."""
    try:
        return operation()
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> DataError:
    """Return an error of the operating system as one with a way out."""
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
