"""The reference report's claims about a cluster, and about Docker, each tested against the measurements."""

import numpy as np
import pandas as pd

from lab.analysis.configurations import compare
from lab.analysis.equivalence import Equivalence
from lab.analysis.intervals import Estimate, mean_estimate
from lab.formats import count, fixed
from lab.published import report_a as reference
from lab.published.single_node_claims import UNCHANGED, Outcome, Verdict, outcome_of, quote


def cluster_verdicts(rows: pd.DataFrame, several: str = "nodes") -> tuple[Verdict, ...]:
    """Return the verdicts on the three claims about a cluster; `several` is what its nodes are called.

    `rows` are measures of one mode and schedule: one trial per nodes, workers_per_node and block.
    """
    sizes = rows.groupby("workers_per_node")["nodes"].nunique()
    # one worker on one node may be there as a baseline alone
    widest = rows[rows["workers_per_node"] == (sizes.idxmax() if len(sizes) else 0)]
    return (
        throughput_peaks(widest, several),
        efficiency_falls(widest, several),
        falls_faster(rows, several),
    )


def throughput_peaks(rows: pd.DataFrame, several: str = "nodes") -> Verdict:
    """Judge two ratios: 5 nodes to the next smaller number measured, and 6 nodes to 5.

    Holds where the first interval lies above 1 and the second below; does not hold where the first lies
    below 1, or the second above UNCHANGED: a fall of 2 % or more is ruled out.
    """
    claim, peak = reference.CLUSTER_PEAKS, reference.PEAK_NODES
    sizes = sorted(set(rows["nodes"]))
    smaller = max((one for one in sizes if one < peak), default=None)
    missing = [str(one) for one in (peak, peak + 1) if one not in sizes]
    if missing or smaller is None:
        lacking = " or ".join(missing) or f"fewer than {peak}"
        return Verdict(claim, "cannot be told", f"There is no trial with {lacking} {several}.")
    rise, fall = (
        compare(rows, "throughput", {"nodes": more}, {"nodes": fewer})
        for more, fewer in ((peak, smaller), (peak + 1, peak))
    )
    if rise.low is None or rise.high is None or fall.low is None or fall.high is None:
        return Verdict(claim, "cannot be told", _few_blocks(f"{smaller}, {peak} and {peak + 1} {several}"))
    outcome = outcome_of(rise.low > 1 and fall.high < 1, rise.high < 1 or fall.low > UNCHANGED)
    evidence = (
        f"{peak} {several} gave {quote(rise)} times the throughput of {smaller}, and {peak + 1} gave "
        f"{quote(fall)} times that of {peak}."
    )
    return Verdict(claim, outcome, evidence)


def efficiency_falls(rows: pd.DataFrame, several: str = "nodes") -> Verdict:
    """Judge the slope of node efficiency over nodes: least squares in each block, then their mean.

    Holds where the whole interval lies below 0, however small the fall; does not hold where none of it does.
    """
    slopes = efficiency_slopes(rows)
    slope = mean_estimate(slopes)
    if slope.low is None or slope.high is None:
        return Verdict(reference.EFFICIENCY_FALLS, "cannot be told", _few_blocks(f"two sizes of {several}"))
    workers = int(rows["workers_per_node"].iloc[0])
    sizes = sorted(set(rows["nodes"]))
    evidence = (
        f"With {count(workers, 'worker')} on each, node efficiency changed by {_points(slope)} with "
        f"each one added, over {sizes[0]} to {sizes[-1]} {several}{_beside(workers)}."
    )
    return Verdict(reference.EFFICIENCY_FALLS, outcome_of(slope.high < 0, slope.low >= 0), evidence)


def falls_faster(rows: pd.DataFrame, several: str = "nodes") -> Verdict:
    """Judge the difference of two such slopes: with most workers on each node, less with fewest."""
    claim = reference.FALLS_FASTER
    sizes = rows.groupby("workers_per_node")["nodes"].nunique()
    loads = [int(load) for load in sizes.index[sizes > 1]]
    if len(loads) < 2:
        reason = f"It takes two numbers of workers on each node, each with two numbers of {several}."
        return Verdict(claim, "cannot be told", reason)
    few, many = (efficiency_slopes(rows[rows["workers_per_node"] == load]) for load in (loads[0], loads[-1]))
    change = mean_estimate((many - few).dropna())
    if change.low is None or change.high is None:
        return Verdict(claim, "cannot be told", _few_blocks(f"two sizes of {several} under both loads"))
    theirs = (
        _beside(loads[-1])
        and _beside(loads[0])
        and (f"; in the report the two differ by {_signed(_their_slope(loads[-1]) - _their_slope(loads[0]))}")
    )
    evidence = (
        f"With each {several.removesuffix('s')} added, node efficiency changed by {_points(change)} more "
        f"with {count(loads[-1], 'worker')} on each than with {loads[0]}{theirs}."
    )
    return Verdict(claim, outcome_of(change.high < 0, change.low >= 0), evidence)


def efficiency_slopes(rows: pd.DataFrame) -> pd.Series:
    """Return the least-squares slope of node efficiency over nodes of each block with two sizes or more."""
    known = rows.dropna(subset=["node_efficiency"])
    slopes = {
        block: _slope(mine["nodes"], mine["node_efficiency"])
        for block, mine in known.groupby("block")
        if mine["nodes"].nunique() > 1
    }
    return pd.Series(slopes, dtype=float)


def docker_verdict(found: Equivalence, fair: str = "") -> Verdict:
    """Judge the claim that Docker is free: holds where equivalent, or differing by less than the margin.

    `fair` says why containers and host cannot be compared; where it does, nothing can be told.
    """
    outcomes: dict[str, Outcome] = {
        "equivalent": "holds",
        "small difference": "holds",
        "faster": "holds",
        "slower": "does not hold",
    }
    claim, margin = reference.DOCKER_IS_FREE, f"{100 * found.margin:g} %"
    if found.ratio.low is None or found.ratio.high is None:
        reason = "Fewer than 2 blocks measured containers and host; an interval needs 2."
        return Verdict(claim, "cannot be told", reason)
    evidence = (
        f"Containers gave {quote(found.ratio)} times the throughput of the host; a loss of up to {margin} "
        "counts as none that is significant."
    )
    if fair:
        return Verdict(claim, "cannot be told", f"{evidence} But {fair}")
    return Verdict(claim, outcomes.get(found.outcome, "cannot be told"), evidence)


def _slope(across: pd.Series, up: pd.Series) -> float:
    return float(np.polyfit(across.astype(float), up.astype(float), 1)[0])


def _their_slope(workers: int) -> float:
    curve = reference.cluster()
    curve = curve[curve["workers_per_node"] == workers].dropna()
    return _slope(curve["nodes"], curve["node_efficiency"]) if len(curve) else float("nan")


def _beside(workers: int) -> str:
    theirs = _their_slope(workers)
    return "" if theirs != theirs else f"; in the report by {_signed(theirs)}"


def _signed(slope: float) -> str:
    return f"{'+' if slope > 0 else ''}{fixed(100 * slope, 1)} points"


def _points(slope: Estimate) -> str:
    value, low, high = (None if one is None else 100 * one for one in (slope.value, slope.low, slope.high))
    return quote(Estimate(slope.n, value, low, high, slope.level), "+", " points")


def _few_blocks(what: str) -> str:
    return f"Fewer than 2 blocks measured {what}; an interval needs 2."
