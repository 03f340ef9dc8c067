"""The figures of the page on several nodes: frames of series over nodes to inline SVG."""

from collections.abc import Sequence

import pandas as pd

from lab.figures.curves import Axis, Failed, crosses, lines_of
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import IDEAL, OF_REPORT


def throughput(
    levels: pd.DataFrame,
    dots: pd.DataFrame,
    speedups: pd.DataFrame,
    report: Sequence[Line],
    failed: Failed,
    unit: str,
    title: str,
    axis: Axis,
) -> str:
    """Draw throughput against nodes, and below it relative to one node, beside the ideal and the report."""
    lines = lines_of(levels, dots, axis)
    panels = [Panel("Throughput", unit, lines, axis.label, failed=crosses(failed, axis))]
    if not speedups.empty:
        panels.append(_relative(speedups, report, axis))
    return chart(title, panels)


def speedup(speedups: pd.DataFrame, report: Sequence[Line], title: str, axis: Axis) -> str:
    """Draw throughput relative to one node against nodes."""
    return chart(title, [_relative(speedups, report, axis)])


def _relative(speedups: pd.DataFrame, report: Sequence[Line], axis: Axis) -> Panel:
    counts = sorted({1.0, *speedups[axis.column].astype(float)})
    ideal = Line("ideal: as many times as nodes", IDEAL, counts, counts)
    lines = [ideal, *lines_of(speedups, axis=axis), *report]
    return Panel("Relative to one node with as many workers", "ratio", lines, axis.label)


def report_lines(report: pd.DataFrame, column: str) -> list[Line]:
    """Return the reference report's curves over nodes, one for each number of workers on a node."""
    lines = []
    known = report.dropna(subset=[column])
    for place, (workers, rows) in enumerate(known.groupby("workers_per_node")):
        look = OF_REPORT[place % len(OF_REPORT)]
        label = f"report, {workers} each"
        lines.append(Line(label, look, rows["nodes"].astype(float).tolist(), rows[column].tolist()))
    return lines


def usage(cpu: pd.DataFrame, memory: pd.DataFrame, throttled: pd.DataFrame, title: str, axis: Axis) -> str:
    """Draw use of processors, use of memory and throttling, means over the nodes with workers, in percent."""
    panels = [
        Panel("CPU of a node", "% of its own cores", lines_of(cpu, axis=axis), axis.label, top=105),
        Panel("Memory of a node", "% in use", lines_of(memory, axis=axis), axis.label),
    ]
    if throttled["value"].notna().any():
        lines = lines_of(throttled, axis=axis)
        panels.append(Panel("Held back by the quota", "% of the window", lines, axis.label))
    return chart(title, panels, height_inches=2.2)


def start(seconds: pd.DataFrame, title: str, axis: Axis) -> str:
    """Draw the cold start of the workers against nodes."""
    panel = Panel("Cold start of the workers", "seconds", lines_of(seconds, axis=axis), axis.label)
    return chart(title, [panel])
