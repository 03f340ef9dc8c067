"""Report B's claims about Ray and multiprocessing, each tested against the measurements."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis.configurations import compare, pairs, select
from lab.analysis.engines import against
from lab.analysis.intervals import LEVEL, Estimate, mean_estimate, ratio_estimate
from lab.analysis.verdicts import Range, Verdict, all_of, at_least, at_most, judge
from lab.data.engines import ENGINES
from lab.formats import count, listing, percent, quote
from lab.published import report_b as report

MORE = at_least(1.02)
LESS = at_most(0.98)
"""Ratios that are a gain, or a saving: a smaller one does not matter."""

MOST = 0.9
"""The driver's memory tells what a run needs where it is at least this part of the whole."""

CLAIMS = (
    *(report.FASTER, report.TWICE, report.FALLS_BEHIND),
    *(report.FEWER_CORE_SECONDS, report.DRIVER_MEMORY, report.LESS_MEMORY),
)

POOL = "multiprocessing.Pool"
RAY, TASKS = ENGINES["ray"], ENGINES["ray_tasks"]
"""What is judged, this lab's dispatch, and Ray's own tasks, which stand beside it where they were run."""

Chosen = Mapping[str, object]


RATIOS = (
    (report.FASTER, "throughput", MORE, f"its throughput is {MORE.low:g} times that of {POOL} or more"),
    (report.TWICE, "throughput", at_least(2.0), f"Ray's throughput is 2 times that of {POOL} or more"),
    (
        report.FEWER_CORE_SECONDS,
        "cpu_seconds",
        LESS,
        f"it takes at most {LESS.high:g} times the CPU-seconds of {POOL}",
    ),
    (
        report.LESS_MEMORY,
        "peak_memory_bytes",
        LESS,
        f"the peak of its process tree is at most {LESS.high:g} times that of {POOL}",
    ),
)
"""Claims on a ratio of Ray to multiprocessing.Pool: metric, values for which they are true, rule."""


def verdicts(rows: pd.DataFrame, chosen: Chosen, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Return the verdicts on the report's claims, Ray with this lab's dispatch beside multiprocessing.Pool.

    `rows` are measures of the experiment arm; `chosen` is the work on images that engines are compared on.
    """
    found = [
        *(_of_ratio(rows, chosen, level, *one) for one in RATIOS),
        falls_behind(rows, chosen, level),
        driver_memory(rows, chosen, level),
    ]
    return tuple(sorted(found, key=lambda one: CLAIMS.index(one.claim)))


def _of_ratio(
    rows: pd.DataFrame, chosen: Chosen, level: float, claim: str, metric: str, true_for: Range, rule: str
) -> Verdict:
    """Judge the ratio of a metric of Ray to that of multiprocessing.Pool, paired by block."""
    ratio = against(rows, metric, chosen, level)
    if ratio.low is None:
        return _untold(claim, rule, ratio.n)
    mine = select(rows, {"arm": "experiment", **chosen})
    tasks = compare(mine, metric, {"engine": "ray_tasks"}, {"engine": "pool"}, level)
    beside = "" if tasks.low is None else f" With *{TASKS}* it was {quote(tasks)}."
    return Verdict(claim, rule, judge(ratio, true_for), f"With *{RAY}* the ratio was {quote(ratio)}.{beside}")


def falls_behind(rows: pd.DataFrame, chosen: Chosen, level: float = LEVEL) -> Verdict:
    """Judge the ratio of throughputs with most tasks beside that with fewest, block by block."""
    growth, counts = growth_with_tasks(rows, chosen, level)
    rule = f"from fewest to most tasks, Ray gains {percent(MORE.low - 1, 1)} on multiprocessing.Pool or more"
    if growth.low is None:
        reason = (
            f"Images were timed with {listing(counts) or 'no'} tasks; it takes two counts and two blocks."
        )
        return Verdict(report.FALLS_BEHIND, rule, "not decided", reason)
    evidence = (
        f"From {counts[0]} to {counts[-1]} images, the throughput of *{RAY}* relative to {POOL} became "
        f"{quote(growth)} times what it was."
    )
    return Verdict(report.FALLS_BEHIND, rule, judge(growth, MORE), evidence)


def growth_with_tasks(
    rows: pd.DataFrame, chosen: Chosen, level: float = LEVEL
) -> tuple[Estimate, tuple[int, ...]]:
    """Return Ray's ratio to multiprocessing.Pool with most tasks over that with fewest; the counts."""
    work = {name: value for name, value in chosen.items() if name != "planned_tasks"}
    mine = select(rows, work)
    counts = tuple(
        sorted({int(one) for one in mine.loc[mine["engine"].isin(("ray", "pool")), "planned_tasks"].unique()})
    )
    if len(counts) < 2:
        return Estimate(0), counts
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
    return ratio_estimate(both["most"].tolist(), both["fewest"].tolist(), level), counts


def driver_memory(rows: pd.DataFrame, chosen: Chosen, level: float = LEVEL) -> Verdict:
    """Judge what part of the whole tree's peak the driver's number is, with Ray and multiprocessing.Pool."""
    mine = select(rows, chosen)
    parts = {
        name: mean_estimate(1 - select(mine, {"engine": engine})["missed_part"], level)
        for name, engine in ((f"*{RAY}*", "ray"), (POOL, "pool"))
    }
    rule = f"with both, the driver holds {percent(MOST, 2)} of the whole process tree's peak or more"
    known = {name: one for name, one in parts.items() if one.low is not None}
    if not known:
        return _untold(report.DRIVER_MEMORY, rule, min(one.n for one in parts.values()))
    told = " and ".join(f"{quote(one.times(100), unit=' %')} with {name}" for name, one in known.items())
    outcome = all_of(judge(one, at_least(MOST)) for one in parts.values())
    return Verdict(report.DRIVER_MEMORY, rule, outcome, f"Of the whole tree's peak the driver held {told}.")


def _untold(claim: str, rule: str, blocks: int) -> Verdict:
    reason = f"{count(blocks, 'block')} timed images with both Ray and multiprocessing.Pool; it takes 2."
    return Verdict(claim, rule, "not decided", reason)
