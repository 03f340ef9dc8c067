"""A heat map: how many times as fast, row by column, as tinted cells with their numbers."""

import dataclasses
from collections.abc import Sequence

from matplotlib.patches import Rectangle

from lab.figures.style import BLUE, INK, VERMILION, label, sheet, styled, svg
from lab.formats import number

ROW_INCHES = 0.3
FRAME_INCHES = 0.95

TINTS = {"faster": BLUE, "slower": VERMILION, "alike": ""}
MOST_LETTERS = 40
"""Of the name of a row, in small letters."""

STRENGTH = 0.3
"""Of a tint: the numbers on it have to read in light and in dark mode."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """A ratio, and what its interval says: faster, slower, or alike (not decided, or no difference)."""

    ratio: float
    said: str


def heat(title: str, rows: Sequence[tuple[str, Sequence[Cell | None]]], columns: Sequence[str]) -> str:
    """Return rows of cells under columns as inline SVG; blue is faster, red slower, no tint not decided."""
    with styled():
        figure, (axis,) = sheet(1, FRAME_INCHES + ROW_INCHES * len(rows))
        told = []
        for line, (name, cells) in enumerate(rows):
            for place, cell in enumerate(cells):
                if cell is None:
                    continue
                tint = TINTS[cell.said]
                if tint:
                    axis.add_patch(Rectangle((place, line), 1, 1, color=tint, alpha=STRENGTH, linewidth=0))
                text = number(cell.ratio, 2)
                axis.text(place + 0.5, line + 0.5, text, ha="center", va="center", color=INK, fontsize=9.5)
                told.append(f"{name}, {columns[place]}: {text} ({cell.said})")
        axis.set_xlim(0, len(columns))
        upright = [label(one).replace(" ", "\n", 1) for one in columns]
        axis.set_ylim(len(rows), 0)
        axis.set_xticks([place + 0.5 for place in range(len(columns))], upright, fontsize=9)
        names = [label(name, MOST_LETTERS) for name, _ in rows]
        axis.set_yticks([line + 0.5 for line in range(len(rows))], names, fontsize=9)
        axis.set_xlabel("work in a task", fontsize=9)
        axis.xaxis.set_label_position("top")
        axis.grid(False)
        axis.tick_params(length=0)
        axis.xaxis.tick_top()
        for side in axis.spines.values():
            side.set_visible(False)
        return svg(figure, title, "; ".join(told))
