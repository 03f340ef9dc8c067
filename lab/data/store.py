"""Runs as they lie on disk: find, read and check them. Nothing is guessed around and nothing is filled in."""

import csv
import dataclasses
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.data.columns import LARGEST, MOMENT, is_moment
from lab.data.earlier import EARLIER, TIMINGS, trials_of
from lab.data.environment import content_of, other_schema, read_environment
from lab.data.records import CHECKS, FILES, SCHEMA_VERSION, Column, Trial, columns
from lab.errors import DataError, VersionError

TRIALS = "trials.csv"
VERSION_COLUMN = "schema_version"
TABLES: Mapping[str, type] = {**FILES, **EARLIER, **CHECKS}
"""Every file of rows that a run may have."""
_DTYPES = {int: "Int64", float: "float64", str: "str", bool: "boolean"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One run as it lies on disk: five frames with the columns of `lab.data.records`, and its environment."""

    directory: Path
    environment: Mapping[str, Any]
    trials: pd.DataFrame
    tasks: pd.DataFrame
    samples: pd.DataFrame
    windows: pd.DataFrame
    nodes: pd.DataFrame

    @property
    def run_id(self) -> str:
        """Return the name of the run's folder."""
        return self.directory.name

    @property
    def complete(self) -> bool:
        """Tell whether every slot of the plan has a trial that ended, well or not."""
        return bool(ended_slots(self.trials) == self.environment["planned_trials"])


def ended_slots(trials: pd.DataFrame) -> int:
    """Return how many slots of the plan have a trial that ended, well or not."""
    return int(trials.loc[trials["status"] != "interrupted", "slot"].nunique())


def read_run(directory: Path) -> Run:
    """Read and check all files of a run; raises `DataError` that names file, line and column."""
    environment = read_environment(directory)
    _refuse_changed(directory, environment["sessions"][-1].get("files", {}))
    tables = {"trials": read_trials(directory)}
    earlier = (directory / TIMINGS).exists()
    for name, record in list(FILES.items())[1:]:
        tables[name.removesuffix(".csv")] = empty(record) if earlier else read_table(directory / name)
    _refuse_repeated(directory / "trials.csv", tables["trials"], ["trial_id"])
    _refuse_repeated(
        directory / "tasks.csv", tables["tasks"], ["trial_id", "task", "attempt", "warmup", "worker"]
    )
    _refuse_repeated(directory / "windows.csv", tables["windows"], ["trial_id", "node_id"])
    return Run(directory, environment, **tables)


def read_trials(directory: Path) -> pd.DataFrame:
    """Read the trials of a run, whichever version of the lab wrote them."""
    if not (directory / TIMINGS).exists():
        return read_table(directory / TRIALS)
    return trials_of(read_table(directory / TIMINGS), empty(Trial))


def empty(record: type) -> pd.DataFrame:
    """Return a table of records of a type without rows."""
    return pd.DataFrame({one.name: pd.Series(dtype=_DTYPES[one.kind]) for one in columns(record)})


def file_digests(directory: Path, files: Iterable[str] = FILES) -> dict[str, str]:
    """Return the SHA-256 of each CSV file of a run: a finished run carries them in its environment file."""
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in files}


def _refuse_changed(directory: Path, digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        path = directory / name
        if name in TABLES and path.exists() and hashlib.sha256(content_of(path)).hexdigest() != digest:
            raise DataError(f"{path} was changed after the run had finished: restore it, or run it again")


def read_table(path: Path) -> pd.DataFrame:
    """Read one CSV file of a run with the types of its columns; raises `DataError` where it does not fit."""
    record = TABLES[path.name]
    try:
        content = content_of(path)
        # a torn last line may end within a character
        text = content[: content.rfind(b"\n") + 1].decode()
        _check_lines(path, text, record)
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: the run is damaged, restore it from git or run it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is damaged ({error}): restore it from git or run it again") from error
    frame = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    # a file of an older minor version lacks columns that came later: what they would hold is not known
    known = frame.reindex(columns=[column.name for column in columns(record)], fill_value="").astype("str")
    return pd.DataFrame({column.name: _typed(path, known[column.name], column) for column in columns(record)})


def _typed(path: Path, texts: pd.Series, column: Column) -> pd.Series:
    """Return a column with its type; raises `DataError` that names the line of what does not fit."""
    empty = texts == ""
    if not column.optional:
        _refuse_first(path, column, texts, empty, "empty, where a value is required")
    values, fits, told = _parsed(texts, column)
    _refuse_first(path, column, texts, ~fits & ~empty, told)
    values = values.mask(empty) if column.optional and column.kind is str else values
    return values.astype(_DTYPES[column.kind])  # type: ignore[call-overload, no-any-return]


def _parsed(texts: pd.Series, column: Column) -> tuple[pd.Series, pd.Series, str]:
    """Return the values of texts, which of them fit the column, and what is said of one that does not."""
    if column.kind is bool:
        truths = texts.map({"true": True, "false": False})
        return truths, truths.notna(), "is not of type bool"
    if column.choices:
        return texts, texts.isin(column.choices), f"is none of {', '.join(column.choices)}"
    if column.unit == MOMENT:
        return texts, texts.map(is_moment).astype(bool), "is no moment with its zone"
    if column.kind is str:
        return texts, texts.notna(), ""
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    fits = numbers.abs() <= LARGEST
    if column.kind is float:
        return numbers, fits, f"is not a number up to {LARGEST:.0e}"
    return numbers, fits & (numbers % 1 == 0), f"is not of type int up to {LARGEST:.0e}"


def _refuse_first(path: Path, column: Column, texts: pd.Series, wrong: pd.Series, told: str) -> None:
    if wrong.any():
        line = int(np.argmax(wrong)) + 2
        found = f"{texts.iloc[line - 2][:60]!r} " * (texts.iloc[line - 2] != "")
        raise DataError(f"{path}, line {line}, column {column.name}: {found}{told}")


def _check_lines(path: Path, text: str, record: type) -> None:
    """Check header, schema version and number of fields, each before pandas guesses around it."""
    rows = csv.reader(io.StringIO(text))
    found = next(rows, [])
    if found[:1] != [VERSION_COLUMN]:
        raise DataError(
            f"{path} was not written by this lab: its header does not begin with {VERSION_COLUMN}"
        )
    for line, row in enumerate(rows, start=2):
        if row and row[0] != str(SCHEMA_VERSION):
            raise VersionError(other_schema(path, row[0]))
        if len(row) != len(found):
            raise DataError(
                f"{path}, line {line}: {len(row)} fields where {len(found)} belong; the row is damaged"
            )
    names = {column.name: column.optional for column in columns(record)}
    missing = [name for name, optional in names.items() if not optional and name not in found]
    foreign = sorted(set(found[1:]) - set(names))
    if missing or foreign or found != [name for name in header(record) if name in found]:
        raise DataError(
            f"{path} has another header than this lab writes (missing: {missing or 'none'}, foreign: "
            f"{foreign or 'none'}): it comes from another version; run the experiment again"
        )


def header(record: type) -> list[str]:
    """Return the header of the file that holds records of a type."""
    return [VERSION_COLUMN, *(column.name for column in columns(record))]


def _refuse_repeated(path: Path, table: pd.DataFrame, key: list[str]) -> None:
    repeated = table.duplicated(key)
    if repeated.any():
        row = table.loc[repeated, key].iloc[0].to_dict()
        raise DataError(
            f"{path} holds {row} more than once ({int(repeated.sum())} rows): the file was edited or merged"
        )
