"""The sections of the single-node page: from a study to figures, tables and the words between."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis import reference
from lab.analysis.queue import queue_lengths
from lab.figures import single_node as figures
from lab.formats import UNKNOWN, count, memory, number, seconds, short_estimate
from lab.report import answers
from lab.report.levels import intervals, level_table
from lab.report.markdown import Markdown, figure, folded, paragraphs, table
from lab.report.study import SERIES, UNITS, Study

LATENCIES = {
    "wait": "submitted to started",
    "run": "started to finished",
    "latency": "submitted to received",
}
PERCENTILES = {"p50": "median", "p95": "95th percentile", "p99": "99th percentile"}


def answer(study: Study) -> Markdown:
    """Answer both parts of the page's question: how far the work scales and what Ray costs."""
    return Markdown(answers.in_two_sentences(study) if study.modes else "")


def summary(study: Study) -> Markdown:
    """Answer the book's question in one paragraph."""
    return Markdown(answers.in_one_paragraph(study) if study.modes else "")


def speedup(study: Study) -> Markdown:
    """Show the first page's figure: throughput relative to one worker, beside the reference report."""
    speedups = study.speedups(study.main_mode) if study.modes else pd.DataFrame()
    if speedups.empty:
        return Markdown("")
    title = f"Throughput relative to one worker, {study.main_mode}"
    caption = (
        f"Mode {study.main_mode}. Each engine relative to itself with 1 worker, with {intervals(study)}. The "
        f"reference report's machines had {reference.CORES} cores, this one has {study.cores}."
    )
    return paragraphs(figure(figures.speedup(speedups, _reference(), title), caption))


def throughput(study: Study) -> Markdown:
    """Show throughput against workers for every mode, and relative to one worker."""
    return paragraphs(*(part for mode in study.modes for part in _throughput(study, mode)))


def _throughput(study: Study, mode: str) -> list[str]:
    levels, speedups = study.levels(mode, "throughput"), study.speedups(mode)
    report = _reference()
    failed = failed_trials(study, mode)
    title = f"Throughput against workers, {mode}"
    drawn = figures.throughput(levels, _dots(study, mode), speedups, report, failed, UNITS[mode], title)
    caption = (
        f"Mode {mode}. Means with {intervals(study)}; dots are single trials. Above: {UNITS[mode]} on this "
        "machine. Below: relative to the same engine with 1 worker, the only scale that our curves share "
        f"with the reference report's, which comes from other machines, of {reference.CORES} cores."
    )
    return [
        f"**{mode.capitalize()}: {UNITS[mode]}**",
        figure(drawn, caption),
        level_table(levels),
        ""
        if speedups.empty
        else folded(f"Relative to 1 worker, {mode}", level_table(speedups, report, "ratio")),
    ]


def against_processes(study: Study) -> Markdown:
    """Show Ray's throughput as a part of that of as many plain processes, paired by block."""
    tables = [
        f"{mode.capitalize()}:\n\n{level_table(ratios)}"
        for mode in study.modes
        if not (ratios := study.ratios_to(mode, "plain processes")).empty
    ]
    return paragraphs(_costs(study), *tables) if tables else Markdown("")


def _costs(study: Study) -> str:
    """Return what Ray costs in each mode and schedule, pooled over the worker counts."""
    rows = []
    for mode in study.modes:
        for name in (one for one in study.series(mode) if one.startswith("Ray")):
            counts, ratio = study.cost(mode, name)
            if counts:
                pooled = answers.over_workers(counts).split(" ", 1)[1]
                said = answers.cost_in_words(ratio)
                rows.append((mode, name, pooled, short_estimate(ratio), ratio.n, said))
    head = ("mode", "engine", "pooled over", "Ray / plain processes (95 % interval)", "n", "in words")
    return table(head, rows, right=(3, 4))


def usage(study: Study) -> Markdown:
    """Show use of processors and memory against workers, beside the reference report."""
    if not study.modes:
        return Markdown("")
    mode, report = study.main_mode, reference.single_node()
    cpu, private, node = (
        study.levels(mode, metric) for metric in ("cpu_percent", "lab_memory_bytes", "memory_percent")
    )
    drawn = figures.usage(cpu, private, node, report, f"CPU and memory against workers, {mode}")
    caption = (
        f"Mode {mode}. Means with {intervals(study)}. The memory of the node includes all else that ran on "
        "it, as in the reference report."
    )
    return paragraphs(
        figure(drawn, caption),
        folded("CPU, % of the node's cores", level_table(cpu, report, "cpu_percent")),
        folded(
            "Private memory of driver, workers and, with Ray, Ray's own processes, MiB",
            level_table(private, scale=2**-20),
        ),
        folded("Memory in use on the node, %", level_table(node, report, "memory_percent")),
        _object_store(study, mode),
    )


def _object_store(study: Study, mode: str) -> str:
    ray = study.rows(mode)
    ray = ray[ray["engine"] == "ray"]
    store, gpu = ray["object_store_bytes"].dropna(), ray["gpu_percent"].dropna()
    told = f"at most {memory(float(store.max()))}" if len(store) else UNKNOWN
    use = f"{number(float(gpu.mean()))} % on average" if len(gpu) else "not measured, as no GPU answered"
    return f"Ray's object store held {told}. GPU use: {use}."


