"""Where the core time of a trial went: useful work and every kind of loss, which add up to all there was.

The currency is the core-second: a node of Q cores has Q of them in every second of the window, whatever the
number of its workers. `lab.analysis.attempts.idle_core_seconds` says what idle workers cost in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lab.analysis.alone import one_worker, useful_seconds
from lab.analysis.attempts import Attempts, Numbers, summed
from lab.analysis.configurations import CONFIGURATION
from lab.analysis.doubts import Examined, examine
from lab.analysis.idle import idle_core_seconds
from lab.analysis.intervals import LEVEL, Estimate, mean_against
from lab.analysis.trials import sound
from lab.data.store import Run

TERMS: Mapping[str, str] = {
    "useful": "useful work",
    "slower": "slower work",
    "waiting": "waiting inside tasks",
    "gaps": "gaps between tasks",
    "startup": "start-up",
    "tail": "tail",
    "unused": "cores without a worker",
    "residual": "not explained",
}
"""The terms of the account and what pages call them; they add up to `available`."""

PARTS: Mapping[str, str] = {
    "waiting_ray": "waiting: Ray's own processes",
    "waiting_sampler": "waiting: sampler and driver",
    "waiting_rest": "waiting: throttled, preempted, input and output",
    "gaps_busy": "gaps: processors busy with Ray or the workers' upkeep",
    "gaps_rest": "gaps: nothing to do, or held back",
}
"""What waiting and gaps consist of, as far as the nodes' counters tell."""

WORK = "work"
"""Useful and slower work together: known also where the run has no worker alone to compare with."""

