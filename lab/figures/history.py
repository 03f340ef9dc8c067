"""The figure of history: one point a run over time, and the levels between changes."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lab.figures.style import BLUE, INK, VERMILION, label, sheet, styled, svg
from lab.formats import count, number

DAYS_FROM = 2.0
"""Histories that last longer have an axis in days, others in hours."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dot:
    """A run: days since the first, and its value with the ends of its interval; NaN where there is none."""

    days: float
    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A level: the days of its first and its last run, and its mean."""

    begin: float
    end: float
    mean: float


def history(dots: Sequence[Dot], steps: Sequence[Step], unit: str, title: str) -> str:
    """Draw runs over time as inline SVG: no line joins them, and a run without a value is a cross below."""
    in_days = dots[-1].days > DAYS_FROM
    scale, named = (1.0, "days") if in_days else (24.0, "hours")
    with styled():
        figure, (axis,) = sheet(1, 2.6)
        _dots(axis, dots, scale)
        for place, step in enumerate(steps):
            ends = [scale * step.begin, scale * step.end]
            name = "mean between changes" if place == 0 else None
            axis.plot(ends, [step.mean] * 2, color=INK, linestyle="--", linewidth=1, label=name)
        axis.set_ylim(0)
        axis.set_xlabel(f"{named} since the first run")
        axis.set_ylabel(label(unit))
        figure.legend(loc="outside upper left", ncols=3)
        return svg(figure, title, _said(dots, steps, unit, scale, named))


def _dots(axis: Axes, dots: Sequence[Dot], scale: float) -> None:
    """Draw each run with its interval, where it has one, and those without a value."""
    known = [one for one in dots if not np.isnan(one.value)]
    x = np.array([scale * one.days for one in known])
    y = np.array([one.value for one in known])
    ends = np.nan_to_num([[one.value - one.low for one in known], [one.high - one.value for one in known]])
    axis.errorbar(x, y, yerr=ends, fmt="o", color=BLUE, label="run")
    gaps = [scale * one.days for one in dots if np.isnan(one.value)]
    if gaps:
        across = axis.get_xaxis_transform()
        axis.plot(
            gaps, [0.06] * len(gaps), "x", color=VERMILION, transform=across, label="run without a value"
        )


def _said(dots: Sequence[Dot], steps: Sequence[Step], unit: str, scale: float, named: str) -> str:
    """Return the figure in words, for those who hear the page."""
    gaps = sum(np.isnan(one.value) for one in dots)
    means = ", then ".join(f"{number(one.mean)} from {number(scale * one.begin)} {named} on" for one in steps)
    without = f"; {count(gaps, 'run')} without a value" * bool(gaps)
    return (
        f"{count(len(dots), 'run')} over {number(scale * dots[-1].days)} {named}, {unit}: {means}{without}."
    )
