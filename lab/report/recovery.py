"""Nodes that come, go and die, as `lab.report.mechanisms` shows what it measured."""

import pandas as pd

from lab.analysis.intervals import geometric_mean, mean_estimate
from lab.analysis.mechanisms import BIN_SECONDS, Values, over_time
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import FURTHER
from lab.formats import count, duration, listing, percent
from lab.report.markdown import figure, folded, safe, table
from lab.report.mechanisms import Measured, section_of

DONE = 0.95
"""Of a repeat's tasks, up to which throughput over time is drawn."""


@section_of("elasticity")
def elasticity(found: Measured, values: Values) -> list[str | None]:
    """Show throughput while a node leaves and one joins."""
    joined, taken = values.mean("a node joins", "moment"), values.mean("a node joins", "until it took a task")
    again, came = (values.of("a node leaves", one) for one in ("tasks run again", "moment"))
    took = len(values.of("a node joins", "until it took a task"))
    return [
        _timed(found, values, {"both": "done, since a node left"}, "A node less", "one was told to leave"),
        f"A node was asked for {duration(joined)} after one was told to leave. In {took} of "
        f"{count(len(came), 'repeat')} it took a task before all were done"
        f"{f', the first {duration(taken)} after it was asked for' * bool(took)}. Of the one that left, "
        f"{count(int(again.sum()), 'task')} had to be run again in {count(len(again), 'repeat')}.",
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
        _timed(found, values, streams, "A kill", "the kill"),
        _cases(values),
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


def _cases(values: Values) -> str | None:
    """Say how many of each kind were killed: the cases that the verdicts count."""
    seen = values.rows[values.rows["quantity"].isin(("every task once", "state kept"))].dropna(subset="value")
    told = "; ".join(f"{safe(case)}: {n}" for case, n in seen["case"].value_counts(sort=False).items())
    if not told:
        return None
    return (
        f"Kills in {count(values.repeats, 'repeat')}: {told}. Some are made more than once in a repeat; "
        "a head in memory has no state to lose a second time."
    )


def _timed(found: Measured, values: Values, streams: dict[str, str], cause: str, zero: str) -> str | None:
    """Draw tasks done per second while there are enough; the title says how much goes on."""
    lines, left = [], []
    for (case, quantity), look in zip(streams.items(), FURTHER, strict=False):
        rates = over_time(_busy(values, case, quantity), case, quantity)
        if len(rates):
            left += [f"{percent(_left(rates), 2)}{f' ({case})' * (len(streams) > 1)}"]
            at, rate = rates["at_seconds"].tolist(), rates["rate"].tolist()
            # to the end of the last bin
            lines.append(Line(case, look, [*at, at[-1] + BIN_SECONDS], [*rate, rate[-1]], steps=True))
    if not lines:
        return None
    title = f"{cause} leaves {listing(left)} of the rate"
    panel = Panel(title, "tasks/s", lines, f"seconds since {zero}")
    return figure(
        chart(f"Tasks done over time: {title}", [panel]),
        f"In the title: the second after 0 / the time before. Mean over {count(values.repeats, 'repeat')}, "
        f"by the end of each task's work; each is drawn until {percent(DONE, 2)} of its tasks are done.",
        found.source,
    )


def _busy(values: Values, case: str, quantity: str) -> Values:
    """Return the tasks done while a repeat still had tasks for all slots."""
    rows = values.rows[(values.rows["case"] == case) & (values.rows["quantity"] == quantity)]
    last = rows.groupby("block")["at_seconds"].transform(lambda moments: moments.quantile(DONE))
    return Values(rows[rows["at_seconds"] <= last])


def _left(rates: pd.DataFrame) -> float:
    """Return the mean rate in the second after 0, as a part of that before it."""
    moments = rates["at_seconds"]
    after = (moments >= 0) & (moments < 1)
    return float(rates.loc[after, "rate"].mean() / rates.loc[moments < 0, "rate"].mean())
