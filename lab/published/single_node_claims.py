"""The reference report's claims about one machine, each tested against the measurements."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from lab.analysis.configurations import compare, pairs
from lab.analysis.intervals import Estimate, mean_estimate
from lab.formats import count, decimals
from lab.published.report_a import CPU_LEVELS_OFF, MEMORY_RISES, THROUGHPUT_DOUBLES, THROUGHPUT_FALLS

DOUBLE = (1.8, 2.2)
"""A doubling: 2 with an equivalence margin of 10 %."""
UNCHANGED = 0.98
"""A ratio of throughputs above which a fall, if any, is too small to be called one."""
LEVEL_POINTS = 10.0
"""CPU use is level where it changes by less than these points of a percentage."""

Outcome = Literal["holds", "does not hold", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the measurements say about a claim, with one sentence of evidence."""

    claim: str
    outcome: Outcome
    evidence: str


def single_node_verdicts(
    measures: pd.DataFrame,
    cores: int,
    mode: str = "search",
    engine: str = "ray",
    schedule: str = "dynamic",
) -> tuple[Verdict, ...]:
    """Return the verdicts on the four claims about one machine with that many cores.

    Takes the frame of `lab.analysis.measures.measures`, of which the experiment arm of the mode, engine and
    schedule on one node counts.
    """
    wanted = {"arm": "experiment", "mode": mode, "engine": engine, "schedule": schedule, "nodes": 1}
    rows = measures[(measures[list(wanted)] == pd.Series(wanted)).all(axis="columns")]
    return (
        throughput_doubles(rows),
        throughput_falls(rows, cores),
        cpu_levels_off(rows, cores),
        memory_rises(rows),
    )


def where_quiet(verdict: Verdict, others: pd.Series, quiet: float) -> Verdict:
    """Return the verdict, or one that cannot be told where others used too much of the processors.

    `others` is the part of the cores (0..1) that others used in each trial concerned, `quiet` the part up to
    which a trial counts as undisturbed. Unknown parts disturb nothing.
    """
    loud = int((others > quiet).sum())
    if not loud:
        return verdict
    reason = (
        f"But the machine was not quiet: in {loud} of {count(len(others), 'trial')} other processes used "
        f"more than {100 * quiet:g} % of the cores, {100 * others.max():.0f} % at most."
    )
    return replace(verdict, outcome="cannot be told", evidence=f"{verdict.evidence} {reason}")


def throughput_doubles(rows: pd.DataFrame) -> Verdict:
    """Judge the ratio of 2 workers to 1: holds inside DOUBLE, does not hold where its interval lies outside.

    `rows` are measures of one configuration per worker count and block, as for the other judges here.
    """
    ratio = compare(rows, "throughput", {"workers": 2}, {"workers": 1})
    if ratio.low is None or ratio.high is None:
        return _untold(THROUGHPUT_DOUBLES, rows, (1, 2))
    low, high = DOUBLE
    outcome = outcome_of(low <= ratio.low and ratio.high <= high, ratio.high < low or ratio.low > high)
    evidence = (
        f"2 workers gave {quote(ratio)} times the throughput of 1; {low:g} to {high:g} counts as double."
    )
    return Verdict(THROUGHPUT_DOUBLES, outcome, evidence)


def throughput_falls(rows: pd.DataFrame, cores: int) -> Verdict:
    """Judge the ratio of most workers to as many as cores.

    Holds where the whole interval lies below 1, however small the fall; does not hold where it reaches 1
    but lies above UNCHANGED: a fall of 2 % or more is ruled out.
    """
    most = _most_workers(rows)
    if most <= cores:
        return _no_more_workers(THROUGHPUT_FALLS, cores)
    ratio = compare(rows, "throughput", {"workers": most}, {"workers": cores})
    if ratio.low is None or ratio.high is None:
        return _untold(THROUGHPUT_FALLS, rows, (cores, most))
    outcome = outcome_of(ratio.high < 1, ratio.low > UNCHANGED)
    evidence = f"{most} workers on {cores} cores gave {quote(ratio)} times the throughput of {cores}."
    return Verdict(THROUGHPUT_FALLS, outcome, evidence)


