"""One rule for every verdict: a claim names the values for which it is true, and an interval decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal

from lab.analysis.intervals import LEVEL, Estimate

Outcome = Literal["holds", "does not hold", "not decided"]

OUTCOMES: tuple[Outcome, ...] = ("holds", "does not hold", "not decided")


@dataclass(frozen=True, slots=True)
class Range:
    """The values for which a claim is true, the margin that matters among them; the ends count."""

    low: float = -inf
    high: float = inf


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the data say about a claim: the rule in words, the outcome, and one sentence of evidence."""

    claim: str
    rule: str
    outcome: Outcome
    evidence: str


def at_least(least: float) -> Range:
    """Return the values from `least` on."""
    return Range(low=least)


def at_most(most: float) -> Range:
    """Return the values up to `most`."""
    return Range(high=most)


def within(margin: float, of: float = 1.0) -> Range:
    """Return the values that differ from `of` by no more than a margin."""
    return Range(of - margin, of + margin)


def judge(found: Estimate, true_for: Range) -> Outcome:
    """Return whether a claim holds: the one rule of all verdicts.

    It holds where the whole interval lies among the values for which it is true, does not hold where the
    whole interval lies outside of them, and is not decided otherwise, or where there is no interval. A
    difference that is not seen therefore never counts as equality: for that the interval has to lie within
    the margin, which is the equivalence test by two one-sided tests (Schuirmann, Journal of
    Pharmacokinetics and Biopharmaceutics 15, 1987).
    """
    if found.low is None or found.high is None:
        return "not decided"
    if true_for.low <= found.low and found.high <= true_for.high:
        return "holds"
    if found.high < true_for.low or found.low > true_for.high:
        return "does not hold"
    return "not decided"


def all_of(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of a claim that is true where all its parts are; of no parts it is not decided."""
    parts = list(outcomes)
    if "does not hold" in parts:
        return "does not hold"
    return "holds" if parts and set(parts) == {"holds"} else "not decided"


def shared_level(claims: int, level: float = LEVEL) -> float:
    """Return the level of each interval of so many claims, so that all together err as one of `level` does.

    Source: Dunn, Multiple comparisons among means, Journal of the American Statistical Association 56 (1961).
    """
    return 1 - (1 - level) / max(1, claims)
