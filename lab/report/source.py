"""Where numbers are from: links to the files of a run, and a word where its code has changed since."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import paths
from lab.data.code import changed_since
from lab.data.earlier import TIMINGS
from lab.data.store import TRIALS
from lab.formats import listing
from lab.report.markdown import literal
from lab.report.study import Study


def source(study: Study, *names: str) -> str:
    """Return what stands below a figure: its files, and the run."""
    return f"Data: {of_run(study, *names)}"


def of_run(study: Study, *names: str) -> str:
    """Return links to files of a run, and its name."""
    directory = study.run.directory
    linked = " ".join(link(directory, name) for name in names or (trials_of(directory),))
    return f"{linked} of {literal(study.run.run_id)}"


def trials_of(directory: Path) -> str:
    """Return the name of the file that holds a run's trials."""
    return TIMINGS if (directory / TIMINGS).exists() else TRIALS


def link(directory: Path, name: str) -> str:
    """Return a link to a file of a run, which the book takes along; its bare name outside the project."""
    path = directory / name
    if not path.is_relative_to(paths.ROOT) or not path.exists():
        return literal(name)
    return f"[{name}](/{path.relative_to(paths.ROOT).as_posix()})"


def stale(environment: Mapping[str, Any], before: str = "") -> str:
    """Return that code which made a run is another today, and which; empty where it is as it was.

    `before` stands before it, such as what parts it from the name of the run.
    """
    changed = changed_since(environment)
    return f"{before}stale: {listing(changed)} changed since" if changed else ""