def cpu_levels_off(rows: pd.DataFrame, cores: int) -> Verdict:
    """Judge two paired differences of CPU use, in points: from 1 worker to cores, and from there to most.

    Holds where the first lies above 0 and the second within LEVEL_POINTS of 0; does not hold where either
    interval lies wholly elsewhere.
    """
    most = _most_workers(rows)
    if cores < 2 or most <= cores:
        return _no_more_workers(CPU_LEVELS_OFF, cores)
    rise, change = _cpu_points(rows, cores, 1), _cpu_points(rows, most, cores)
    if rise.low is None or rise.high is None or change.low is None or change.high is None:
        return _untold(CPU_LEVELS_OFF, rows, (1, cores, most))
    outcome = outcome_of(
        rise.low > 0 and change.low > -LEVEL_POINTS and change.high < LEVEL_POINTS,
        rise.high <= 0 or change.low >= LEVEL_POINTS or change.high <= -LEVEL_POINTS,
    )
    evidence = (
        f"CPU use changed by {quote(rise, '+')} points from 1 to {cores} workers and by"
        f" {quote(change, '+')} points from {cores} to {most}; within {LEVEL_POINTS:g} counts as level."
    )
    return Verdict(CPU_LEVELS_OFF, outcome, evidence)


def memory_rises(rows: pd.DataFrame) -> Verdict:
    """Judge the slope of lab_memory_bytes over workers: least squares in each block, then their mean.

    Holds where the whole interval lies above 0, does not hold where none of it does.
    """
    known = rows.dropna(subset=["lab_memory_bytes"])
    slopes = [
        float(
            np.polyfit(block["workers"].astype(float), block["lab_memory_bytes"].astype(float) / 2**20, 1)[0]
        )
        for _, block in known.groupby("block")
        if block["workers"].nunique() > 1
    ]
    slope = mean_estimate(slopes)
    if slope.low is None or slope.high is None:
        measured = count(slope.n, "block")
        reason = f"{measured} measured the memory at two or more worker counts; an interval needs 2."
        return Verdict(MEMORY_RISES, "cannot be told", reason)
    evidence = f"Memory changed by {quote(slope, '+')} MiB per worker."
    return Verdict(MEMORY_RISES, outcome_of(slope.low > 0, slope.high <= 0), evidence)


def unequal_digests(trials: pd.DataFrame) -> list[str]:
    """Return the work whose ok trials did not all return the same digest; a missing one is not the same.

    Empty where every engine, schedule and cluster size returned the same results. A mode may have several
    pieces of work: 'images, 10 tasks'.
    """
    done = trials[trials["status"] == "ok"]
    works = done.groupby(["mode", "planned_tasks", "task_seconds"], dropna=False)
    counts = works["digest"].agg(lambda digests: digests.nunique(dropna=False))
    return [
        f"{mode}, {tasks} tasks" if pd.notna(tasks) else str(mode)
        for mode, tasks, _ in counts.index[counts > 1]
    ]


def outcome_of(holds: bool, fails: bool) -> Outcome:
    """Return the outcome of a claim from whether its interval agrees wholly, or disagrees wholly."""
    return "holds" if holds else "does not hold" if fails else "cannot be told"


def quote(estimate: Estimate, sign: str = "", unit: str = "") -> str:
    """Return value, unit, interval and n in words; `sign` is that of Python's format, such as '+'."""
    # as many decimals as the same estimate has in a table
    form = f"{sign}z,.{decimals(estimate)}f"
    value, low, high = (format(part, form) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value}{unit} ({100 * estimate.level:g} % interval {low} to {high}, n = {estimate.n} blocks)"


def _most_workers(rows: pd.DataFrame) -> int:
    return 0 if rows.empty else int(rows["workers"].max())


def _cpu_points(rows: pd.DataFrame, more: int, fewer: int) -> Estimate:
    table = pairs(rows, "cpu_percent", {"workers": more}, {"workers": fewer})
    return mean_estimate(table["first"] - table["second"])


def _no_more_workers(claim: str, cores: int) -> Verdict:
    reason = (
        f"It takes trials with more workers than the {cores} cores, and with 1 worker on 2 cores or more."
    )
    return Verdict(claim, "cannot be told", reason)


def _untold(claim: str, rows: pd.DataFrame, counts: tuple[int, ...]) -> Verdict:
    missing = [str(count) for count in counts if count not in set(rows["workers"])]
    listed = ", ".join(map(str, counts))
    reason = (
        f"There is no trial with {' or '.join(missing)} workers."
        if missing
        else f"Fewer than 2 blocks measured all of {listed} workers; an interval needs 2."
    )
    return Verdict(claim, "cannot be told", reason)
