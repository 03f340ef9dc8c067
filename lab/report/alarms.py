"""The section of the Validation page on two runs compared: false alarms, and slow-downs that were found."""

from collections.abc import Sequence
from itertools import chain

from lab.analysis.intervals import LEVEL, mean_estimate, proportion_estimate
from lab.analysis.verdicts import Verdict, all_of, at_most, judge, within
from lab.formats import count, fixed, number, percent
from lab.report.book import Book
from lab.report.levels import rounded
from lab.report.markdown import Markdown, paragraphs, table
from lab.report.page import NO_RUN
from lab.report.proofs import EACH, studies
from lab.report.verdicts import in_one_line
from lab.synthetic.pairs import BLOCKS, CONFIGURATIONS, LOSSES, MARGIN, Found, of_pairs
from lab.synthetic.sweeps import recorded_noise

MOST = 1 - LEVEL
"""The part of pairs that do not differ which may raise an alarm."""
APART = 0.05
"""What the part of slow-downs that are found may differ by from the power that was printed."""
TOO_LITTLE = "The runs recorded too little noise to draw from."


def pairs(book: Book) -> Markdown:
    """Show what became of made-up pairs of runs, with and without a slow-down."""
    if not studies(book):
        return Markdown(NO_RUN)
    head = ("made", "planted slow-down", "pairs", "alarms or found, % (95 % interval)", "power printed, %")
    rows = [_row(one) for one in found(book)]
    told = [in_one_line(one) for one in (alarm_verdict(book), power_verdict(book))]
    return paragraphs(*told, table(head, rows, right=(1, 2, 3, 4)) if rows else None)


def found(book: Book) -> tuple[Found, ...]:
    """Return what became of pairs with the noise of these runs; nothing where it is too little."""
    noise = recorded_noise(study.measures for study in studies(book))
    return () if noise is None else of_pairs(noise)


def alarm_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether runs that do not differ are seldom enough called slower or faster."""
    claim = "two runs that do not differ are seldom called slower or faster"
    rule = f"at most {percent(MOST, 1)} of pairs are, made in turns or apart"
    same = [one for one in found(book) if not one.loss]
    if not same:
        return Verdict(claim, rule, "not decided", TOO_LITTLE)
    rates = [proportion_estimate(sum(one.marks), len(one.marks), level) for one in same]
    wrong = sum(chain.from_iterable(one.marks for one in same))
    evidence = (
        f"Of {count(sum(len(one.marks) for one in same), 'pair')} with {count(BLOCKS, 'block')} of "
        f"{count(CONFIGURATIONS, 'configuration')} and recorded noise, "
        f"{wrong} {'was' if wrong == 1 else 'were'}, with a margin of {percent(MARGIN, 1)}."
    )
    return Verdict(claim, rule, all_of(judge(one, at_most(MOST)) for one in rates), evidence)


def power_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether slow-downs are found as often as each comparison says that they would be."""
    claim = "slow-downs are found as often as the printed power says"
    rule = f"of those in turns, and of those apart, the two are within {number(100 * APART, 1)} points"
    planted = [one for one in found(book) if one.loss]
    if not planted:
        return Verdict(claim, rule, "not decided", TOO_LITTLE)
    # one of the two may be found too often and the other too seldom
    off = {
        name: mean_estimate(_apart([one for one in planted if one.paired == paired]), level)
        for name, paired in (("in turns", True), ("apart", False))
    }
    told = "; ".join(f"{name} {rounded(one, 100)}" for name, one in off.items())
    losses = ", ".join(percent(loss, 2) for loss in LOSSES)
    evidence = (
        f"Planted were {losses}, each in {count(len(planted[0].marks), 'pair')} made in turns and as many "
        f"apart. Points by which they were found oftener than printed: {told}."
    )
    return Verdict(claim, rule, all_of(judge(one, within(APART, of=0.0)) for one in off.values()), evidence)


def _apart(planted: Sequence[Found]) -> list[float]:
    """Return of each pair whether a slow-down was found, less the printed power."""
    return [mark - power for one in planted for mark, power in zip(one.marks, one.powers, strict=True)]


def _row(one: Found) -> tuple[object, ...]:
    rate = proportion_estimate(sum(one.marks), len(one.marks))
    return (
        "in turns" if one.paired else "apart",
        percent(one.loss, 2) if one.loss else "none",
        len(one.marks),
        rounded(rate, 100),
        fixed(100 * sum(one.powers) / len(one.powers), 1) if one.loss else "",
    )
