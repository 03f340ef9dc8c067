"""The reference report's claims about a cluster, and about Docker, each tested against the measurements."""

import numpy as np
import pandas as pd

from lab.analysis.configurations import compare
from lab.analysis.intervals import LEVEL, Estimate, mean_estimate
from lab.analysis.verdicts import Verdict, all_of, at_least, at_most, judge
from lab.formats import count, fixed, quote
from lab.published import report_a as reference
from lab.published.single_node_claims import FALLS, slopes

RISES = at_least(1.02)
"""Ratios of throughputs that are a rise: a smaller gain does not matter."""
POINTS = 0.5
"""Efficiency falls where it loses at least so many points of a percentage with each node."""

CLAIMS = (reference.CLUSTER_PEAKS, reference.EFFICIENCY_FALLS, reference.FALLS_FASTER)


def cluster_verdicts(rows: pd.DataFrame, several: str = "nodes", level: float = LEVEL) -> tuple[Verdict, ...]:
    """Return the verdicts on CLAIMS, by intervals of that level; `several` is what the nodes are called.

    `rows` are measures of one mode and schedule: one trial per nodes, workers_per_node and block.
    """
    sizes = rows.groupby("workers_per_node")["nodes"].nunique()
    # one worker on one node may be there as a baseline alone
    widest = rows[rows["workers_per_node"] == (sizes.idxmax() if len(sizes) else 0)]
    return (
        throughput_peaks(widest, several, level),
        efficiency_falls(widest, several, level),
        falls_faster(rows, several, level),
    )


def throughput_peaks(rows: pd.DataFrame, several: str = "nodes", level: float = LEVEL) -> Verdict:
    """Judge two ratios: 5 nodes to the next smaller number measured by RISES, and 6 nodes to 5 by FALLS."""
    claim, peak = reference.CLUSTER_PEAKS, reference.PEAK_NODES
    rule = (
        f"{peak} {several} give at least {RISES.low:g} times the throughput of the next smaller number, and "
        f"{peak + 1} at most {FALLS.high:g} times that of {peak}"
    )
    sizes = sorted(set(rows["nodes"]))
    smaller = max((one for one in sizes if one < peak), default=None)
    missing = [str(one) for one in (peak, peak + 1) if one not in sizes]
    if missing or smaller is None:
        lacking = " or ".join(missing) or f"fewer than {peak}"
        return Verdict(claim, rule, "not decided", f"There is no trial with {lacking} {several}.")
    rise, fall = (
        compare(rows, "throughput", {"nodes": more}, {"nodes": fewer}, level)
        for more, fewer in ((peak, smaller), (peak + 1, peak))
    )
    if rise.low is None or fall.low is None:
        reason = _few_blocks(f"{smaller}, {peak} and {peak + 1} {several}")
        return Verdict(claim, rule, "not decided", reason)
    evidence = (
        f"{peak} {several} gave {quote(rise)} times the throughput of {smaller}, and {peak + 1} gave "
        f"{quote(fall)} times that of {peak}."
    )
    return Verdict(claim, rule, all_of((judge(rise, RISES), judge(fall, FALLS))), evidence)


def efficiency_falls(rows: pd.DataFrame, several: str = "nodes", level: float = LEVEL) -> Verdict:
    """Judge the slope of node efficiency over nodes: least squares in each block, then their mean."""
    slope = mean_estimate(efficiency_slopes(rows), level)
    rule = f"node efficiency loses {POINTS:g} points or more with each node"
    if slope.low is None:
        reason = _few_blocks(f"two sizes of {several}")
        return Verdict(reference.EFFICIENCY_FALLS, rule, "not decided", reason)
    workers = int(rows["workers_per_node"].iloc[0])
    sizes = sorted(set(rows["nodes"]))
    evidence = (
        f"With {count(workers, 'worker')} on each, node efficiency changed by {_points(slope)} with "
        f"each one added, over {sizes[0]} to {sizes[-1]} {several}{_beside(workers)}."
    )
    outcome = judge(slope, at_most(-POINTS / 100))
    return Verdict(reference.EFFICIENCY_FALLS, rule, outcome, evidence)


def falls_faster(rows: pd.DataFrame, several: str = "nodes", level: float = LEVEL) -> Verdict:
    """Judge the difference of two such slopes: with most workers on each node, less with fewest."""
    claim = reference.FALLS_FASTER
    rule = f"with most workers on each, it loses {POINTS:g} points a node more than with fewest, or more"
    sizes = rows.groupby("workers_per_node")["nodes"].nunique()
    loads = [int(load) for load in sizes.index[sizes > 1]]
    if len(loads) < 2:
        reason = f"It takes two numbers of workers on each node, each with two numbers of {several}."
        return Verdict(claim, rule, "not decided", reason)
    few, many = (efficiency_slopes(rows[rows["workers_per_node"] == load]) for load in (loads[0], loads[-1]))
    change = mean_estimate((many - few).dropna(), level)
    if change.low is None:
        reason = _few_blocks(f"two sizes of {several} under both loads")
        return Verdict(claim, rule, "not decided", reason)
    theirs = (
        _beside(loads[-1])
        and _beside(loads[0])
        and (f"; in the report the two differ by {_signed(_their_slope(loads[-1]) - _their_slope(loads[0]))}")
    )
    evidence = (
        f"With each {several.removesuffix('s')} added, node efficiency changed by {_points(change)} more "
        f"with {count(loads[-1], 'worker')} on each than with {loads[0]}{theirs}."
    )
    return Verdict(claim, rule, judge(change, at_most(-POINTS / 100)), evidence)


def efficiency_slopes(rows: pd.DataFrame) -> pd.Series:
    """Return the least-squares slope of node efficiency over nodes of each block with two sizes or more."""
    return slopes(rows, "nodes", "node_efficiency")


def docker_verdict(ratio: Estimate, margin: float, unfair: str = "") -> Verdict:
    """Judge the claim that Docker is free by the ratio of throughputs in containers and on the host.

    `unfair` says why the two cannot be compared; where it does, nothing is decided.
    """
    claim = reference.DOCKER_IS_FREE
    rule = f"containers lose no more than {100 * margin:g} % of the host's throughput"
    if ratio.low is None:
        reason = "Fewer than 2 blocks measured containers and host; an interval needs 2."
        return Verdict(claim, rule, "not decided", reason)
    evidence = f"Containers gave {quote(ratio)} times the throughput of the host."
    if unfair:
        return Verdict(claim, rule, "not decided", f"{evidence} But {unfair}")
    return Verdict(claim, rule, judge(ratio, at_least(1 - margin)), evidence)


def _their_slope(workers: int) -> float:
    curve = reference.cluster()
    curve = curve[curve["workers_per_node"] == workers].dropna()
    return float(np.polyfit(curve["nodes"], curve["node_efficiency"], 1)[0]) if len(curve) else float("nan")


def _beside(workers: int) -> str:
    theirs = _their_slope(workers)
    return "" if theirs != theirs else f"; in the report by {_signed(theirs)}"


def _signed(slope: float) -> str:
    return f"{'+' if slope > 0 else ''}{fixed(100 * slope, 1)} points"


def _points(slope: Estimate) -> str:
    return quote(slope.times(100), "+", " points")


def _few_blocks(what: str) -> str:
    return f"Fewer than 2 blocks measured {what}; an interval needs 2."
