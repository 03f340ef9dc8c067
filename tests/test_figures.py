"""Figures: SVG that stands in a page, follows its colours, speaks, and is the same in every build."""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from lab.analysis.intervals import Estimate
from lab.figures.curves import WORKERS, lines_of
from lab.figures.lines import Line, Panel, chart
from lab.figures.scaling import RELATIVE, report_lines, throughput
from lab.figures.style import BLUE, FURTHER, IDEAL, INK, LOOKS, OF_REPORT, Look, looks_of

LOOK = Look(BLUE, "-", "o")
LINE = Line("ray", LOOK, [1, 2, 4], [1.0, 1.9, 2.2], [0.9, 1.8, 2.0], [1.1, 2.0, 2.4])


def drawn(*lines: Line, **options) -> str:
    """Return a figure of one panel."""
    return chart("A title", [Panel("Throughput", "primes/s", lines, **options)])


def texts(svg: str) -> list[str]:
    """Return the words in a figure, in order."""
    return [text.strip() for text in ElementTree.fromstring(svg).itertext() if text.strip()]


def test_equal_data_give_equal_bytes() -> None:
    """A rebuild changes no figure, whatever the time and the random numbers."""
    assert drawn(LINE) == drawn(LINE)


def test_a_figure_is_one_well_formed_element() -> None:
    """The figure has no prologue, no metadata, and nothing outside its own element."""
    svg = drawn(LINE)
    assert ElementTree.fromstring(svg).tag.endswith("}svg")
    assert svg.startswith("<svg ")
    assert "<metadata" not in svg
    assert "<!DOCTYPE" not in svg


def test_ink_follows_the_page_and_nothing_is_painted_behind_it() -> None:
    """Text and axes take the page's colour, in light and dark mode; no white box is left."""
    svg = drawn(LINE)
    assert "currentColor" in svg
    assert INK not in svg
    assert not re.search(r"#fff(fff)?\b|fill: white", svg)
    assert not re.search(r"#000(000)?\b", svg)


def test_text_stays_text_in_the_page_s_font() -> None:
    """Labels can be searched, read aloud and scaled, and ask for no font of their own."""
    svg = drawn(LINE)
    assert {"Throughput", "primes/s", "workers"} <= set(texts(svg))
    assert "DejaVu" not in svg


def test_ids_and_styles_of_two_figures_do_not_meet() -> None:
    """Two figures on one page share no id, every reference stays inside, and no rule reaches the page."""
    first, second = drawn(LINE), drawn(LINE, x_label="nodes")
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)
        assert {one or other for one, other in used} <= own
        for rule in re.findall(r"<style>(.*?)\{", svg):
            assert rule.startswith(".lab-figure")


def test_a_figure_speaks() -> None:
    """A screen reader gets the title and the drawn values."""
    svg = drawn(LINE)
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    named = [root.find(f".//*[@id='{one}']") for one in root.get("aria-labelledby", "").split()]
    assert [one.text for one in named if one is not None] == [
        "A title",
        "Throughput, primes/s against workers. ray: 1.00 at 1, 1.90 at 2, 2.20 at 4.",
    ]


def test_a_figure_shrinks_with_the_page() -> None:
    """The figure has no fixed width in the page, and its letters are large enough on a phone."""
    root = ElementTree.fromstring(drawn(LINE))
    width = float(root.get("viewBox", "").split()[2])
    assert root.get("width") == "100%"
    assert root.get("height") is None
    sizes = {float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn(LINE))}
    assert min(sizes) * 350 / width >= 9


def test_a_failed_trial_is_drawn_and_said() -> None:
    """A failed trial is a cross in the figure, a word in the legend and in the description."""
    svg = drawn(LINE, failed=[(3.0, LOOK)])
    assert "failed trial" in texts(svg)
    assert "Failed trials at workers 3." in svg
    assert svg != drawn(LINE)


