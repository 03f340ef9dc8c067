"""The sections of the page on several nodes: from a study to figures, tables and the words between."""

import pandas as pd

from lab.figures import multi_node as figures
from lab.formats import count, seconds
from lab.published import report_a as reference
from lab.report import cluster_answers, efficient, nodes
from lab.report.levels import Beside, beside, intervals, level_table
from lab.report.markdown import Markdown, figure, folded, paragraphs
from lab.report.study import UNITS, Study


def answer(study: Study) -> Markdown:
    """Answer the page's question: how far the work scales with nodes, and how many to use."""
    return Markdown(cluster_answers.in_full(study) if study.modes else "")


def summary(study: Study) -> Markdown:
    """Answer the book's question for several nodes."""
    told = cluster_answers.in_short(study) if study.modes else ""
    return Markdown(f"**Several nodes.** {told}" if told else "")


def throughput(study: Study) -> Markdown:
    """Show throughput against nodes for every mode, and relative to one node."""
    return paragraphs(*(part for mode in study.modes for part in _throughput(study, mode)))


def _throughput(study: Study, mode: str) -> list[str]:
    levels, speedups, axis = study.levels(mode, "throughput"), study.speedups(mode), study.axis
    report = _report(study)
    lines = figures.report_lines(report, "ratio")
    title = f"Throughput against {axis.label}, {mode}"
    drawn = figures.throughput(
        levels, study.dots(mode), speedups, lines, study.failed(mode), UNITS[mode], title, axis
    )
    caption = (
        f"Mode {mode}. Means with {intervals(study)}; dots are single trials. *Each*: on each of the nodes, "
        f"which have {nodes.own_cores(study)}. Below: relative to one node with as many workers, the only "
        "scale that our curves share with the reference report's, which comes from machines of "
        f"{reference.CORES} cores."
    ).replace("*Each*", "<em>Each</em>")
    told = f"**{mode.capitalize()}: {UNITS[mode]}**"
    parts = [told, figure(drawn, caption), level_table(levels, axis=axis)]
    if speedups.empty:
        return parts
    efficiency = speedups.copy()
    for name in ("value", "low", "high"):
        efficiency[name] = speedups[name] / speedups["nodes"].astype(float)
    return [
        *parts,
        folded(f"Relative to one node, {mode}", level_table(speedups, _columns(report, "ratio"), axis=axis)),
        folded(
            f"Scaling efficiency: relative to one node, divided by nodes, {mode}",
            level_table(efficiency, _columns(report, "scaling"), axis=axis),
        ),
    ]


def speedup(study: Study) -> Markdown:
    """Show the first page's figure: throughput relative to one node, beside the ideal and the report."""
    mode = study.main_mode if study.modes else ""
    speedups = study.speedups(mode) if mode else pd.DataFrame()
    if speedups.empty or speedups["nodes"].nunique() < 2:
        return Markdown("")
    title = f"Throughput relative to one node against {study.axis.label}, {mode}"
    lines = figures.report_lines(_report(study), "ratio")
    caption = f"Mode {mode}. Each relative to one node with as many workers, with {intervals(study)}."
    return paragraphs(figure(figures.speedup(speedups, lines, title, study.axis), caption))


def efficiency(study: Study) -> Markdown:
    """Show node efficiency and CPU efficiency against nodes, beside the reference report's."""
    report = _report(study)
    lines = figures.report_lines(report, "node_efficiency")
    return efficient.efficiency(study, lines, _columns(report, "node_efficiency"))


def usage(study: Study) -> Markdown:
    """Show what the nodes with workers used of their processors and memory, and how their quota held them."""
    if not study.modes:
        return Markdown("")
    mode, axis = study.main_mode, study.axis
    cpu, memory, throttled, private = (
        study.levels(mode, metric)
        for metric in ("cpu_percent", "memory_percent", "throttled_percent", "lab_memory_bytes")
    )
    drawn = figures.usage(
        cpu, memory, throttled, f"CPU and memory of a node against {axis.label}, {mode}", axis
    )
    caption = f"Mode {mode}. Means over the nodes with workers, with {intervals(study)}."
    held = (
        folded("Held back by the quota, % of the window", level_table(throttled, axis=axis))
        if throttled["value"].notna().any()
        else "No quota was there to hold the nodes back, or none that could be read."
    )
    return paragraphs(
        figure(drawn, caption),
        folded("CPU, % of a node's own cores", level_table(cpu, axis=axis)),
        folded("Memory in use on a node, %", level_table(memory, axis=axis)),
        folded(
            "Private memory of driver, workers and Ray's own processes, all nodes together, MiB",
            level_table(private, scale=2**-20, axis=axis),
        ),
        held,
    )


def start(study: Study) -> Markdown:
    """Show the cold start: of the cluster, and of the workers against nodes."""
    if not study.modes:
        return Markdown("")
    mode, axis = study.main_mode, study.axis
    levels = study.levels(mode, "startup_seconds")
    cluster = study.run.nodes["cluster_start_seconds"].dropna()
    told = (
        f"From asking for the cluster until it was ready: {seconds(float(cluster.median()))} (median over "
        f"{count(len(cluster), 'node')})."
        if len(cluster)
        else ""
    )
    if levels["value"].isna().all():
        return paragraphs(told)
    drawn = figures.start(levels, f"Cold start against {axis.label}, {mode}", axis)
    caption = f"Mode {mode}: from asking for workers to all answering. Means with {intervals(study)}."
    return paragraphs(
        told, figure(drawn, caption), folded("Cold start of the workers, s", level_table(levels, axis=axis))
    )


def _report(study: Study) -> pd.DataFrame:
    """Return the reference report's cluster with as many workers on a node as here; with 1, where none is."""
    report = reference.cluster()
    alone = report[report["nodes"] == 1].set_index("workers_per_node")["throughput"]
    ratio = report["throughput"] / report["workers_per_node"].map(alone)
    report = report.assign(ratio=ratio, scaling=ratio / report["nodes"])
    shared = set(report["workers_per_node"]) & set(study.run.trials["workers_per_node"])
    return report[report["workers_per_node"].isin(shared or {1})]


def _columns(report: pd.DataFrame, column: str) -> Beside:
    """Return the reference report's columns of a table, one for each number of workers on a node."""
    found: dict[str, dict[int, float]] = {}
    for workers, rows in report.groupby("workers_per_node"):
        mine = beside(rows, column, "nodes", f"reference report, {workers} each")
        found |= {head: dict(values) for head, values in mine.items() if values}
    return found
