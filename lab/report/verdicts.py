"""Verdicts as a table: outcome, claim, the rule with its margin, and the evidence."""

from collections.abc import Sequence

from lab.analysis.intervals import Estimate
from lab.analysis.verdicts import Verdict, at_least, at_most, judge, within
from lab.report.markdown import table


def verdict_table(judged: Sequence[tuple[str, Verdict]]) -> str:
    """Return verdicts as a table, each with the work that it is about; no column for it where none is."""
    works = any(work for work, _ in judged)
    rows = [
        (
            f"**{one.outcome}**",
            f"{one.claim}{f' ({work})' * bool(work)}. True if {one.rule}.",
            one.evidence,
        )
        for work, one in judged
    ]
    return table(("verdict", f"claim{' (work)' * works}, and when it is true", "evidence"), rows)


def in_one_line(one: Verdict) -> str:
    """Return a verdict as a paragraph of its own."""
    return f"**{one.outcome.capitalize()}**: {one.claim}. True if {one.rule}. {one.evidence}"


def is_open(ratio: Estimate, margin: float) -> bool:
    """Tell whether the interval of a ratio allows more than one of more, as much and less."""
    each = (at_least(1 + margin), within(margin), at_most(1 - margin))
    return ratio.low is not None and all(judge(ratio, one) != "holds" for one in each)
