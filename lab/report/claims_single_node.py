"""The sections that test: the reference report's claims, its efficiency curve replayed."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from lab.analysis.configurations import Levels
from lab.analysis.disturbances import QUIET
from lab.analysis.intervals import Estimate
from lab.analysis.replay import SCHEDULES, given_up, random_searches, replayed_efficiency
from lab.analysis.verdicts import Verdict, shared_level
from lab.figures import scaling as figures
from lab.formats import count, estimate, fixed, number
from lab.published import report_a as reference
from lab.published.single_node_claims import CLAIMS, single_node_verdicts, where_quiet
from lab.report.markdown import Markdown, figure, paragraphs, table
from lab.report.source import source
from lab.report.study import Study
from lab.report.verdicts import verdict_table

REPLAYS = 1000
"""Repeats of every replay: its mean is known to far less than a point."""

FEW = 30
"""Fewer distinct recorded times of a size are too few to say how random its times are."""

CLOSE = 0.03
"""Efficiencies that differ by no more than this are called alike."""

JUDGED = (("search", "dynamic"), ("find", "static"), ("factor", "dynamic"))
"""Modes and schedules on which the claims are tested; `find` and `static` is the reference report's way."""


def verdicts(study: Study) -> Markdown:
    """Show what the run says about each claim of the reference report."""
    works = _judged(study)
    level = shared_level(len(works) * len(CLAIMS))
    judged = [
        (f"{study.name(mode)}, {schedule}", _verdicts(study, mode, schedule, level))
        for mode, schedule in works
    ]
    # claim by claim: the verdicts on different work stand under each other
    rows = [
        (work, one)
        for claim in zip(*(found for _, found in judged), strict=True)
        for (work, _), one in zip(judged, claim, strict=True)
    ]
    return Markdown(verdict_table(rows) if rows else "")


def _verdicts(study: Study, mode: str, schedule: str, level: float) -> list[Verdict]:
    """Return the verdicts of a mode and schedule; none is decided where others disturbed its trials."""
    others = study.others.reindex(study.rows(mode, f"Ray, {schedule}").index)
    found = single_node_verdicts(study.measures, study.cores, mode, "ray", schedule, level)
    return [where_quiet(one, others, QUIET) for one in found]


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
    nodes = tuple(curve["nodes"].tolist())
    limited = [
        (bits, given_up(pool, bits, reference.MOST_TRIES).tolist(), tasks) for bits, pool, tasks in batches
    ]
    curves = {schedule: _replayed(limited, schedule, nodes) for schedule in SCHEDULES}
    unlimited = _replayed(batches, "static", nodes)
    simulated = _replayed(
        [
            (bits, random_searches(bits, reference.MOST_TRIES, float(np.mean(pool))).tolist(), tasks)
            for bits, pool, tasks in batches
        ],
        "static",
        nodes,
    )
    title = "Efficiency of replayed tasks over nodes"
    drawn = figures.replayed(curves, curve, title, _finding(batches, curves, curve))
    counts = " and ".join(f"{tasks} tasks of {bits} bits" for bits, _, tasks in batches)
    caption = (
        f"{counts}, drawn from this run's task times, replayed {REPLAYS:,} times on nodes with one worker "
        f"each; a time is cut where the report's search gives up, at {reference.MOST_TRIES:,} tries. Nothing "
        "in the replay costs time but the tasks."
    )
    columns = (curves["static"], unlimited, curves["dynamic"], simulated)
    rows = [
        (one, *(fixed(column[one].value or 0.0, 3) for column in columns), number(measured))
        for one, measured in zip(nodes, curve["node_efficiency"], strict=True)
    ]
    head = (
        "nodes",
        "static",
        "static, no limit of tries",
        "dynamic",
        "static, simulated tries",
        "report, measured",
    )
    return paragraphs(
        figure(drawn, caption, source(study, "tasks.csv")),
        _explained(batches, curves, simulated, curve),
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
) -> dict[int, Estimate]:
    drawn = [(pool, tasks) for _, pool, tasks in batches]
    return {one: replayed_efficiency(drawn, one, schedule, REPLAYS, seed=one) for one in nodes}


