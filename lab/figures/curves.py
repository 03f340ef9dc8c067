"""Curves over workers or nodes: frames of series to lines, and the charts that pages share."""

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd

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


def lines_of(levels: pd.DataFrame, dots: pd.DataFrame | None = None, axis: Axis = WORKERS) -> list[Line]:
    """Return a line per series of a frame with series, the axis' column, value, low, high.

    That is what `Study.levels` returns; `dots` has series, the axis' column, value: the single trials.
    """
    lines = []
    for name, rows in levels.groupby("series", sort=False):
        ordered = rows.sort_values(axis.column)
        single = [] if dots is None else pairs_of(dots[dots["series"] == name], axis.column)
        look = axis.looks[str(name)]
        lines.append(Line(str(name), look, *curve(ordered, axis.column), dots=single))
    return lines


def crosses(failed: Failed, axis: Axis = WORKERS) -> list[tuple[float, Look]]:
    """Return where failed trials are drawn, and in which look."""
    return [(float(x), axis.looks[name]) for name, x in failed if name in axis.looks]


def efficiency(
    node: pd.DataFrame,
    cpu: pd.DataFrame,
    title: str,
    axis: Axis = WORKERS,
    beside: Sequence[Line] = (),
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


def _up_to_one(levels: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of fractions whose intervals are drawn no further than what can be."""
    return levels.assign(high=levels["high"].clip(upper=1.0).where(levels["value"] <= 1, levels["value"]))


def latency(levels: Mapping[str, Mapping[str, pd.DataFrame]], title: str, axis: Axis = WORKERS) -> str:
    """Draw percentiles of waiting and of running: part -> percentile -> frame in seconds."""
    panels = []
    for part, frames in levels.items():
        lines = [Line(name, PERCENTILES[name], *curve(rows, axis.column)) for name, rows in frames.items()]
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


def curve(rows: pd.DataFrame, x: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return x, value, low and high of a series."""
    across, value, low, high = (rows[key].astype(float).tolist() for key in (x, "value", "low", "high"))
    return across, value, low, high


def error_rate(rates: pd.DataFrame, title: str, axis: Axis = WORKERS) -> str:
    """Draw the part of the attempts that failed, with its exact intervals; `rates` as for `lines_of`."""
    percent = rates.assign(**{name: 100 * rates[name] for name in ("value", "low", "high")})
    top = 1.05 * float(percent["high"].max())
    lines = lines_of(percent, axis=axis)
    return chart(title, [Panel("Attempts that failed", "% of attempts", lines, axis.label, top=top)])
