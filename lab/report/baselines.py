"""What a speed-up is relative to: a plain loop, as many plain processes, and the series itself at one."""

import dataclasses

from lab.analysis.intervals import Estimate
from lab.figures.scaling import LOOP
from lab.formats import listing, number, short_estimate
from lab.report.decision import Decision
from lab.report.levels import ABSENT
from lab.report.markdown import folded, paragraphs, table
from lab.report.nodes import at_size, at_work
from lab.report.series import PROCESSES

ON_ONE_MACHINE = "lab run ... --cluster embedded --engines ray,processes,serial"
NAMES = {
    "a plain loop": ON_ONE_MACHINE,
    "as many plain processes": ON_ONE_MACHINE,
    "one of them": "lab run ... with 1 among --workers and --nodes",
}
"""The three baselines, each with what measures it."""


def beside(decision: Decision, size: int) -> dict[str, Estimate]:
    """Return the ratio of a size's throughput to each baseline; n = 0 where that was not measured.

    Plain processes run on one machine, so that a size that counts nodes has no equal.
    """
    counted = decision.study.axis.column == "workers"
    points = (LOOP, 1), (PROCESSES, size) if counted else None, decision.one
    return {name: decision.beside(point, size) for name, point in zip(NAMES, points, strict=True)}


def in_words(decision: Decision) -> str:
    """Say how many times as fast the size to use is as each baseline, each with its own interval."""
    size = decision.size
    told = [
        f"{_cell(found)} times the throughput of {name}"
        for name, found in beside(decision, size).items()
        if found.n
    ]
    first = [f"{at_size(decision.study, size)}: {listing(told)}"] if told else []
    return " ".join(f"{one}." for one in (*first, *_missing(decision)))


def shown(decision: Decision) -> str:
    """Return the speed-up of every size over each baseline, folded; and what was not measured."""
    rows = [(size, *map(_cell, beside(decision, size).values())) for size in decision.sizes]
    head = (decision.study.axis.label, *(f"relative to {name}" for name in NAMES))
    missing = " ".join(f"{one}." for one in _missing(decision))
    found = paragraphs(table(head, rows, right=range(len(head))), missing)
    return folded(f"Speedup over three baselines, {decision.study.name(decision.mode)}", found.text)


def as_values(decision: Decision) -> dict[str, object]:
    """Return the same as plain values, for JSON; what was not measured is None."""
    return {name: dataclasses.asdict(found) for name, found in beside(decision, decision.size).items()}


def _missing(decision: Decision) -> list[str]:
    """Say which baselines no size has, and what would measure them."""
    known = {name for size in decision.sizes for name, found in beside(decision, size).items() if found.n}
    itself = {LOOP: "a plain loop", PROCESSES: "as many plain processes"}.get(decision.series)
    missing = [name for name in NAMES if name not in known and name != itself]
    options = dict.fromkeys(NAMES[name] for name in missing)
    return [
        f"Beside {listing(name for name in missing if NAMES[name] == option)}: not measured "
        f"({'on one machine ' * (option == ON_ONE_MACHINE)}`{option}` does)"
        for option in options
    ]


def _cell(found: Estimate) -> str:
    if found.value is None:
        return ABSENT
    return number(found.value, 3) if found.low is None else short_estimate(found)


def grown(decision: Decision, size: int, gained: Estimate, one: tuple[str, int]) -> str:
    """Say what a weak sweep gains: throughput beside one, and that of each."""
    counted = decision.study.axis.column == "workers"
    alike = size if counted else ideal(decision, size, one)
    efficiency = f", an efficiency of {short_estimate(gained, 100 / alike)} %" if alike else ""
    return (
        f"{at_size(decision.study, size)}, with work that grows as they do (weak scaling): "
        f"{_cell(gained)} times the throughput of one{each(decision, one)}{efficiency}"
    )


def each(decision: Decision, one: tuple[str, int]) -> str:
    """Return what tells one of a series from one worker alone, where that is what it is compared with."""
    return "" if one[0] == decision.series else " with one worker"


def ideal(decision: Decision, size: int, one: tuple[str, int]) -> float:
    """Return how many times as fast it would be if nothing were lost: as workers, up to the cores.

    0 where nodes are not alike: then it depends on which of them a size has.
    """
    if not decision.sweep.equal_nodes:
        return 0
    if decision.study.axis.column == "workers":
        return at_work(decision.study, size)
    return size if one[0] == decision.series else size * int(decision.series.split(" ")[0])
