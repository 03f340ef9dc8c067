"""`lab list`: every run in a line, newest first."""

import argparse
from collections.abc import Sequence

from lab import paths
from lab.data.listing import Listed, all_listed

EXAMPLE = "  lab list"
HEADS = ("experiment", "run", "work", "state", "trials", "started (UTC)")


def carry_out(given: argparse.Namespace) -> None:
    """Print the table."""
    data = given.data or paths.data_folder()
    runs = all_listed(data)
    if runs:
        print(table([HEADS, *map(row, runs)]))
    else:
        print(f"There is no run in {data}. A first one: lab run my_job.py:work --items my_job.py:items")


def row(one: Listed) -> tuple[str, ...]:
    """Return the cells of a run's line."""
    trials = "" if one.trials is None else f"{one.trials} of {one.planned_trials}"
    started = one.started_at[:16].replace("T", " ")
    return one.experiment, one.run_id, one.work or "-", one.state, trials or "-", started


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
