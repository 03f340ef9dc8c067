"""What each cause may cost a trial at least and at most, as parts of its core time.

The account says where core time went; what displaced whom it cannot say. A cause therefore has two ends in
each trial: what nothing else explains, and what it might explain at most. NaN where data are missing.
"""

from dataclasses import dataclass
from math import inf

import pandas as pd

from lab.analysis.displaced import displaced
from lab.analysis.intervals import Estimate, mean_estimate
from lab.analysis.losses import WORK, Account, shares
from lab.analysis.nodes import node_windows
from lab.analysis.verdicts import shared_level
from lab.data.store import Run

FASTEST_BYTES = 5e9
"""Bytes a second that no way to hand over an item exceeds: what one core copies in memory."""

SLOWEST_BYTES = 5e7
"""Bytes a second that every way reaches, pickling by plain Python included."""

CALL_SECONDS = 0.005
"""What the first call of a worker may take on its way without anything that it carries."""

MANY_TASKS = 1000
"""Of a trial of fewer, most of the driver's time may be its sampling."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The least and the most that each cause (column) cost each trial (row), as parts of its core time.

    Of each trial, too: `threads`, processor seconds of the workers for each second inside tasks, and
    `moved_bytes`, of all items and results.
    """

    least: pd.DataFrame
    most: pd.DataFrame
    threads: pd.Series
    moved_bytes: pd.Series


def costs(run: Run, account: Account, trials: pd.Index) -> Costs:
    """Return what each cause may have cost these trials; nodes are not compared here."""
    available, terms = account.trials.loc[trials, "available"], shares(account.trials.loc[trials])
    windows = run.windows[run.windows["trial_id"].isin(trials) & (run.windows["workers"] > 0)]
    bodies, recurring = _bodies(run, trials)
    of_workers = _total(windows, windows["workers_cpu_seconds"], trials)
    beside = (of_workers / available - terms[WORK]).clip(lower=0)
    alive = _total(
        windows, (windows["ended_seconds"] - windows["began_seconds"]) * windows["workers"], trials
    )
    # one thread each can use no more beside its tasks than the time outside of them
    threads = ((beside - (alive - bodies).clip(lower=0) / available).clip(lower=0), beside)
    held, items, results = _throttled(run, trials, terms), *_moved_bytes(run, trials)
    moved = items + results
    idle = terms[["gaps", "startup", "waiting"]].sum(axis="columns", skipna=False)
    first = (_first_journeys(run, trials, items) / available).clip(upper=terms["startup"])
    fast, slow = ((moved / rate / available).clip(upper=idle) for rate in (FASTEST_BYTES, SLOWEST_BYTES))
    data = fast.clip(lower=first), slow
    pushed = displaced(run, terms, available, threads[1])
    waits = terms["waiting"] - pushed.most - held.fillna(0.0) - threads[1].fillna(0.0)
    per_task = (terms["waiting_ray"] + terms["waiting_sampler"]).fillna(inf).clip(upper=pushed.most)
    work = terms["useful"].fillna(terms[WORK]).clip(upper=terms[WORK])
    hyperthreads = _total(windows, windows["workers"], trials) > physical_cores(run)
    gaps = terms["gaps"] * recurring - data[0].fillna(0.0) - threads[0].fillna(0.0)
    ends = {
        "cores": (work.mask(hyperthreads, terms[WORK]), terms[WORK]),
        **{name: (terms[name],) * 2 for name in ("unused", "slower", "tail")},
        "startup": ((terms["startup"] - first.fillna(0.0)).clip(lower=0), terms["startup"]),
        "short": (gaps.clip(lower=0), terms["gaps"] + per_task),
        "driver": (terms["gaps"],) * 2,
        "threads": threads,
        "waiting": (waits.clip(lower=0), terms["waiting"] - pushed.least - threads[0].fillna(0.0)),
        "data": data,
        "throttled": (held,) * 2,
        "neighbours": (pushed.by_others_least, pushed.by_others_most),
    }
    least, most = (pd.DataFrame({name: pair[end] for name, pair in ends.items()}) for end in (0, 1))
    return Costs(least, most.clip(lower=least), of_workers / bodies, moved)


