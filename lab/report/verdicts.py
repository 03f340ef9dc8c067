"""Verdicts as a table: outcome, claim, the rule with its margin, and the evidence."""

from collections.abc import Sequence

from lab.analysis.verdicts import Verdict
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
    return table(("here it", f"claim{' (work)' * works}, and when it is true", "evidence"), rows)


def in_one_line(one: Verdict) -> str:
    """Return a verdict as a paragraph of its own."""
    return f"**{one.outcome.capitalize()}**: {one.claim}. True if {one.rule}. {one.evidence}"
