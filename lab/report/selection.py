"""Which run a page shows: the newest complete one, unless the book pins another; and what else there is."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import yaml

from lab import paths
from lab.data.listing import Listed, all_listed, refused
from lab.data.store import Run, read_run
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
    """Return the run to show: the pinned one, or the newest that is complete and can be read, or none.

    A run that cannot be read keeps no other from being shown: it is listed with the reason, and the page of
    an older one says so. Raises `DataError` where the run that is pinned is not
    there, or not to be shown.
    """
    data = data or paths.data_folder()
    runs, pinned = all_listed(data, experiment), pinned_run(experiment, pins)
    if pinned is not None:
        return Selection(experiment, _pinned(experiment, pinned, runs, pins), True, runs)
    lines: list[Listed] = []
    chosen: Run | None = None
    for one in runs:
        if chosen is None and one.state == "complete":
            try:
                chosen = read_run(one.directory)
            except DataError as error:
                one = refused(one, error)
        lines.append(one)
    return Selection(experiment, chosen, False, tuple(lines))


def _pinned(experiment: str, pinned: str, runs: Sequence[Listed], pins: Path) -> Run:
    """Return the run that is pinned."""
    chosen = next((one for one in runs if one.run_id == pinned), None)
    if chosen is None or chosen.state != "complete":
        said = {"unfinished": "is not complete"}
        what = said.get(chosen.state, f"is {chosen.state}: {chosen.reason}") if chosen else "is not there"
        raise DataError(
            f"{pins} pins {experiment} to the run {pinned}, which {what} "
            f"(there are: {', '.join(one.run_id for one in runs) or 'none'}): correct the pin or remove it"
        )
    return read_run(chosen.directory)


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
