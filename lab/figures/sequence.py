"""A sequence diagram: who does what when, a line down for each actor and an arrow or a dot for each step."""

import dataclasses
from collections.abc import Sequence

from lab.figures.style import BLUE, INK, VERMILION, sheet, styled, svg
from lab.formats import seconds

ROW_INCHES, FRAME_INCHES = 0.36, 0.6
ROOM = 1.6
"""Columns right of the last line, for the steps' names."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A step: its moment in seconds, who does it, whom it reaches (the same for none), and its name."""

    at: float
    who: str
    to: str
    name: str


def sequence(title: str, actors: Sequence[str], steps: Sequence[Step]) -> str:
    """Return the steps in order, one below the other, as inline SVG; each row begins with its moment."""
    with styled():
        figure, (axis,) = sheet(1, FRAME_INCHES + ROW_INCHES * len(steps))
        places = {name: place for place, name in enumerate(actors)}
        for name, place in places.items():
            axis.plot([place, place], [-0.5, len(steps) - 0.5], color=INK, linewidth=0.8, linestyle=":")
            axis.text(place, -0.8, name, ha="center", va="bottom", fontsize=10, weight="bold", color=INK)
        for row, step in enumerate(steps):
            start, end = places[step.who], places[step.to]
            if start == end:
                axis.plot([start], [row], marker="o", color=BLUE)
            else:
                arrow = {"arrowstyle": "->", "color": VERMILION, "linewidth": 1.4}
                axis.annotate("", (end, row), (start, row), arrowprops=arrow)
            axis.text(-0.55, row, seconds(step.at), ha="right", va="center", fontsize=10, color=INK)
            axis.text(len(actors) - 0.75, row, step.name, ha="left", va="center", fontsize=10, color=INK)
        axis.set_xlim(-1.3, len(actors) - 1 + ROOM * len(actors) / 2)
        axis.set_ylim(len(steps) - 0.5, -1.5)
        axis.axis("off")
        told = "; ".join(f"{seconds(one.at)}: {one.who} to {one.to}: {one.name}" for one in steps)
        return svg(figure, title, told)
