"""The page on how many to use: the choice, the laws, and what a target or a price asks for."""

import json
from typing import TYPE_CHECKING

import numpy as np

from lab.analysis.choice import PART, near_best
from lab.analysis.extrapolation import FARTHEST, Fitted
from lab.analysis.intervals import Estimate
from lab.analysis.purposes import CHANCE, Smallest, known_sizes
from lab.analysis.sweeps import Refusal, means
from lab.figures.curves import lines_of
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import IDEAL, INK, Look
from lab.formats import fixed, listing, percent, short_estimate
from lab.report import baselines, runs_alike
from lab.report.answers import gain, how_many
from lab.report.caveats import caveats
from lab.report.decision import Decision, decide
from lab.report.markdown import Markdown, figure, folded, paragraphs, safe, table
from lab.report.purposes import refused
from lab.report.source import source
from lab.report.study import Study
from lab.report.titles import in_few_words

if TYPE_CHECKING:
    from lab.report.book import Book

BAND = Look(INK, "--", "")

LOOKED_AT = 0.15
"""Sizes that lose less than this part of the best throughput are drawn once more, larger."""

POINTS = 60
"""Points of a law's curve in the figure."""


def page(book: "Book") -> Markdown:
    """Show how many to use in the first sweep of the book, the laws it follows, and the other sweeps."""
    return book.of_sweeps(in_full, "how many", lambda study: how_many(decide(study, study.main_mode)).answer)


def in_full(study: Study) -> Markdown:
    """Show how many to use in a sweep: the choice, each size, the laws, and the form for a purpose."""
    decision = decide(study, study.main_mode)
    beside = (baselines.shown(decision), runs_alike.shown(decision))
    parts = (drawn(decision), steps(decision), laws(decision), *beside, explorer(decision))
    return paragraphs(how_many(decision).answer, *caveats(decision), *parts)


def drawn(decision: Decision) -> str:
    """Return the figure of the throughput, and of the laws up to twice the largest size."""
    study, axis = decision.study, decision.study.axis
    lines = [*_band(decision), *lines_of({decision.series: decision.levels}, axis=axis)]
    panels = [Panel(in_few_words(decision), study.unit(decision.mode), lines, axis.label), *_near(decision)]
    caption = (
        f"{study.lead(decision.mode)}. Means with 95 % intervals, n = {study.blocks}"
        f"{'; the dashed lines are the 90 % band of the laws that remain' * (len(lines) > 1)}."
    )
    return figure(
        chart(f"Throughput against {axis.label}, and the laws that fit", panels), caption, source(study)
    )


def _near(decision: Decision) -> list[Panel]:
    """Return the panel of the sizes around the best, where there are several: beside 0 they look alike."""
    best = max(one.value or 0.0 for one in decision.levels.values())
    near = {
        size: one.times(1 / best)
        for size, one in decision.levels.items()
        if best and (one.value or 0.0) >= (1 - LOOKED_AT) * best
    }
    if len(near) < 2:
        return []
    band = (1 - PART, 1.0, f"within {percent(PART, 1)} of the best mean")
    axis = decision.study.axis
    lines = lines_of({decision.series: near}, axis=axis)
    return [Panel("The same, near the best", "of the best mean", lines, axis.label, band=band)]


def _band(decision: Decision) -> list[Line]:
    fitted = decision.fitted
    if not isinstance(fitted, Fitted):
        return []
    last = float(fitted.means.sizes[-1]) * (FARTHEST if fitted.surprise is None else 1.0)
    across = np.linspace(decision.sizes[0], last, POINTS)
    value, low, high = fitted.band(across)
    x = across.tolist()
    return [
        Line("law that fits best", IDEAL, x, value.tolist()),
        Line("band of the laws", BAND, x, low.tolist()),
        Line("band of the laws", BAND, x, high.tolist()),
    ]


def steps(decision: Decision) -> str:
    """Return the table of sizes: throughput, what the last step brought, and whether it is near the best."""
    study = decision.study
    logs = np.log(decision.throughputs)
    known = np.flatnonzero(np.isfinite(logs).any(axis=0))
    measured = [decision.sizes[place] for place in known]
    near = dict(zip(measured, near_best(logs[:, known]), strict=True)) if len(measured) > 1 else {}
    rows = []
    for place, size in enumerate(decision.sizes):
        before = decision.sizes[place - 1] if place else None
        ratio = (
            None
            if before is None
            else study.ratio(decision.mode, (decision.series, size), (decision.series, before))
        )
        told = "" if ratio is None or ratio.value is None else gain(ratio)
        rows.append((size, short_estimate(decision.levels[size]), told, near.get(size, "not decided")))
    head = (
        *(study.axis.label, safe(study.unit(decision.mode)), "the last step brought"),
        f"within {percent(PART, 1)} of the best",
    )
    return table(head, rows, right=(0, 1, 2))


