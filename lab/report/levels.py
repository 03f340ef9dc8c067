"""Tables of series over workers or nodes, with n and interval, and the reference report's beside them."""

from collections.abc import Iterable, Mapping

import pandas as pd

from lab.analysis.configurations import Levels
from lab.analysis.intervals import Estimate
from lab.figures.curves import WORKERS, Axis
from lab.formats import UNKNOWN, fixed, number, short_estimate
from lab.published import report_a as reference
from lab.report.markdown import table
from lab.report.study import Study

ABSENT = "–"
"""What stands in a table where nothing was measured."""


Beside = Mapping[str, Mapping[int, float]]
"""Columns of the reference report: head -> x -> number."""


def choices_of(
    study: Study, mode: str, both: tuple[str, str], counts: Iterable[int]
) -> list[tuple[dict[str, object], dict[str, object]]]:
    """Return the configurations of two series at each of these workers or nodes, side by side."""
    first, second = ({"mode": mode, **study.known[name]} for name in both)
    column = study.axis.column
    return [({**first, column: x}, {**second, column: x}) for x in counts]


def level_table(
    levels: Levels, theirs: Beside | None = None, scale: float = 1.0, axis: Axis = WORKERS
) -> str:
    """Return series as a table: value and interval, n, and columns of the reference report."""
    series, columns = {name: points for name, points in levels.items() if points}, theirs or {}
    head = [axis.label, *series, "n", *columns]
    rows = []
    for x in sorted({x for one in (*series.values(), *columns.values()) for x in one}):
        found = [points.get(x, Estimate(0)) for points in series.values()]
        cells = [short_estimate(one, scale) if one.n else ABSENT for one in found]
        others = [number(one[x]) if x in one else ABSENT for one in columns.values()]
        rows.append([x, *cells, _counts(one.n for one in found), *others])
    return table(head, rows, right=range(len(head)))


def rounded(found: Estimate, scale: float = 1.0, places: int = 1) -> str:
    """Return value and interval with so many decimals: '83.2 (82.0 to 84.4)'."""
    if found.value is None:
        return UNKNOWN
    ends = [fixed(scale * end, places) for end in (found.low, found.high) if end is not None]
    between = f" ({' to '.join(ends)})" * bool(ends)
    return f"{fixed(scale * found.value, places)}{between}"


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
    known = report.dropna(subset=[column])
    if study.kind != "multi_node":
        return {"reference report": _by(known, "workers", column)}
    return {
        f"reference report, {workers} each": _by(rows, "nodes", column)
        for workers, rows in known.groupby("workers_per_node")
    }


def _by(rows: pd.DataFrame, x: str, column: str) -> dict[int, float]:
    return dict(zip(rows[x].tolist(), rows[column].tolist(), strict=True))
