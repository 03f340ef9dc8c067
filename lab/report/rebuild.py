"""A Sphinx extension: every page is read and executed anew in each build.

A page's numbers come from `data/`, whose changes Sphinx does not see: `jupyter-book build .` after a new run
would show the numbers of the one before.
"""

from pathlib import Path
from typing import Any

from lab import paths
from lab.errors import LabError


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx; called by it. Refuses to build a book of one clone with the lab of another."""
    if Path(app.confdir).resolve() != paths.ROOT:
        raise LabError(
            f"this book lies in {app.confdir}, but the lab that is installed reads the data of {paths.ROOT}: "
            'install this clone\'s lab (pip install -c requirements.lock -e ".[report]")'
        )
    app.connect("env-get-outdated", all_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def all_pages(_app: Any, environment: Any, *_changes: set[str]) -> list[str]:
    """Return all pages of earlier builds as outdated; the others are new anyway."""
    return sorted(environment.all_docs)
