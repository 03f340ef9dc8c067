"""Line charts of one or more panels: the form that all figures of the lab share."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lab.figures import names
from lab.figures.style import INK, WIDTH_INCHES, Look, label, sheet, styled, svg
from lab.formats import length, number

UNCOUNTED = ("seconds", "minutes", "hours", "days")
"""What labels of axes begin with that do not count workers or nodes."""

DODGE, WIDEST = 0.07, 0.4
"""Workers by which two series stand apart, lest an interval hides another, and all together at most."""

MOST_MARKERS = 12
"""Points that are drawn one by one; a line of more has no markers."""

FRAME = 0.65
"""The part of a panel's height that is not title and labels."""

LEVEL = Look(INK, ":", "")


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
    failed_as: str = "failed trial"
    level: tuple[float, str] | None = None
    top: float | None = None
    band: tuple[float, float, str] | None = None
    """A stretch of y that is shaded, with its label; the panel then shows what lies around it, not 0."""
    logarithmic: Literal["", "x", "xy"] = ""
    """The axes whose scale is logarithmic: x is then in seconds, and on y all points must be above 0."""

    @property
    def counted(self) -> bool:
        """Tell whether x counts workers or nodes: an axis of whole numbers, alike in all panels."""
        return not self.logarithmic and not self.x_label.startswith(UNCOUNTED)


def chart(
    title: str, panels: Sequence[Panel], height_inches: float = 2.5, width_inches: float = WIDTH_INCHES
) -> str:
    """Return panels, one above the other, as inline SVG with one legend; the text says what is drawn."""
    with styled():
        labels = _labels(panels)
        ended = not any(map(_crowded, panels)) and names.at_ends([_ends(panel) for panel in panels])
        columns = 1 if width_inches < WIDTH_INCHES else names.legend_columns(labels)
        room = 0.0 if ended else names.legend_inches(labels, columns)
        figure, axes = sheet(len(panels), height_inches + room / len(panels), width_inches)
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
        _align(axes, panels)
        if not ended:
            names.legend(figure, axes, columns)
        elif len(labels) > 1:
            for axis, panel in zip(axes, panels, strict=True):
                names.name_ends(axis, _ends(panel), FRAME * height_inches)
        return svg(figure, title, " ".join(describe(panel) for panel in panels))


def _crowded(panel: Panel) -> bool:
    """Tell whether a panel has more to name than its lines, or lines that do not end apart."""
    long = any(line.steps or len(line.x) > MOST_MARKERS for line in panel.lines)
    return bool(panel.failed) or panel.band is not None or long


def _ends(panel: Panel) -> list[names.End]:
    lines = [(line.label, line.look, float(line.y[-1])) for line in panel.lines if len(line.y)]
    return lines if panel.level is None else [*lines, (panel.level[1], LEVEL, panel.level[0])]


def _labels(panels: Sequence[Panel]) -> set[str]:
    """Return what the legend of these panels holds."""
    lines = {line.label for panel in panels for line in panel.lines}
    marks = {mark[-1] for panel in panels for mark in (panel.level, panel.band) if mark is not None}
    return lines | {str(mark) for mark in marks} | {panel.failed_as for panel in panels if panel.failed}


def _shifts(panel: Panel) -> list[float]:
    """Return by how much each line stands aside; one that was not measured, without markers, does not."""
    measured = sum(bool(line.look.marker) for line in panel.lines)
    if not panel.counted or measured < 2:
        return [0.0] * len(panel.lines)
    apart = min(DODGE, WIDEST / (measured - 1))
    places = iter(range(measured))
    return [apart * (next(places) - (measured - 1) / 2) if line.look.marker else 0.0 for line in panel.lines]


def describe(panel: Panel) -> str:
    """Return what a panel shows in words, for those who hear the page."""
    lines = [f"{line.label}: {_points(line, panel)}." for line in panel.lines]
    places = ", ".join(f"{x:g}" for x, _ in panel.failed)
    failed = f" {panel.failed_as.capitalize()}s at {panel.x_label} {places}."
    return f"{panel.title}, {panel.y_label} against {panel.x_label}. {' '.join(lines)}" + failed * bool(
        panel.failed
    )


def _points(line: Line, panel: Panel) -> str:
    if not len(line.x):
        return "no points"
    if len(line.x) > MOST_MARKERS:
        return (
            f"{len(line.x)} points from {number(min(line.x))} to {number(max(line.x))} {panel.x_label}, "
            f"from {number(float(np.nanmin(line.y)))} to {number(float(np.nanmax(line.y)))}"
        )
    told = length if panel.logarithmic else "{:g}".format
    return ", ".join(f"{number(y)} at {told(x)}" for x, y in zip(line.x, line.y, strict=True))


