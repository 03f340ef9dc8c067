"""The section of the Validation page on laws: how often bands hold the truth, and what is refused."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from lab.analysis.intervals import Estimate, mean_estimate
from lab.analysis.verdicts import Verdict, all_of, at_most, judge, within
from lab.formats import UNKNOWN, count, fixed, listing, percent
from lab.report.book import Book
from lab.report.levels import rounded
from lab.report.markdown import Markdown, folded, literal, paragraphs, table
from lab.report.page import NO_RUN
from lab.report.proofs import EACH, studies
from lab.report.verdicts import in_one_line
from lab.synthetic.bands import BLOCKS, Covered

PROMISED, WITHIN = 0.9, 0.03
"""The level of the bands, and what coverage may differ from it by."""

FEWEST = 10
"""Sweeps that a mean is told of."""
UNTOLD = "The runs recorded too little noise to draw from."
HEAD = ("truth", "sweeps", "no fit, %", "nothing beyond, %", "held within, %", "held beyond, %")


def laws(book: Book) -> Markdown:
    """Show what became of made-up sweeps of every law, and of curves that follow none."""
    if not studies(book):
        return Markdown(NO_RUN)
    told = [in_one_line(one) for one in (law_verdict(book), curve_verdict(book))]
    found = book.made_up
    if found is None:
        return paragraphs(*told)
    return paragraphs(
        *told,
        f"The noise is that of {listing(literal(run) for run in found.runs)}.",
        _table(found.laws),
        folded("Curves that follow no law", _table(found.curves)),
    )


def law_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether the bands of every law cover what they promise; the evidence has all together, too."""
    claim = f"{percent(PROMISED, 2)} bands of laws hold the truth as often as they promise"
    rule = (
        f"they do in {percent(PROMISED, 2)} ± {100 * WITHIN:g} % of sweeps, for each law, at the sizes "
        "measured and up to twice the largest"
    )
    if book.made_up is None:
        return Verdict(claim, rule, "not decided", UNTOLD)
    found = book.made_up.laws
    sides = [one.inside for one in found], [one.outside for one in found]
    pooled = [mean_estimate(chain.from_iterable(side), level) for side in sides]
    each = (mean_estimate(law, level) for law in chain.from_iterable(sides))
    outcome = all_of(judge(one, within(WITHIN, of=PROMISED)) for one in each)
    inside, outside = (_told(one, side) for one, side in zip(pooled, sides, strict=True))
    evidence = (
        f"In {found[0].sweeps:,} sweeps of {BLOCKS} blocks for each of {count(len(found), 'law')}, with the "
        f"noise of the runs, they did at {inside} of the sizes measured, and at {outside} of larger ones."
    )
    return Verdict(claim, rule, outcome, evidence)


def _told(pooled: Estimate, parts: Sequence[tuple[float, ...]]) -> str:
    """Return coverage over all laws, and that of the laws it is least and most of."""
    values = [100 * float(np.mean(one)) for one in parts if one]
    between = f"{fixed(min(values), 1)} to {fixed(max(values), 1)}" if values else UNKNOWN
    return f"{percent(pooled.value, 3)} (from law to law {between} %)"


def curve_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether sweeps of curves that follow no law mislead beyond the largest size."""
    limit = 1 - PROMISED
    claim = "where throughput follows none of the laws, a refusal or the band says so"
    rule = (
        f"for each curve, of all sweeps at most {percent(limit, 2)} have a band beyond the largest size that "
        "misses it"
    )
    if book.made_up is None:
        return Verdict(claim, rule, "not decided", UNTOLD)
    curves = book.made_up.curves
    found = {one.name: mean_estimate(one.missed, level) for one in curves}
    outcomes = {name: judge(one, at_most(limit)) for name, one in found.items()}
    shares = listing(f"{name}: {percent(one.value, 2)}" for name, one in found.items())
    evidence = f"Of {curves[0].sweeps:,} sweeps each, these do: {shares}."
    return Verdict(claim, rule, all_of(outcomes.values()), evidence)


def _table(found: Sequence[Covered]) -> str:
    rows = [
        (
            one.name,
            f"{one.sweeps:,}",
            fixed(100 * (1 - len(one.inside) / one.sweeps), 1),
            fixed(100 * (len(one.inside) - len(one.outside)) / one.sweeps, 1),
            _share(one.inside),
            _share(one.outside),
        )
        for one in found
    ]
    return table(HEAD, rows, right=(1, 2, 3, 4, 5))


def _share(parts: tuple[float, ...]) -> str:
    if 0 < len(parts) < FEWEST:
        return f"too few ({len(parts)})"
    found = mean_estimate(parts).map(lambda end: min(1.0, max(0.0, end)))
    return UNKNOWN if found.low is None else rounded(found, 100)
