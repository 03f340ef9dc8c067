"""What a run of somebody's own work answers: in two sentences, and in a table of two columns."""

import pandas as pd

from lab.analysis.intervals import Estimate, mean_estimate
from lab.figures.scaling import LOOP
from lab.formats import UNKNOWN, count, duration, estimate, listing, percent, seconds, short_estimate
from lab.report import answers, cluster_answers
from lab.report.levels import estimate_of, level_table, ratio_levels
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.nodes import sized
from lab.report.series import PROCESSES
from lab.report.study import Study

SHOWN = 20
"""Kinds of errors that a table shows."""

Point = tuple[str, int]
"""One configuration: a series and its x."""


def best(study: Study, mode: str) -> tuple[Point, Estimate]:
    """Return where the series that answers speak of has its highest mean throughput, and how much it is."""
    name = answers.main_series(study, mode)
    if study.kind == "multi_node":
        name = cluster_answers.widest_series(study, mode)
    levels = study.levels(mode, "throughput", (name,)).sort_values("value")
    return (name, int(levels[study.axis.column].iloc[-1])), estimate_of(levels.tail(1))


def one_worker(study: Study, mode: str) -> Point | None:
    """Return the configuration of one Ray worker on one node; None where there is none that ended well."""
    names = (name for name in study.rays(mode) if study.axis.column == "workers" or name.startswith("1 "))
    return next(((name, 1) for name in names if 1 in study.counts(mode, name)), None)


def _ratio(study: Study, mode: str, first: Point, second: Point | None) -> Estimate:
    """Return the ratio of two configurations; n = 0 where the second was not measured, or is the first."""
    if second is None or second == first or second[1] not in study.counts(mode, second[0]):
        return Estimate(0, None, None, None)
    return study.ratio(mode, first, second)


def in_sentences(study: Study, mode: str) -> str:
    """Say whether Ray pays, what its best throughput was and with how many workers or nodes."""
    (name, x), highest = best(study, mode)
    engine = "Ray" if name in study.rays(mode) else answers.in_prose(name)
    to_loop = _ratio(study, mode, (name, x), (LOOP, 1))
    to_one = _ratio(study, mode, (name, x), one_worker(study, mode) if engine == "Ray" else None)
    to_processes = _ratio(study, mode, (name, x), (PROCESSES, x))
    told = [
        f"{short_estimate(to_one)} times as fast as one Ray worker" if to_one.value is not None else "",
        f"{short_estimate(to_processes)} of the throughput of as many plain processes: "
        f"{answers.cost_in_words(to_processes)}"
        if to_processes.value is not None and engine == "Ray"
        else "",
    ]
    did = (
        f"At its best it did {short_estimate(highest)} {safe(study.unit(mode))} with {_where(study, name, x)}"
    )
    more = listing(one for one in told if one)
    verdict, did = _pays(engine, to_loop), f"{did}{', ' * bool(more)}{more}."
    # without a loop to beat, how far it scales is the answer
    first, then = (did, verdict) if to_loop.value is None else (verdict, did)
    return f"{first} {then}{_not_ray(study, mode)}"


def _pays(engine: str, to_loop: Estimate) -> str:
    """Return the verdict: it pays where the whole interval of its ratio to a plain loop lies above 1."""
    if engine == answers.in_prose(LOOP):
        return f"**Whether it pays to use Ray cannot be told**: only {engine} ended well."
    untold = f"**Whether it pays to use {engine} cannot be told**"
    if to_loop.value is None:
        return f"{untold} from this run: no block has a plain loop beside it."
    fast = estimate(to_loop, "times as fast as a plain loop")
    if to_loop.low is None or to_loop.high is None or to_loop.low <= 1 <= to_loop.high:
        return f"{untold}: {fast}."
    return f"**It {'does not pay' if to_loop.high < 1 else 'pays'} to use {engine} here**: {fast}."


def _not_ray(study: Study, mode: str) -> str:
    """Say why there is no answer on Ray, where there is none."""
    if study.rays(mode):
        return ""
    tried = set(study.run.trials.loc[study.run.trials["mode"] == mode, "engine"])
    return " No trial with Ray ended well." if "ray" in tried else " Ray was not asked for."


def _where(study: Study, name: str, x: int) -> str:
    if study.axis.column == "nodes":
        return f"{sized(study, x)}, {name}"
    return f"{count(x, 'worker')} on {count(study.cores, 'core')}"


