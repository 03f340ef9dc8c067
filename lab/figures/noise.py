"""The figure of drift: every trial beside its configuration's mean, over the time of the run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lab.analysis.intervals import Estimate
from lab.figures.style import FURTHER, INK, Look, label, sheet, styled, svg
from lab.formats import fixed, number

HOURS_FROM = 3.0
"""Runs that last longer have an axis in hours, others in minutes."""

BAND = "its 95 % interval"


def drift(trials: pd.DataFrame, slope: Estimate, title: str) -> str:
    """Draw the change of each trial (0.01 is 1 %) against hours, a look per mode, and the slope per hour."""
    in_hours = float(trials["hours"].max()) > HOURS_FROM
    scale, unit = (1.0, "hours") if in_hours else (60.0, "minutes")
    modes = list(dict.fromkeys(trials["mode"]))
    with styled():
        figure, (axis,) = sheet(1, 2.7)
        for mode, look in zip(modes, FURTHER, strict=False):
            _scatter(axis, trials[trials["mode"] == mode], scale, mode, look)
        _line(axis, trials, slope, scale)
        axis.axhline(0, color=INK, linewidth=0.8, linestyle=":")
        axis.set_xlabel(f"{unit} since the run began")
        axis.set_ylabel("% off the mean")
        axis.set_title("Each trial, beside its configuration's mean")
        figure.legend(loc="outside upper left", ncols=2)
        return svg(figure, title, _said(trials, slope, scale, unit, modes))


def _scatter(axis: Axes, mine: pd.DataFrame, scale: float, mode: str, look: Look) -> None:
    axis.scatter(
        scale * mine["hours"],
        100 * mine["change"],
        s=14,
        color=look.colour,
        marker=look.marker,
        linewidths=0,
        alpha=0.8,
        label=label(mode),
    )


def _line(axis: Axes, trials: pd.DataFrame, slope: Estimate, scale: float) -> None:
    """Draw the slope through the middle of the trials, and the lines of the ends of its interval."""
    if slope.value is None:
        return
    hours = np.array([trials["hours"].min(), trials["hours"].max()])
    across, middle = hours - trials["hours"].median(), trials["change"].median()
    axis.plot(scale * hours, 100 * (middle + slope.value * across), color=INK, label="drift")
    if slope.low is not None and slope.high is not None:
        low, high = (100 * (middle + end * across) for end in (slope.low, slope.high))
        axis.fill_between(scale * hours, low, high, color=INK, alpha=0.12, linewidth=0, label=BAND)


def _said(trials: pd.DataFrame, slope: Estimate, scale: float, unit: str, modes: Sequence[str]) -> str:
    """Return the figure in words, for those who hear the page."""
    low, high = (fixed(100 * end, 1) for end in (trials["change"].min(), trials["change"].max()))
    told = "" if slope.value is None else f" Drift {fixed(100 * slope.value, 2)} % per hour."
    return (
        f"{len(trials)} trials of {', '.join(modes)} over {number(scale * float(trials['hours'].max()))} "
        f"{unit}, from {low} % to {high} % off their configuration's mean.{told}"
    )
