"""Report B's claims about Ray and multiprocessing, each tested against the measurements."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lab.analysis.configurations import pairs, select
from lab.analysis.engines import against
from lab.analysis.intervals import Estimate, mean_estimate, ratio_estimate
from lab.formats import count, listing, percent
from lab.published import report_b as report
from lab.published.single_node_claims import Verdict, outcome_of, quote

SMALL = 1.02
"""A ratio below which a gain, if any, is too small to be called one."""

MOST = 0.9
"""The driver's memory tells what a run needs where it is at least this part of the whole."""

Chosen = Mapping[str, object]


def verdicts(rows: pd.DataFrame, chosen: Chosen) -> tuple[Verdict, ...]:
    """Return the verdicts on the report's claims, Ray with this lab's dispatch beside multiprocessing.Pool.

    `rows` are measures of the experiment arm; `chosen` is the work on images that engines are compared on.
    """
    return (
        faster(rows, chosen),
        twice(rows, chosen),
        falls_behind(rows, chosen),
        fewer_core_seconds(rows, chosen),
        driver_memory(rows, chosen),
        less_memory(rows, chosen),
    )


def faster(rows: pd.DataFrame, chosen: Chosen) -> Verdict:
    """Judge the ratio of throughputs: holds above 1; does not hold where a gain of 2 % is ruled out."""
    ratio = against(rows, "throughput", chosen)
    if ratio.low is None or ratio.high is None:
        return _untold(report.FASTER, ratio.n)
    evidence = f"Ray's throughput was {quote(ratio)} times that of multiprocessing.Pool."
    return Verdict(report.FASTER, outcome_of(ratio.low > 1, ratio.high < SMALL), evidence)


def twice(rows: pd.DataFrame, chosen: Chosen) -> Verdict:
    """Judge the same ratio: holds where it is 2 or more, does not hold where it is less."""
    ratio = against(rows, "throughput", chosen)
    if ratio.low is None or ratio.high is None:
        return _untold(report.TWICE, ratio.n)
    evidence = f"multiprocessing.Pool took {quote(ratio)} times as long as Ray."
    return Verdict(report.TWICE, outcome_of(ratio.low >= 2, ratio.high < 2), evidence)


def falls_behind(rows: pd.DataFrame, chosen: Chosen) -> Verdict:
    """Judge the ratio of throughputs with most tasks beside that with fewest, block by block.

    Holds where it grew; does not hold where a growth of 2 % is ruled out.
    """
    growth, counts = growth_with_tasks(rows, chosen)
    if growth.low is None or growth.high is None:
        reason = (
            f"Images were timed with {listing(counts) or 'no'} tasks; it takes two counts and two blocks."
        )
        return Verdict(report.FALLS_BEHIND, "cannot be told", reason)
    evidence = (
        f"From {counts[0]} to {counts[-1]} tasks, Ray's throughput relative to multiprocessing.Pool became "
        f"{quote(growth)} times what it was."
    )
    return Verdict(report.FALLS_BEHIND, outcome_of(growth.low > 1, growth.high < SMALL), evidence)


def growth_with_tasks(rows: pd.DataFrame, chosen: Chosen) -> tuple[Estimate, tuple[int, ...]]:
    """Return Ray's ratio to multiprocessing.Pool with most tasks over that with fewest; the counts."""
    work = {name: value for name, value in chosen.items() if name != "planned_tasks"}
    mine = select(rows, work)
    counts = tuple(
        sorted({int(one) for one in mine.loc[mine["engine"].isin(("ray", "pool")), "planned_tasks"].unique()})
    )
    if len(counts) < 2:
        return Estimate(0, None, None, None), counts
    fewest, most = (
        pairs(select(mine, {"planned_tasks": one}), "throughput", {"engine": "ray"}, {"engine": "pool"})
        for one in (counts[0], counts[-1])
    )
    both = pd.concat(
        [one["first"] / one["second"] for one in (most, fewest)],
        axis="columns",
        join="inner",
        keys=["most", "fewest"],
    )
    return ratio_estimate(both["most"].tolist(), both["fewest"].tolist()), counts


def fewer_core_seconds(rows: pd.DataFrame, chosen: Chosen) -> Verdict:
    """Judge the ratio of processor time of the whole process tree: holds below 1, fails above 0.98."""
    ratio = against(rows, "cpu_seconds", chosen)
    if ratio.low is None or ratio.high is None:
        return _untold(report.FEWER_CORE_SECONDS, ratio.n)
    evidence = f"Ray took {quote(ratio)} times the CPU-seconds of multiprocessing.Pool."
    return Verdict(report.FEWER_CORE_SECONDS, outcome_of(ratio.high < 1, ratio.low > 2 - SMALL), evidence)


def driver_memory(rows: pd.DataFrame, chosen: Chosen) -> Verdict:
    """Judge what part of the whole tree's peak the driver's number is, with Ray and multiprocessing.Pool.

    Holds where both parts are MOST or more, does not hold where one is less.
    """
    mine = select(rows, chosen)
    parts = {
        name: mean_estimate(1 - select(mine, {"engine": engine})["missed_part"])
        for name, engine in (("Ray", "ray"), ("multiprocessing.Pool", "pool"))
    }
    known = {name: one for name, one in parts.items() if one.low is not None}
    lows = [np.nan if one.low is None else one.low for one in parts.values()]
    highs = [np.nan if one.high is None else one.high for one in known.values()]
    told = " and ".join(f"{quote(_percent(one), unit=' %')} with {name}" for name, one in known.items())
    if not known:
        return _untold(report.DRIVER_MEMORY, min(one.n for one in parts.values()))
    outcome = outcome_of(min(lows) >= MOST, min(highs) < MOST)
    evidence = (
        f"The driver held {told} of the whole process tree's peak; {percent(MOST, 1)} or more counts as "
        "telling."
    )
    return Verdict(report.DRIVER_MEMORY, outcome, evidence)


def _percent(found: Estimate) -> Estimate:
    value, low, high = (None if one is None else 100 * one for one in (found.value, found.low, found.high))
    return Estimate(found.n, value, low, high, found.level)


def less_memory(rows: pd.DataFrame, chosen: Chosen) -> Verdict:
    """Judge the ratio of the whole trees' peaks: holds below 1, does not hold above."""
    ratio = against(rows, "peak_memory_bytes", chosen)
    if ratio.low is None or ratio.high is None:
        return _untold(report.LESS_MEMORY, ratio.n)
    evidence = (
        f"The whole process tree's peak was {quote(ratio)} times that of multiprocessing.Pool. (The report "
        "asks and measures; its front page gives no number.)"
    )
    return Verdict(report.LESS_MEMORY, outcome_of(ratio.high < 1, ratio.low > 1), evidence)


def _untold(claim: str, blocks: int) -> Verdict:
    reason = f"{count(blocks, 'block')} timed images with both Ray and multiprocessing.Pool; it takes 2."
    return Verdict(claim, "cannot be told", reason)