def _finding(batches: Sequence[tuple[int, list[float], int]], curves: Levels, report: pd.DataFrame) -> str:
    """Return what the replay explains of the report's curve, as the title of the figure."""
    known = min(len(set(pool)) for _, pool, _ in batches) >= FEW
    if not known or tuple((bits, tasks) for bits, _, tasks in batches) != reference.BATCHES:
        return "Whether shares alone explain it is not known"
    several = report["nodes"].to_numpy() > 1
    static = np.array([one.value for one in curves["static"].values()], float)
    close = np.abs(static - report["node_efficiency"].to_numpy())[several] <= CLOSE
    return f"Equal shares alone explain {close.sum()} of {len(close)} sizes"


def _explained(
    batches: Sequence[tuple[int, list[float], int]],
    curves: Levels,
    simulated: Mapping[int, Estimate],
    report: pd.DataFrame,
) -> str:
    """Say whether random lengths in equal shares explain the report's curve, and what dynamic would gain."""
    origin = (
        "*Simulated tries* are no recorded times: `lab.analysis.replay` draws the number of tries of each "
        "task from a geometric distribution, with chance 2 / (bits × ln 2) and at most "
        f"{reference.MOST_TRIES:,} tries; only the ratio of the sizes' mean times is this run's."
    )
    distinct = [len(set(pool)) for _, pool, _ in batches]
    if min(distinct) < FEW:
        few = ", ".join(map(str, distinct))
        return (
            "Whether this explains the report's curve cannot be told from so few recorded times "
            f"({few}). {origin}"
        )
    if tuple((bits, tasks) for bits, _, tasks in batches) != reference.BATCHES:
        return (
            "Whether this explains the report's curve cannot be told: this run's sizes are not the "
            f"report's. {origin}"
        )
    every = (*(curves[one] for one in ("static", "dynamic")), simulated)
    static, dynamic, simple = (np.array([one.value for one in points.values()], float) for points in every)
    # one node is never idle, whatever explains the others
    several = report["nodes"].to_numpy() > 1
    model = np.abs(static - simple)[several]
    apart = np.abs(static - report["node_efficiency"].to_numpy())[several]
    close, most = int((apart <= CLOSE).sum()), int(report["nodes"].iloc[-1])
    same, sizes = int((model <= CLOSE).sum()), len(model)
    return (
        f"**At {close} of {sizes} cluster sizes above one the explanation holds**: there, recorded times in "
        "equal shares, with no cost of scheduling at all, have the efficiency that the report measured "
        f"within {CLOSE}; over all sizes the two differ by {fixed(apart.max(), 3)} at most. Simulated tries "
        f"have that of recorded times within {CLOSE} at {same} of {sizes}, and differ from it by "
        f"{fixed(model.max(), 3)} at most. "
        f"Over {count(most, 'node')}, handing the same tasks out as "
        f"nodes get free finishes {fixed(dynamic[-1] / static[-1], 2)} times as fast. {origin}"
    )


def _measured(study: Study) -> str:
    """Say what dynamic gained over static on this machine, where both were run."""
    shared = set(study.counts("find", "Ray, dynamic")) & set(study.counts("find", "Ray, static"))
    if not shared:
        return ""
    most = max(shared)
    ratio = study.ratio("find", ("Ray, dynamic", most), ("Ray, static", most))
    said = (
        f"Measured on the run's machine, with {count(most, 'worker')} on {count(study.cores, 'core')}, "
        f"dynamic gave {estimate(ratio, 'times the throughput of static')}."
    )
    crowded = (
        " Where workers outnumber cores, those that are done leave their part of the cores to the rest: "
        "equal shares may cost less than on as many nodes."
    )
    return said + crowded * (most > study.cores)
