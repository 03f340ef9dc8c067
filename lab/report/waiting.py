"""The sections on waiting: latency against workers or nodes, the queue over time, and the cold start."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis.configurations import Levels
from lab.analysis.nodes import starts
from lab.analysis.queue import queue_lengths
from lab.analysis.trials import of_median_throughput
from lab.figures import curves as figures
from lab.figures.lines import Panel, chart
from lab.formats import count, listing, seconds
from lab.report.decision import main_series
from lab.report.levels import intervals, level_table
from lab.report.markdown import Markdown, figure, folded, paragraphs, safe, table
from lab.report.source import source
from lab.report.study import Study

LATENCIES = {
    "wait": "submitted to started",
    "run": "started to finished",
    "latency": "submitted to received",
}
PERCENTILES = {"p50": "median", "p95": "95th percentile", "p99": "99th percentile"}


def latency(study: Study) -> Markdown:
    """Show waiting and running apart: median, 95th and 99th percentile against workers or nodes."""
    if not study.modes:
        return Markdown("")
    mode = study.main_mode
    names = [name for name in study.series(mode) if study.placed(mode, name)]
    late = _told_late(study, mode)
    if not names:
        return paragraphs(late)
    series = min(names, key=lambda name: (name != main_series(study, mode), names.index(name)))
    levels = {
        (part, key): study.levels(mode, f"{part}_{key}_seconds", names)
        for part in LATENCIES
        for key in PERCENTILES
    }
    frames = {
        f"{part.capitalize()}: {LATENCIES[part]}": {
            PERCENTILES[key]: levels[part, key][series] for key in PERCENTILES
        }
        for part in ("wait", "run")
    }
    drawn = figures.latency(frames, f"Task latency against {study.axis.label}, {mode}, {series}", study.axis)
    caption = f"{study.lead(mode)}, {series}. Means of each trial's percentile, with {intervals(study)}."
    shown = folded("Latency of all series", _latency_table(study, levels))
    return paragraphs(figure(drawn, caption, source(study, "tasks.csv")), shown, late)


def _told_late(study: Study, mode: str) -> str:
    """Name the engines that report all results at the end, whose tasks have no latency of their own."""
    late = [name for name in study.series(mode) if not study.placed(mode, name)]
    if not late:
        return ""
    say = "reports" if len(late) == 1 else "report"
    return (
        f"{listing(late)} {say} all results at the end: when the driver got a single one, and which worker "
        "ran it, is not known, so that there is neither latency nor queue nor timeline."
    )


def _latency_table(study: Study, levels: Mapping[tuple[str, str], Levels]) -> str:
    heads = (f"{part}, {PERCENTILES[key].removesuffix(' percentile')}" for part, key in levels)
    first = next(iter(levels.values()))
    rows = [
        (name, x, *(seconds(one[name][x].value) for one in levels.values()), first[name][x].n)
        for name, points in first.items()
        for x in points
    ]
    return table(("series", study.axis.label, *heads, "n"), rows, right=range(1, len(levels) + 3))


def queue(study: Study) -> Markdown:
    """Show the queue over time with most workers or nodes, of every series on Ray."""
    if not study.modes:
        return Markdown("")
    mode = study.main_mode
    lengths: dict[str, pd.DataFrame] = {}
    trials = []
    for name in (one for one in study.rays(mode) if study.placed(mode, one)):
        most = study.counts(mode, name)[-1]
        trial = of_median_throughput(study.rows(mode, name, most))
        steps = queue_lengths(study.run.tasks[study.run.tasks["trial_id"] == trial])
        if not steps.empty:
            lengths[name] = steps
            trials.append(f"{name}: trial {safe(trial)} with {_most(study, most)}")
    if not lengths:
        return Markdown("")
    drawn = figures.queue(lengths, f"Queue length over time, {mode}", study.axis)
    caption = f"{study.lead(mode)}: tasks submitted and not yet completed. {'; '.join(trials)}."
    means = level_table(study.levels(mode, "queue_mean", tuple(lengths)), axis=study.axis)
    return paragraphs(
        figure(drawn, caption, source(study, "tasks.csv")),
        folded("Mean length of the queue over the window, tasks", means),
    )


def _most(study: Study, x: int) -> str:
    """Return the number of workers or nodes in words."""
    return count(x, study.placement.one if study.axis.column == "nodes" else "worker")


def start(study: Study) -> Markdown:
    """Show the cold start: of the cluster, and of the workers against workers or nodes."""
    if not study.modes:
        return Markdown("")
    mode, axis = study.main_mode, study.axis
    levels = study.levels(mode, "startup_seconds")
    cluster = starts(study.run.nodes)
    told = (
        f"From asking for the cluster until it was ready: {seconds(float(cluster.median()))} "
        f"({'one start' if len(cluster) == 1 else f'median of {len(cluster)} starts'})."
        if len(cluster)
        else ""
    )
    if not any(one.n for points in levels.values() for one in points.values()):
        return paragraphs(told)
    panel = Panel("Cold start of the workers", "seconds", figures.lines_of(levels, axis=axis), axis.label)
    svg = chart(f"Cold start against {axis.label}, {mode}", [panel])
    caption = f"{study.lead(mode)}: from asking for workers to all answering. Means with {intervals(study)}."
    return paragraphs(
        told,
        figure(svg, caption, source(study)),
        folded("Cold start of the workers, s", level_table(levels, axis=axis)),
    )
