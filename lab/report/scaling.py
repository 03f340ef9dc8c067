"""The sections on scaling over workers or nodes: throughput, efficiency, what Ray costs."""

import pandas as pd

from lab.analysis.configurations import Levels, select
from lab.analysis.intervals import Estimate
from lab.figures import curves
from lab.figures import scaling as figures
from lab.figures.lines import Line, Panel
from lab.figures.style import IDEAL
from lab.formats import short_estimate
from lab.published import report_a as reference
from lab.report import nodes, ray_cost
from lab.report.decision import decide
from lab.report.levels import intervals, level_table, report_columns, report_of
from lab.report.markdown import Markdown, figure, folded, paragraphs, safe, table
from lab.report.series import COUNTED, PROCESSES
from lab.report.source import source
from lab.report.study import Study
from lab.report.titles import in_few_words

ONE = {"workers": "1 worker", "nodes": "one node"}
"""What throughput is relative to, by what the series run over."""


def relative_panel(study: Study, mode: str) -> Panel | None:
    """Return throughput relative to one worker or node, with its ceiling; None where there is none.

    The report's primes per second come from other machines, so only its ratios share an axis with ours.
    """
    axis, found = study.axis, speedups_of(study, mode)
    if not found:
        return None
    counts = sorted({1, *(x for points in found.values() for x in points)})
    name, ideal = ("ideal", counts) if axis.column == "nodes" else (CEILING, _cores(study, counts))
    report = figures.report_lines(report_of(study), "ratio", axis)
    lines = [Line(name, IDEAL, counts, ideal), *curves.lines_of(found, axis=axis), *report]
    return Panel(figures.RELATIVE[axis.column], "times as fast", lines, axis.label)


def throughput(study: Study) -> Markdown:
    """Show throughput against workers or nodes for every mode, and relative to one of them."""
    return paragraphs(
        *(
            part
            for mode in study.modes
            for part in (
                f"**{study.title(mode)}: {safe(study.unit(mode))}**",
                drawn(study, mode),
                *tables(study, mode),
            )
        )
    )


def drawn(study: Study, mode: str) -> str:
    """Return the figure of the throughput of a mode."""
    axis, levels, speedups = study.axis, study.levels(mode, "throughput"), speedups_of(study, mode)
    what = "containers and host against workers" if study.kind == "docker" else f"against {axis.label}"
    svg = figures.throughput(
        levels,
        _dots(study, mode),
        relative_panel(study, mode),
        _failed(study, mode),
        study.unit(mode),
        f"Throughput {'of ' * (study.kind == 'docker')}{what}, {mode}",
        axis,
        _ceiling(study, levels),
        "Throughput" if study.kind == "docker" else in_few_words(decide(study, mode)),
    )
    told = [f"{study.lead(mode)}. Means with {intervals(study)}; dots are single trials."]
    if axis.column == "nodes":
        cores = nodes.own_cores(study)
        told.append(f"<em>Each</em>: on each of the nodes, which have {cores}.")
    elif speedups:
        told.append(f"Above: {safe(study.unit(mode))} on the machine of this run.")
    if speedups:
        same = "one node with as many workers" if axis.column == "nodes" else "the same engine with 1 worker"
        machines = "machines" if axis.column == "nodes" else "other machines,"
        shared = (
            ", the only scale that our curves share with the reference report's, which comes from "
            f"{machines} of {reference.CORES} cores"
        )
        told.append(f"Below: relative to {same}{shared * (len(report_of(study)) > 0)}.")
    return figure(svg, " ".join(told), source(study))


def _failed(study: Study, mode: str) -> list[tuple[str, int]]:
    """Return series and x of the trials of a mode that failed or lost workers."""
    ended = study.failures[study.failures["status"] != "interrupted"]
    return [
        (name, int(x))
        for name, wanted in study.known.items()
        for x in select(ended, {"mode": mode, **wanted})[study.axis.column]
    ]


def _dots(study: Study, mode: str) -> pd.DataFrame:
    """Return series, x and value of the throughput of single trials."""
    x = study.axis.column
    rows = {name: study.rows(mode, name)[[x, "throughput"]] for name in study.series(mode)}
    return pd.concat([one.set_axis([x, "value"], axis=1).assign(series=name) for name, one in rows.items()])


