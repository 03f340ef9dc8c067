"""What a sentence on a cause needs beside its share: sizes, counts, names."""

from collections.abc import Mapping
from math import ceil, isfinite

import pandas as pd

from lab.analysis.alone import one_worker
from lab.analysis.costs import Costs, SlowNode, physical_cores
from lab.analysis.losses import WORK, Account, shares
from lab.analysis.nodes import others_by_node
from lab.data.store import Run

CALL_COST = 0.05
"""A batch is so large that the cost of a call is at most this part of the work in it."""

Facts = Mapping[str, float | str]


def facts_of(
    run: Run, account: Account, rows: pd.DataFrame, known: pd.DataFrame, found: Costs, slow: SlowNode
) -> Mapping[str, Facts]:
    """Return the facts of every cause, means over trials; what is unknown is left out.

    `rows` are the measures of the trials in `known`, rows of `Account.trials`.

    - cores, unused, slower: workers, cores, physical_cores (of a single host)
    - short: batch (tasks in a call), gap_seconds (cost of a task now), task_seconds
    - tail: largest_seconds, mean_seconds (of tasks), tasks_per_worker
    - threads: threads (processor seconds of the workers for each second inside tasks)
    - waiting: alone (part of the tasks' time that one worker alone waits), here (the same at this size)
    - driver: driver_cores; startup: cold_start_seconds, window_seconds
    - data: bytes_per_second, item_bytes (of an item and its result), store_part (of its capacity in use)
    - slow_node: node (last six characters), ratio; neighbours: others (part of all cores)
    """
    tasks = _bodies(run, known.index)
    sizes = _sizes(run, account, known)
    number = rows["attempts"].mean()
    every: dict[str, Facts] = {
        "cores": sizes,
        "unused": sizes,
        "slower": sizes,
        "short": _short(run, found, known, tasks, rows),
        "tail": {
            "largest_seconds": tasks.groupby(level=0).max().mean(),
            "mean_seconds": tasks.mean(),
            "tasks_per_worker": number / sizes["workers"],
        },
        "threads": {"threads": found.threads.mean()},
        "waiting": _waiting(account, known),
        "driver": {"driver_cores": rows["driver_cpu_cores"].mean()},
        "startup": {
            "cold_start_seconds": rows["startup_seconds"].astype(float).mean(),
            "window_seconds": rows["duration_seconds"].astype(float).mean(),
        },
        "data": _data(run, found, rows),
        "throttled": {},
        "slow_node": {"node": slow.node_id[-6:], "ratio": slow.ratio} if slow.node_id else {},
        "neighbours": {"others": _others(run, known.index)},
    }
    return {name: _known(facts) for name, facts in every.items()}


def _known(facts: Facts) -> Facts:
    there = {key: value for key, value in facts.items() if pd.notna(value)}
    return {key: value if isinstance(value, str) else float(value) for key, value in there.items()}


def _bodies(run: Run, trials: pd.Index) -> pd.Series:
    """Return the seconds of each successful task, indexed by trial_id."""
    rows = run.tasks[run.tasks["trial_id"].isin(trials) & (run.tasks["status"] == "ok")]
    rows = rows[~rows["warmup"].astype(bool)].set_index("trial_id")
    return rows["finished_seconds"].astype(float) - rows["started_seconds"].astype(float)


def _sizes(run: Run, account: Account, known: pd.DataFrame) -> dict[str, float]:
    nodes = account.nodes[account.nodes["trial_id"].isin(known.index)]
    of_trial = nodes.groupby("trial_id")[["workers", "quota_cores"]].sum().mean()
    facts: dict[str, float] = {"workers": of_trial["workers"], "cores": of_trial["quota_cores"]}
    if isfinite(physical_cores(run)):
        facts["physical_cores"] = physical_cores(run)
    return facts


def _short(run: Run, found: Costs, known: pd.DataFrame, tasks: pd.Series, rows: pd.DataFrame) -> Facts:
    """Return the batch that makes a call cheap beside its work, from what a task costs now."""
    middle = (found.least["short"] + found.most["short"]) / 2
    cost = float((middle * known["available"] / rows["attempts"]).mean())
    length = float(tasks.mean())
    facts: dict[str, float] = {"gap_seconds": cost, "task_seconds": length}
    of_trial = run.trials[run.trials["trial_id"].isin(known.index)]
    now = float(of_trial["batch"].astype(float).fillna(1.0).mean())
    if cost >= 0 and length > 0:
        facts["batch"] = float(max(1, ceil(cost * now / (CALL_COST * length))))
    return facts


def _others(run: Run, trials: pd.Index) -> float:
    windows = run.windows[run.windows["trial_id"].isin(trials)]
    found = others_by_node(run.trials, windows, run.nodes)
    return float(found.groupby("trial_id")["others"].max().mean())


def _waiting(account: Account, known: pd.DataFrame) -> Facts:
    every = account.trials[account.trials["sound"]]
    alone = one_worker(every[every["mode"].isin(known["mode"]) & every["cluster"].isin(known["cluster"])])
    found: dict[str, float | str] = {}
    for name, trials in (("alone", alone), ("here", known)):
        part = shares(trials)
        found[name] = float((part["waiting"] / (part["waiting"] + part[WORK])).mean())
    return found


def _data(run: Run, found: Costs, rows: pd.DataFrame) -> Facts:
    seconds = rows["duration_seconds"].astype(float)
    capacity = run.nodes["object_store_bytes"].astype(float).mean()
    return {
        "bytes_per_second": (found.moved_bytes / seconds).mean(),
        "item_bytes": (found.moved_bytes / rows["planned_tasks"].astype(float)).mean(),
        "store_part": (rows["object_store_bytes"] / (capacity * rows["nodes"])).mean(),
    }
