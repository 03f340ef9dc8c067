"""The answers on several nodes in words: each sentence is chosen by the data."""

import dataclasses

from lab.analysis.intervals import Estimate
from lab.formats import count, estimate, listing, number
from lab.report.answers import ALIKE, enough
from lab.report.disturbances import in_short as noisy
from lab.report.levels import estimate_of
from lab.report.nodes import own_cores, sized
from lab.report.study import Study


def scaling(study: Study) -> str:
    """Say how much faster the work got on most nodes, and what part of the ideal that is."""
    mode, series = study.main_mode, _series(study)
    counts, baseline = study.counts(mode, series), _baseline(study, series)
    most = counts[-1]
    if baseline is None or (series, most) == baseline:
        return (
            "How far the work scales with nodes cannot be told from this run: it measured "
            f"{listing(counts)} {study.placement.noun if most > 1 else study.placement.one} only"
            f"{'' if baseline else ', and no single one'}."
        )
    gained = study.ratio(mode, (series, most), baseline)
    what = "one" if baseline[0] == series else "one with 1 worker"
    each = f"each with {own_cores(study)} and {series.removesuffix(' each')}"
    said = f"{sized(study, most)}, {each}, did the same work {estimate(gained, f'times as fast as {what}')}"
    if gained.low is not None and gained.high is not None and gained.low <= 1 <= gained.high:
        return f"{said}: {ALIKE}."
    ideal = most if baseline[0] == series else int(study.rows(mode, series)["workers"].max())
    return f"{said}: a scaling efficiency of {estimate(divided(gained, ideal))}, where 1 is ideal."


def _baseline(study: Study, series: str) -> tuple[str, int] | None:
    """Return what the series is relative to: itself on one node, or else one worker on one node."""
    mode = study.main_mode
    alone = (one for one in study.rays(mode) if one.startswith("1 worker each"))
    names = (series, *alone)
    return next(((name, 1) for name in names if 1 in study.counts(mode, name)), None)


def divided(found: Estimate, by: float) -> Estimate:
    """Return an estimate and its interval, divided by a number."""
    value, low, high = (None if one is None else one / by for one in (found.value, found.low, found.high))
    return dataclasses.replace(found, value=value, low=low, high=high)


def efficiency(study: Study) -> str:
    """Say what node efficiency was on most nodes, and on fewest."""
    mode, series = study.main_mode, _series(study)
    node = study.levels(mode, "node_efficiency", (series,)).sort_values("nodes")
    fewest, most = (int(node["nodes"].iloc[place]) for place in (0, -1))
    before = (
        f", after {estimate(estimate_of(node.iloc[:1]))} with {count(fewest, study.placement.one)}"
        if fewest < most
        else ""
    )
    return (
        f"With {count(most, study.placement.one)}, node efficiency, the part of the time in which the "
        f"workers were at work, was {estimate(estimate_of(node.iloc[-1:]))}{before}."
    )


def nodes_to_use(study: Study) -> str:
    """Say how many nodes are enough, where nodes take no processors from each other."""
    placed = study.placement
    if not placed.own_processors:
        cores = (
            "the same cores" if placed.host_cores is None else f"the same {count(placed.host_cores, 'core')}"
        )
        return (
            f"How many nodes to buy cannot be concluded: these are {placed.noun} that share {cores} and have "
            "no quotas of their own that would fit the host."
        )
    found = enough(study, _series(study), lambda nodes: sized(study, nodes))
    if found is None:
        return "How many nodes to use takes a run with several numbers of nodes."
    nodes, use = found
    return f"{use}{_more(study, nodes)}{_only_here(study)}"


def _more(study: Study, nodes: int) -> str:
    """Return a sentence where the largest size measured is the one to use: more may be faster still."""
    counts = study.counts(study.main_mode, _series(study))
    return " More were not measured, and may be faster still." if nodes == counts[-1] else ""


def _only_here(study: Study) -> str:
    """Return a sentence on what quotas on one host stand for."""
    placed = study.placement
    if not placed.shared:
        return ""
    return (
        f" Each has a quota of its own, and together they take {number(placed.most_quota_cores)} of the "
        f"host's {count(placed.host_cores or 0, 'core')}: machines of that size would add the cost of their "
        "network."
    )


def _series(study: Study) -> str:
    return widest_series(study, study.main_mode)


def widest_series(study: Study, mode: str) -> str:
    """Return the series that the answers speak of: dynamic, with fewest workers on most nodes."""
    names = study.rays(mode) or study.series(mode)
    schedule = study.known[names[0]].get("schedule")
    alike = [name for name in names if study.known[name].get("schedule") == schedule]
    return max(alike, key=lambda name: (study.counts(mode, name)[-1], -alike.index(name)))


def in_full(study: Study) -> str:
    """Return the answer of the page on several nodes."""
    return f"{scaling(study)} {efficiency(study)} {nodes_to_use(study)}"


def in_short(study: Study) -> str:
    """Return what the first page says of several nodes."""
    return f"{scaling(study)} {nodes_to_use(study)}{noisy(study)}"
