"""What Ray costs beside as many plain processes that do the same work, and in words."""

from lab.analysis.configurations import pooled_ratio
from lab.analysis.intervals import Estimate
from lab.analysis.verdicts import at_least, at_most, judge, within
from lab.formats import decimals, fixed, listing, percent
from lab.report.levels import choices_of
from lab.report.series import PROCESSES
from lab.report.study import Study

MATTERS = 0.02
"""Differences of throughput below this part do not matter."""


def cost(study: Study, mode: str, series: str) -> tuple[tuple[int, ...], Estimate]:
    """Return worker counts and the ratio of a series to as many plain processes, pooled over them.

    The counts are those that both have: 2 or more workers, or else 1. None of them gives n = 0.
    """
    shared = set(study.counts(mode, series)) & set(study.counts(mode, PROCESSES))
    counts = tuple(sorted({one for one in shared if one > 1} or shared))
    if not counts:
        return (), Estimate(0)
    return counts, pooled_ratio(
        study.measures, "throughput", choices_of(study, mode, (series, PROCESSES), counts)
    )


def cost_in_words(ratio: Estimate) -> str:
    """Say what a ratio to plain processes means, by the rule of all verdicts and the margin that matters."""
    if ratio.value is None:
        return "not known"
    if judge(ratio, within(MATTERS)) == "holds":
        return f"Ray is as fast, within {percent(MATTERS, 1)}"
    # from the value as it is printed, so that a reader who subtracts finds the same
    places = decimals(ratio)
    points = fixed(100 * abs(1 - round(ratio.value, places)), max(places - 2, 0))
    if judge(ratio, at_most(1 - MATTERS)) == "holds":
        return f"Ray costs {points} %"
    if judge(ratio, at_least(1 + MATTERS)) == "holds":
        return f"Ray is {points} % faster"
    return f"whether they differ by {percent(MATTERS, 1)} is not decided"


def over_workers(counts: tuple[int, ...]) -> str:
    """Return the worker counts that a ratio pools: 'over 2 to 6 workers'."""
    if counts == tuple(range(counts[0], counts[-1] + 1)) and len(counts) > 2:
        return f"over {counts[0]} to {counts[-1]} workers"
    return f"over {listing(counts)} {'worker' if counts == (1,) else 'workers'}"