def _size(knee: Estimate) -> str:
    """Return a whole size with the sizes that it may be: '5 (4 to 7)', '5 (4 or more)', or '5'."""
    ends = f"{knee.low:.0f} or more" if knee.high is None else f"{knee.low:.0f} to {knee.high:.0f}"
    return f"{knee.value:.0f}" if knee.low == knee.high else f"{knee.value:.0f} ({ends})"


def laws(decision: Decision) -> str:
    """Say which laws the sweep follows, with their parameters, and what they foretell; or why none."""
    found, axis = decision.fitted, decision.study.axis
    if isinstance(found, Refusal):
        return f"**No prediction.** {refused(found, axis.label)}"
    names = listing(_named(one.law.name, one.estimates(decision.study.blocks)) for one in found.remaining)
    told = [f"**Laws that remain:** {names}."]
    if found.surprise is not None:
        told.append(refused(found.surprise, axis.label))
    else:
        ahead = [size for size in _ahead(found) if isinstance(found.predict(size), Estimate)]
        values = [f"{size}: {short_estimate(_estimate(found, size))}" for size in ahead]
        told += [
            f"Predicted, with 90 % bands, {safe(decision.study.unit(decision.mode))}: {'; '.join(values)}."
        ]
        knee = found.knee()
        if knee is not None and knee.value is not None:
            told.append(
                f"From {_size(knee)} on, one more brings less than {percent(PART, 1)}{_by_law(decision)}."
            )
    if len({one.law.name for one in found.remaining}) > 1:
        told.append("They cannot be told apart here: the band holds all of them.")
    weights = [
        (one.law.name, fixed(weight, 2), percent(one.left_out_error, 2))
        for one, weight in zip(found.laws, found.weights, strict=True)
    ]
    head = ("law", "Akaike weight", "error at the largest size, fitted without it")
    more = folded("All laws compared", table(head, weights, right=(1, 2)))
    return paragraphs(" ".join(told), more).text


def _by_law(decision: Decision) -> str:
    """Tell the laws' answer from that of the trials, where these alone decide nothing."""
    open_ = decision.choice is None or decision.choice.size is None
    return ", if the work follows these laws; the trials alone do not decide it" * open_


def _named(name: str, parameters: dict[str, Estimate]) -> str:
    # the first is the throughput of one, which the table has
    rest = [f"{key} = {short_estimate(one)}" for key, one in list(parameters.items())[1:]]
    return f"{name} ({', '.join(rest)})" if rest else name


def _ahead(fitted: Fitted) -> list[int]:
    last = int(fitted.means.sizes[-1])
    return sorted({last + 1, round(1.5 * last), round(FARTHEST * last)})


def _estimate(found: Fitted, size: int) -> Estimate:
    told = found.predict(size)
    return told if isinstance(told, Estimate) else Estimate(0)


def _point(one: Smallest) -> dict[str, float | None]:
    found = one.throughput
    ends = {"value": found.value, "low": found.low, "high": found.high}
    return {"size": one.size, **ends, "measured": one.source == "measured"}


def explorer(decision: Decision) -> str:
    """Return a form that answers for a target and a price in the browser, from the numbers in it."""
    study, found = decision.study, means(decision.sweep)
    known = {} if isinstance(found, Refusal) else known_sizes(found, decision.fitted)
    points = json.dumps([_point(one) for one in known.values()])
    unit, what = safe(study.unit(decision.mode)), safe(study.axis.label)
    return (
        f'<form class="lab-explorer" data-points="{safe(points)}" data-unit="{unit}" data-what="{what}" '
        f'data-chance="{percent(CHANCE, 2)}" data-priced="{study.axis.column}">\n'
        f'<p><strong>For your target.</strong> <label>Target, {unit} <input name="target" type="number" '
        'min="0" step="any"></label> <label>Price of a node for an hour <input name="price" type="number" '
        'min="0" step="any"></label></p>\n<p><output aria-live="polite">Without JavaScript: '
        "<code>lab answer RUN --target 500 --price 0.40</code>.</output></p>\n</form>"
    )
