"""A run by its id, or by its folder."""

import difflib
from pathlib import Path

from lab import paths
from lab.data.environment import ENVIRONMENT
from lab.errors import DataError


def find_run(named: str, data: Path | None = None) -> Path:
    """Return the folder of the run that an id, EXPERIMENT/ID or a path names; raises `DataError`."""
    folder = Path(named)
    if (folder / ENVIRONMENT).exists():
        return folder.absolute()
    data = data or paths.data_folder()
    every = sorted(path.parent for path in data.glob(f"*/*/{ENVIRONMENT}"))
    found = [one for one in every if named in (one.name, f"{one.parent.name}/{one.name}")]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"{one.parent.name}/{one.name}" for one in found)
        raise DataError(f"{len(found)} experiments have a run {named}: name it as {choices}")
    if named and (folder.exists() or len(folder.parts) > 2):
        # a path: whoever reads it says what is wrong with it
        return folder.absolute()
    close = difflib.get_close_matches(named, [one.name for one in every], n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise DataError(f"there is no run {named} in {data}: {meant}`lab list` lists all")
