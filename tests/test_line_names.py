"""The names of lines stand at their ends."""

import itertools
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from lab.figures.lines import Line, Panel, chart
from lab.figures.names import HIGHEST, spread
from lab.figures.style import BLUE, GREEN, Look

PANEL = Panel(
    "Throughput",
    "primes/s",
    [
        Line("low", Look(BLUE, "-", "o"), [1, 2], [1.0, 1.0]),
        Line("high", Look(GREEN, "--", "s"), [1, 2], [1, 3]),
    ],
)


def heights(svg: str) -> dict[str, float]:
    """Return where each word of a figure stands, from its top."""
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return {str(one.text): float(one.attrib["y"]) for one in found if one.text and "y" in one.attrib}


def test_few_lines_are_named_at_their_ends() -> None:
    """The higher line has the higher name, beside the panel."""
    found = heights(chart("A title", [PANEL]))
    assert found["high"] < found["low"]


@given(st.lists(st.floats(-0.5, 1.5), max_size=6))
def test_names_stand_apart_and_below_the_title(wanted: list[float]) -> None:
    """However near the lines end, their names keep order and distance, below the title."""
    places = spread(sorted(wanted), 0.1)
    assert all(above - below >= 0.1 - 1e-9 for below, above in itertools.pairwise(places))
    assert all(one <= HIGHEST + 1e-9 for one in places)