def facts(study: Study, mode: str) -> str:
    """Return what was found as a table of two columns: a question and its answer."""
    (name, x), highest = best(study, mode)
    point = (name, x)
    ratios = {
        "beside one Ray worker": _ratio(study, mode, point, one_worker(study, mode)),
        "beside a plain loop": _ratio(study, mode, point, (LOOP, 1)),
        "beside as many plain processes": _ratio(study, mode, point, (PROCESSES, x)),
        "beside one node": _ratio(study, mode, point, (name, 1)) if study.axis.column == "nodes" else None,
    }
    rows = [
        (
            "highest mean throughput",
            f"{short_estimate(highest)} {safe(study.unit(mode))}, {name}, "
            f"{_where(study, '', x).removesuffix(', ')}",
        ),
        *((what, f"{short_estimate(one)} times as fast") for what, one in ratios.items() if one and one.n),
        ("how many to use", _to_use(study) if mode == study.main_mode else ""),
        ("one item takes", _takes(study, mode)),
        ("handing an item over costs", _costs(study, mode)),
        ("Ray is faster than a plain loop", _break_even(study, mode, point)),
        ("items that raised", _raised_in_short(study, mode)),
    ]
    head = ("question", f"found ({_level(study)})")
    return table(head, [row for row in rows if row[1]])


def _level(study: Study) -> str:
    return "one block, no interval" if study.blocks < 2 else f"95 % interval, n = {study.blocks}"


def _to_use(study: Study) -> str:
    if study.axis.column == "nodes":
        return cluster_answers.nodes_to_use(study)
    return answers.workers_to_use(study)


def _takes(study: Study, mode: str) -> str:
    """Say how long an item takes where it is alone: in the plain loop, or with the fewest workers."""
    names = [LOOP] if study.counts(mode, LOOP) else [answers.main_series(study, mode)]
    x = study.counts(mode, names[0])[0]
    rows = study.rows(mode, names[0], x)
    median, late = (rows[f"run_{key}_seconds"].mean() for key in ("p50", "p95"))
    where = answers.in_prose(names[0]) if names[0] == LOOP else f"{names[0]}, {_where(study, '', x)}"
    return f"median {seconds(median)}, 95th percentile {seconds(late)} ({where.removesuffix(', ')})"


def item_cost(study: Study, mode: str, name: str) -> tuple[int, Estimate]:
    """Return the fewest workers of an engine, and the seconds of theirs that an item costs beyond its work.

    That is workers times seconds for each item, less the plain loop's of the same block: to hand it over and
    to bring its result home. n = 0 where no block has both.
    """
    counts = study.counts(mode, name)
    if not counts or study.axis.column != "workers" or counts[0] > study.cores:
        return 0, Estimate(0, None, None, None)
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
            told.append(f"{called} {duration(cost)}{_nothing(cost)}, {count(workers, 'worker')}")
    return "; ".join(told)


def _nothing(cost: Estimate) -> str:
    return " (not measurably more than nothing)" if cost.low is None or cost.low <= 0 else ""


def _break_even(study: Study, mode: str, point: Point) -> str:
    """Say with how many workers Ray is faster than the loop, and how short items may be at that."""
    rays = study.rays(mode)
    if not rays or not study.counts(mode, LOOP) or study.axis.column != "workers":
        return ""
    counts = study.counts(mode, rays[0])
    low = {x: study.ratio(mode, (rays[0], x), (LOOP, 1)).low for x in counts}
    if all(one is None for one in low.values()):
        return "cannot be told from one block"
    faster = [x for x, one in low.items() if one is not None and one > 1]
    told = (
        f"with {listing(faster)} {'worker' if faster == [1] else 'workers'}"
        if faster
        else "with no number of workers tried"
    )
    cost, workers = item_cost(study, mode, rays[0])[1], min(point[1], study.cores)
    if cost.value is None or cost.low is None or cost.low <= 0 or workers < 2:
        return told
    return (
        f"{told}; by the cost above, {count(workers, 'worker')} would break even at items of "
        f"{seconds(cost.value / (workers - 1))}"
    )


def beside_the_loop(study: Study) -> Markdown:
    """Show the throughput of every engine relative to the plain loop: break-even for this function."""
    parts = []
    for mode in study.modes:
        if study.counts(mode, LOOP):
            found = ratio_levels(
                study,
                [
                    (name, x, study.ratio(mode, (name, x), (LOOP, 1)))
                    for name in study.series(mode)
                    for x in study.counts(mode, name)
                    if name != LOOP
                ],
            )
            parts.append(level_table(found, axis=study.axis) if len(found) else "")
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
        return f"none of {count(every, 'attempt')}"
    part = percent(len(failed) / every)
    items = count(failed["task"].nunique(), "item")
    return f"{len(failed):,} of {count(every, 'attempt')} failed, {part}: {items}, told below"


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
