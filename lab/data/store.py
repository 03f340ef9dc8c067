"""Runs as they lie on disk: find, read and check them. Nothing is guessed around and nothing is filled in."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lab.data.earlier import TIMINGS, trials_of
from lab.data.environment import read_environment, refuse_endless
from lab.data.reading import TABLES, empty, read_table
from lab.data.records import FILES, Trial
from lab.errors import DataError

TRIALS = "trials.csv"


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


def file_digests(directory: Path, files: Iterable[str] = FILES) -> dict[str, str]:
    """Return the SHA-256 of each CSV file of a run: a finished run carries them in its environment file."""
    return {name: _digest(directory / name) for name in files}


def _digest(path: Path) -> str:
    refuse_endless(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_changed(directory: Path, digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        path = directory / name
        if name in TABLES and path.exists() and _digest(path) != digest:
            raise DataError(f"{path} was changed after the run had finished: restore it, or run it again")


def _refuse_repeated(path: Path, table: pd.DataFrame, key: list[str]) -> None:
    repeated = table.duplicated(key)
    if repeated.any():
        row = table.loc[repeated, key].iloc[0].to_dict()
        raise DataError(
            f"{path} holds {row} more than once ({int(repeated.sum())} rows): the file was edited or merged"
        )
