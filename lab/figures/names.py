"""The names of the lines of a figure: at their ends where they are few, or else in a legend."""

from collections.abc import Collection, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.figures.style import Look, label

MOST_ENDS = 6
"""Lines of one panel that have room for their names at their ends."""
END_LETTERS = 17
"""The letters of a name that has room beside its panel."""
END_INCHES = 0.17
"""The height of such a name."""

HIGHEST = 0.95
"""The part of a panel's height where the highest name stands: above it is the title."""

LEGEND_LETTERS = 54
"""The letters of two labels that have room beside each other in a legend."""
LEGEND_ROWS = 2
LEGEND_ROW_INCHES = 0.2
"""A legend of more rows makes its figure higher, and not its panels lower."""

End = tuple[str, Look, float]
"""Name and look of a line, and the y where it ends."""


def at_ends(panels: Sequence[Sequence[End]]) -> bool:
    """Tell whether the names of all lines, panel by panel, have room at the lines' ends."""
    return all(len(ends) <= MOST_ENDS and all(len(one[0]) <= END_LETTERS for one in ends) for ends in panels)


def name_ends(axis: Axes, ends: Sequence[End], height_inches: float) -> None:
    """Write each name beside the panel, behind a sample of its line, as near to its end as there is room."""
    to_part = axis.transScale + axis.transLimits
    known = [one for one in ends if one[2] == one[2]]
    ordered = sorted(known, key=lambda one: float(to_part.transform((1.0, one[2]))[1]))
    wanted = [float(to_part.transform((1.0, y))[1]) for _, _, y in ordered]
    for (name, look, _), at in zip(ordered, spread(wanted, END_INCHES / height_inches), strict=True):
        axis.plot(
            [1.02, 1.06, 1.1],
            [at] * 3,
            color=look.colour,
            linestyle=look.line,
            marker=look.marker or None,
            markevery=[1],
            transform=axis.transAxes,
            clip_on=False,
        )
        axis.text(1.13, at, label(name), transform=axis.transAxes, va="center", fontsize=10)


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Return ascending places at least so far apart, near to those wanted, and below a title."""
    places: list[float] = []
    for one in wanted:
        places.append(max(one, places[-1] + apart) if places else max(0.0, one))
    top = HIGHEST
    for place in range(len(places) - 1, -1, -1):
        places[place] = min(places[place], top)
        top = places[place] - apart
    return places


def legend_inches(labels: Collection[str], columns: int) -> float:
    """Return by how much a legend makes a figure higher."""
    return max(0, -(-len(labels) // columns) - LEGEND_ROWS) * LEGEND_ROW_INCHES


def legend_columns(labels: Collection[str]) -> int:
    """Return how many names have room beside each other in a legend."""
    return 1 if sum(sorted(map(len, labels))[-2:]) > LEGEND_LETTERS else 2


def legend(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """Draw one legend of all panels above them; none where there is one line."""
    handles: dict[str, Artist] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    if len(handles) > 1:
        figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=columns)
