"""The figures that compare engines: rows of dots with intervals, and curves over the length of a task."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lab.analysis.intervals import Estimate
from lab.data.engines import label as label_of
from lab.figures.curves import curve as points_of
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, GREEN, INK, PURPLE, VERMILION, Look, label, sheet, styled, svg
from lab.formats import number

GREY = "#808080"
"""Of engines that no answer speaks of; it reads on white and on black."""

NAMES: Mapping[str, str] = {
    "ray_actor_pool": "Ray's ActorPool",
    "ray_pool": "Ray's Pool",
    "ray": "Ray, batched",
}
"""The engines that figures call by a shorter name."""

LOOKS: Mapping[str, Look] = {
    "serial": Look(INK, ":", "D"),
    "processes": Look(GREY, "--", "P"),
    "pool": Look(GREEN, "-.", "^"),
    "futures": Look(GREY, ":", "X"),
    "joblib": Look(GREY, "-", "p"),
    "dask": Look(GREY, "-.", "v"),
    "ray_tasks": Look(VERMILION, "--", "s"),
    "ray_actor_pool": Look(PURPLE, ":", "h"),
    "ray_pool": Look(PURPLE, "-", "<"),
    "ray": Look(BLUE, "-", "o"),
}
"""The looks of engines: those that answers speak of have colours, Ray's other ways share one."""

OTHER = Look(GREY, "--", "*")
"""The look of somebody's own engine."""

ROW_INCHES = 0.27
FRAME_INCHES = 0.95

Curves = Mapping[str, Mapping[float, Estimate]]
"""Engine -> task length in seconds -> an estimate."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """One panel: a dot with its interval per engine; `beside` are values of another kind, hollow dots."""

    title: str
    unit: str
    values: Mapping[str, Estimate]
    scale: float = 1.0
    beside: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)
    labels: tuple[str, str] = ("", "")
    """What the dots and the hollow dots are."""


def rows(title: str, panels: Sequence[Rows]) -> str:
    """Draw panels of engines, one above the other, each from 0 on, as inline SVG."""
    with styled():
        most = max(len(panel.values) for panel in panels)
        figure, axes = sheet(len(panels), FRAME_INCHES + ROW_INCHES * most)
        for axis, panel in zip(axes, panels, strict=True):
            _draw_rows(axis, panel)
        if any(panel.beside for panel in panels):
            figure.legend(handles=_kinds(panels), loc="outside upper left", ncols=1)
        return svg(figure, title, " ".join(_described(panel) for panel in panels))


def _kinds(panels: Sequence[Rows]) -> list[Line2D | Patch]:
    full, hollow = next(panel.labels for panel in panels if panel.beside)
    dot = {"linestyle": "none", "marker": "o", "markeredgecolor": INK}
    return [
        Line2D([], [], markerfacecolor=INK, label=full, **dot),  # type: ignore[arg-type]
        Line2D([], [], markerfacecolor="none", label=hollow, **dot),  # type: ignore[arg-type]
    ]


def _draw_rows(axis: Axes, panel: Rows) -> None:
    names = list(panel.values)
    for place, name in enumerate(names):
        _dot(axis, panel.values[name], place, LOOKS.get(name, OTHER), panel.scale, hollow=False)
        if name in panel.beside:
            _dot(axis, panel.beside[name], place, LOOKS.get(name, OTHER), panel.scale, hollow=True)
    axis.set_yticks(range(len(names)), [label(_named(name)) for name in names])
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlim(left=0)
    axis.grid(visible=False, axis="y")
    # of the whole figure's width, since the labels of rows take half of it
    axis.set_title(panel.title, loc="left")
    axis.set_xlabel(panel.unit)


def _dot(axis: Axes, found: Estimate, place: int, look: Look, scale: float, hollow: bool) -> None:
    if found.value is None:
        axis.plot([0], [place], marker="x", markersize=8, markeredgewidth=2, color=look.colour, clip_on=False)
        return
    value = scale * found.value
    if found.low is not None and found.high is not None:
        ends = [[value - max(0.0, scale * found.low)], [scale * found.high - value]]
        axis.errorbar([value], [place], xerr=ends, fmt="none", ecolor=look.colour)
    face = "none" if hollow else look.colour
    axis.plot(
        [value], [place], marker="o", linestyle="none", color=look.colour, markerfacecolor=face, markersize=6
    )


def _described(panel: Rows) -> str:
    """Return what a panel shows in words, for those who hear the page."""
    told = [f"{_named(name)} {_value(one, panel.scale)}" for name, one in panel.values.items()]
    beside = [f"{_named(name)} {_value(one, panel.scale)}" for name, one in panel.beside.items()]
    other = f" {panel.labels[1]}: {', '.join(beside)}." if beside else ""
    return f"{panel.title}, {panel.unit}: {', '.join(told)}.{other}"


def _named(engine: str) -> str:
    return NAMES.get(engine) or label_of(engine)


def _value(found: Estimate, scale: float) -> str:
    return "failed" if found.value is None else number(scale * found.value)


def overheads(curves: Curves, title: str) -> str:
    """Draw the cost of a task in microseconds over its length, on logarithms; what may be 0 is left out."""
    lines = [_curve(name, curve, 1e6, positive=True) for name, curve in curves.items()]
    panel = Panel(
        "Cost of a task beyond its work",
        "core-µs a task",
        [line for line in lines if len(line.x)],
        "work in a task",
        logarithmic="xy",
    )
    return chart(title, [panel], height_inches=3.0)


def speedups(panels: Mapping[str, Curves], workers: int, title: str) -> str:
    """Draw speedup over a plain loop against the length of a task: title of a panel -> curves."""
    drawn = [speedup_panel(name, curves, workers) for name, curves in panels.items()]
    return chart(title, drawn, height_inches=2.9)


def speedup_panel(name: str, curves: Mapping[str, Mapping[float, Estimate]], workers: int) -> Panel:
    """Return the panel of speedups over a plain loop: engine -> curve."""
    lines = [_curve(engine, curve) for engine, curve in curves.items()]
    across = sorted({x for line in lines for x in line.x})
    ideal = Line(f"ideal: {workers} workers", Look(INK, "-", ""), across, [float(workers)] * len(across))
    level = (1.0, "plain loop")
    return Panel(name, "times as fast", [ideal, *lines], "work in a task", level=level, logarithmic="x")


def _curve(name: str, curve: Mapping[float, Estimate], scale: float = 1.0, positive: bool = False) -> Line:
    """Return a curve; `positive` leaves out the points whose interval, or value, is not above 0."""
    kept = {
        x: one
        for x, one in curve.items()
        if one.value is not None and not (positive and (one.value if one.low is None else one.low) <= 0)
    }
    return Line(_named(name), LOOKS.get(name, OTHER), *points_of(kept, scale))
