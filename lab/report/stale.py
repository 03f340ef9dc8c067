"""A word on runs whose code has changed since they were made."""

from collections.abc import Mapping
from typing import Any

from lab.data.code import changed_since
from lab.formats import listing


def stale(environment: Mapping[str, Any], before: str = "") -> str:
    """Return that code which made a run is another today, and which; empty where it is as it was.

    `before` stands before it, such as what parts it from the name of the run.
    """
    changed = changed_since(environment)
    return f"{before}stale: {listing(changed)} changed since" if changed else ""
