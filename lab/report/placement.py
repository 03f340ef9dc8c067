"""Where Ray runs tasks: locality, load balancing and scheduling, as `lab.report.mechanisms` shows them."""

import pandas as pd

from lab.analysis.intervals import geometric_mean
from lab.analysis.mechanisms import Values, ratio
from lab.formats import UNKNOWN, duration, length, seconds, short_estimate
from lab.published.mechanism_claims import size_of
from lab.published.ray_paper import MICROBENCHMARK, TASK
from lab.report.markdown import table
from lab.report.mechanisms import Measured, section_of

GROUPS = ("PACK", "STRICT_SPREAD")
"""Strategies of placement groups."""
ON_PAPER = (1, 10, 100, 1000)
CORES = (2, 16, 64)
"""Numbers of nodes, and of their cores, that the driver's limit is reckoned for."""


@section_of("locality")
def locality(found: Measured, values: Values) -> list[str | None]:
    """Show how long a task takes beside its input and away from it, by size."""
    cases = ("with the data", "away from it", "as Ray places it")
    rows = []
    for size in values.all_of("size_bytes", cases[0], "duration"):
        there, away = (values.of(one, "duration", size_bytes=size) for one in cases[:2])
        ran = values.of(cases[2], "ran with the data", size_bytes=size)
        rows.append(
            (
                size_of(size),
                *(duration(values.mean(one, "duration", size_bytes=size)) for one in cases),
                short_estimate(ratio(away, there)),
                f"{int(ran.sum())} of {len(ran)}",
            )
        )
    head = ("input", *cases, "away / with", "by Ray's choice with the data")
    return [table(head, rows, right=range(1, 6)), found.source]


@section_of("balance")
def balance(found: Measured, values: Values) -> list[str | None]:
    """Show both ways to share out work, and both ways to keep a state."""
    work = [
        (case, *(duration(values.mean(case, way)) for way in ("tasks", "actors", "best possible")))
        for case in ("equal work", "skewed work")
    ]
    state = [
        (
            size_of(size),
            *(short_estimate(values.mean("updates", way, size_bytes=size)) for way in ("tasks", "actors")),
        )
        for size in values.all_of("size_bytes", "updates", "actors")
    ]
    return [
        table(
            ("until all is done", "tasks", "actors, equal shares", "best possible"), work, right=range(1, 4)
        ),
        table(("changes a second of a state of", "by tasks", "by an actor"), state, right=(1, 2))
        if state
        else None,
        found.source,
    ]


@section_of("scheduling")
def scheduling(found: Measured, values: Values) -> list[str | None]:
    """Show where tasks go by each strategy, how long they wait, and from where on one driver is the limit."""
    rows = [
        (
            f"`{case}`",
            short_estimate(values.mean(case, "on the busiest node")),
            _least_to_most(values.of(case, "duration")),
            duration(values.mean(case, "time to place the group")) if case in GROUPS else "–",
        )
        for case in ("default", "SPREAD", *GROUPS)
    ]
    head = ("strategy", "part of the tasks on the busiest node", "until all are done", "to place the group")
    return [
        table(head, rows, right=(1, 2, 3)),
        "Until all are done: the least and the most that was seen. A group has two slots, in which more than "
        "two tasks take turns.",
        _driver_limit(found),
        found.source,
    ]


def _least_to_most(found: pd.Series) -> str:
    """Return the ends of what was seen: tasks that do not fit at once come in two kinds of times."""
    if found.empty:
        return UNKNOWN
    low, high = seconds(float(found.min())), seconds(float(found.max()))
    return low if low == high else f"{low} to {high}"


def _driver_limit(found: Measured) -> str | None:
    """Reckon from one driver's rate how long tasks have to be at least to keep so many cores busy."""
    seen = geometric_mean(found.of("operations").in_turns(TASK, "ours"))
    rate = seen.value
    if rate is None:
        return None
    rows = [(nodes, *(length(float(f"{nodes * cores / rate:.2g}")) for cores in CORES)) for nodes in ON_PAPER]
    head = ("nodes", *(f"{cores} cores each" for cores in CORES))
    return (
        f"One driver hands out {short_estimate(seen)} empty tasks a second here, on cores that it shares "
        f"with them; Ray's makers publish {MICROBENCHMARK[TASK]:,.0f}. At our rate, and with no other limit, "
        "tasks shorter than this leave cores idle:\n\n" + table(head, rows, right=range(1, 4))
    )
