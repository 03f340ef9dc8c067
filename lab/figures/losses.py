"""Where the core time went: one stacked bar for each configuration, useful work first."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from lab.figures.style import BLUE, GREEN, INK, PURPLE, VERMILION, sheet, styled, svg
from lab.formats import number

SKY, ORANGE, GREY = "#56B4E9", "#E69F00", "#999999"
"""More of Okabe and Ito's colours; areas are told apart by their patterns too."""


FILLS: Mapping[str, tuple[str, str]] = {
    "useful": (BLUE, ""),
    "work": (BLUE, "/"),
    "slower": (SKY, "///"),
    "waiting": (VERMILION, "\\\\\\"),
    "gaps": (ORANGE, "xxx"),
    "startup": (PURPLE, "..."),
    "tail": (GREEN, "---"),
    "unused": ("none", "|||"),
    "residual": (GREY, "+++"),
}
"""Colour of each term, and its pattern in ink as matplotlib's hatches: the same in every figure."""

BAR_INCHES = 0.56
BESIDE_INCHES = 1.75
"""Height of a bar with its label, and of legend and axis."""

SMALLEST = 0.0005
"""Shares that are not drawn: they would be an edge without an area."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One configuration: its name, a word at its end, and each term's share (0..1); gains are negative."""

    label: str
    note: str
    shares: Mapping[str, float]


def stacked(title: str, bars: Sequence[Bar], names: Mapping[str, str]) -> str:
    """Return the bars, one above the other, as inline SVG; `names` says what each term is called.

    Losses follow to the right of 0; gains, which are negative, stand to its left.
    """
    terms = [term for term in names if any(abs(bar.shares.get(term, 0.0)) > SMALLEST for bar in bars)]
    with styled():
        figure, (axis,) = sheet(1, BAR_INCHES * len(bars) + BESIDE_INCHES)
        ends = [_draw(axis, -place, bar, terms) for place, bar in enumerate(bars)]
        _frame(axis, len(bars), min(low for low, _ in ends), max(high for _, high in ends))
        handles = [_patch(term, names[term]) for term in terms]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=1.8)
        return svg(figure, title, " ".join(_said(bar, names) for bar in bars))


def _draw(axis: Axes, at: float, bar: Bar, terms: Sequence[str]) -> tuple[float, float]:
    """Draw one bar and return where it begins and ends, in percent."""
    low = high = 0.0
    for term in terms:
        share = 100 * bar.shares.get(term, 0.0)
        if not abs(share) > 100 * SMALLEST:
            continue
        colour, pattern = FILLS[term]
        begin = high if share > 0 else low
        axis.barh(
            at,
            share,
            left=begin,
            height=0.42,
            color=colour,
            hatch=pattern or None,
            edgecolor=INK,
            linewidth=0.6,
        )
        low, high = min(low, begin + share), max(high, begin + share)
    axis.text(0, at + 0.29, bar.label, ha="left", va="bottom", fontsize=11)
    axis.text(100, at + 0.29, bar.note, ha="right", va="bottom", fontsize=11)
    return low, high


def _frame(axis: Axes, bars: int, low: float, high: float) -> None:
    axis.set_xlim(min(0.0, low) - 0.5, max(100.0, high) + 0.5)
    axis.set_ylim(0.4 - bars, 0.72)
    axis.set_yticks([])
    axis.set_xticks(range(0, 101, 20))
    axis.spines["left"].set_visible(False)
    axis.set_xlabel("% of the core time")
    axis.set_axisbelow(True)


def _patch(term: str, name: str) -> Patch:
    colour, pattern = FILLS[term]
    return Patch(facecolor=colour, hatch=pattern or None, edgecolor=INK, linewidth=0.6, label=name)


def _said(bar: Bar, names: Mapping[str, str]) -> str:
    """Return a bar in words, for those who hear the page."""
    parts = [
        f"{names[term]} {number(100 * share)} %"
        for term, share in bar.shares.items()
        if term in names and share == share
    ]
    return f"{bar.label}: {', '.join(parts)}."