def _draw(axis: Axes, panel: Panel) -> None:
    shifts = _shifts(panel)
    for line, shift in zip(panel.lines, shifts, strict=True):
        _draw_line(axis, line, np.asarray(line.x, dtype=float) + shift, shift)
    if panel.level is not None:
        axis.axhline(panel.level[0], color=INK, linewidth=1, linestyle=":", label=panel.level[1])
    if panel.band is not None:
        low, high, name = panel.band
        axis.axhspan(low, high, color=INK, alpha=0.1, linewidth=0, label=name)
    axis.set_title(panel.title)
    axis.set_ylabel(label(panel.y_label))
    axis.set_xlabel(panel.x_label)
    _scale(axis, panel)
    _cross(axis, panel, {line.look: shift for line, shift in zip(panel.lines, shifts, strict=True)})


def _scale(axis: Axes, panel: Panel) -> None:
    """Set the scales and limits of both axes; what is logarithmic has plain numbers at its ticks."""
    if panel.logarithmic:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda x, _: length(x))
    if panel.logarithmic == "xy":
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda y, _: f"{y:,.10g}")
    else:
        _limit(axis, panel)


def _align(axes: Sequence[Axes], panels: Sequence[Panel]) -> None:
    """Give panels that count workers or nodes the same range and whole ticks, so that they compare."""
    counts = sorted(
        {x for panel in panels for line in panel.lines for x in line.x}
        | {x for panel in panels for x, _ in panel.failed}
    )
    if not counts or not panels[0].counted:
        return
    for axis in axes:
        axis.set_xlim(counts[0] - 0.4, counts[-1] + 0.4)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_line(axis: Axes, line: Line, x: np.ndarray, shift: float) -> None:
    look = line.look
    if line.dots:
        across, up = zip(*line.dots, strict=True)
        axis.scatter(np.add(across, shift), up, s=7, color=look.colour, alpha=0.45, linewidths=0)
    if line.steps or (len(x) > MOST_MARKERS and look.line != "none"):
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
    # a look without a marker is a line that was not measured, such as the ideal
    width = 1.6 if look.marker else 0.9
    axis.plot(
        x,
        line.y,
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        label=line.label,
        linewidth=width,
    )
    if len(line.low):
        y = np.asarray(line.y, dtype=float)
        ends = np.array([y - np.asarray(line.low, dtype=float), np.asarray(line.high, dtype=float) - y])
        axis.errorbar(x, y, yerr=np.nan_to_num(np.maximum(ends, 0)), fmt="none", ecolor=look.colour)


def _limit(axis: Axes, panel: Panel) -> None:
    """Begin at 0, end above all points and intervals; one of twice the points' height runs out of it."""
    drawn = chain.from_iterable((*line.y, *(dot for _, dot in line.dots)) for line in panel.lines)
    level = [] if panel.level is None else [panel.level[0]]
    known = [y for y in (*drawn, *level) if y == y]
    if panel.band is not None or min(known, default=0.0) < 0:
        _limit_around(axis, panel.band or (0.0, 0.0, ""), known, panel)
        return
    highest = max(known, default=1.0) or 1.0
    bars = [end for line in panel.lines for end in line.high if end == end]
    highest = min(max([highest, *bars]), 2 * highest)
    axis.set_ylim(0, panel.top if panel.top is not None and panel.top >= highest else 1.15 * highest)


def _limit_around(axis: Axes, band: tuple[float, float, str], known: Sequence[float], panel: Panel) -> None:
    """Show the band, all points, and intervals as far as four bands reach."""
    low, high, _ = band
    reach = 4 * (high - low)
    bars = [end for line in panel.lines for end in (*line.low, *line.high) if end == end]
    ends = [low, high, *known, *(min(max(end, low - reach), high + reach) for end in bars)]
    room = 0.08 * (max(ends) - min(ends))
    axis.set_ylim(min(ends) - room, max(ends) + room)


def _cross(axis: Axes, panel: Panel, shifts: Mapping[Look, float]) -> None:
    for place, (x, look) in enumerate(panel.failed):
        axis.plot(
            [x + shifts.get(look, 0.0)],
            [0.06],
            transform=axis.get_xaxis_transform(),
            marker="x",
            markersize=8,
            markeredgewidth=2,
            linestyle="none",
            color=look.colour,
            label=panel.failed_as if place == 0 else None,
        )