def tables(study: Study, mode: str) -> list[str]:
    """Return the throughput of a mode as a table, and below it the others, folded."""
    axis, speedups, name = study.axis, speedups_of(study, mode), study.name(mode)
    parts = [level_table(study.levels(mode, "throughput"), axis=axis)]
    if not speedups:
        return parts
    relative = level_table(speedups, report_columns(study, "ratio"), axis=axis)
    parts.append(folded(f"Relative to {ONE[axis.column]}, {name}", relative))
    if axis.column == "nodes" or study.grows:
        parts_of_ideal = {
            series: {x: one.times(1 / x) for x, one in points.items()} for series, points in speedups.items()
        }
        found = level_table(parts_of_ideal, report_columns(study, "scaling"), axis=axis)
        title = f"Scaling efficiency: relative to {ONE[axis.column]}, divided by {axis.column}, {name}"
        parts.append(folded(title, found))
    return parts


def speedups_of(study: Study, mode: str) -> Levels:
    """Return each series' throughput relative to its own at one worker or node.

    None of containers beside their host, which have a scale of their own.
    """
    return {
        name: {x: study.ratio(mode, (name, x), (name, 1)) for x in study.counts(mode, name)}
        for name in study.series(mode)
        if name != figures.LOOP and study.kind != "docker" and 1 in study.counts(mode, name)
    }


CEILING = "ceiling: cores"


def _ceiling(study: Study, levels: Levels) -> list[Line]:
    """Return what as many plain loops as there are workers, and cores, would reach; of own work only."""
    loop = next(iter(levels.get(figures.LOOP, {}).values()), Estimate(0))
    if study.experiment in COUNTED or study.axis.column != "workers" or loop.value is None:
        return []
    counts = sorted({1, *(x for points in levels.values() for x in points)})
    return [Line(CEILING, IDEAL, counts, [loop.value * one for one in _cores(study, counts)])]


def _cores(study: Study, counts: list[int]) -> list[float]:
    return [nodes.at_work(study, one) for one in counts]


def against_processes(study: Study) -> Markdown:
    """Show Ray's throughput as a part of that of as many plain processes, paired by block."""
    found = {mode: _beside_processes(study, mode) for mode in study.modes}
    tables = [
        f"{study.title(mode)}:\n\n{level_table(ratios, axis=study.axis)}"
        for mode, ratios in found.items()
        if ratios
    ]
    return paragraphs(_costs(study), *tables) if tables else Markdown("")


def _beside_processes(study: Study, mode: str) -> Levels:
    """Return Ray's throughput relative to as many plain processes."""
    plain = study.counts(mode, PROCESSES)
    found = {
        name: {
            x: study.ratio(mode, (name, x), (PROCESSES, x)) for x in study.counts(mode, name) if x in plain
        }
        for name in study.rays(mode)
    }
    return {name: points for name, points in found.items() if points}


def _costs(study: Study) -> str:
    """Return what Ray costs in each mode and schedule, pooled over the worker counts."""
    rows = []
    for mode in study.modes:
        for name in study.rays(mode):
            counts, ratio = ray_cost.cost(study, mode, name)
            if counts:
                pooled = ray_cost.over_workers(counts).removeprefix("over ")
                said = ray_cost.cost_in_words(ratio)
                rows.append((study.name(mode), name, pooled, short_estimate(ratio), ratio.n, said))
    head = ("mode", "engine", "pooled over", "Ray / plain processes (95 % interval)", "n", "in words")
    return table(head, rows, right=(3, 4))


def efficiency(study: Study) -> Markdown:
    """Show node efficiency and CPU efficiency against workers or nodes, for every mode."""
    parts, axis = [], study.axis
    lines = figures.report_lines(report_of(study), "node_efficiency", axis) if axis.column == "nodes" else []
    theirs = report_columns(study, "node_efficiency") if axis.column == "nodes" else {}
    for mode in study.modes:
        node, cpu = study.levels(mode, "node_efficiency"), study.levels(mode, "cpu_efficiency")
        svg = curves.efficiency(node, cpu, f"Efficiency against {axis.label}, {mode}", axis, lines)
        parts += [
            figure(svg, f"{study.lead(mode)}. Means with {intervals(study)}.", source(study)),
            folded(f"Node efficiency, {study.name(mode)}", level_table(node, theirs, axis=axis)),
            folded(f"CPU efficiency, {study.name(mode)}", level_table(cpu, axis=axis)),
        ]
    return paragraphs(*parts)
