"""The answer for a purpose, in words and as plain values: a target, an amount of work by then, a price."""

import dataclasses
import html
from typing import Any

from lab.analysis.purposes import CHANCE, Costs, Smallest, costs, smallest
from lab.analysis.sweeps import Refusal
from lab.formats import UNKNOWN, count, level, listing, number, percent, short_estimate
from lab.report import baselines, runs_alike
from lab.report.caveats import caveats
from lab.report.decision import Decision
from lab.report.markdown import safe
from lab.report.nodes import at_size


def in_words(decision: Decision, target: float | None = None, price: float | None = None) -> list[str]:
    """Return the answer for a purpose as sentences; raises ParameterError for a target or price that is none.

    A node-hour is priced: where a size counts the workers of one node, all sizes cost the same.
    """
    told: list[str] = []
    if target is not None:
        told.append(_for_target(decision, target))
    if price is not None:
        told.append(_for_price(decision, price))
    return told


def as_values(decision: Decision, target: float | None = None, price: float | None = None) -> dict[str, Any]:
    """Return the answer for a purpose as plain values, for JSON; what is not known is None."""
    choice = decision.choice
    values: dict[str, Any] = {
        "run": decision.study.run.run_id,
        "work": decision.mode,
        "series": decision.series,
        "counts": decision.study.axis.column,
        "unit": decision.study.unit(decision.mode),
        "sizes": list(decision.sizes),
        "use": None if choice is None else choice.size,
        "possible": None if choice is None else list(choice.possible),
        "loses_at_most": None if choice is None else choice.loss,
        "scaling": "weak" if decision.study.grows else "strong",
        "speed_up_over": baselines.as_values(decision),
        "levels": runs_alike.as_values(decision),
        # what is foreign was made safe for pages
        "caveats": [html.unescape(one) for one in caveats(decision)],
    }
    if target is not None:
        found = smallest(decision.sweep, decision.fitted, target)
        values["target"] = {"units_per_second": target, **_plain(found)}
    if price is not None:
        found_costs = costs(decision.sweep, price, decision.study.axis.column == "nodes")
        values["price"] = {"per_node_hour": price, **_plain(found_costs)}
    return values


def _plain(found: Smallest | Costs | Refusal) -> dict[str, Any]:
    named = {"refused": found.reason} if isinstance(found, Refusal) else {}
    return {**named, **dataclasses.asdict(found)}


def _for_target(decision: Decision, target: float) -> str:
    unit, study = safe(decision.study.unit(decision.mode)), decision.study
    found = smallest(decision.sweep, decision.fitted, target)
    wanted = f"{number(target)} {unit}"
    if isinstance(found, Refusal):
        return f"{wanted}: no answer. {refused(found, study.axis.label)}"
    source = "measured" if found.source == "measured" else "by the laws that fit"
    return (
        f"{wanted}: {at_size(study, found.size)}, enough with {percent(CHANCE, 2)} probability "
        f"({source}: {short_estimate(found.throughput)} {unit}, {level(found.throughput)} interval)."
    )


def _for_price(decision: Decision, price: float) -> str:
    study = decision.study
    nodes = study.axis.column == "nodes"
    found = costs(decision.sweep, price, nodes)
    if isinstance(found, Refusal):
        return f"No cost. {refused(found, study.axis.label)}"
    if not price:
        return "At a price of 0 nothing costs anything."
    unit = safe(study.unit(decision.mode).removesuffix("/s"))
    tied = [one for one in found.sizes if one.size in found.cheapest]
    cheap = min(tied, key=lambda one: one.unit.value or 0.0)
    also = [one for one in found.cheapest if one != cheap.size]
    others = f" ({listing(also)} cannot be told from it)" if also else ""
    step = cheap.next_unit
    more = (
        f" With the next size each further million costs {short_estimate(step, 1e6)}"
        f"{' or more' * (step.high is None)}."
        if step is not None and step.value is not None
        else ""
    )
    one_node = "" if nodes else " The node costs the same, however many workers it has."
    return (
        f"The cheapest is {at_size(study, cheap.size)}{others}: a million {unit} cost "
        f"{short_estimate(cheap.unit, 1e6)} ({level(cheap.unit)} interval).{more}{one_node}"
    )


def refused(one: Refusal, what: str = "workers") -> str:
    """Return why there is no answer, and the run that would help."""
    found, limit = number(one.found), number(one.limit)
    what = what.removesuffix("s") if one.sizes == (1,) else what
    reasons = {
        "shared host": "The nodes share their host's processors, without quotas that fit it.",
        "unequal nodes": "The nodes are not alike: which of them a size has decides its throughput.",
        "nothing measured": "No trial ended well.",
        "few blocks": "Too few repeats to fit anything: repeat every size 5 times.",
        "few sizes": f"{count(int(one.found), 'size')} measured: a law takes {int(one.limit)}.",
        "no law fits": f"No law comes near the means: they are off by {found} times the noise.",
        "bends at the end": "No law foretold the largest size: the curve bends there.",
        "too far": f"It would take more than {limit}, twice the largest size measured.",
        "below the smallest": f"The smallest size measured does at least {limit}: fewer may do.",
        "beyond reach": f"No size gets there: the laws that fit reach {limit} at most.",
        "not sure": f"With {listing(one.sizes)} {what} it may be, but the band is too wide to promise it.",
    }
    sizes = f" Measure {listing(one.sizes)} {what}." if one.sizes and one.reason != "shared host" else ""
    return f"{reasons.get(one.reason, UNKNOWN)}{sizes}"
