"""Break-even: what a task costs beyond its work, and the length from which an engine pays off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import pandas as pd

from lab.analysis.configurations import pairs, select
from lab.analysis.intervals import LEVEL, Estimate, mean_estimate, ratio_estimate

SHORT_SECONDS = 1e-4
"""Lengths up to this are short: there the cost of a task is no small difference of two large numbers."""

TOLD_SECONDS = 1e-3
"""The longest task of which a cost is told: of longer ones it is the noise of two large numbers."""

ALLOWED = 0.05
"""The part of the work that the cost of calls may come to in a batch of the size that pages name."""

DOCUMENTED_SECONDS = 0.01
"""The shortest task that pays off, as Ray's documentation has it: "about 10 ms"."""

SERIAL: Mapping[str, object] = {"engine": "serial"}
OWN: Mapping[str, object] = {"engine": "ray", "batching": "own"}
PLAIN: Mapping[str, object] = {"engine": "ray_tasks", "batching": "none"}
"""The plain loop, this lab's dispatch and one Ray task a call, by the columns that tell them."""

Curve = Mapping[float, Estimate]
"""Task length in seconds -> an estimate, lengths ascending."""


def overheads(rows: pd.DataFrame) -> pd.Series:
    """Return the cost of a task in seconds: workers times seconds per task, less those of the plain loop.

    `rows` are measures of spin. The loop of the same block and length is the true length of the work; what
    is left are core-seconds beyond the work itself. Indexed by trial_id; NaN where the block has no loop.
    """
    spent = rows["workers"].astype(float) * rows["seconds_per_task"]
    return (spent - _serial(rows)).rename("overhead")


def _serial(rows: pd.DataFrame) -> pd.Series:
    """Return for each trial the seconds per task of the plain loop of its block and length."""
    loop = select(rows, SERIAL).groupby(["block", "task_seconds"])["seconds_per_task"].mean()
    keys = pd.MultiIndex.from_frame(rows[["block", "task_seconds"]])
    return pd.Series(loop.reindex(keys).to_numpy(), index=rows.index)


def lengths(rows: pd.DataFrame) -> tuple[float, ...]:
    """Return the lengths of tasks that were timed, ascending."""
    return tuple(sorted(float(one) for one in rows["task_seconds"].dropna().unique()))


def overhead_curve(rows: pd.DataFrame, engine: str, batching: str) -> Curve:
    """Return the cost of a task by its length up to TOLD_SECONDS, with intervals; an arithmetic mean."""
    mine = select(rows.assign(overhead=overheads(rows)), {"engine": engine, "batching": batching})
    told = [one for one in lengths(mine) if one <= TOLD_SECONDS * 1.001]
    return {length: mean_estimate(select(mine, {"task_seconds": length})["overhead"]) for length in told}


def short_lengths(rows: pd.DataFrame) -> tuple[float, ...]:
    """Return the lengths that a cost is pooled over: the short ones, or the shortest where none is."""
    found = lengths(rows)
    return tuple(one for one in found if one <= SHORT_SECONDS * 1.001) or found[:1]


def cost_per_block(rows: pd.DataFrame, engine: str, batching: str) -> pd.Series:
    """Return the mean cost of a task over the short lengths, per block that has all of them."""
    mine = select(rows.assign(overhead=overheads(rows)), {"engine": engine, "batching": batching})
    short = mine[mine["task_seconds"].isin(short_lengths(mine))]
    if short.empty:
        return pd.Series(dtype=float)
    table = short.pivot_table(index="block", columns="task_seconds", values="overhead")
    return table.dropna().mean(axis="columns")


def cost(rows: pd.DataFrame, engine: str, batching: str) -> Estimate:
    """Return the cost of a short task in seconds, pooled over the short lengths, over the blocks."""
    return mean_estimate(cost_per_block(rows, engine, batching))


def batch_size(overhead: float, task_seconds: float = SHORT_SECONDS, allowed: float = ALLOWED) -> int:
    """Return the fewest tasks a call for which a call costs at most a part of the work; at least 1."""
    return max(1, ceil(overhead / (allowed * task_seconds) - 1e-9))


def speed_ratios(
    rows: pd.DataFrame,
    first: Mapping[str, object],
    second: Mapping[str, object],
    level: float = LEVEL,
) -> Curve:
    """Return how many times as fast the first way runs tasks as the second, by lengths that both have."""
    both = pairs(rows, "seconds_per_task", first, second, ("task_seconds", "mode", "block"))
    of_length = {
        length: ratio_estimate(mine["second"].tolist(), mine["first"].tolist(), level)
        for length, mine in both.groupby("task_seconds")
    }
    return {length: of_length[length] for length in lengths(rows) if length in of_length}


@dataclass(frozen=True, slots=True)
class Crossing:
    """The length from which a ratio stays above 1: value and interval, or where it lies if not between.

    `place` is "below" (above 1 at every length), "beyond" (not above 1 at the longest) or "within". Of an
    end of the interval, 0 is below the shortest length and infinity beyond the longest; None is unknown.
    """

    place: Literal["below", "within", "beyond"]
    value: float | None
    low: float | None
    high: float | None
    n: int


def crossing(curve: Curve) -> Crossing | None:
    """Return from which length a ratio is above 1; None for an empty curve.

    Between two lengths the inverse of the ratio is taken to be straight over the inverse of the length, as it
    is where a task costs the same at both: seconds per task are then work plus cost, shared by the workers.
    The ends of the interval are the lengths at which the ends of the ratios' intervals cross 1: between them
    the ratio may be 1.
    """
    if not curve:
        return None
    across, found = list(curve), list(curve.values())
    value = _crossing(across, [one.value or 0.0 for one in found])
    ends: list[float | None] = [None, None]
    if all(one.low is not None and one.high is not None for one in found):
        ends = [_crossing(across, [one.high or 0.0 for one in found])]
        ends.append(_crossing(across, [one.low or 0.0 for one in found]))
    place: Literal["below", "within", "beyond"] = "within"
    if value in (0.0, float("inf")):
        place = "below" if value == 0.0 else "beyond"
    n = min(one.n for one in found)
    return Crossing(place, value if place == "within" else None, ends[0], ends[1], n)


def _crossing(across: Sequence[float], ratios: Sequence[float]) -> float:
    """Return the last length at which a ratio rises above 1; 0 if never below, infinity if it ends there."""
    under = [place for place, ratio in enumerate(ratios) if ratio <= 1]
    if not under:
        return 0.0
    last = under[-1]
    if last == len(ratios) - 1:
        return float("inf")
    left, right = 1 / max(ratios[last], 1e-12), 1 / ratios[last + 1]
    near, far = 1 / across[last], 1 / across[last + 1]
    return 1 / (near + (left - 1) / (left - right) * (far - near))