@pytest.mark.parametrize(
    "line",
    [
        Line("one", LOOK, [2], [1.0], [float("nan")], [float("nan")]),
        Line("wide", LOOK, [1, 2], [1.0, 2.0], [-40.0, -50.0], [42.0, 54.0]),
        Line("unknown", LOOK, [1, 2], [float("nan"), float("nan")]),
        Line("none", LOOK, [], []),
        Line("zero", LOOK, [1, 2], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_little_data_makes_a_small_figure_not_an_error(line: Line) -> None:
    """One point, no point, unknown values and intervals wider than the panel are drawn as what they are."""
    assert "nan" not in drawn(line).lower().replace("dominant", "")


def test_the_reference_report_shares_only_a_relative_scale() -> None:
    """Its primes per second, from other machines, are nowhere on our axis; its ratios are."""
    levels = {"Ray, dynamic": {1: Estimate(2, 80.0, 79.0, 81.0)}}
    relative = {"Ray, dynamic": {1: Estimate(2, 1.0, 1.0, 1.0)}}
    dots = pd.DataFrame([("Ray, dynamic", 1, 80.0)], columns=["series", "workers", "value"])
    report = pd.DataFrame({"workers": [1, 2], "throughput": [3.6, 6.5], "ratio": [1.0, 6.5 / 3.6]})
    lines = [*lines_of(relative), *report_lines(report, "ratio", WORKERS)]
    below = Panel(RELATIVE["workers"], "ratio", lines, WORKERS.label)
    svg = throughput(levels, dots, below, [], "primes/s", "T")
    description = ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}desc") or ""
    absolute, relative = description.split("Relative to")
    assert "reference report" not in absolute
    assert "reference report: 1.00 at 1, 1.81 at 2" in relative


def test_every_series_differs_in_more_than_colour() -> None:
    """Series can be told apart in grey: no two share line style and marker."""
    for looks in (LOOKS.values(), FURTHER, OF_REPORT):
        assert len({(look.line, look.marker) for look in looks}) == len(looks)


def test_series_without_a_look_of_their_own_get_the_next() -> None:
    """Names keep their order, those that are known keep their look, and more than there are begin again."""
    names = ["Ray, static", *(f"{count} workers each" for count in range(14))]
    looks = looks_of(names)
    assert looks["Ray, static"] == LOOKS["Ray, static"]
    free = [look for look in FURTHER if look != LOOKS["Ray, static"]]
    assert [looks[name] for name in names[1:12]] == free
    assert looks["11 workers each"] == free[0]


def height(svg: str) -> float:
    """Return the height of a figure."""
    return float(ElementTree.fromstring(svg).get("viewBox", "").split()[3])


def test_a_long_legend_makes_a_higher_figure() -> None:
    """Eight series need four rows of legend; the panel below is no lower for it."""
    many = [Line(f"series {number}", FURTHER[number], [1, 2], [1.0, 2.0]) for number in range(8)]
    assert height(drawn(*many)) > height(drawn(*many[:4])) == height(drawn(LINE))


def test_a_long_label_has_a_row_of_the_legend_for_itself() -> None:
    """Labels that would be cut off beside each other stand alone: three series are then three rows."""
    names = ["short", "ceiling: one loop on each core", "multiprocessing.Pool, equal batches"]
    lines = [Line(name, FURTHER[number], [1, 2], [1.0, 2.0]) for number, name in enumerate(names)]
    short = [dataclasses.replace(line, label=line.label[:5]) for line in lines]
    assert height(drawn(*lines)) > height(drawn(*short)) == height(drawn(*lines[:1], lines[2]))


def test_a_band_is_drawn_named_and_looked_at_closely() -> None:
    """A margin around 1 is in the legend, and the panel shows what lies about it and not 0."""
    close = Line("ratio", LOOK, [1, 2], [0.99, 1.01], [0.98, 1.0], [1.0, 1.02])
    ticks = texts(drawn(close, band=(0.95, 1.05, "margin of ±5 %"), level=(1.0, "equal")))
    assert {"margin of ±5 %", "equal", "0.95", "1.05"} <= set(ticks)
    assert "0.0" not in ticks
    wild = Line("ratio", LOOK, [1, 2], [0.99, 1.01], [-40.0, 1.0], [42.0, 1.02])
    assert "40" not in texts(drawn(wild, band=(0.95, 1.05, "margin of ±5 %")))


def places(svg: str, colour: str) -> set[str]:
    """Return where markers of a colour stand, across."""
    return set(re.findall(rf'<use [^>]*x="([\d.]+)"[^>]*style="fill: {colour}', svg.lower()))


def test_a_line_that_was_not_measured_stands_on_its_ticks() -> None:
    """Series stand aside by little, the more of them the less; an ideal line is not one of them."""
    other = Line("other", FURTHER[1], [1, 2, 4], [1.0, 2.0, 3.0])
    ideal = Line("ideal", IDEAL, [1, 2, 4], [1.0, 2.0, 4.0])
    alone = places(drawn(LINE, other), BLUE.lower())
    assert alone
    assert places(drawn(LINE, other, ideal), BLUE.lower()) == alone


def test_crosses_stand_below_their_own_series() -> None:
    """Two trials that failed at one place, of two series, are two crosses."""
    other = Line("other", FURTHER[1], [1, 2, 4], [1.0, 2.0, 3.0])
    svg = drawn(LINE, other, failed=[(3.0, LOOK), (3.0, FURTHER[1])])
    crossed = re.findall(
        r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: #\w+; stroke: #\w+; stroke-width: 2', svg
    )
    in_legend = 1
    assert len({across for across, _ in crossed}) == 2 + in_legend
