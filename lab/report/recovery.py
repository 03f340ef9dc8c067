"""Nodes that come, go and die, as `lab.report.mechanisms` shows what it measured."""

import pandas as pd

from lab.analysis.mechanisms import Values, over_time
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import FURTHER
from lab.formats import count, duration, listing, number, percent
from lab.report.markdown import figure, folded, safe, table
from lab.report.mechanisms import Measured, section_of


@section_of("elasticity")
def elasticity(found: Measured, values: Values) -> list[str | None]:
    """Show throughput while a node leaves and one joins."""
    joined, taken = values.mean("a node joins", "moment"), values.mean("a node joins", "until it took a task")
    again = values.of("a node leaves", "tasks run again")
    return [
        _timed(found, values, {"both": "done, since a node left"}, "a node leaves at 0"),
        f"A node was asked for {duration(joined)} after one had left, and took its first task "
        f"{duration(taken)} later. Of the one that left, {count(int(again.sum()), 'task')} had to be run "
        f"again in {count(len(again), 'repeat')}.",
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
        yes = unit == "1" and quantity != "tasks run again"
        told = f"{int(known.sum())} of {len(known)}" if yes else number(float(known.sum()), 3)
        rows.append(
            (safe(case), safe(quantity), duration(values.mean(case, quantity)) if unit == "s" else told)
        )
    streams = {"worker": "done, since the kill", "node": "done, since the kill"}
    return [
        _timed(found, values, streams, "the kill at 0"),
        folded("Numbers", table(("killed", "what", "found (95 % interval)"), rows, right=(2,))),
    ]


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
