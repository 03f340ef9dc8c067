"""Which run a page shows: the newest complete one, unless the book pins another; and what else there is."""

import dataclasses
from pathlib import Path

import yaml

from lab import paths
from lab.data.listing import Listed, listed
from lab.data.store import Run, read_run, run_directories
from lab.errors import DataError

PINS = paths.BOOK / "pins.yaml"


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The run that a page shows, whether the book pins it, and all runs of the experiment, newest first."""

    experiment: str
    run: Run | None
    pinned: bool
    runs: tuple[Listed, ...]


def select_run(experiment: str, data: Path | None = None, pins: Path = PINS) -> Selection:
    """Return the run to show: the pinned one, or the newest that is complete, or none.

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
    run = None if chosen is None else read_run(chosen.directory)
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
