"""The figures of scaling: frames of series over workers or nodes to inline SVG."""

from collections.abc import Mapping, Sequence

import pandas as pd

from lab.analysis.configurations import Levels
from lab.figures.curves import REFERENCE, WORKERS, Axis, Failed, crosses, curve, lines_of
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, LOOKS, OF_REPORT, PURPLE, VERMILION, Look, looks_of

LOOP = "plain loop"
"""The series that is a level and not a line: it has one worker."""

RELATIVE: Mapping[str, str] = {
    "workers": "Relative to the same engine's 1 worker",
    "nodes": "Relative to one node with as many workers",
}
"""What the lower panel shows, by what the series run over."""


def throughput(
    levels: Levels,
    dots: pd.DataFrame,
    relative: Panel | None,
    failed: Failed,
    unit: str,
    title: str,
    axis: Axis = WORKERS,
    ceiling: Sequence[Line] = (),
    finding: str = "Throughput",
) -> str:
    """Draw throughput against workers or nodes, beside its ceiling, and below it a panel of ratios."""
    series = dict(levels)
    loop = next(iter(series.pop(LOOP, {}).values()), None)
    level = None if loop is None or loop.value is None else (loop.value, LOOP)
    lines = [*ceiling, *lines_of(series, dots, axis)]
    above = Panel(finding, unit, lines, axis.label, failed=crosses(failed, axis), level=level)
    return chart(title, [above] if relative is None else [above, relative])


def report_lines(report: pd.DataFrame, column: str, axis: Axis) -> list[Line]:
    """Return the curves of the reference report, where they were read off: over nodes, one for each load."""
    known, lines = report.dropna(subset=[column]), []
    if axis.column != "nodes":
        return [] if report.empty else [_line(REFERENCE, LOOKS[REFERENCE], known, "workers", column)]
    for place, (workers, rows) in enumerate(known.groupby("workers_per_node")):
        look = OF_REPORT[place % len(OF_REPORT)]
        lines.append(_line(f"report, {workers} each", look, rows, "nodes", column))
    return lines


def _line(label: str, look: Look, rows: pd.DataFrame, x: str, y: str) -> Line:
    return Line(label, look, rows[x].astype(float).tolist(), rows[y].tolist())


def over_time(samples: pd.DataFrame, cores: float, title: str) -> str:
    """Draw the samples of one trial: CPU in cores, and private memory, over the window."""
    at = samples["at_seconds"].tolist()
    cpu = Line("cores in use", Look(BLUE, "-", "o"), at, samples["cpu_cores"].astype(float).tolist())
    memory = samples["lab_memory_bytes"].astype(float) / 2**20
    private = Line("private memory", Look(VERMILION, "-", "s"), at, memory.tolist())
    x_label = "seconds since the window began"
    panels = [
        Panel("CPU", "cores", [cpu], x_label, level=(cores, "cores that the node may use")),
        Panel("Memory of driver, workers and Ray", "MiB, private", [private], x_label),
    ]
    return chart(title, panels, height_inches=1.9)


def replayed(curves: Levels, reference: pd.DataFrame, title: str, finding: str = "Node efficiency") -> str:
    """Draw efficiency (fraction) against nodes: replays per schedule beside the reference report's curve."""
    lines = [
        Line(f"{name}, replayed", LOOKS[f"Ray, {name}"], *curve(points)) for name, points in curves.items()
    ]
    theirs = _line(REFERENCE, Look(PURPLE, "--", "v"), reference, "nodes", "node_efficiency")
    return chart(title, [Panel(finding, "node efficiency", [*lines, theirs], "nodes", top=1.08)])


def sides(
    found: Levels, margin: float | None, title: str, axis: Axis, name: str = "Containers / host"
) -> str:
    """Draw the ratio of two sides, and the margin within which they count as equivalent."""
    band = None if margin is None else (1 - margin, 1 + margin, f"margin of ±{100 * margin:g} %")
    own = Axis(axis.column, axis.label, looks_of(tuple(found)))
    lines, level = lines_of(found, axis=own), (1.0, "equal")
    panel = Panel(name, "ratio of throughput", lines, axis.label, level=level, band=band)
    return chart(title, [panel])
