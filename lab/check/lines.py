"""The lines of a check, each with a verdict, a sentence and what to do; and how findings become one."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal

from lab.formats import count, listing

Verdict = Literal["good", "doubtful", "bad"]
VERDICTS: tuple[Verdict, ...] = ("good", "doubtful", "bad")
"""From the best to the worst: the place of each is also the exit status of `lab check`."""

MOST_TOLD = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """What was found of one thing; `remedy` is a command where there is one, and empty where all is good."""

    name: str
    verdict: Verdict
    sentence: str
    remedy: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, of one node where one is named."""

    verdict: Verdict
    what: str
    remedy: str = ""
    node: str = ""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of several verdicts; of none, good."""
    return max(verdicts, key=VERDICTS.index, default="good")


def line(name: str, findings: Iterable[Finding], good: str) -> Line:
    """Return the line of several findings, those that say the same together; `good` is said where none is."""
    found = sorted(findings, key=lambda one: -VERDICTS.index(one.verdict))
    if not found:
        return Line(name, "good", good)
    groups: dict[str, list[str]] = {}
    for one in found:
        groups.setdefault(one.what, []).append(one.node)
    told = [f"{named(nodes)}{what}" for what, nodes in groups.items()]
    if len(told) > MOST_TOLD:
        told = [*told[:MOST_TOLD], f"and {len(told) - MOST_TOLD} more"]
    return Line(name, found[0].verdict, "; ".join(told), found[0].remedy)


def named(nodes: Sequence[str]) -> str:
    """Return the nodes that a finding is of, before its words; empty where it is of none."""
    nodes = [one for one in nodes if one]
    if len(nodes) > 3:
        return f"{count(len(nodes), 'node')} ({nodes[0]} and others): "
    return f"node {listing(nodes)}: " if nodes else ""
