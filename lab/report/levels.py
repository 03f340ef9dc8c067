"""Tables of series over workers, with n and interval, and the reference report's numbers beside them."""

from collections.abc import Iterable, Mapping

import pandas as pd

from lab.formats import number, short_estimate
from lab.report.markdown import table
from lab.report.study import SERIES, Study, estimate_of

REFERENCE_HEAD = "reference report"

ABSENT = "–"
"""What stands in a table where nothing was measured."""


def level_table(
    levels: pd.DataFrame, report: pd.DataFrame | None = None, column: str = "", scale: float = 1.0
) -> str:
    """Return series over workers as a table: value and interval, n, and a column of the reference report."""
    names = [name for name in SERIES if name in set(levels["series"])]
    theirs = {} if report is None else dict(zip(report["workers"], report[column], strict=True))
    head = ["workers", *names, "n", *([REFERENCE_HEAD] if theirs else [])]
    rows = []
    for workers in sorted({*levels["workers"].astype(int), *theirs}):
        here = levels[levels["workers"] == workers]
        found = [estimate_of(here[here["series"] == name]) for name in names]
        cells = [short_estimate(one, scale) if one.n else ABSENT for one in found]
        rows.append([workers, *cells, _counts(one.n for one in found), *_beside(theirs, workers)])
    return table(head, rows, right=range(len(head)))


def _counts(found: Iterable[int]) -> str:
    known = {n for n in found if n}
    return "–".join(str(n) for n in sorted({min(known), max(known)})) if known else ABSENT


def _beside(theirs: Mapping[int, float], workers: int) -> list[str]:
    """Return the cell of the reference report, if the table has that column."""
    value = theirs.get(workers, float("nan"))
    return [] if not theirs else [number(value) if value == value else ABSENT]


def intervals(study: Study) -> str:
    """Say what the intervals of a figure are."""
    if study.blocks < 2:
        return "no interval, since there is one block only"
    return f"95 % intervals over the blocks (n = {study.blocks} where no trial failed)"
