"""The sections that test: the reference report's claims, its efficiency curve replayed, failures, noise."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from lab.analysis import reference
from lab.analysis.configurations import copy_comparison
from lab.analysis.intervals import proportion_estimate
from lab.analysis.replay import SCHEDULES, given_up, replayed_efficiency
from lab.analysis.verdicts import single_node_verdicts
from lab.figures import single_node as figures
from lab.formats import count, estimate, fixed, number, percent, short_estimate
from lab.report import answers
from lab.report.markdown import Markdown, figure, literal, paragraphs, table
from lab.report.study import Study

REPLAYS = 1000
"""Repeats of every replay: its mean is known to far less than a point."""

CLOSE = 0.03
"""Efficiencies that differ by no more than this are called alike."""

JUDGED = (("search", "dynamic"), ("find", "static"), ("factor", "dynamic"))
"""Modes and schedules on which the claims are tested; `find` and `static` is the reference report's way."""


def verdicts(study: Study) -> Markdown:
    """Show what the run says about each claim of the reference report."""
    judged = [
        (f"{mode}, {schedule}", single_node_verdicts(study.measures, study.cores, mode, "ray", schedule))
        for mode, schedule in _judged(study)
    ]
    # claim by claim: the verdicts on different work stand under each other
    rows = [
        (one.claim, work, f"**{one.outcome}**", one.evidence)
        for claim in zip(*(found for _, found in judged), strict=True)
        for (work, _), one in zip(judged, claim, strict=True)
    ]
    head = ("claim of the report", "work, schedule", "here it", "evidence")
    return Markdown(table(head, rows) if rows else "")


def _judged(study: Study) -> list[tuple[str, str]]:
    """Return the modes and schedules that were run and are to be judged; any other where none of them was."""
    run = [
        (mode, schedule)
        for mode in study.modes
        for schedule in SCHEDULES
        if f"Ray, {schedule}" in study.series(mode)
    ]
    return [one for one in JUDGED if one in run] or run[:1]


def replay(study: Study) -> Markdown:
    """Replay the recorded task times over 1 to 6 nodes that cost nothing, beside the report's curve."""
    batches = replay_batches(study)
    if not batches:
        return Markdown("")
    curve = reference.cluster()
    curve = curve[curve["workers_per_node"] == 1].reset_index(drop=True)
    nodes = tuple(curve["nodes"])
    limited = [
        (bits, given_up(pool, bits, reference.MOST_TRIES).tolist(), tasks) for bits, pool, tasks in batches
    ]
    curves = {schedule: _replayed(limited, schedule, nodes) for schedule in SCHEDULES}
    unlimited = _replayed(batches, "static", nodes)
    drawn = figures.replayed(curves, curve, "Efficiency of replayed tasks over nodes")
    counts = " and ".join(f"{tasks} tasks of {bits} bits" for bits, _, tasks in batches)
    caption = (
        f"{counts}, drawn from this run's task times, replayed {REPLAYS:,} times on nodes with one worker "
        f"each; a time is cut where the report's search gives up, at {reference.MOST_TRIES:,} tries. Nothing "
        "in the replay costs time but the tasks."
    )
    columns = (curves["static"], unlimited, curves["dynamic"])
    rows = [
        (one, *(fixed(column["value"][place], 3) for column in columns), number(simulated), number(measured))
        for place, (one, simulated, measured) in enumerate(
            zip(nodes, reference.SIMULATED_EFFICIENCY, curve["node_efficiency"], strict=True)
        )
    ]
    head = (
        "nodes",
        "static",
        "static, no limit of tries",
        "dynamic",
        "report, simulated",
        "report, measured",
    )
    return paragraphs(
        figure(drawn, caption),
        _explained(curves, curve),
        table(head, rows, right=range(6)),
        _measured(study),
    )


def replay_batches(study: Study) -> list[tuple[int, list[float], int]]:
    """Return bits, recorded seconds and number of tasks of each batch of the find mode; none without it.

    A task's seconds are its median over the trials with one worker, so that neighbours do not slow it. The
    numbers of tasks are the reference report's where the sizes are, or else the run's own.
    """
    if "find" not in study.modes:
        return []
    alone = study.rows("find")
    alone = alone[alone["workers"] == 1]
    tasks = study.run.tasks
    mine = tasks[
        tasks["trial_id"].isin(alone.index) & ~tasks["warmup"].astype(bool) & (tasks["status"] == "ok")
    ]
    lasted = mine["finished_seconds"].astype(float) - mine["started_seconds"].astype(float)
    medians = lasted[lasted > 0].groupby(mine["task"]).median()
    sizes, counts = study.parameters.get("find_bits", ()), study.parameters.get("find_tasks", ())
    theirs = dict(reference.BATCHES)
    if set(sizes) != set(theirs):
        theirs = dict(zip(sizes, counts, strict=True))
    first = np.cumsum([0, *counts])
    pools = [
        medians[(medians.index >= low) & (medians.index < high)].tolist() for low, high in pairwise(first)
    ]
    return [(bits, pool, theirs[bits]) for bits, pool in zip(sizes, pools, strict=True) if pool]