AMOUNTS = ["available", *TERMS, WORK, *PARTS]


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a run, in core-seconds: per place (trial and node), and per trial.

    `nodes` has trial_id, node_id, workers, quota_cores, `alone` (of `lab.analysis.alone.SOURCES`) and
    AMOUNTS; `trials` is indexed by trial_id and has block, CONFIGURATION, status, `sound` (counts in means),
    `alone`, AMOUNTS, `alone_trials` (how many trials of one worker it was compared with) and `alone_error`,
    the standard error of their mean processor time as a part of it.
    """

    nodes: pd.DataFrame
    trials: pd.DataFrame


def account(run: Run) -> Account:
    """Return where the core time of every trial went, sound or not; what a doubt spoils is NaN.

    Per place, with Q = quota_cores, k = workers, W = duration_seconds, and C the tasks' processor time:

    - available = Q W
    - useful: processor time of the successful tasks as one worker alone took for them, task by task: the mean
      over all sound trials of 1 worker on 1 node, of the same mode, engine ray and same kind of cluster, in
      whatever block. Without any, useful and slower are NaN and only `work` = useful + slower = C is known
    - slower = C - useful: shared caches, SMT, frequency, and attempts that failed; negative is a gain
    - startup, gaps, tail: cores idle before a worker's first task, between tasks, after its last
    - unused = max(0, Q - k) W: a worker uses one core at most
    - waiting = min(Q, k) W - startup - gaps - tail - C: cores that tasks had for themselves and did not use.
      Where it would be negative the quota was caught up: it is paid out per period of 0.1 s, so that tasks
      can spend what a short gap or start-up left, which then was no loss and is taken off gaps, then
      start-up. That goes only where workers share cores and as far as C stays below the tasks' wall time
    - residual = available less all of these: clocks, overlapping rows, more than one core used by a task

    The parts, from the counters of the node, are upper bounds, for nobody knows whom a process displaced:
    Ray's own and the sampler's (with the driver's where it samples the node) processor time counts as
    waiting as far as it exceeds `unused` and, in proportion, up to all of it; what exceeds that too, and the
    workers' processor time outside of tasks, counts as busy gaps, up to all of them. The rest of each
    remains.
    """
    return account_of(examine(run))


def account_of(examined: Examined) -> Account:
    """Return the account of a run that was examined; see `account`."""
    places, attempts = examined.places, examined.attempts
    cpu = summed(attempts.place, attempts.cpu_seconds, len(places))
    useful, alone = useful_seconds(examined)
    columns = _terms(places, attempts, cpu) | {"useful": useful, "slower": cpu - useful, WORK: cpu}
    columns |= _parts(places, columns)
    nodes = places[["trial_id", "node_id", "workers", "quota_cores"]].assign(alone=alone, **columns)
    spoiled = examined.spoiled("terms") | ~np.isfinite(columns["available"])
    nodes.loc[spoiled, AMOUNTS] = np.nan
    nodes.loc[examined.spoiled("parts"), list(PARTS)] = np.nan
    return Account(nodes, _by_trial(examined.run, nodes))


def shares(amounts: pd.DataFrame) -> pd.DataFrame:
    """Return amounts (rows of an Account) with all of AMOUNTS as parts of `available`."""
    return amounts.assign(**amounts[AMOUNTS].div(amounts["available"], axis="index"))


def loss_estimates(trials: pd.DataFrame) -> dict[tuple[int, int], dict[str, Estimate]]:
    """Return the share of every term by nodes and workers per node, as `share_estimate` does.

    Takes `Account.trials` of one mode, schedule and cluster, of which the sound ones count.
    """
    parts = shares(trials[trials["sound"]]).groupby(["nodes", "workers_per_node"])
    return {
        (int(str(nodes)), int(str(workers))): {term: _estimate(group, term) for term in AMOUNTS[1:]}
        for (nodes, workers), group in parts
    }


def share_estimate(trials: pd.DataFrame, term: str, level: float = LEVEL) -> Estimate:
    """Return the share of a term in trials of one configuration, rows of `Account.trials`.

    The interval is Student's t over the blocks; that of useful and slower work has the error of the speed of
    one worker alone in it, which is common to all blocks.
    """
    return _estimate(shares(trials), term, level)


def _estimate(parts: pd.DataFrame, term: str, level: float = LEVEL) -> Estimate:
    return mean_against(parts[term].tolist(), *alone_error(parts, term), level)


def alone_error(trials: pd.DataFrame, term: str) -> tuple[float, int]:
    """Return the error of a term's share that comes from the worker alone, and its degrees of freedom."""
    if term not in ("useful", "slower") or trials.empty:
        return 0.0, 0
    first = trials.iloc[0]
    share = (trials[WORK] / trials["available"]).mean()
    return float(first["alone_error"] * share), int(first["alone_trials"]) - 1


def _terms(places: pd.DataFrame, attempts: Attempts, cpu: Numbers) -> dict[str, Numbers]:
    cores, workers, window = (
        places[name].to_numpy() for name in ("quota_cores", "workers", "duration_seconds")
    )
    idle = idle_core_seconds(attempts, places)
    unused = np.maximum(0.0, cores - workers) * window
    share = np.minimum(cores, workers) * window - idle.startup - idle.gaps - idle.tail
    beyond = np.where(workers > cores, np.minimum(cpu, idle.body_seconds) - share, 0.0)
    off_gaps = np.clip(beyond, 0.0, idle.gaps)
    off_startup = np.clip(beyond - off_gaps, 0.0, idle.startup)
    known = {
        "waiting": np.maximum(0.0, share - cpu),
        "gaps": idle.gaps - off_gaps,
        "startup": idle.startup - off_startup,
        "tail": idle.tail,
        "unused": unused,
    }
    available = cores * window
    return {"available": available, **known, "residual": available - cpu - sum(known.values())}


def _parts(places: pd.DataFrame, terms: Mapping[str, Numbers]) -> dict[str, Numbers]:
    ray, sampler, workers, driver, driven = (
        places[name].to_numpy()
        for name in (
            "ray_cpu_seconds",
            "sampler_cpu_seconds",
            "workers_cpu_seconds",
            "driver_cpu_seconds",
            "driver_sampler_cpu_seconds",
        )
    )
    # a serial loop's tasks are the driver's own
    driver = np.where(places["engine"] == "serial", driver - terms[WORK], driver)
    sampler = np.where(np.isnan(sampler), np.maximum(0.0, driver) + driven, sampler)
    upkeep = np.maximum(0.0, workers - terms[WORK])
    pressing = np.maximum(0.0, ray + sampler - terms["unused"])
    fitting = np.minimum(pressing, terms["waiting"])
    per_second = fitting / np.where(ray + sampler > 0, ray + sampler, 1.0)
    busy = np.minimum(terms["gaps"], upkeep + pressing - fitting)
    return {
        "waiting_ray": per_second * ray,
        "waiting_sampler": per_second * sampler,
        "waiting_rest": terms["waiting"] - fitting,
        "gaps_busy": busy,
        "gaps_rest": terms["gaps"] - busy,
    }


def _by_trial(run: Run, nodes: pd.DataFrame) -> pd.DataFrame:
    trials = run.trials.drop_duplicates("trial_id", keep="last")
    sums = nodes.groupby("trial_id")[AMOUNTS].sum(min_count=1).reindex(trials["trial_id"])
    unknown = nodes.set_index("trial_id")[AMOUNTS].isna().groupby(level=0).any()
    sums = sums.mask(unknown.reindex(sums.index, fill_value=True))
    alone = nodes.drop_duplicates("trial_id").set_index("trial_id")["alone"]
    kept = trials.set_index("trial_id")[["block", *CONFIGURATION, "status"]]
    counts = trials["trial_id"].isin(sound(trials)["trial_id"]).to_numpy()
    found = kept.assign(sound=counts, alone=alone.reindex(kept.index), **sums)
    single = one_worker(found[found["sound"]])
    pace = (single[WORK] / single["useful"]).groupby([single["mode"], single["cluster"]])
    kinds = pd.MultiIndex.from_frame(found[["mode", "cluster"]])
    return found.assign(
        alone_trials=pace.count().reindex(kinds, fill_value=0).to_numpy(),
        alone_error=pace.sem().reindex(kinds).to_numpy(),
    )
