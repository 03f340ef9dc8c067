"""The one look of all figures: inline SVG that follows light and dark mode and shrinks to a phone.

Ink is drawn in a sentinel colour that becomes `currentColor`; the background is transparent; text stays
text. Ids are made unique for each figure, since several SVGs stand on one page, and nothing in the
output depends on the time, the machine's fonts or a random number: equal data give equal bytes.
"""

import dataclasses
import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#010203"
"""Drawn for ink, replaced by `currentColor`."""

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
"""Okabe and Ito's colours that read on white and on black and by the colour-blind."""

MOST_LETTERS = 26
"""Letters of a foreign name that a figure has room for."""

WIDTH_INCHES = 5.0
"""Narrow, so that the labels still read when a phone shrinks the figure to its width."""

STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "errorbar.capsize": 3,
    "figure.constrained_layout.use": True,
    "figure.edgecolor": "none",
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.8,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "ray-scaling-lab",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How a series is drawn: the colour is never the only difference."""

    colour: str
    line: str
    marker: str


LOOKS: Mapping[str, Look] = {
    "Ray, dynamic": Look(BLUE, "-", "o"),
    "Ray, static": Look(VERMILION, "--", "s"),
    "plain processes": Look(GREEN, "-.", "^"),
    "plain loop": Look(INK, ":", "D"),
    "reference report": Look(PURPLE, "--", "v"),
}
"""The look of each series, the same in every figure."""


FURTHER = (
    Look(BLUE, "-", "o"),
    Look(VERMILION, "--", "s"),
    Look(GREEN, "-.", "^"),
    Look(PURPLE, ":", "D"),
    Look(BLUE, "--", "P"),
    Look(VERMILION, "-.", "X"),
    Look(GREEN, ":", "p"),
    Look(PURPLE, "-", "h"),
    Look(BLUE, "-.", "<"),
    Look(VERMILION, ":", ">"),
    Look(GREEN, "-", "*"),
    Look(PURPLE, "--", "d"),
)
"""The looks of series that have none of their own, in their order."""

OF_REPORT = (Look(INK, ":", "v"), Look(INK, "-.", "1"), Look(INK, "--", "+"))
"""The looks of the reference report's curves where it has several."""

IDEAL = Look(INK, "-", "")


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """Return the look of each series: its own, or the next further one."""
    further = [name for name in names if name not in LOOKS]
    taken = [LOOKS[name] for name in names if name in LOOKS]
    free = [look for look in FURTHER if look not in taken]
    return {**LOOKS, **{name: free[place % len(free)] for place, name in enumerate(further)}}


@contextmanager
def styled() -> Iterator[None]:
    """Make, draw and write figures in this context, whatever matplotlib is set to."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # the page's own fonts have the letters of a foreign name that matplotlib's has not
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def label(text: str, most: int = MOST_LETTERS) -> str:
    """Return foreign text as matplotlib draws it: on one line, no formula, and not hidden from legends."""
    line = "".join(one if one.isprintable() else "\ufffd" for one in " ".join(text.split()))
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return (" " if line.startswith("_") else "") + line.replace("$", r"\$")


def sheet(
    rows: int, height_inches: float, width_inches: float = WIDTH_INCHES
) -> tuple[Figure, tuple[Axes, ...]]:
    """Return an empty figure and its panels, one above the other, each of that height."""
    figure = Figure(figsize=(width_inches, height_inches * rows))
    axes = figure.subplots(rows, 1, squeeze=False)
    return figure, tuple(axes[:, 0])


def svg(figure: Figure, title: str, description: str) -> str:
    """Return the figure as inline SVG; `title` and `description` are what a screen reader says."""
    text = io.StringIO()
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    # savefig would draw the figure a second time, to find the layout that it has already
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    inside = body[body.index(">", body.index("<svg")) + 1 :]
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<style[^>]*>\*\{", "<style>.lab-figure *{", inside)
    inside = re.sub(r"font-family: [^;\"]*", "font-family: inherit", inside)
    key = "f" + hashlib.sha256((title + description + inside).encode()).hexdigest()[:10]
    inside = _unique_ids(inside.replace(INK, "currentColor"), key)
    width, height = (72 * inches for inches in figure.get_size_inches())
    return (
        f'<svg class="lab-figure" role="img" aria-labelledby="{key}-title {key}-desc" '
        f'viewBox="0 0 {width:g} {height:g}" width="100%" style="max-width: {width * 1.6:g}px" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}-title">{html.escape(title)}</title>'
        f'<desc id="{key}-desc">{html.escape(description)}</desc>{inside.strip()}'
    )


def _unique_ids(text: str, key: str) -> str:
    text = re.sub(r'\bid="([^"]+)"', rf'id="{key}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", text)
    return re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{key}-\1"', text)
