"""Runs as they lie on disk: find, read and check them. Nothing is guessed around and nothing is filled in."""

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.data.earlier import EARLIER, TIMINGS, trials_of
from lab.data.records import CHECKS, FILES, SCHEMA_VERSION, Column, Trial, columns
from lab.errors import DataError

ENVIRONMENT, TRIALS = "environment.json", "trials.csv"
VERSION_COLUMN = "schema_version"
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
        return is_complete(self.trials, self.environment)


def is_complete(trials: pd.DataFrame, environment: Mapping[str, Any]) -> bool:
    """Tell whether every slot of the plan has a trial that ended, well or not."""
    ended = trials.loc[trials["status"] != "interrupted", "slot"].nunique()
    return bool(ended == environment["planned_trials"])


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


def run_directories(experiment: str, data: Path) -> tuple[Path, ...]:
    """Return the folders of all runs of an experiment, oldest first by their start."""
    files = [path for name in (TRIALS, TIMINGS) for path in (data / experiment).glob(f"*/{name}")]
    folders = [one.parent for one in files if (one.parent / ENVIRONMENT).exists() or _has_rows(one)]
    return tuple(sorted(folders, key=lambda folder: read_environment(folder)["sessions"][0]["started_at"]))


def file_digests(directory: Path, files: Iterable[str] = FILES) -> dict[str, str]:
    """Return the SHA-256 of each CSV file of a run: a finished run carries them in its environment file."""
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in files}


def _refuse_changed(directory: Path, digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        path = directory / name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise DataError(f"{path} was changed after the run had finished: restore it, or run it again")


def _has_rows(path: Path) -> bool:
    return path.read_bytes().count(b"\n") > 1


def read_environment(directory: Path) -> dict[str, Any]:
    """Read the environment file of a run."""
    path = directory / ENVIRONMENT
    try:
        environment = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {directory} is not a run of this lab") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(
            f"{path} is damaged ({error}): restore it from git or remove the run's folder"
        ) from error
    if not isinstance(environment, dict) or environment.get("schema_version") != SCHEMA_VERSION:
        found = environment.get("schema_version") if isinstance(environment, dict) else None
        raise DataError(_other_schema(path, found))
    works = environment.get("works", {})
    objects = [environment.get(name, {}) for name in ("parameters", "machine", "versions", "code")]
    objects += [works, *(works.values() if isinstance(works, dict) else ())]
    if not all(isinstance(one, dict) for one in objects):
        raise DataError(f"{path} is damaged: its parameters, machine, versions, code and works are objects")
    sessions = environment.get("sessions")
    begun = isinstance(sessions, list) and sessions and all("started_at" in one for one in sessions)
    if not begun or not isinstance(environment.get("planned_trials"), int):
        raise DataError(f"{path} names no sessions or no planned trials: it is not a run of this lab")
    return environment


def read_table(path: Path) -> pd.DataFrame:
    """Read one CSV file of a run with the types of its columns; raises `DataError` where it does not fit."""
    record = {**FILES, **EARLIER, **CHECKS}[path.name]
    try:
        content = path.read_bytes()
        # a torn last line may end within a character
        text = content[: content.rfind(b"\n") + 1].decode()
        _check_lines(path, text, record)
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: the run is damaged, restore it from git or run it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is damaged ({error}): restore it from git or run it again") from error
    frame = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    # a file of an older minor version lacks columns that came later: what they would hold is not known
    known = frame.reindex(columns=[column.name for column in columns(record)], fill_value="").astype("str")
    return pd.DataFrame({column.name: _typed(path, known[column.name], column) for column in columns(record)})


def _typed(path: Path, texts: pd.Series, column: Column) -> pd.Series:
    empty = texts == ""
    if not column.optional and empty.any():
        line = int(np.argmax(empty)) + 2
        raise DataError(f"{path}, line {line}, column {column.name}: empty, where a value is required")
    known = texts.isin(column.choices) | (empty if column.optional else False)
    if column.choices and not known.all():
        line = int(np.argmin(known)) + 2
        raise DataError(
            f"{path}, line {line}, column {column.name}: {texts.iloc[line - 2]!r} is none of "
            f"{', '.join(column.choices)}"
        )
    if column.kind is str:
        return texts.mask(empty) if column.optional else texts
    if column.kind is bool:
        values = texts.map({"true": True, "false": False})
    else:
        values = pd.to_numeric(texts.mask(empty), errors="coerce")
    wrong = (values.isna() & ~empty) | values.isin([float("inf"), float("-inf")])
    if column.kind is int:
        wrong |= values.notna() & (values % 1 != 0)
    if wrong.any():
        line = int(np.argmax(wrong)) + 2
        raise DataError(
            f"{path}, line {line}, column {column.name}: {texts.iloc[line - 2]!r} is not "
            f"{'a number' if column.kind is float else f'of type {column.kind.__name__}'}"
        )
    return values.astype(_DTYPES[column.kind])  # type: ignore[call-overload, no-any-return]


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
            raise DataError(_other_schema(path, row[0]))
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


def _other_schema(path: Path, found: object) -> str:
    return (
        f"{path} has schema version {found}, this lab reads {SCHEMA_VERSION}: use the version "
        "of the lab that wrote it, or run the experiment again"
    )