def _replayed(
    batches: Sequence[tuple[int, list[float], int]], schedule: str, nodes: Sequence[int]
) -> pd.DataFrame:
    drawn = [(pool, tasks) for _, pool, tasks in batches]
    found = [replayed_efficiency(drawn, int(one), schedule, REPLAYS, seed=one) for one in nodes]
    return pd.DataFrame(
        [(node, one.value, one.low, one.high) for node, one in zip(nodes, found, strict=True)],
        columns=["nodes", "value", "low", "high"],
    )


def _explained(curves: dict[str, pd.DataFrame], report: pd.DataFrame) -> str:
    """Say how far the static replay lies from the report's curve, and what a dynamic queue would gain."""
    static, dynamic = curves["static"]["value"], curves["dynamic"]["value"]
    apart = (static - report["node_efficiency"]).abs()
    model = (static - pd.Series(reference.SIMULATED_EFFICIENCY)).abs()
    close, most = int((apart <= CLOSE).sum()), int(report["nodes"].iloc[-1])
    said = (
        "Equal shares of tasks of random length, with no cost of scheduling at all, differ from the report's "
        f"efficiency by {fixed(apart.max(), 3)} at most"
    )
    found = (
        ": its curve needs no cost of scheduling to be explained."
        if close == len(apart)
        else f", and by no more than {CLOSE} at {close} of {len(apart)} cluster sizes."
    )
    return (
        f"{said}{found} From a simulation of the report's way, made before this lab was, they differ by "
        f"{fixed(model.max(), 3)} at most. Over {count(most, 'node')}, handing the same tasks out as nodes "
        f"get free finishes {fixed(dynamic.iloc[-1] / static.iloc[-1], 2)} times as fast."
    )


def _measured(study: Study) -> str:
    """Say what dynamic gained over static on this machine, where both were run."""
    shared = set(study.workers("find", "Ray, dynamic")) & set(study.workers("find", "Ray, static"))
    if not shared:
        return ""
    most = max(shared)
    ratio = study.ratio("find", ("Ray, dynamic", most), ("Ray, static", most))
    said = (
        f"Measured on this machine, with {count(most, 'worker')} on {count(study.cores, 'core')}, dynamic "
        f"gave {estimate(ratio, 'times the throughput of static')}."
    )
    crowded = (
        " Where workers outnumber cores, those that are done leave their part of the cores to the rest, so "
        "that equal shares cost less than on as many nodes."
    )
    return said + crowded * (most > study.cores)


def failures(study: Study) -> Markdown:
    """List every trial that did not end well, and count the attempts at tasks that failed."""
    attempts = int(study.measures["attempts"].fillna(0).sum())
    failed = int(study.measures["failed_attempts"].fillna(0).sum())
    rate = proportion_estimate(failed, attempts)
    told = (
        f"In the trials that ended well, {failed:,} of {count(attempts, 'attempt')} at a task failed: "
        f"{percent(rate.value)} (exact 95 % interval {percent(rate.low, 2)} to {percent(rate.high, 2)})."
        if attempts
        else "No trial ended well."
    )
    listed = study.failures
    if listed.empty:
        return paragraphs("No trial failed and none was interrupted.", told)
    rows = [
        (
            row["trial_id"],
            row["mode"],
            row["engine"],
            row["schedule"],
            row["workers"],
            row["status"],
            literal(row["reason"]),
        )
        for _, row in listed.iterrows()
    ]
    head = ("trial", "mode", "engine", "schedule", "workers", "status", "reason")
    many = f"{count(len(rows), 'trial')} did not end well; the failed ones are crosses in the figures above."
    return paragraphs(many, table(head, rows, right=(4,)), told)


def noise(study: Study) -> Markdown:
    """Show how a configuration compares with a copy of itself, and what difference the run could detect."""
    rows, disturbed = [], []
    for one in copy_comparison(study.measures, "throughput"):
        low, high = one.ratio.low, one.ratio.high
        seen = "not known" if one.detectable_ratio is None else percent(one.detectable_ratio - 1, 2)
        rows.append((one.mode, short_estimate(one.ratio), one.ratio.n, seen))
        if low is not None and high is not None and not low <= 1 <= high:
            disturbed.append(one.mode)
    if not rows:
        return Markdown("")
    head = ("mode", "copy / experiment (95 % interval)", "n", "smallest difference that would be seen")
    said = (
        f"In {', '.join(disturbed)} the interval leaves out 1: by chance, as one in twenty does, or because "
        "something disturbed the machine. Read small differences there with care."
        if disturbed
        else "No copy differs from its original by more than these trials could tell."
        if any(row[2] > 1 for row in rows)
        else "One block cannot tell noise from difference."
    )
    return paragraphs(table(head, rows, right=(1, 2, 3)), said, answers.quietness(study))
