"""Why a configuration gives no more: each cause with its cost, its outcome, and what to expect without it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import pandas as pd

from lab.analysis.alone import beside_others
from lab.analysis.cause_facts import CALL_COST, facts_of
from lab.analysis.costs import Costs, SlowNode, costs, slowest
from lab.analysis.intervals import LEVEL, Estimate, mean_against
from lab.analysis.losses import WORK, Account, alone_error
from lab.analysis.verdicts import Outcome, all_of, at_least, judge, shared_level
from lab.data.store import Run

LEAST = 0.03
"""A cause counts from this part of the core time on."""

FULL = 0.85
"""Cores are all at work where this part of their time is work."""

DRIVER_CORES = 0.9
"""A driver that uses this much of a core is at its limit: most of it runs in one thread."""

NAMES = (
    "cores",
    "unused",
    "slower",
    "short",
    "tail",
    "threads",
    "waiting",
    "driver",
    "startup",
    "data",
    "throttled",
    "slow_node",
    "neighbours",
)
"""The keys of all causes: see `causes`."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause: its part of the core time (0..1), and the outcome of "that is at least LEAST".

    `seconds` are core-seconds in a trial. `gain` is the ratio of throughput to expect without the cause. Both
    are None where nothing is known, and `gain` for causes whose end adds cores or takes workers away. `facts`
    are what a sentence needs, as `lab.analysis.cause_facts` lists them.
    """

    name: str
    share: Estimate
    seconds: Estimate | None
    outcome: Outcome
    gain: Estimate | None
    facts: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Reasons:
    """The causes that hold, the largest first; without any the part that none of the losses exceeds."""

    causes: tuple[Cause, ...]
    bound: float | None


def causes(run: Run, account: Account, measures: pd.DataFrame, trials: pd.Index) -> tuple[Cause, ...]:
    """Return every cause in the order of NAMES, for the trials of one configuration.

    Takes the run with its account and its measures, both indexed by trial_id. Where a block has several of
    the trials, as those of the A/A arm, their mean counts. The interval of a share goes over blocks, from
    what the cause costs at least to what it may cost at most; all causes share one error rate.

    - cores: all cores are at work, at least FULL of their time, so that only more of them help; work that is
      slower than alone counts as what it takes alone, where it is seen to be slower
    - unused: cores without a worker, so that more workers help
    - slower: tasks take more processor time than alone: caches, bandwidth of memory, hyperthreads; without
      the slow node, where there is one
    - short: gaps between tasks, and what the driver and Ray's processes take from them; batches help
    - tail: cores idle after the last task of their worker; at least what is left where a slow node, if there
      is one, does not alone have tasks
    - threads: processor time of the workers beyond what one thread each could use
    - waiting: inside tasks without processor time that nothing else took: a lock, input and output
    - driver: gaps while the driver uses DRIVER_CORES or more
    - startup: cores idle before the first task of their worker, within the window
    - data: the journey of items and results, between FASTEST_BYTES and SLOWEST_BYTES a second
    - throttled: held back by a quota with fewer workers than cores
    - slow_node: one node, the slowest, does its tasks slower than the mean of the others
    - neighbours: processes of others, and the hypervisor, on cores that tasks waited for
    """
    sound = account.trials.loc[trials]
    known = sound[sound["sound"] & sound["available"].notna()]
    found, slow = costs(run, account, known.index), slowest(run, account, known)
    level = _level(_shares(found, slow, known, LEVEL))
    shares = _shares(found, slow, known, level)
    rows = measures[measures.index.isin(known.index)].reindex(known.index)
    told = facts_of(run, account, rows, known, found, slow)
    crowded = _crowded(run, account, known)
    return tuple(
        Cause(
            name,
            shares[name],
            shares[name].times(float(known["available"].mean())) if shares[name].n else None,
            _outcome(name, shares[name], rows, level),
            _gain(name, shares[name], crowded),
            told[name],
        )
        for name in NAMES
    )


def main(found: tuple[Cause, ...]) -> Reasons:
    """Return the causes that hold, and where none does what no loss exceeds.

    The first is the one that costs most for certain: some are known as a wide range only.
    """
    holding = [cause for cause in found if cause.outcome == "holds"]
    if holding:
        ordered = sorted(holding, key=lambda cause: -(cause.share.low or 0.0))
        return Reasons(tuple(ordered), None)
    highs = [one.share.high for one in found if one.name != "cores" and one.share.high is not None]
    return Reasons((), min(1.0, max(highs)) if highs else None)


def _level(alone: Mapping[str, Estimate]) -> float:
    """Return the level of each interval, from the shares at the level that one claim alone would have.

    It is shared by the causes that this does not rule out: one that it does cannot come to hold.
    """
    return shared_level(sum(judge(share, at_least(LEAST)) != "does not hold" for share in alone.values()))


def _shares(found: Costs, slow: SlowNode, known: pd.DataFrame, level: float) -> dict[str, Estimate]:
    """Return the share of every cause of which something is known or might be, with intervals of a level."""
    shares = {"slow_node": slow.share(known["block"], level)}
    slower, least = found.least["slower"], found.least
    if judge(shares["slow_node"], at_least(LEAST)) == "holds":
        slower = slower - np.minimum(slow.shares.fillna(0.0), slower.clip(lower=0))
        least = least.assign(tail=least["tail"] - slow.tails.fillna(0.0))
    error = alone_error(known, "slower")
    shares["slower"] = bounded(slower, slower, known["block"], *error, level)
    for name in found.least.columns.drop(["slower", "cores"]):
        shares[name] = bounded(least[name], found.most[name], known["block"], level=level)
    # what the pace of cores takes from the work counts where it is seen: its noise would hide that they work
    seen = "holds" in [judge(shares[name], at_least(LEAST)) for name in ("slow_node", "slower")]
    work, error = (found.least["cores"], error) if seen else (found.most["cores"], (0.0, 0))
    shares["cores"] = bounded(work, work, known["block"], *error, level)
    return shares


def bounded(
    least: pd.Series,
    most: pd.Series,
    block: pd.Series,
    error: float = 0.0,
    freedom: int = 0,
    level: float = LEVEL,
) -> Estimate:
    """Return the mean over blocks of what lies between two ends, with an interval that holds both ends.

    `error` is the standard error of what all were compared with, of that many degrees of freedom.
    """
    both = pd.DataFrame({"least": least, "most": most}).dropna().groupby(block).mean()
    low, high = (mean_against(both[end].tolist(), error, freedom, level) for end in ("least", "most"))
    middle = None if low.value is None or high.value is None else (low.value + high.value) / 2
    return Estimate(low.n, middle, low.low, high.high, level)


def _outcome(name: str, share: Estimate, rows: pd.DataFrame, level: float) -> Outcome:
    if name == "cores":
        return judge(share, at_least(FULL))
    costs_enough = judge(share, at_least(LEAST))
    if name != "driver":
        return costs_enough
    driver = bounded(rows["driver_cpu_cores"], rows["driver_cpu_cores"], rows["block"], level=level)
    return all_of((costs_enough, judge(driver, at_least(DRIVER_CORES))))


def _crowded(run: Run, account: Account, known: pd.DataFrame) -> float:
    """Return the part of the core time that the work grows by, at most, once no worker runs out of tasks.

    A task that ran while others were idle had caches, memory and its core's hyperthreads for itself.
    """
    every = account.trials
    pace = beside_others(run, every[every["sound"]]).reindex(known.index)
    more = (known["useful"] * pace - known[WORK]) / known["available"]
    high = bounded(more, more, known["block"]).high
    return 0.0 if high is None else max(0.0, high)


def _gain(name: str, share: Estimate, crowded: float) -> Estimate | None:
    """Return 1 / (1 - share), the same work in the core time that is left; batches leave CALL_COST of it.

    The low end is with all that may come in place of the loss: without a tail, tasks that are `crowded`.
    """
    if share.n == 0 or name in ("cores", "threads"):
        return None
    gain, low = share.map(_ratio), share.low
    if low is not None:
        low = _ratio(low - crowded * (name == "tail")) / (1 + CALL_COST * (name == "short"))
    return replace(gain, low=low)


def _ratio(share: float) -> float:
    return 1 / (1 - share) if share < 1 else inf
