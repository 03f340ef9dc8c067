"""Ways to use Ray beside each other by the length of a task, and whether costs repeat from run to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

import pandas as pd

from lab.analysis.break_even import SHORT_SECONDS, cost_per_block, length_pairs, lengths
from lab.analysis.configurations import average, select
from lab.analysis.equivalence import Equivalence, equivalence
from lab.analysis.intervals import LEVEL, Estimate, mean_estimate, unpaired_ratio
from lab.data.engines import label
from lab.formats import bounds, count, percent
from lab.published.single_node_claims import Verdict, outcome_of, quote

OTHERS = ("ray_pool", "ray_actor_pool", "ray_tasks")
"""The ways to use Ray that come with it."""

OWN: Mapping[str, object] = {"engine": "ray", "batching": "own"}
PLAIN: Mapping[str, object] = {"engine": "ray_tasks", "batching": "none"}

MARGIN = 0.05
"""Within it two ways to run tasks count as equally fast."""

TIMES = 3.0
THREE_TIMES = "with tasks of 100 µs, Ray in batches is at least 3 times as fast as one Ray task a call"
REPEATS = "the cost of a task repeats from run to run"


@dataclass(frozen=True, slots=True)
class Beside:
    """The lab's dispatch beside the best of Ray's own ways, at one length of tasks."""

    task_seconds: float
    best: tuple[str, str]
    """Engine and batching."""
    found: Equivalence

    @property
    def outcome(self) -> str:
        """Return whether the dispatch is at least as fast; equal where that is shown within the margin."""
        ratio = self.found.ratio
        if ratio.low is None or ratio.high is None:
            return "cannot be told"
        if ratio.low >= 1:
            return "holds"
        if ratio.high < 1:
            small = self.found.outcome == "small difference"
            return "does not hold" + f", by less than {percent(MARGIN, 1)}" * small
        return (
            f"equal within {percent(MARGIN, 1)}" if self.found.outcome == "equivalent" else "cannot be told"
        )


def beside_best(rows: pd.DataFrame) -> tuple[Beside, ...]:
    """Return the lab's dispatch beside the best other way to use Ray, at every length from 100 µs on.

    Best is the engine and batching with the highest mean throughput at that length, which favours it.
    """
    found = []
    for length in lengths(rows):
        best = best_way(rows, OTHERS, length) if length >= SHORT_SECONDS * 0.999 else None
        if best is None:
            continue
        other = {"engine": best[0], "batching": best[1]}
        one = as_fast(rows, OWN, other, length)
        if one is not None:
            found.append(Beside(length, best, one))
    return tuple(found)


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
    rows: pd.DataFrame, first: Mapping[str, object], second: Mapping[str, object], task_seconds: float
) -> Equivalence | None:
    """Return how fast the first way is beside the second at a length, with the margin; None without pairs."""
    both = length_pairs(select(rows, {"task_seconds": task_seconds}), first, second).get(task_seconds)
    if both is None:
        return None
    return equivalence(both["second"].tolist(), both["first"].tolist(), MARGIN)


def three_times(rows: pd.DataFrame) -> Verdict:
    """Judge the ratio of the dispatch to one Ray task a call at 100 µs: holds from 3 on, fails below."""
    length = next((one for one in lengths(rows) if isclose(one, SHORT_SECONDS, rel_tol=0.01)), None)
    found = None if length is None else as_fast(rows, OWN, PLAIN, length)
    ratio = Estimate(0, None, None, None) if found is None else found.ratio
    if ratio.low is None or ratio.high is None:
        reason = f"{count(ratio.n, 'block')} timed both at that length; it takes 2."
        return Verdict(THREE_TIMES, "cannot be told", reason)
    outcome = outcome_of(ratio.low >= TIMES, ratio.high < TIMES)
    return Verdict(THREE_TIMES, outcome, f"It was {quote(ratio)} times as fast.")


@dataclass(frozen=True, slots=True)
class Repeat:
    """The cost of a task on one engine in two runs, in seconds, and the ratio of the later to the earlier."""

    engine: str
    batching: str
    later: Estimate
    earlier: Estimate
    ratio: Estimate

    @property
    def agrees(self) -> bool | None:
        """Tell whether the ratio's interval holds 1; None where it has none."""
        if self.ratio.low is None or self.ratio.high is None:
            return None
        return self.ratio.low <= 1 <= self.ratio.high


def repeats(
    later: pd.DataFrame, earlier: pd.DataFrame, ways: Sequence[tuple[str, str]]
) -> tuple[Repeat, ...]:
    """Return the cost of a short task in two runs, for those of the ways that both timed.

    The ratio is of geometric means over blocks, which are independent; there is none where a block's cost is
    not above 0. All intervals together hold with 95 % (Bonferroni; Dunn, Multiple comparisons among means,
    Journal of the American Statistical Association 56, 1961): the claim is one, of all ways.
    """
    costs = {
        way: (cost_per_block(later, *way).tolist(), cost_per_block(earlier, *way).tolist()) for way in ways
    }
    both = {way: (new, old) for way, (new, old) in costs.items() if new and old}
    level = 1 - (1 - LEVEL) / max(1, len(both))
    found = []
    for (engine, batching), (new, old) in both.items():
        known = min(*new, *old) > 0
        none = Estimate(min(len(new), len(old)), None, None, None, level)
        ratio = unpaired_ratio(new, old, level) if known else none
        found.append(Repeat(engine, batching, mean_estimate(new), mean_estimate(old), ratio))
    return tuple(found)


def repeats_verdict(found: Sequence[Repeat]) -> Verdict:
    """Judge whether costs repeat: holds where all engines agree, does not hold where one does not."""
    judged = [one for one in found if one.agrees is not None]
    if not judged:
        return Verdict(REPEATS, "cannot be told", "No engine has intervals of its cost in both runs.")
    agree = sum(one.agrees is True for one in judged)
    widest = max(judged, key=lambda one: (one.ratio.high or 1.0) / (one.ratio.low or 1.0))
    evidence = (
        f"Of {count(len(judged), 'way')} to run tasks, {agree} cost the same in both runs as far as their "
        f"intervals tell, which all together hold with {percent(LEVEL, 2)}. A difference within an interval "
        f"is not seen; the widest goes from {bounds(widest.ratio)} ({label(widest.engine)})."
    )
    return Verdict(REPEATS, outcome_of(agree == len(judged), agree < len(judged)), evidence)
