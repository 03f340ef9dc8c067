"""The sections on use of processors and memory, over workers or nodes, and in one trial over time."""

from typing import NamedTuple

from lab.analysis.trials import of_median_throughput
from lab.figures import curves
from lab.figures import scaling as figures
from lab.figures.lines import Line, Panel, chart
from lab.formats import UNKNOWN, count, memory, number
from lab.report.decision import main_series, reached_cores
from lab.report.levels import intervals, level_table, report_columns, report_of
from lab.report.markdown import Markdown, figure, folded, paragraphs, safe
from lab.report.source import source
from lab.report.study import Study


class Use(NamedTuple):
    """One kind of use: its metric, title and unit of its panel (no title: not drawn), and of its table."""

    metric: str
    panel: str
    unit: str
    told: str
    scale: float = 1.0
    top: float | None = None


OF_NODE = (
    Use("cpu_percent", "CPU of the node", "% of its cores", "CPU, % of the node's cores", top=105),
    Use(
        "lab_memory_bytes",
        "Memory of driver, workers and Ray",
        "MiB, private",
        "Private memory of driver, workers and, with Ray, Ray's own processes, MiB",
        2**-20,
    ),
    Use("memory_percent", "Memory of the node", "% in use", "Memory in use on the node, %"),
)
OF_NODES = (
    Use("cpu_percent", "CPU of a node", "% of its own cores", "CPU, % of a node's own cores", top=105),
    Use("memory_percent", "Memory of a node", "% in use", "Memory in use on a node, %"),
    Use(
        "lab_memory_bytes",
        "",
        "",
        "Private memory of driver, workers and Ray's own processes, all nodes together, MiB",
        2**-20,
    ),
    Use(
        "throttled_percent",
        "Held back by the quota",
        "% of the window",
        "Held back by the quota, % of the window, added up over processors",
    ),
)


def usage(study: Study) -> Markdown:
    """Show use of processors and memory against workers or nodes, and how a quota held the nodes back."""
    if not study.modes:
        return Markdown("")
    mode, axis, over_nodes = study.main_mode, study.axis, study.kind == "multi_node"
    levels = {use: study.levels(mode, use.metric) for use in (OF_NODES if over_nodes else OF_NODE)}
    last = "" if over_nodes else _object_store(study, mode)
    if over_nodes and not any(one.n for points in levels[OF_NODES[-1]].values() for one in points.values()):
        del levels[OF_NODES[-1]]
        last = NO_QUOTA
    panels = [
        Panel(
            use.panel,
            use.unit,
            [*curves.lines_of(rows, axis=axis, scale=use.scale), *_beside(study, use)],
            axis.label,
            top=use.top,
        )
        for use, rows in levels.items()
        if use.panel
    ]
    title = f"CPU and memory {'of a node ' * over_nodes}against {axis.label}, {mode}"
    theirs = ", as in the reference report" * (len(report_of(study)) > 0)
    note = "" if over_nodes else f" The memory of the node includes all else that ran on it{theirs}."
    means = "Means over the nodes with workers," if over_nodes else "Means"
    caption = f"{study.lead(mode)}. {means} with {intervals(study)}.{note}"
    shown = [
        folded(use.told, level_table(rows, report_columns(study, use.metric), use.scale, axis))
        for use, rows in levels.items()
    ]
    return paragraphs(figure(chart(title, panels, height_inches=2.2), caption, source(study)), *shown, last)


NO_QUOTA = "No quota was there to hold the nodes back, or none that could be read."


def _beside(study: Study, use: Use) -> list[Line]:
    report = report_of(study)
    known = use.metric in report and study.kind != "multi_node"
    return figures.report_lines(report, use.metric, study.axis) if known else []


def _object_store(study: Study, mode: str) -> str:
    ray = study.rows(mode)
    ray = ray[ray["engine"] == "ray"]
    store, gpu = ray["object_store_bytes"].dropna(), ray["gpu_percent"].dropna()
    told = f"at most {memory(float(store.max()))}" if len(store) else UNKNOWN
    use = f"{number(float(gpu.mean()))} % on average" if len(gpu) else "not measured, as no GPU answered"
    return f"Ray's object store held {told}. GPU use: {use}."


def over_time(study: Study) -> Markdown:
    """Show the samples of one typical trial over its window; of several nodes the timeline tells."""
    if not study.modes or study.axis.column == "nodes":
        return Markdown("")
    mode = study.main_mode
    series = main_series(study, mode)
    workers = reached_cores(study, study.counts(mode, series))
    trial = of_median_throughput(study.rows(mode, series, workers))
    samples = study.run.samples[study.run.samples["trial_id"] == trial].sort_values("at_seconds")
    if len(samples) < 2:
        return Markdown("")
    what = f"{series}, {count(workers, 'worker')}"
    svg = figures.over_time(samples, float(study.cores), f"CPU and memory over time, {mode}, {what}")
    caption = f"Trial {safe(trial)}: the one of median throughput of {study.name(mode)}, {what}."
    return paragraphs(figure(svg, caption, source(study, "samples.csv")))
