"""Which run a page shows: the newest complete one, unless the book pins another; and what else there is."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import yaml

from lab import paths
from lab.analysis.disturbances import Disturbance
from lab.data.listing import Listed, listed
from lab.data.store import Run, Timings, read_run, read_timings, run_directories
from lab.errors import DataError

PINS = paths.BOOK / "pins.yaml"

Found = TypeVar("Found")
"""A run as it was read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Selection(Generic[Found]):
    """The run that a page shows, whether the book pins it, and all runs of the experiment, newest first."""

    experiment: str
    run: Found | None
    pinned: bool
    runs: tuple[Listed, ...]


class OnDisk(Protocol):
    """What every run has, whatever its files are."""

    @property
    def directory(self) -> Path:
        """Return the run's folder."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """Return what its environment file says."""

    @property
    def run_id(self) -> str:
        """Return its name."""


class Shown(Protocol):
    """What every page knows of its run, whatever the experiment."""

    @property
    def run(self) -> OnDisk:
        """Return the run."""

    @property
    def pinned(self) -> bool:
        """Tell whether the book pins it."""

    @property
    def runs(self) -> tuple[Listed, ...]:
        """Return all runs of the experiment, newest first."""

    @property
    def experiment(self) -> str:
        """Return the name of the experiment."""

    @property
    def blocks(self) -> int:
        """Return how many times the plan was repeated."""

    @property
    def cores(self) -> int:
        """Return the whole cores that the run may use, at least 1."""

    @property
    def memory_bytes(self) -> float | None:
        """Return the memory that the run may use."""

    @property
    def disturbances(self) -> tuple[Disturbance, ...]:
        """Return every kind of disturbance of the run."""


def select_run(experiment: str, data: Path | None = None, pins: Path = PINS) -> Selection[Run]:
    """Return the run to show of an experiment with trials, chosen as by `select`."""
    return select(experiment, read_run, data, pins)


def select_timings(experiment: str, data: Path | None = None, pins: Path = PINS) -> Selection[Timings]:
    """Return the run to show of an experiment that compares engines, chosen as by `select`."""
    return select(experiment, read_timings, data, pins)


def select(
    experiment: str, read: Callable[[Path], Found], data: Path | None = None, pins: Path = PINS
) -> Selection[Found]:
    """Return the run to show: the pinned one, or the newest that is complete, or none; read by `read`.

    Raises `DataError` where the pinned run is missing or not complete, and where the run to show is damaged.
    An older damaged run is listed as such.
    """
    data = data or paths.data_folder()
    folders = {folder.name: folder for folder in reversed(run_directories(experiment, data))}
    runs = tuple(map(listed, folders.values()))
    pinned = pinned_run(experiment, pins)
    if pinned is None:
        # a damaged run may be the newest: to pass over it in silence would publish an older one as the newest
        chosen = next((one for one in runs if one.state != "unfinished"), None)
    else:
        chosen = next((one for one in runs if one.run_id == pinned), None)
        if chosen is None or chosen.state == "unfinished":
            what = "is not complete" if chosen else "is not there"
            raise DataError(
                f"{pins} pins {experiment} to the run {pinned}, which {what} under {data / experiment} "
                f"(there are: {', '.join(folders) or 'none'}): correct the pin or remove it"
            )
    run = None if chosen is None else read(chosen.directory)
    return Selection(experiment, run, pinned is not None, runs)


def pinned_run(experiment: str, pins: Path = PINS) -> str | None:
    """Return the run id that the book pins for an experiment; None where it pins none."""
    if not pins.exists():
        return None
    try:
        found = yaml.safe_load(pins.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise DataError(f"{pins} is not YAML ({error}): write lines such as 'single_node: RUN_ID'") from error
    if not isinstance(found, dict):
        raise DataError(f"{pins} must hold lines such as 'single_node: RUN_ID'")
    value = found.get(experiment)
    return None if value is None else str(value)
