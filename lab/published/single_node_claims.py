"""The reference report's claims about one machine, each tested against the measurements."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lab.analysis.configurations import compare, pairs
from lab.analysis.intervals import LEVEL, Estimate, mean_estimate
from lab.analysis.verdicts import Verdict, all_of, at_least, at_most, judge, within
from lab.formats import count, quote
from lab.published.report_a import CPU_LEVELS_OFF, MEMORY_RISES, THROUGHPUT_DOUBLES, THROUGHPUT_FALLS

DOUBLE = within(0.2, of=2.0)
"""A doubling: 2 with a margin of 10 %."""
FALLS = at_most(0.98)
"""Ratios of throughputs that are a fall: a smaller loss does not matter."""
POINTS = 10.0
"""CPU use rises where it changes by more than these points of a percentage, and is level within them."""
GROWS_MEBIBYTES = 1.0
"""Memory rises where a worker adds at least this much."""

ROUNDING = 1e-9
"""Slopes below this part of the values are rounding."""

CLAIMS = (THROUGHPUT_DOUBLES, THROUGHPUT_FALLS, CPU_LEVELS_OFF, MEMORY_RISES)


def single_node_verdicts(
    measures: pd.DataFrame,
    cores: int,
    mode: str = "search",
    engine: str = "ray",
    schedule: str = "dynamic",
    level: float = LEVEL,
) -> tuple[Verdict, ...]:
    """Return the verdicts on CLAIMS for a machine with that many cores, by intervals of that level.

    Takes the frame of `lab.analysis.measures.measures`, of which the experiment arm of the mode, engine and
    schedule on one node counts.
    """
    wanted = {"arm": "experiment", "mode": mode, "engine": engine, "schedule": schedule, "nodes": 1}
    rows = measures[(measures[list(wanted)] == pd.Series(wanted)).all(axis="columns")]
    return (
        throughput_doubles(rows, level),
        throughput_falls(rows, cores, level),
        cpu_levels_off(rows, cores, level),
        memory_rises(rows, level),
    )


def where_quiet(verdict: Verdict, others: pd.Series, quiet: float) -> Verdict:
    """Return the verdict, or one that is not decided where others used too much of the processors.

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
    return replace(verdict, outcome="not decided", evidence=f"{verdict.evidence} {reason}")


def throughput_doubles(rows: pd.DataFrame, level: float = LEVEL) -> Verdict:
    """Judge the ratio of 2 workers to 1 by DOUBLE.

    `rows` are measures of one configuration per worker count and block, as for the other judges here.
    """
    ratio = compare(rows, "throughput", {"workers": 2}, {"workers": 1}, level)
    rule = f"2 workers give {DOUBLE.low:g} to {DOUBLE.high:g} times the throughput of 1"
    if ratio.low is None:
        return _untold(THROUGHPUT_DOUBLES, rule, rows, (1, 2))
    evidence = f"They gave {quote(ratio)} times."
    return Verdict(THROUGHPUT_DOUBLES, rule, judge(ratio, DOUBLE), evidence)


def throughput_falls(rows: pd.DataFrame, cores: int, level: float = LEVEL) -> Verdict:
    """Judge the ratio of most workers to as many as cores by FALLS."""
    most = _most_workers(rows)
    rule = f"most workers give at most {FALLS.high:g} times the throughput of as many as cores"
    if most <= cores:
        return _no_more_workers(THROUGHPUT_FALLS, rule, cores)
    ratio = compare(rows, "throughput", {"workers": most}, {"workers": cores}, level)
    if ratio.low is None:
        return _untold(THROUGHPUT_FALLS, rule, rows, (cores, most))
    evidence = f"{most} workers on {count(cores, 'core')} gave {quote(ratio)} times what {cores} gave."
    return Verdict(THROUGHPUT_FALLS, rule, judge(ratio, FALLS), evidence)


def cpu_levels_off(rows: pd.DataFrame, cores: int, level: float = LEVEL) -> Verdict:
    """Judge two paired differences of CPU use, in points: from 1 worker to cores, and from there to most."""
    most = _most_workers(rows)
    rule = f"up to the cores it rises by {POINTS:g} points or more, and from there on by no more"
    if cores < 2 or most <= cores:
        return _no_more_workers(CPU_LEVELS_OFF, rule, cores)
    rise, change = _cpu_points(rows, cores, 1, level), _cpu_points(rows, most, cores, level)
    if rise.low is None or change.low is None:
        return _untold(CPU_LEVELS_OFF, rule, rows, (1, cores, most))
    outcome = all_of((judge(rise, at_least(POINTS)), judge(change, within(POINTS, of=0.0))))
    evidence = (
        f"CPU use changed by {quote(rise, '+')} points from 1 to {cores} workers and by"
        f" {quote(change, '+')} points from {cores} to {most}."
    )
    return Verdict(CPU_LEVELS_OFF, rule, outcome, evidence)


def memory_rises(rows: pd.DataFrame, level: float = LEVEL) -> Verdict:
    """Judge the slope of lab_memory_bytes over workers: least squares in each block, then their mean."""
    slope = mean_estimate(2.0**-20 * slopes(rows, "workers", "lab_memory_bytes"), level)
    rule = f"a worker adds {GROWS_MEBIBYTES:g} MiB or more"
    if slope.low is None:
        known = count(slope.n, "block")
        reason = f"{known} measured the memory at two or more worker counts; an interval needs 2."
        return Verdict(MEMORY_RISES, rule, "not decided", reason)
    evidence = f"Memory changed by {quote(slope, '+')} MiB per worker."
    return Verdict(MEMORY_RISES, rule, judge(slope, at_least(GROWS_MEBIBYTES)), evidence)


def slopes(rows: pd.DataFrame, across: str, up: str) -> pd.Series:
    """Return the least-squares slope of each block that has two values of `across` or more, by block."""
    known = rows.dropna(subset=[up])
    found = {
        block: np.polyfit(mine[across].astype(float), mine[up].astype(float), 1)[0]
        for block, mine in known.groupby("block")
        if mine[across].nunique() > 1
    }
    # a flat curve is flat: what the arithmetic leaves of it is no slope
    return pd.Series(found, dtype=float).where(lambda one: one.abs() > ROUNDING * rows[up].abs().max(), 0.0)


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


def _most_workers(rows: pd.DataFrame) -> int:
    return 0 if rows.empty else int(rows["workers"].max())


def _cpu_points(rows: pd.DataFrame, more: int, fewer: int, level: float) -> Estimate:
    table = pairs(rows, "cpu_percent", {"workers": more}, {"workers": fewer})
    return mean_estimate(table["first"] - table["second"], level)


def _no_more_workers(claim: str, rule: str, cores: int) -> Verdict:
    reason = (
        f"It takes trials with more workers than the {cores} cores, and with 1 worker on 2 cores or more."
    )
    return Verdict(claim, rule, "not decided", reason)


def _untold(claim: str, rule: str, rows: pd.DataFrame, counts: tuple[int, ...]) -> Verdict:
    missing = [str(one) for one in counts if one not in set(rows["workers"])]
    listed = ", ".join(map(str, counts))
    reason = (
        f"There is no trial with {' or '.join(missing)} {'worker' if missing == ['1'] else 'workers'}."
        if missing
        else f"Fewer than 2 blocks measured all of {listed} workers; an interval needs 2."
    )
    return Verdict(claim, rule, "not decided", reason)
