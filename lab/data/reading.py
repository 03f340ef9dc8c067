"""One file of rows: read in blocks, so that its size is no matter, and checked row by row."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lab.data.columns import LARGEST, MOMENT, is_moment
from lab.data.earlier import EARLIER
from lab.data.environment import other_schema, refuse_endless
from lab.data.records import CHECKS, FILES, SCHEMA_VERSION, Column, columns
from lab.errors import DataError, VersionError

VERSION_COLUMN = "schema_version"
TABLES: Mapping[str, type] = {**FILES, **EARLIER, **CHECKS}
"""Every file of rows that a run may have."""
BLOCK_BYTES = 32 << 20
_DTYPES = {int: "Int64", float: "float64", str: "str", bool: "boolean"}


def read_table(path: Path) -> pd.DataFrame:
    """Read one CSV file of a run with the types of its columns; raises `DataError` where it does not fit.

    A last line without an end is torn, and is not read. Takes some 3 s of processor time and 0.2 GB for a
    million rows of tasks.
    """
    try:
        refuse_endless(path)
        return _whole(path, TABLES[path.name])
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: the run is damaged, restore it from git or run it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is damaged ({error}): restore it from git or run it again") from error


def _whole(path: Path, record: type) -> pd.DataFrame:
    """Return all rows; each block is put where it belongs, so that the file lies in memory once."""
    with path.open("rb") as file:
        lines = sum(part.count(b"\n") for part in iter(lambda: file.read(BLOCK_BYTES), b""))
    whole = {one.name: pd.Series(index=range(lines), dtype=_DTYPES[one.kind]) for one in columns(record)}
    rows = 0
    for block in _blocks(path, record):
        # a run that goes on adds rows meanwhile: they are for the next time
        number = min(len(next(iter(block.values()))), lines - rows)
        for name, values in block.items():
            whole[name].iloc[rows : rows + number] = values.iloc[:number]
        rows += number
    return pd.DataFrame(whole, copy=False).iloc[:rows]


def empty(record: type) -> pd.DataFrame:
    """Return a table of records of a type without rows."""
    return pd.DataFrame({one.name: pd.Series(dtype=_DTYPES[one.kind]) for one in columns(record)})


def header(record: type) -> list[str]:
    """Return the header of the file that holds records of a type."""
    return [VERSION_COLUMN, *(column.name for column in columns(record))]


def _blocks(path: Path, record: type) -> Iterator[dict[str, pd.Series]]:
    with path.open("rb") as file:
        head = file.readline()
        names = _names(path, head.decode() if head.endswith(b"\n") else "")
        line, content = 2, b" "
        while content:
            content = file.read(BLOCK_BYTES) + file.readline()
            content = content[: content.rfind(b"\n") + 1]
            if not content and line > 2:
                return
            if not _is_plain(content, len(names)):
                _check_lines(path, content.decode(), names, line)
            if line == 2:
                _check_header(path, names, record)
            yield _block(path, head + content, record, line)
            line += content.count(b"\n")


def _block(path: Path, content: bytes, record: type, first: int) -> dict[str, pd.Series]:
    try:
        return _typed_columns(path, content, record, first, quick=True)
    except (ValueError, DataError):
        # the careful way finds the line, or what is a number only when its text is looked at
        return _typed_columns(path, content, record, first, quick=False)


def _typed_columns(
    path: Path, content: bytes, record: type, first: int, *, quick: bool
) -> dict[str, pd.Series]:
    """Return the columns of a block with types; `quick`: pandas reads numbers at once, not as texts first."""
    numbers = [one.name for one in columns(record) if quick and one.kind in (int, float)]
    found = pd.read_csv(
        io.StringIO(content.decode()),
        dtype=defaultdict(lambda: "str", dict.fromkeys(numbers, "float64")),
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
    )
    # a file of an older minor version lacks columns that came later: what they would hold is not known
    unknown = pd.Series("", index=found.index, dtype="str")
    return {one.name: _typed(path, found.get(one.name, unknown), one, first) for one in columns(record)}


def _typed(path: Path, found: pd.Series, column: Column, first: int) -> pd.Series:
    """Return a column with its type; raises `DataError` that names the line of what does not fit."""
    empty = found.isna() if found.dtype == "float64" else found == ""
    if not column.optional:
        _refuse_first(path, column, found, empty, "empty, where a value is required", first)
    values, fits, told = _parsed(found, column)
    _refuse_first(path, column, found, ~fits & ~empty, told, first)
    values = values.mask(empty) if column.optional and column.kind is str else values
    return values.astype(_DTYPES[column.kind])  # type: ignore[call-overload, no-any-return]


def _parsed(found: pd.Series, column: Column) -> tuple[pd.Series, pd.Series, str]:
    """Return the values of a column, which of them fit it, and what is said of one that does not."""
    if column.kind is bool:
        truths = found.map({"true": True, "false": False})
        return truths, truths.notna(), "is not of type bool"
    if column.choices:
        return found, found.isin(column.choices), f"is none of {', '.join(column.choices)}"
    if column.unit == MOMENT:
        return found, found.map(is_moment).astype(bool), "is no moment with its zone"
    if column.kind is str:
        return found, pd.Series(True, found.index), ""
    numbers = pd.to_numeric(found, errors="coerce").astype("float64")
    fits = numbers.abs() <= LARGEST
    if column.kind is float:
        return numbers, fits, f"is not a number up to {LARGEST:.0e}"
    return numbers, fits & (numbers % 1 == 0), f"is not of type int up to {LARGEST:.0e}"


def _refuse_first(
    path: Path, column: Column, found: pd.Series, wrong: pd.Series, told: str, first: int
) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        text = str(found.iloc[at])
        shown = f"{text[:60]!r} " * (text != "")
        raise DataError(f"{path}, line {at + first}, column {column.name}: {shown}{told}")


def _names(path: Path, text: str) -> list[str]:
    """Return the names of the columns of a header."""
    found = next(csv.reader(io.StringIO(text)), [])
    if found[:1] != [VERSION_COLUMN]:
        raise DataError(
            f"{path} was not written by this lab: its header does not begin with {VERSION_COLUMN}"
        )
    return found


def _check_header(path: Path, found: list[str], record: type) -> None:
    """Check the header before pandas guesses around it; rows of another version were told before."""
    names = {column.name: column.optional for column in columns(record)}
    missing = [name for name, optional in names.items() if not optional and name not in found]
    foreign = sorted(set(found[1:]) - set(names))
    if missing or foreign or found != [name for name in header(record) if name in found]:
        raise DataError(
            f"{path} has another header than this lab writes (missing: {missing or 'none'}, foreign: "
            f"{foreign or 'none'}): it comes from another version; run the experiment again"
        )


def _is_plain(content: bytes, fields: int) -> bool:
    """Tell whether all lines are of this schema's version and have so many fields, none of them quoted."""
    if any(mark in content for mark in (b'"', b"\r", b"\0")):
        return False
    codes = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    commas = np.diff(np.searchsorted(np.flatnonzero(codes == ord(",")), ends), prepend=0)
    starts = np.append(0, ends[:-1] + 1) if len(ends) else ends
    version = f"{SCHEMA_VERSION},".encode()
    same = [codes[np.minimum(starts + at, len(codes) - 1)] == code for at, code in enumerate(version)]
    return bool(np.all(commas == fields - 1) and np.all(same))


def _check_lines(path: Path, text: str, names: list[str], first: int) -> None:
    for line, row in enumerate(csv.reader(io.StringIO(text)), start=first):
        if row and row[0] != str(SCHEMA_VERSION):
            raise VersionError(other_schema(path, row[0]))
        if len(row) != len(names):
            raise DataError(
                f"{path}, line {line}: {len(row)} fields where {len(names)} belong; the row is damaged"
            )
