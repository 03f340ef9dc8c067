"""The section of the Validation page on laws: how often bands hold the truth, and what is refused."""

from lab.analysis.intervals import Estimate
from lab.analysis.verdicts import Verdict, all_of, at_most, judge, within
from lab.formats import UNKNOWN, count, fixed, listing, percent
from lab.report.book import Book
from lab.report.markdown import Markdown, folded, paragraphs, table
from lab.report.page import NO_RUN
from lab.report.proofs import studies
from lab.report.verdicts import in_one_line
from lab.synthetic.bands import BLOCKS, CURVED_SWEEPS, SWEEPS, Covered, of_curves, of_laws
from lab.synthetic.sweeps import Noise, recorded_noise

LEVEL, WITHIN = 0.9, 0.03
"""The level of the bands, and what coverage may differ from it by."""

UNTOLD = "The runs recorded too little noise to draw from."


def laws(book: Book) -> Markdown:
    """Show what became of made-up sweeps of every law, and of curves that follow none."""
    if not studies(book):
        return Markdown(NO_RUN)
    told = "\n\n".join(in_one_line(one) for one in verdicts(book))
    noise = _noise(book)
    if noise is None:
        return paragraphs(told)
    head = ("truth", "sweeps", "no fit, %", "nothing beyond, %", "held within, %", "held beyond, %")
    right = (1, 2, 3, 4, 5)
    return paragraphs(
        told,
        table(head, [_row(one) for one in of_laws(noise)], right),
        folded("Curves that follow no law", table(head, [_row(one) for one in of_curves(noise)], right)),
    )


def verdicts(book: Book) -> tuple[Verdict, Verdict]:
    """Judge whether bands cover what they promise, and whether what follows no law misleads."""
    noise = _noise(book)
    return _coverage(noise), _misled(noise)


def _noise(book: Book) -> Noise | None:
    return recorded_noise(study.measures for study in studies(book))


def _coverage(noise: Noise | None) -> Verdict:
    claim = f"where throughput follows a law, {percent(LEVEL, 2)} bands hold it"
    rule = (
        f"they do in {percent(LEVEL, 2)} ± {100 * WITHIN:g} % of sweeps of every law, at the sizes measured "
        "and up to twice the largest"
    )
    if noise is None:
        return Verdict(claim, rule, "not decided", UNTOLD)
    parts = [(one.name, part) for one in of_laws(noise) for part in (one.inside, one.outside)]
    outcomes = [(name, judge(part, within(WITHIN, of=LEVEL))) for name, part in parts]
    missed = [name for name, outcome in outcomes if outcome == "does not hold"]
    values = [100 * (part.value or 0.0) for _, part in parts]
    outside = f"; outside: {listing(dict.fromkeys(missed))}" if missed else ""
    evidence = (
        f"In {SWEEPS:,} sweeps of {BLOCKS} blocks for each of {count(len(parts) // 2, 'law')}, with recorded "
        f"noise, it was {fixed(min(values), 1)} to {fixed(max(values), 1)} %{outside}."
    )
    return Verdict(claim, rule, all_of(outcome for _, outcome in outcomes), evidence)


def _misled(noise: Noise | None) -> Verdict:
    limit = 1 - LEVEL
    claim = "where throughput follows none of the laws, predictions do not mislead"
    rule = f"at most {percent(limit, 2)} of bands beyond the largest size do, of every curve"
    if noise is None:
        return Verdict(claim, rule, "not decided", UNTOLD)
    found = [(one.name, one.misled) for one in of_curves(noise)]
    misleading = [
        f"{name} ({percent(part.value or 0.0, 2)})" for name, part in found if (part.low or 0.0) > limit
    ]
    outcome = all_of(judge(part, at_most(limit)) for _, part in found)
    evidence = (
        f"{CURVED_SWEEPS} sweeps of each of {count(len(found), 'curve')}; the others are "
        f"refused or hold it. More than that: {listing(misleading) if misleading else 'none'}."
    )
    return Verdict(claim, rule, outcome, evidence)


def _row(one: Covered) -> tuple[object, ...]:
    parts = (100 * one.refused / one.sweeps, 100 * one.untold / one.sweeps)
    shown = (fixed(part, 1) for part in parts)
    return one.name, f"{one.sweeps:,}", *shown, _share(one.inside), _share(one.outside)


def _share(found: Estimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return UNKNOWN
    low, high = max(0.0, found.low), min(1.0, found.high)
    return f"{fixed(100 * found.value, 1)} ({fixed(100 * low, 1)} to {fixed(100 * high, 1)})"
