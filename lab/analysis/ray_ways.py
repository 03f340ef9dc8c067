"""Ways to use Ray beside each other by the length of a task, and whether costs repeat from run to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

import pandas as pd

from lab.analysis.break_even import OWN, PLAIN, SHORT_SECONDS, cost_per_block, lengths, speed_ratios
from lab.analysis.configurations import average, select
from lab.analysis.intervals import LEVEL, Estimate, mean_estimate, unpaired_ratio
from lab.analysis.verdicts import (
    OUTCOMES,
    Outcome,
    Range,
    Verdict,
    all_of,
    at_least,
    judge,
    shared_level,
)
from lab.formats import count, listing, percent, quote

OTHERS = ("ray_pool", "ray_actor_pool", "ray_tasks")
"""The ways to use Ray that come with it."""

AS_FAST = at_least(0.95)
"""Ratios of speeds that count as at least as fast."""

SAME_COST = Range(0.8, 1.25)
"""Ratios of costs in two runs that count as the same."""

WORDS = {
    "holds": "{} cost{} the same",
    "does not hold": "{} cost{} more or less than before",
    "not decided": "for {} it is not decided",
}

TIMES = 3.0
THREE_TIMES = "with tasks of 100 µs, Ray in batches is at least 3 times as fast as one Ray task a call"
REPEATS = "the cost of a task repeats from run to run"


@dataclass(frozen=True, slots=True)
class Beside:
    """The lab's dispatch beside the best of Ray's own ways, at one length of tasks."""

    task_seconds: float
    best: tuple[str, str]
    """Engine and batching."""
    ratio: Estimate

    @property
    def outcome(self) -> Outcome:
        """Return whether the dispatch is at least as fast, but for a loss that does not matter."""
        return judge(self.ratio, AS_FAST)


def beside_best(rows: pd.DataFrame) -> tuple[Beside, ...]:
    """Return the lab's dispatch beside the best other way to use Ray, at every length from 100 µs on.

    Best is the engine and batching with the highest mean throughput at that length, which favours it. The
    intervals all together hold with 95 %.
    """
    found = {
        length: best
        for length in lengths(rows)
        if length >= SHORT_SECONDS * 0.999 and (best := best_way(rows, OTHERS, length)) is not None
    }
    level = shared_level(len(found))
    ratios = (
        as_fast(rows, OWN, {"engine": best[0], "batching": best[1]}, length, level)
        for length, best in found.items()
    )
    return tuple(
        Beside(length, best, ratio)
        for (length, best), ratio in zip(found.items(), ratios, strict=True)
        if ratio.n
    )


def best_way(rows: pd.DataFrame, engines: Sequence[str], task_seconds: float) -> tuple[str, str] | None:
    """Return engine and batching with the highest mean throughput at a length; None where none was timed."""
    here = select(rows, {"task_seconds": task_seconds})
    here = here[here["engine"].isin(engines)]
    means = {
        (str(engine), str(batching)): average("throughput", mine["throughput"].tolist()).value or 0.0
        for (engine, batching), mine in here.groupby(["engine", "batching"])
    }
    return max(means, key=lambda way: means[way]) if means else None


def as_fast(
    rows: pd.DataFrame,
    first: Mapping[str, object],
    second: Mapping[str, object],
    task_seconds: float,
    level: float = LEVEL,
) -> Estimate:
    """Return how many times as fast the first way is as the second at a length; n = 0 without pairs."""
    found = speed_ratios(select(rows, {"task_seconds": task_seconds}), first, second, level)
    return found.get(task_seconds, Estimate(0, level=level))


def three_times(rows: pd.DataFrame) -> Verdict:
    """Judge the ratio of the dispatch to one Ray task a call at 100 µs."""
    length = next((one for one in lengths(rows) if isclose(one, SHORT_SECONDS, rel_tol=0.01)), None)
    ratio = Estimate(0) if length is None else as_fast(rows, OWN, PLAIN, length)
    rule = f"it is {TIMES:g} times as fast or more"
    if ratio.low is None:
        reason = f"{count(ratio.n, 'block')} timed both at that length; it takes 2."
        return Verdict(THREE_TIMES, rule, "not decided", reason)
    return Verdict(THREE_TIMES, rule, judge(ratio, at_least(TIMES)), f"It was {quote(ratio)} times as fast.")


@dataclass(frozen=True, slots=True)
class Repeat:
    """The cost of a task on one engine in two runs, in seconds, and the ratio of the later to the earlier."""

    engine: str
    batching: str
    later: Estimate
    earlier: Estimate
    ratio: Estimate

    @property
    def outcome(self) -> Outcome:
        """Return whether the cost repeats within the margin that matters."""
        return judge(self.ratio, SAME_COST)


def repeats(
    later: pd.DataFrame, earlier: pd.DataFrame, ways: Sequence[tuple[str, str]]
) -> tuple[Repeat, ...]:
    """Return the cost of a short task in two runs, for those of the ways that both timed.

    The ratio is of geometric means over blocks, which are independent; there is none where a block's cost is
    not above 0. All intervals together hold with 95 %: the claim is one, of all ways.
    """
    costs = {
        way: (cost_per_block(later, *way).tolist(), cost_per_block(earlier, *way).tolist()) for way in ways
    }
    both = {way: (new, old) for way, (new, old) in costs.items() if new and old}
    level = shared_level(len(both))
    found = []
    for (engine, batching), (new, old) in both.items():
        known = min(*new, *old) > 0
        none = Estimate(min(len(new), len(old)), None, None, None, level)
        ratio = unpaired_ratio(new, old, level) if known else none
        found.append(Repeat(engine, batching, mean_estimate(new), mean_estimate(old), ratio))
    return tuple(found)


def repeats_verdict(found: Sequence[Repeat]) -> Verdict:
    """Judge whether costs repeat: true where that of every way does."""
    rule = f"each way to run tasks costs {SAME_COST.low:g} to {SAME_COST.high:g} times what it did"
    judged = [one for one in found if one.ratio.low is not None]
    if not judged:
        reason = "No engine has intervals of its cost in both runs."
        return Verdict(REPEATS, rule, "not decided", reason)
    told = ((outcome, sum(one.outcome == outcome for one in judged)) for outcome in OUTCOMES)
    each = listing(WORDS[outcome].format(many, "s" * (many == 1)) for outcome, many in told if many)
    evidence = (
        f"Of {count(len(judged), 'way')} to run tasks, {each}, by intervals that all together hold with "
        f"{percent(LEVEL, 2)}."
    )
    without = len(found) - len(judged)
    evidence += f" {count(without, 'way')} had no interval." if without else ""
    return Verdict(REPEATS, rule, all_of(one.outcome for one in found), evidence)
