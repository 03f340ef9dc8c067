"""Nodes that come, go and die, as `lab.report.mechanisms` shows what it measured."""

import pandas as pd

from lab.analysis.intervals import geometric_mean, mean_estimate
from lab.analysis.mechanisms import Values, over_time
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import FURTHER
from lab.formats import count, duration, listing, percent
from lab.report.markdown import figure, folded, safe, table
from lab.report.mechanisms import Measured, section_of


@section_of("elasticity")
def elasticity(found: Measured, values: Values) -> list[str | None]:
    """Show throughput while a node leaves and one joins."""
    joined, taken = values.mean("a node joins", "moment"), values.mean("a node joins", "until it took a task")
    again, came = (values.of("a node leaves", one) for one in ("tasks run again", "moment"))
    took = len(values.of("a node joins", "until it took a task"))
    return [
        _timed(found, values, {"both": "done, since a node left"}, "a node is told to leave at 0"),
        f"A node was asked for {duration(joined)} after one was told to leave. In {took} of "
        f"{count(len(came), 'repeat')} it took a task before all were done"
        f"{f', the first {duration(taken)} after it was asked for' * bool(took)}. Of the one that left, "
        f"{count(int(again.sum()), 'task')} had to be run again.",
    ]


@section_of("recovery")
def recovery(found: Measured, values: Values) -> list[str | None]:
    """Show what each kind of kill cost, and throughput around it."""
    kinds = dict.fromkeys(zip(values.rows["case"], values.rows["quantity"], values.rows["unit"], strict=True))
    rows = []
    for case, quantity, unit in kinds:
        known = values.of(case, quantity)
        if quantity.startswith(("done", "not")) or known.empty:
            continue
        rows.append((safe(case), safe(quantity), _found(known, quantity, unit)))
    streams = {"worker": "done, since the kill", "node": "done, since the kill"}
    return [
        _timed(found, values, streams, "the kill at 0"),
        folded("Numbers", table(("killed", "what", "found (95 % interval)"), rows, right=(2,))),
    ]


def _found(known: pd.Series, quantity: str, unit: str) -> str:
    """Return what one row of numbers says: a time, a count of tasks, or how often something was so."""
    if quantity == "tasks run again":
        return f"{int(known.sum())} in {count(len(known), 'repeat')}"
    if unit != "s":
        return f"{int(known.sum())} of {len(known)}"
    # nothing lost is a time, too, of which there is no logarithm
    return duration(geometric_mean(known) if (known > 0).all() else mean_estimate(known.tolist()))


def _timed(found: Measured, values: Values, streams: dict[str, str], zero: str) -> str | None:
    """Draw tasks done per second over time; the axis says what happens at 0, the title how much goes on."""
    lines, left = [], []
    for (case, quantity), look in zip(streams.items(), FURTHER, strict=False):
        rates = over_time(values, case, quantity)
        if len(rates):
            left += [f"{percent(_left(rates), 2)}{f' ({case})' * (len(streams) > 1)}"]
            lines.append(
                Line(case, look, rates["at_seconds"].tolist(), rates["rate"].tolist(), steps=len(rates) > 1)
            )
    if not lines:
        return None
    panel = Panel(f"Tasks done, {zero}", "tasks/s", lines, "seconds")
    return figure(
        chart(f"In the second after, {listing(left)} of the rate before it", [panel]),
        "Mean over the repeats, by the end of each task's work.",
        found.source,
    )


def _left(rates: pd.DataFrame) -> float:
    """Return the mean rate in the second after 0, as a part of that before it."""
    moments = rates["at_seconds"]
    after = (moments >= 0) & (moments < 1)
    return float(rates.loc[after, "rate"].mean() / rates.loc[moments < 0, "rate"].mean())
