"""What a run of somebody's own work says of one item: how long it takes, what handing it over costs."""

import pandas as pd

from lab.analysis.intervals import Estimate, geometric_mean, mean_estimate
from lab.figures.scaling import LOOP
from lab.formats import UNKNOWN, count, duration, percent
from lab.report.answers import Answer
from lab.report.decision import decide, main_series
from lab.report.levels import level_table
from lab.report.markdown import Markdown, literal, paragraphs, table
from lab.report.nodes import at_size
from lab.report.series import PROCESSES
from lab.report.study import Study

SHOWN = 20
"""Kinds of errors that a table shows."""


def of_items(study: Study, mode: str) -> list[Answer]:
    """Return what is known of one item: its time, the cost of handing it over, break-even, and errors."""
    if study.works.get(mode, {}).get("command"):
        return []
    found = [
        ("What does one item take?", _takes(study, mode), "means over trials"),
        ("What does handing it over cost?", _costs(study, mode), f"in brackets, n = {study.blocks}"),
        ("How short may items be?", _break_even(study, mode), "from the cost above"),
        ("Did items raise?", _raised_in_short(study, mode), "counted"),
    ]
    return [Answer(question, told, sure) for question, told, sure in found if told]


def of_script(study: Study, mode: str) -> str:
    """Say how a script was measured, and what it does not tell; nothing of a function of items."""
    if not study.works.get(mode, {}).get("command"):
        return ""
    return (
        "A script as it is: each trial started a Ray of as many nodes and CPUs as its size says, ran the "
        "script once on it, from its start to its end, and ended that Ray with all that was left in it. "
        "`ray.init` went there, whatever the script told it of an address or of CPUs. There are "
        "no rows of tasks: what an item takes, waiting, queue, efficiency and where the time went are "
        "unknown, not 0. CPUs are slots that Ray hands out: a task or an actor that asks for none, and "
        "threads, are held back by a node's own quota alone. "
        "A unit is a whole run where the script prints no `lab: units=123`."
    )


def _takes(study: Study, mode: str) -> str:
    """Say how long an item takes where it is alone: in the plain loop, or with the fewest workers."""
    name = LOOP if study.counts(mode, LOOP) else main_series(study, mode)
    x = study.counts(mode, name)[0]
    rows = study.rows(mode, name, x)
    median, late = (
        duration(geometric_mean(rows[f"run_{key}_seconds"].dropna().astype(float))) for key in ("p50", "p95")
    )
    where = f"a {name}" if name == LOOP else f"{name}, {at_size(study, x)}"
    return f"Median {median}, 95th percentile {late}; {where}, n = {len(rows)}."


def item_cost(study: Study, mode: str, name: str) -> tuple[int, Estimate]:
    """Return the fewest workers of an engine, and the seconds of theirs that an item costs beyond its work.

    That is workers times seconds for each item, less the plain loop's of the same block: to hand it over and
    to bring its result home. n = 0 where no block has both.
    """
    counts = study.counts(mode, name)
    if not counts or study.axis.column != "workers" or counts[0] > study.cores:
        return 0, Estimate(0)
    rows, loop = study.rows(mode, name, counts[0]).set_index("block"), study.rows(mode, LOOP)
    spent = counts[0] / rows["tasks_per_second"] - 1 / loop.set_index("block")["tasks_per_second"]
    return counts[0], mean_estimate(spent.dropna().astype(float).tolist())


def _costs(study: Study, mode: str) -> str:
    """Say what an item costs beyond its work with Ray and with plain processes."""
    names = [name for name in (*study.rays(mode)[:1], PROCESSES) if study.counts(mode, name)]
    told = []
    for name in names:
        workers, cost = item_cost(study, mode, name)
        if cost.value is not None:
            called = "Ray" if name in study.rays(mode) else name
            slower = ", with what they slow each other down" * (workers > 1)
            told.append(f"{called} {duration(cost)}{_nothing(cost)}, {count(workers, 'worker')}{slower}")
    return f"{'; '.join(told)}." if told else ""


def _nothing(cost: Estimate) -> str:
    if cost.low is None:
        return " (one block)"
    return " (not measurably more than nothing)" if cost.low <= 0 else ""


def _break_even(study: Study, mode: str) -> str:
    """Say from which length of an item Ray is faster than the loop, where the cost of one is known."""
    rays = study.rays(mode)
    if not rays or not study.counts(mode, LOOP) or study.axis.column != "workers":
        return ""
    cost, workers = item_cost(study, mode, rays[0])[1], min(decide(study, mode).size, study.cores)
    if cost.value is None or cost.low is None or cost.low <= 0 or workers < 2:
        return ""
    least = duration(cost.times(1 / (workers - 1)))
    return (
        f"With {count(workers, 'worker')} Ray breaks even at items of {least} or more, if nothing else is "
        "lost."
    )


def beside_the_loop(study: Study) -> Markdown:
    """Show the throughput of every engine relative to the plain loop: break-even for this function."""
    parts = []
    for mode in study.modes:
        if study.counts(mode, LOOP):
            found = {
                name: {x: study.ratio(mode, (name, x), (LOOP, 1)) for x in study.counts(mode, name)}
                for name in study.series(mode)
                if name != LOOP
            }
            parts.append(level_table(found, axis=study.axis) if found else "")
    return paragraphs(*parts)


def _failed(study: Study, mode: str) -> tuple[pd.DataFrame, int]:
    """Return the failed rows of a mode, and how many rows it has: of trials that were not interrupted."""
    trials = study.run.trials
    mine = trials.loc[(trials["mode"] == mode) & (trials["status"] != "interrupted"), "trial_id"]
    tasks = study.run.tasks
    rows = tasks[tasks["trial_id"].isin(mine) & ~tasks["warmup"].astype(bool)]
    return rows[rows["status"] != "ok"], len(rows)


def _raised_in_short(study: Study, mode: str) -> str:
    failed, every = _failed(study, mode)
    if failed.empty:
        return f"None of {count(every, 'attempt')}."
    part = percent(len(failed) / every)
    items = count(failed["task"].nunique(), "item")
    return f"{len(failed):,} of {count(every, 'attempt')} failed, {part}: {items}, told below."


def raised(study: Study) -> Markdown:
    """Show what items raised: type, message, how often, and how many items."""
    rows = []
    for mode in study.every_mode:
        failed, _ = _failed(study, mode)
        told = failed.assign(
            error_kind=failed["error_kind"].fillna(UNKNOWN), error_message=failed["error_message"].fillna("")
        )
        by = told.groupby(["error_kind", "error_message"])["task"]
        groups = by.agg(times="size", items="nunique", first="min").reset_index()
        rows += [
            (literal(kind), literal(message), f"{times:,}", items, first)
            for kind, message, times, items, first in groups.sort_values("times", ascending=False).to_numpy()
        ]
    more = f"And {len(rows) - SHOWN:,} more kinds." if len(rows) > SHOWN else None
    head = ("type", "message", "times", "items", "first item")
    return paragraphs(table(head, rows[:SHOWN], right=(2, 3, 4)), more) if rows else Markdown("")
