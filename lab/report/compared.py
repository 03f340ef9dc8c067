"""Two runs compared, in words: what differs, the ratio of each configuration, the verdict, and its power."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from lab.analysis.ratios import Ratio
from lab.analysis.two_runs import KEY
from lab.analysis.verdicts import Verdict, at_least, judge
from lab.figures.style import label
from lab.formats import UNKNOWN, count, level, listing, number, percent, short_estimate
from lab.report.disturbances import beyond
from lab.report.markdown import Markdown, folded, literal, paragraphs, safe, shortened, table
from lab.report.series import EQUAL, name_of
from lab.report.two_runs import TwoRuns
from lab.report.verdicts import in_one_line

POWERS = (0.8, 0.9)
"""The powers for which the slow-down is told that would have been found."""

ALL = "all together"
SHOWN_OPEN = 8
"""Facts that differ up to which their table stands open."""

WORDS = {
    "slower": "Slower by more than {margin}",
    "faster": "Faster by more than {margin}",
    "within the margin": "Within {margin}",
    "not slower": "Not slower by more than {margin}",
    "undecided": "Not decided",
}
"""The verdict as a heading has it."""


def in_short(two: TwoRuns) -> str:
    """Return the verdict as the title of a figure."""
    if two.comparison.change != "undecided":
        return _told(two)
    differ = {one.what: label(one.second) for one in two.differences}
    second = f"Ray {differ['Ray version']}" if [*differ] == ["Ray version"] else "the second run"
    return f"Whether {second} is slower is not decided"


def _told(two: TwoRuns) -> str:
    return WORDS[two.comparison.change].format(margin=f"{100 * two.comparison.margin:g} %")


def headline(two: TwoRuns) -> str:
    """Return the verdict and the ratio that it is about, in a line."""
    overall, told = two.comparison.overall.estimate, _told(two)
    found = overall.value
    if found is None:
        return told
    if (
        two.comparison.change == "slower"
        and judge(overall, at_least(1 - two.comparison.margin)) != "does not hold"
    ):
        told += " in some configurations; of all together that is not decided"
    if two.comparison.change == "undecided" and overall.low is not None and overall.high is not None:
        between = f"{100 * overall.low:.1f} to {100 * overall.high:.1f} %"
        return f"{told}: throughput is {between} of the first run's"
    if found == 1:
        return f"{told}: throughput is the same"
    ends = "" if overall.low is None else f" ({short_estimate(overall)} times)"
    side = "lower" if found < 1 else "higher"
    return f"{told}: throughput is {percent(abs(found - 1), 2)} {side}{ends}"


def verdict(two: TwoRuns, escaped: Callable[[str], str] = str) -> Verdict:
    """Return the one verdict of a comparison; `escaped` is done to what is foreign text."""
    comparison = two.comparison
    found, rest = comparison.overall.estimate, len(comparison.each)
    some = f"{comparison.whole} of " * (comparison.whole < rest)
    low = at_least(1 - comparison.margin)
    slower = [escaped(name) for name, one in _named(two) if (one.estimate.high or low.low) < low.low]
    blocks = (
        count(found.n, "pair of blocks", "pairs of blocks")
        if comparison.paired
        else (f"{count(found.n, 'block')} of each run or more")
    )
    evidence = (
        f"Over {some}{count(rest, 'configuration')} it is {short_estimate(found)} times as high "
        f"({level(found)} interval, {blocks})."
        if found.value is not None
        else "No configuration has all its blocks: each is judged by itself."
    )
    if slower and rest > 1:
        evidence += f" Slower for certain by themselves: {'; '.join(slower)}."
    return Verdict(
        f"{escaped(two.second.run.run_id)} is not slower than {escaped(two.first.run.run_id)}",
        f"throughput is at least {100 * low.low:g} % of the first run's, of all together, and no "
        "configuration is certainly below",
        comparison.outcome(low),
        evidence,
    )


def covers(two: TwoRuns) -> str:
    """Say what the intervals cover."""
    comparison = two.comparison
    if comparison.paired:
        return (
            "The runs took turns, block by block, in one session, and blocks are compared in pairs: what "
            "changes from hour to hour hits both alike, and the intervals cover the noise of the trials."
        )
    if comparison.between is not None:
        return (
            "The runs were made at different times. The intervals cover what runs of one kind differ by "
            f"here, as {count(comparison.between.runs, 'other run')} tell."
        )
    return (
        "The runs were made at different times, and fewer than four other runs of one kind are here to tell "
        "what such runs differ by. The intervals cover the noise within both runs, and that the levels of "
        f"runs scatter by {two.asked.scatter_percent:g} % (standard deviation), which is assumed: --scatter "
        "says otherwise. `lab run --against` makes two runs that take turns, which need no such assumption."
    )


def power(two: TwoRuns) -> str:
    """Say which slow-down of all configurations this comparison would have found."""
    found = {one: two.comparison.found_from(one) for one in POWERS}
    if None in found.values():
        return "How small a slow-down this would have found is not known: too few blocks have both sides."
    told = ", ".join(f"one of {percent(loss, 2)} in {100 * one:g} %" for one, loss in found.items())
    return f"Power: of slow-downs of all configurations, all rows together would find {told} of cases."


def noisy(two: TwoRuns) -> str:
    """Say what disturbed the runs beyond its limit; empty where nothing did."""
    told = [
        f"{name} run: {listing(found.values())}"
        for name, study in (("first", two.first), ("second", two.second))
        if (found := beyond(study))
    ]
    return f"The machine was not quiet: {'; '.join(told)}." if told else ""


def rows(two: TwoRuns) -> list[tuple[str, ...]]:
    """Return name, both throughputs, blocks, ratio and slow-down found of each configuration, and of all."""
    comparison = two.comparison
    first, second = (one.reindex(list(comparison.each)) for one in two.logs)
    lines = [
        (name, *(number(float(np.exp(np.nanmean(one)))) for one in both), *_cells(ratio, comparison.margin))
        for (name, ratio), *both in zip(_named(two), first.to_numpy(), second.to_numpy(), strict=True)
    ]
    together = ALL, "", "", *_cells(comparison.overall, comparison.margin)
    return [*lines, together] if len(lines) > 1 else lines


def heads(two: TwoRuns, escaped: Callable[[str], str] = str) -> tuple[str, ...]:
    """Return the heads of `rows`."""
    units = {two.first.unit(str(dict(zip(KEY, key, strict=True))["mode"])) for key in two.comparison.each}
    unit = escaped(units.pop()) if len(units) == 1 else "units/s"
    return (
        *("configuration", f"first, {unit}", f"second, {unit}"),
        "pairs" if two.comparison.paired else "blocks",
        *("second / first (interval)", "slow-down that this row alone finds in 80 %"),
    )


def _cells(ratio: Ratio, margin: float) -> tuple[str, str, str]:
    loss = ratio.found_from(POWERS[0], margin)
    return str(ratio.n), short_estimate(ratio.estimate), UNKNOWN if loss is None else percent(loss, 2)


def levels(two: TwoRuns) -> str:
    """Say of which level the intervals are."""
    each, overall = next(iter(two.comparison.each.values())), two.comparison.overall
    if len(two.comparison.each) == 1:
        return f"{level(overall.estimate)} interval."
    return (
        f"{level(each.estimate)} intervals of configurations and {level(overall.estimate)} of all together, "
        "which err together as one of 95 % does. All together: the geometric mean of each block, "
        "over the configurations that no block lacks."
    )


def _named(two: TwoRuns) -> list[tuple[str, Ratio]]:
    """Return each configuration by its name, which tells what differs between configurations."""
    keys = [dict(zip(KEY, key, strict=True)) for key in two.comparison.each]
    varying = {name for name in KEY if len({key[name] for key in keys}) > 1}
    names = [configuration_name(key, varying) for key in keys]
    return list(zip(names, two.comparison.each.values(), strict=True))


def configuration_name(key: Mapping[str, Any], varying: Collection[str]) -> str:
    """Return the name of a configuration by its values of KEY: engine, workers, and those that vary."""
    return ", ".join((series_name(key, varying), count(key["workers"], "worker")))


def series_name(key: Mapping[str, Any], varying: Collection[str]) -> str:
    """Return what configurations are called that differ by their workers alone."""
    engine = name_of(key["engine"], key["schedule"] * ("schedule" in varying and key["engine"] == "ray"))
    of_length = "task_seconds" in varying and key["task_seconds"]
    own = ("transfer", "task_seconds" if of_length else "planned_tasks")
    parts = (
        shortened(key["mode"]) * ("mode" in varying),
        f"{engine}{EQUAL * (key['batching'] == 'equal')}",
        count(key["nodes"], "node") * ("nodes" in varying),
        key["cluster"] * ("cluster" in varying),
        *(f"{name.replace('_', ' ')} {key[name]}" for name in own if name in varying and key[name]),
    )
    return ", ".join(filter(None, parts))


def shown(two: TwoRuns) -> Markdown:
    """Return a comparison as Markdown: verdict, what differs, the ratios and what they cover."""
    runs = f"First {literal(two.first.run.run_id)}, second {literal(two.second.run.run_id)}."
    facts = table(
        ("what differs", "first", "second"),
        [(safe(one.what), safe(one.first), safe(one.second)) for one in two.differences],
    )
    many = len(two.differences)
    told = facts if many <= SHOWN_OPEN else folded(f"{count(many, 'fact')} that differ", facts)
    lines = [(safe(name), *cells) for name, *cells in rows(two)]
    return paragraphs(
        f"**{headline(two)}.** {runs}",
        told if many else "Nothing that is known of the runs differs but when they were made.",
        in_one_line(verdict(two, safe)),
        table(heads(two, safe), lines, right=range(1, 6)),
        f"{levels(two)} {power(two)}",
        f"{covers(two)} {noisy(two)}".strip(),
    )


def as_values(two: TwoRuns) -> dict[str, Any]:
    """Return a comparison as plain values, for JSON."""
    comparison = two.comparison
    judged = verdict(two)
    return {
        "first": two.first.run.run_id,
        "second": two.second.run.run_id,
        "change": comparison.change,
        "outcome": judged.outcome,
        "claim": judged.claim,
        "rule": judged.rule,
        "margin": comparison.margin,
        "paired": comparison.paired,
        "covers": covers(two),
        "noisy": noisy(two),
        "all": dataclasses.asdict(comparison.overall.estimate),
        "configurations": [
            {"name": name, **dict(zip(KEY, key, strict=True)), **dataclasses.asdict(ratio.estimate)}
            for key, (name, ratio) in zip(comparison.each, _named(two), strict=True)
        ],
        "finds": [{"power": one, "slow_down": comparison.found_from(one)} for one in POWERS],
        "differences": [dataclasses.asdict(one) for one in two.differences],
    }
