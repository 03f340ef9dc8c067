"""What notebooks, scripts and the command line call to measure one's own work."""

from pathlib import Path
from typing import Any

from lab.data.store import Run
from lab.experiment.own import own_work
from lab.loading import Named

MOST_WRITTEN = 100
"""Longer lists of items are known to a run by their digest alone."""
FUNCTIONS = ("units", "digest", "set_up")


def run(
    work: Named = "", items: Any = None, *, data: Path | None = None, dry_run: bool = False, **parameters: Any
) -> Run | None:
    """Measure how far a function scales, and return the run: its rows, and what was found beside them.

    `work` is a function of one item, a `Workload`, or the name of either, as in `my_job.py:work`; `items` an
    iterable, a function that gives one, their number, or the name of a file or of either. The parameters are
    the fields of `lab.experiment.parameters.Own`; `units`, `digest` and `set_up` may be functions too. Rows
    go to `data`, by default where `lab.paths` says. `dry_run` says what would be done, and returns None.
    A parameter `command` is a script as it is, in place of both.
    Raises `LabError` before any work starts where something cannot be right.
    """
    given = {name: parameters.pop(name, None) for name in FUNCTIONS} | {"work": work, "items": items}
    named = {name: value for name, value in given.items() if _is_literal(value)}
    objects = {name: value for name, value in given.items() if value is not None and name not in named}
    return own_work({**named, **parameters}, objects, data, dry_run)


def _is_literal(value: Any) -> bool:
    """Tell whether a run can write it down as a parameter."""
    if isinstance(value, list) and len(value) <= MOST_WRITTEN:
        return all(isinstance(one, int | float | str) for one in value)
    return isinstance(value, str | int)
