"""The sections of the single-node page: from a study to figures, tables and the words between."""

import pandas as pd

from lab.figures import single_node as figures
from lab.formats import UNKNOWN, count, memory, number, short_estimate
from lab.published import report_a as reference
from lab.report import answers
from lab.report.levels import beside, intervals, level_table
from lab.report.markdown import Markdown, figure, folded, paragraphs, table
from lab.report.study import UNITS, Study


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
    failed = study.failed(mode)
    title = f"Throughput against workers, {mode}"
    drawn = figures.throughput(levels, study.dots(mode), speedups, report, failed, UNITS[mode], title)
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
        else folded(f"Relative to 1 worker, {mode}", level_table(speedups, beside(report, "ratio"))),
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
        for name in study.rays(mode):
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
        folded("CPU, % of the node's cores", level_table(cpu, beside(report, "cpu_percent"))),
        folded(
            "Private memory of driver, workers and, with Ray, Ray's own processes, MiB",
            level_table(private, scale=2**-20),
        ),
        folded("Memory in use on the node, %", level_table(node, beside(report, "memory_percent"))),
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
    workers = answers.reached_cores(study, study.counts(mode, series))
    trial = study.typical_trial(mode, series, workers)
    samples = study.run.samples[study.run.samples["trial_id"] == trial].sort_values("at_seconds")
    if len(samples) < 2:
        return Markdown("")
    title = f"CPU and memory over time, {mode}, {series}, {count(workers, 'worker')}"
    caption = f"Trial {trial}: the one of median throughput of {mode}, {series}, {count(workers, 'worker')}."
    return paragraphs(figure(figures.over_time(samples, float(study.cores), title), caption))


def _reference() -> pd.DataFrame:
    report = reference.single_node()
    return report.assign(ratio=report["throughput"] / report["throughput"].iloc[0])