def over_time(study: Study) -> Markdown:
    """Show the samples of one typical trial over its window."""
    if not study.modes:
        return Markdown("")
    mode = study.main_mode
    series = study.ray_series(mode) or study.series(mode)[0]
    workers = answers.reached_cores(study, study.workers(mode, series))
    trial = typical_trial(study, mode, series, workers)
    samples = study.run.samples[study.run.samples["trial_id"] == trial].sort_values("at_seconds")
    if len(samples) < 2:
        return Markdown("")
    title = f"CPU and memory over time, {mode}, {series}, {count(workers, 'worker')}"
    caption = f"Trial {trial}: the one of median throughput of {mode}, {series}, {count(workers, 'worker')}."
    return paragraphs(figure(figures.over_time(samples, float(study.cores), title), caption))


def efficiency(study: Study) -> Markdown:
    """Show node efficiency and CPU efficiency against workers, for every mode."""
    parts = []
    for mode in study.modes:
        node, cpu = study.levels(mode, "node_efficiency"), study.levels(mode, "cpu_efficiency")
        drawn = figures.efficiency(node, cpu, f"Efficiency against workers, {mode}")
        parts += [
            figure(drawn, f"Mode {mode}. Means with {intervals(study)}."),
            folded(f"Node efficiency, {mode}", level_table(node)),
            folded(f"CPU efficiency, {mode}", level_table(cpu)),
        ]
    return paragraphs(*parts)


def latency(study: Study) -> Markdown:
    """Show waiting and running apart: median, 95th and 99th percentile against workers."""
    if not study.modes:
        return Markdown("")
    mode = study.main_mode
    series = study.ray_series(mode) or study.series(mode)[0]
    levels = {
        (part, key): study.levels(mode, f"{part}_{key}_seconds") for part in LATENCIES for key in PERCENTILES
    }
    frames = {
        f"{part.capitalize()}: {LATENCIES[part]}": {
            PERCENTILES[key]: levels[part, key][levels[part, key]["series"] == series] for key in PERCENTILES
        }
        for part in ("wait", "run")
    }
    drawn = figures.latency(frames, f"Task latency against workers, {mode}, {series}")
    caption = f"Mode {mode}, {series}. Means of each trial's percentile, with {intervals(study)}."
    return paragraphs(figure(drawn, caption), folded("Latency of all engines", _latency_table(levels)))


def _latency_table(levels: Mapping[tuple[str, str], pd.DataFrame]) -> str:
    keyed = [frame.set_index(["series", "workers"]) for frame in levels.values()]
    heads = (f"{part}, {PERCENTILES[key].removesuffix(' percentile')}" for part, key in levels)
    rows = [
        (*place, *(seconds(float(frame.loc[place, "value"])) for frame in keyed), keyed[0].loc[place, "n"])
        for place in keyed[0].index
    ]
    return table(("engine", "workers", *heads, "n"), rows, right=range(1, len(keyed) + 3))


def queue(study: Study) -> Markdown:
    """Show the queue over time with most workers: dynamic beside static."""
    if not study.modes:
        return Markdown("")
    mode = study.main_mode
    lengths: dict[str, pd.DataFrame] = {}
    trials = []
    for name in (one for one in study.series(mode) if one.startswith("Ray")):
        workers = study.workers(mode, name)[-1]
        trial = typical_trial(study, mode, name, workers)
        steps = queue_lengths(study.run.tasks[study.run.tasks["trial_id"] == trial])
        if not steps.empty:
            lengths[name] = steps
            trials.append(f"{name}: trial {trial} with {count(workers, 'worker')}")
    if not lengths:
        return Markdown("")
    drawn = figures.queue(lengths, f"Queue length over time, {mode}")
    caption = f"Mode {mode}: tasks submitted and not yet completed. {'; '.join(trials)}."
    means = level_table(study.levels(mode, "queue_mean", tuple(lengths)))
    return paragraphs(
        figure(drawn, caption), folded("Mean length of the queue over the window, tasks", means)
    )


def typical_trial(study: Study, mode: str, series: str, workers: int) -> str:
    """Return the trial of median throughput of a configuration; of two in the middle, the slower."""
    rows = study.rows(mode, series)
    ordered = rows[rows["workers"] == workers].sort_values("throughput")
    return str(ordered.index[(len(ordered) - 1) // 2])


def failed_trials(study: Study, mode: str) -> list[tuple[str, int]]:
    """Return series and workers of the trials of a mode that failed."""
    failed = study.failures[(study.failures["mode"] == mode) & (study.failures["status"] == "failed")]
    return [
        (name, int(row["workers"]))
        for _, row in failed.iterrows()
        for name, wanted in SERIES.items()
        if all(row[column] == value for column, value in wanted.items())
    ]


def _reference() -> pd.DataFrame:
    report = reference.single_node()
    return report.assign(ratio=report["throughput"] / report["throughput"].iloc[0])


def _dots(study: Study, mode: str) -> pd.DataFrame:
    parts = [
        study.rows(mode, name)[["workers", "throughput"]]
        .rename(columns={"throughput": "value"})
        .assign(series=name)
        for name in study.series(mode)
    ]
    return pd.concat(parts)
