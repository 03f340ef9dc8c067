"""Line charts of one or more panels: the form that all figures of the lab share."""

import dataclasses
from collections.abc import Sequence
from itertools import chain

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lab.figures.style import INK, Look, sheet, styled, svg
from lab.formats import number

COUNTED = ("workers", "nodes")
"""Axes of whole numbers, alike in all panels of a figure."""

DODGE = 0.07
"""Workers by which two series stand apart, so that their intervals do not hide each other."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One series: points, the ends of their intervals (NaN where unknown), and single observations."""

    label: str
    look: Look
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: Sequence[tuple[float, float]] = ()
    steps: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes; `failed` are the x of trials that failed, drawn as crosses, with their look."""

    title: str
    y_label: str
    lines: Sequence[Line]
    x_label: str = "workers"
    failed: Sequence[tuple[float, Look]] = ()
    level: tuple[float, str] | None = None
    top: float | None = None


def chart(title: str, panels: Sequence[Panel], height_inches: float = 2.5) -> str:
    """Return panels, one above the other, as inline SVG with one legend; the text says what is drawn."""
    with styled():
        figure, axes = sheet(len(panels), height_inches)
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
        _align(axes, panels)
        _legend(figure, axes)
        return svg(figure, title, " ".join(describe(panel) for panel in panels))


def describe(panel: Panel) -> str:
    """Return what a panel shows in words, for those who hear the page."""
    lines = [f"{line.label}: {_points(line, panel.x_label)}." for line in panel.lines]
    failed = f" Failed trials at {panel.x_label} {', '.join(f'{x:g}' for x, _ in panel.failed)}."
    return f"{panel.title}, {panel.y_label} against {panel.x_label}. {' '.join(lines)}" + failed * bool(
        panel.failed
    )


def _points(line: Line, x_label: str) -> str:
    if not len(line.x):
        return "no points"
    if len(line.x) > 12:
        return (
            f"{len(line.x)} points from {number(min(line.x))} to {number(max(line.x))} {x_label}, "
            f"from {number(float(np.nanmin(line.y)))} to {number(float(np.nanmax(line.y)))}"
        )
    return ", ".join(f"{number(y)} at {x:g}" for x, y in zip(line.x, line.y, strict=True))


def _draw(axis: Axes, panel: Panel) -> None:
    for place, line in enumerate(panel.lines):
        shift = DODGE * (place - (len(panel.lines) - 1) / 2) if panel.x_label in COUNTED else 0.0
        _draw_line(axis, line, np.asarray(line.x, dtype=float) + shift, shift)
    if panel.level is not None:
        axis.axhline(panel.level[0], color=INK, linewidth=1, linestyle=":", label=panel.level[1])
    axis.set_title(panel.title)
    axis.set_ylabel(panel.y_label)
    axis.set_xlabel(panel.x_label)
    _limit(axis, panel)
    _cross(axis, panel)


def _align(axes: Sequence[Axes], panels: Sequence[Panel]) -> None:
    """Give panels that count workers or nodes the same range and whole ticks, so that they compare."""
    counts = sorted(
        {x for panel in panels for line in panel.lines for x in line.x}
        | {x for panel in panels for x, _ in panel.failed}
    )
    if not counts or panels[0].x_label not in COUNTED:
        return
    for axis in axes:
        axis.set_xlim(counts[0] - 0.4, counts[-1] + 0.4)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    handles: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=2)


def _draw_line(axis: Axes, line: Line, x: np.ndarray, shift: float) -> None:
    look = line.look
    if line.dots:
        across, up = zip(*line.dots, strict=True)
        axis.scatter(np.add(across, shift), up, s=7, color=look.colour, alpha=0.45, linewidths=0)
    if line.steps or len(x) > 12:
        style = "steps-post" if line.steps else "default"
        axis.plot(
            x,
            line.y,
            color=look.colour,
            linestyle=look.line,
            drawstyle=style,
            linewidth=1.2,
            label=line.label,
        )
        return
    axis.plot(x, line.y, color=look.colour, linestyle=look.line, marker=look.marker, label=line.label)
    if len(line.low):
        y = np.asarray(line.y, dtype=float)
        ends = np.array([y - np.asarray(line.low, dtype=float), np.asarray(line.high, dtype=float) - y])
        axis.errorbar(x, y, yerr=np.nan_to_num(np.maximum(ends, 0)), fmt="none", ecolor=look.colour)


def _limit(axis: Axes, panel: Panel) -> None:
    """Begin at 0, end above all points and intervals; one of twice the points' height runs out of it."""
    drawn = chain.from_iterable((*line.y, *(dot for _, dot in line.dots)) for line in panel.lines)
    level = [] if panel.level is None else [panel.level[0]]
    known = [y for y in (*drawn, *level) if y == y]
    highest = max(known, default=1.0) or 1.0
    bars = [end for line in panel.lines for end in line.high if end == end]
    highest = min(max([highest, *bars]), 2 * highest)
    axis.set_ylim(0, panel.top if panel.top is not None and panel.top >= highest else 1.15 * highest)


def _cross(axis: Axes, panel: Panel) -> None:
    for place, (x, look) in enumerate(panel.failed):
        axis.plot(
            [x],
            [0.06],
            transform=axis.get_xaxis_transform(),
            marker="x",
            markersize=8,
            markeredgewidth=2,
            linestyle="none",
            color=look.colour,
            label="failed trial" if place == 0 else None,
        )