def _total(windows: pd.DataFrame, values: pd.Series, trials: pd.Index) -> pd.Series:
    """Return the sum over the nodes of each trial; unknown where that of a node is."""
    sums = values.astype(float).groupby(windows["trial_id"]).agg("sum", skipna=False)
    return sums.reindex(trials)


def physical_cores(run: Run) -> float:
    """Return the cores of the run's machine, hyperthreads counted once; infinite where that is not known."""
    found = run.environment.get("machine", {}).get("physical_cores")
    elsewhere = (run.trials["cluster"] == "address").any()
    return inf if found is None or elsewhere else float(found)


def _bodies(run: Run, trials: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Return the seconds inside tasks of all workers, and the part of the gaps that recurs.

    That leaves out the longest gap of each worker: a stop that comes once is not the cost of a task.
    """
    rows = run.tasks[run.tasks["trial_id"].isin(trials) & ~run.tasks["warmup"].astype(bool)]
    rows = rows.sort_values(["trial_id", "node_id", "worker", "started_seconds"])
    keys = [rows[name] for name in ("trial_id", "node_id", "worker")]
    started, finished = rows["started_seconds"].astype(float), rows["finished_seconds"].astype(float)
    gaps = (started - finished.groupby(keys).shift()).clip(lower=0)
    longest = gaps.groupby(keys).max().groupby(level="trial_id").sum()
    total = gaps.groupby(rows["trial_id"]).sum()
    recurring = ((total - longest) / total.where(total > 0)).fillna(0.0)
    bodies = (finished - started).groupby(rows["trial_id"]).sum()
    return bodies.reindex(trials), recurring.reindex(trials)


def _throttled(run: Run, trials: pd.Index, terms: pd.DataFrame) -> pd.Series:
    """Return the part in which a quota held nodes back that had fewer workers than cores; else planned."""
    found = node_windows(run.windows[run.windows["trial_id"].isin(trials)], run.nodes)
    part = (found["throttled_percent"] / 100).clip(upper=1)
    part = part.mask((found["workers"] >= found["quota_cores"]) & part.notna(), 0.0)
    weights = found["quota_cores"].groupby(found["trial_id"]).sum()
    held = (part * found["quota_cores"]).groupby(found["trial_id"]).sum(min_count=1) / weights
    return held.reindex(trials).clip(upper=terms["waiting"].clip(lower=0))


def _moved_bytes(run: Run, trials: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Return the bytes of all items of each trial, and those of all results."""
    rows = run.tasks[run.tasks["trial_id"].isin(trials) & ~run.tasks["warmup"].astype(bool)]
    results = rows["result_bytes"].astype(float).groupby(rows["trial_id"]).sum(min_count=1)
    of_trial = run.trials.drop_duplicates("trial_id", keep="last").set_index("trial_id").loc[trials]
    works = run.environment.get("works", {})
    known = {mode: work["items_bytes"] for mode, work in works.items() if work.get("items_bytes") is not None}
    # where the work grows with the workers, all items are sent several times
    times = of_trial["planned_tasks"].astype(float) / of_trial["mode"].map(
        {mode: work["items"] for mode, work in works.items() if work.get("items")}
    ).astype(float)
    items = of_trial["mode"].map(known).astype(float) * times.fillna(1.0)
    each = of_trial["item_bytes"].astype(float) * of_trial["planned_tasks"].astype(float)
    return items.fillna(each.mask(of_trial["transfer"] == "seed", 0.0)), results.reindex(trials)


def _first_journeys(run: Run, trials: pd.Index, items: pd.Series) -> pd.Series:
    """Return for how long the workers waited for the items of their first call, in seconds, all together.

    A worker is warm and idle then, and begins once all its items are there; those of calls that were
    submitted before are handed over first.
    """
    rows = run.tasks[run.tasks["trial_id"].isin(trials) & ~run.tasks["warmup"].astype(bool)]
    rows = rows.sort_values("started_seconds")
    worker = ["trial_id", "node_id", "worker"]
    submitted = rows.groupby(worker)["submitted_seconds"].transform("first")
    first = rows[rows["submitted_seconds"] == submitted].groupby(worker)
    calls = first.agg(
        tasks=("task", "size"), submitted=("submitted_seconds", "first"), started=("started_seconds", "first")
    ).sort_values("submitted")
    carried = calls["tasks"].groupby(level="trial_id").cumsum()
    each = items / rows.groupby("trial_id").size().reindex(trials)
    most = carried * each.reindex(calls.index.get_level_values("trial_id")).to_numpy() / SLOWEST_BYTES
    waits = (calls["started"].astype(float) - CALL_SECONDS).clip(lower=0, upper=most).where(most.notna())
    return waits.groupby(level="trial_id").sum(min_count=1).reindex(trials)


def driver_cost(trials: pd.DataFrame) -> Estimate:
    """Return the driver's processor time for a task on Ray in seconds, at a run's most workers, over blocks.

    Takes a run's trials, of which the successful ones of MANY_TASKS or more count. What else the driver does
    is in it: it samples its node, and writes the rows.
    """
    good = trials[(trials["status"] == "ok") & (trials["engine"] == "ray")]
    good = good[good["driver_cpu_seconds"].notna() & (good["tasks"] >= MANY_TASKS)]
    workers = good["nodes"] * good["workers"]
    largest = good[workers == workers.max()]
    each = largest["driver_cpu_seconds"] / largest["tasks"]
    return mean_estimate(each.groupby(largest["block"]).mean().tolist())


@dataclass(frozen=True, slots=True)
class SlowNode:
    """The node that costs most against the mean of the others: its name, '' where nothing is known.

    `shares` are its cost in each trial as a part of the core time of all nodes, NaN where unknown; `tails`
    likewise what the others idle at the end, while it alone has tasks left; `ratio` is how long it takes for
    a task beside the others; `nodes` is how many were compared.
    """

    node_id: str
    shares: pd.Series
    tails: pd.Series
    ratio: float
    nodes: int

    def share(self, block: pd.Series, level: float) -> Estimate:
        """Return the mean of its shares over blocks; the level is shared by all nodes."""
        by_block = self.shares.groupby(block).mean()
        return mean_estimate(by_block.tolist(), shared_level(self.nodes, level))


def slowest(run: Run, account: Account, known: pd.DataFrame) -> SlowNode:
    """Return the slowest node of these trials (rows of `Account.trials`).

    The pace of a node is the core time inside its tasks for what they take one worker alone; it is compared
    with that of all other nodes of the trial together.
    """
    nodes = account.nodes[account.nodes["trial_id"].isin(known.index)]
    inside = nodes[WORK] + nodes["waiting"].clip(lower=0)
    of_trial = nodes["trial_id"]
    useful, all_inside = nodes["useful"], inside.groupby(of_trial).transform("sum")
    others = (all_inside - inside) / (useful.groupby(of_trial).transform("sum") - useful)
    # what its tasks would have taken at the pace of the others
    lost = (inside - useful * others) / of_trial.map(known["available"])
    table = nodes.assign(lost=lost, ratio=inside / useful / others).dropna(subset=["lost", "ratio"])
    if table.empty:
        unknown = pd.Series(float("nan"), known.index)
        return SlowNode("", unknown, unknown, float("nan"), 0)
    means = table.groupby("node_id")["lost"].mean()
    worst = str(means.idxmax())
    mine = table[table["node_id"] == worst].set_index("trial_id")
    lost, ratio = mine["lost"].reindex(known.index), float(mine["ratio"].mean())
    return SlowNode(worst, lost, _tails_beside(run, nodes, known, worst), ratio, len(means))


def _tails_beside(run: Run, nodes: pd.DataFrame, known: pd.DataFrame, slow: str) -> pd.Series:
    """Return the part of each trial's core time that the others idle while the slow node alone has tasks."""
    rows = run.tasks[run.tasks["trial_id"].isin(known.index) & ~run.tasks["warmup"].astype(bool)]
    ends = rows["finished_seconds"].astype(float).groupby([rows["trial_id"], rows["node_id"] == slow]).max()
    seconds = (ends.xs(True, level=1) - ends.xs(False, level=1)).clip(lower=0)
    others = nodes[nodes["node_id"] != slow]
    usable = others["quota_cores"].clip(upper=others["workers"]).groupby(others["trial_id"]).sum()
    tail = others["tail"].groupby(others["trial_id"]).sum(min_count=1)
    alone = pd.concat([seconds * usable, tail], axis="columns").min(axis="columns", skipna=False)
    return (alone / known["available"]).reindex(known.index)
