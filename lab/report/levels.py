"""Tables of series over workers or nodes, with n and interval, and the reference report's beside them."""

from collections.abc import Iterable, Mapping

import pandas as pd

from lab.analysis.intervals import Estimate
from lab.figures.curves import WORKERS, Axis
from lab.formats import number, short_estimate
from lab.published import report_a as reference
from lab.report.markdown import table
from lab.report.study import Study

REFERENCE_HEAD = "reference report"

ABSENT = "–"
"""What stands in a table where nothing was measured."""


Beside = Mapping[str, Mapping[int, float]]
"""Columns of the reference report: head -> x -> number."""


def beside(report: pd.DataFrame, column: str, x: str = "workers", head: str = REFERENCE_HEAD) -> Beside:
    """Return a column of the reference report as a table shows it, where it was read off."""
    known = report.dropna(subset=[column])
    return {head: {int(at): float(one) for at, one in zip(known[x], known[column], strict=True)}}


def level_table(
    levels: pd.DataFrame, theirs: Beside | None = None, scale: float = 1.0, axis: Axis = WORKERS
) -> str:
    """Return series as a table: value and interval, n, and columns of the reference report."""
    names = list(dict.fromkeys(levels["series"]))
    columns = theirs or {}
    head = [axis.label, *names, "n", *columns]
    rows = []
    for x in sorted({*levels[axis.column].astype(int), *(at for one in columns.values() for at in one)}):
        here = levels[levels[axis.column] == x]
        found = [estimate_of(here[here["series"] == name]) for name in names]
        cells = [short_estimate(one, scale) if one.n else ABSENT for one in found]
        others = [number(one[x]) if x in one else ABSENT for one in columns.values()]
        rows.append([x, *cells, _counts(one.n for one in found), *others])
    return table(head, rows, right=range(len(head)))


def estimate_of(rows: pd.DataFrame) -> Estimate:
    """Return the estimate of a frame of one row; n = 0 where it has none."""
    if rows.empty:
        return Estimate(0, None, None, None)
    row = rows.iloc[0]
    value, low, high = (None if pd.isna(row[name]) else float(row[name]) for name in ("value", "low", "high"))
    return Estimate(int(row["n"]), value, low, high)


def ratio_levels(study: Study, rows: Iterable[tuple[str, int, Estimate]]) -> pd.DataFrame:
    """Return series, x and estimate as a frame in the form of `Study.levels`."""
    return pd.DataFrame(
        [(name, count, one.n, one.value, one.low, one.high) for name, count, one in rows],
        columns=["series", study.axis.column, "n", "value", "low", "high"],
    ).astype({"value": float, "low": float, "high": float})


def _counts(found: Iterable[int]) -> str:
    known = {n for n in found if n}
    return "–".join(str(n) for n in sorted({min(known), max(known)})) if known else ABSENT


def intervals(study: Study) -> str:
    """Say what the intervals of a figure are."""
    if study.blocks < 2:
        return "no interval, since there is one block only"
    return f"95 % intervals over the blocks (n = {study.blocks} where no trial failed)"


def report_of(study: Study) -> pd.DataFrame:
    """Return the reference report's numbers that can stand beside a run: none beside other work or Docker.

    On a cluster those with as many workers on a node as here; with 1, where none is.
    """
    if study.experiment == "single_node":
        report = reference.single_node()
        return report.assign(ratio=report["throughput"] / report["throughput"].iloc[0])
    report = reference.cluster()
    alone = report[report["nodes"] == 1].set_index("workers_per_node")["throughput"]
    ratio = report["throughput"] / report["workers_per_node"].map(alone)
    report = report.assign(ratio=ratio, scaling=ratio / report["nodes"])
    if study.experiment != "multi_node":
        return report.head(0)
    shared = set(report["workers_per_node"]) & set(study.run.trials["workers_per_node"])
    return report[report["workers_per_node"].isin(shared or {1})]


def report_columns(study: Study, column: str) -> Beside:
    """Return the reference report's columns of a table; on a cluster one for each load of a node."""
    report = report_of(study)
    if column not in report or report.empty:
        return {}
    if study.kind != "multi_node":
        return beside(report, column)
    found: dict[str, dict[int, float]] = {}
    for workers, rows in report.groupby("workers_per_node"):
        mine = beside(rows, column, "nodes", f"reference report, {workers} each")
        found |= {head: dict(values) for head, values in mine.items() if values}
    return found
