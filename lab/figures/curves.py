"""Curves over workers or nodes: frames of series to lines, and the charts that pages share."""

import dataclasses
from collections.abc import Mapping, Sequence
from math import nan

import pandas as pd

from lab.analysis.configurations import Levels
from lab.analysis.intervals import Estimate
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, GREEN, LOOKS, VERMILION, Look

REFERENCE = "reference report"
PERCENTILES: Mapping[str, Look] = {
    "median": Look(BLUE, "-", "o"),
    "95th percentile": Look(VERMILION, "--", "s"),
    "99th percentile": Look(GREEN, "-.", "^"),
}
Failed = Sequence[tuple[str, int]]
"""The failed trials of a figure: series and x of each."""


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """What series run over: the column, its name on axes and in tables, and the looks of the series."""

    column: str = "workers"
    label: str = "workers"
    looks: Mapping[str, Look] = dataclasses.field(default_factory=lambda: LOOKS)


WORKERS = Axis()


def lines_of(
    levels: Levels, dots: pd.DataFrame | None = None, axis: Axis = WORKERS, scale: float = 1.0
) -> list[Line]:
    """Return a line per series; `dots` has series, the axis' column, value: the single trials."""
    lines = []
    for name, points in levels.items():
        single = [] if dots is None else pairs_of(dots[dots["series"] == name], axis.column)
        if points:
            lines.append(Line(name, axis.looks[name], *curve(points, scale), dots=single))
    return lines


def crosses(failed: Failed, axis: Axis = WORKERS) -> list[tuple[float, Look]]:
    """Return where failed trials are drawn, and in which look."""
    return [(float(x), axis.looks[name]) for name, x in failed if name in axis.looks]


def efficiency(
    node: Levels, cpu: Levels, title: str, axis: Axis = WORKERS, beside: Sequence[Line] = ()
) -> str:
    """Draw node efficiency and CPU efficiency (fractions); `beside` are lines of others' node efficiency."""
    own = lines_of(_up_to_one(node), axis=axis)
    panels = [
        Panel("Node efficiency: work time / time alive", "fraction", [*own, *beside], axis.label, top=1.08),
        Panel(
            "CPU efficiency: CPU time / core time",
            "fraction",
            lines_of(_up_to_one(cpu), axis=axis),
            axis.label,
            top=1.08,
        ),
    ]
    return chart(title, panels, height_inches=2.2)


def _up_to_one(levels: Levels) -> Levels:
    """Return fractions whose intervals are drawn no further than what can be."""
    return {name: {x: _cut(one) for x, one in points.items()} for name, points in levels.items()}


def _cut(one: Estimate) -> Estimate:
    if one.value is None or one.high is None:
        return one
    return dataclasses.replace(one, high=min(one.high, max(1.0, one.value)))


def latency(parts: Mapping[str, Levels], title: str, axis: Axis = WORKERS) -> str:
    """Draw percentiles of waiting and of running: part -> percentile -> workers or nodes -> seconds."""
    panels = []
    for part, levels in parts.items():
        lines = [Line(name, PERCENTILES[name], *curve(points)) for name, points in levels.items()]
        panels.append(Panel(part, "seconds", lines, axis.label))
    return chart(title, panels, height_inches=2.2)


def queue(lengths: Mapping[str, pd.DataFrame], title: str, axis: Axis = WORKERS) -> str:
    """Draw the queue of one trial per series over its window, as steps."""
    lines = [
        Line(name, axis.looks[name], rows["at_seconds"].tolist(), rows["length"].tolist(), steps=True)
        for name, rows in lengths.items()
    ]
    return chart(title, [Panel("Queue", "tasks", lines, "seconds since the window began")])


def pairs_of(rows: pd.DataFrame, x: str) -> list[tuple[float, float]]:
    """Return the known points of single trials."""
    pairs = zip(rows[x].astype(float), rows["value"].astype(float), strict=True)
    return [(x, y) for x, y in pairs if y == y]


def curve(
    points: Mapping[int, Estimate] | Mapping[float, Estimate], scale: float = 1.0
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return x, value, low and high of a series; what is not known is NaN."""
    ends = [[one.value, one.low, one.high] for one in points.values()]
    value, low, high = (
        ([nan if end is None else scale * end for end in column] for column in zip(*ends, strict=True))
        if ends
        else ([], [], [])
    )
    return [float(x) for x in points], value, low, high


def error_rate(rates: Levels, title: str, axis: Axis = WORKERS) -> str:
    """Draw the part of the attempts that failed, with its exact intervals."""
    top = 105 * max(one.high or 0.0 for points in rates.values() for one in points.values())
    lines = lines_of(rates, axis=axis, scale=100)
    return chart(title, [Panel("Attempts that failed", "% of attempts", lines, axis.label, top=top)])
