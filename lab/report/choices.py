"""The section of the Validation page on how many to use: how often the choice is right, open or wrong."""

from lab.analysis.choice import PART
from lab.analysis.intervals import LEVEL, Estimate, proportion_estimate
from lab.analysis.verdicts import Verdict, all_of, at_most, judge
from lab.formats import fixed, percent
from lab.report.book import Book
from lab.report.levels import rounded
from lab.report.markdown import Markdown, paragraphs, table
from lab.report.page import NO_RUN
from lab.report.proofs import EACH, studies
from lab.report.verdicts import in_one_line
from lab.synthetic.choices import BLOCKS, Chosen

MOST_WRONG = 0.05
"""The part of sweeps in which a wrong size may be chosen."""


def choices(book: Book) -> Markdown:
    """Show what was chosen on made-up sweeps of every kind."""
    if not studies(book):
        return Markdown(NO_RUN)
    told = in_one_line(choice_verdict(book))
    if book.made_up is None:
        return paragraphs(told)
    head = ("truth", "right, %", "left open, %", "wrong, % (95 % interval)")
    rows = [
        (
            one.name,
            _part(one, one.right),
            _part(one, one.left_open),
            rounded(_wrong(one), 100),
        )
        for one in book.made_up.choices
    ]
    return paragraphs(told, table(head, rows, right=(1, 2, 3)))


def choice_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether a wrong size is chosen seldom enough, for every kind of curve."""
    claim = "the number to use is right or left open"
    rule = f"a wrong one is chosen in at most {percent(MOST_WRONG, 1)} of sweeps, of every kind"
    if book.made_up is None:
        return Verdict(claim, rule, "not decided", "The runs recorded too little noise to draw from.")
    found = book.made_up.choices
    outcome = all_of(judge(_wrong(one, level), at_most(MOST_WRONG)) for one in found)
    worst = max(found, key=lambda one: one.wrong)
    evidence = (
        f"{found[0].sweeps} sweeps of each kind, of {BLOCKS} blocks, with recorded noise; wrong choices: "
        f"{f'at most {worst.wrong}, on {worst.name}' if worst.wrong else 'none'}. Right is the smallest "
        f"within {percent(PART, 1)} of the best."
    )
    return Verdict(claim, rule, outcome, evidence)


def _wrong(one: Chosen, level: float = LEVEL) -> Estimate:
    return proportion_estimate(one.wrong, one.sweeps, level)


def _part(one: Chosen, many: int) -> str:
    return fixed(100 * many / one.sweeps, 1)
