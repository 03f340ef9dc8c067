"""What every engine takes beside time: memory of the whole process tree, and processor time."""

from lab.analysis.configurations import compare, select
from lab.analysis.intervals import mean_estimate
from lab.data.engines import label
from lab.figures import engines as figures
from lab.formats import short_estimate
from lab.report.levels import intervals
from lab.report.markdown import Markdown, figure, paragraphs, table
from lab.report.ray_vs_multiprocessing import (
    MEBIBYTE,
    fastest_first,
    modes,
    of_engines,
    short,
    work,
)
from lab.report.source import source
from lab.report.study import Study

MORE_WORK = 1.2
"""The ratio from which on tasks take more processor time than scatter would explain."""
LARGE_BYTES = 1_000_000
"""From this size on an array is fetched from the kernel, and given back to it, by itself."""


def memory(study: Study) -> Markdown:
    """Show the memory of the whole process tree, beside the driver's alone, which report B measures."""
    found = modes(study)
    if not found:
        return Markdown("")
    mode = found[0]
    peak, driver = (of_engines(study, mode, name) for name in ("peak_memory_bytes", "driver_memory_bytes"))
    if all(one.value is None for one in peak.values()):
        return Markdown("")
    labels = ("whole process tree, proportional set size", "driver alone, as report B measures it")
    panel = figures.Rows(f"{mode.capitalize()}: peak memory", "MiB", peak, MEBIBYTE, driver, labels)
    caption = f"{work(study, mode)}. Means with {intervals(study)}."
    before = of_engines(study, mode, "memory_before_bytes")
    rows = []
    for name, whole in peak.items():
        missed = mean_estimate(select(study.of_work(mode), {"engine": name})["missed_part"])
        cells = (short(one, MEBIBYTE) for one in (before[name], whole, driver[name]))
        rows.append((label(name), *cells, short(missed, 100.0), whole.n))
    head = ("engine", "before, MiB", "peak, MiB", "driver, MiB", "missed, % of peak", "n")
    return paragraphs(
        figure(figures.rows("Peak memory of every engine", [panel]), caption, source(study)),
        table(head, rows, right=range(1, 6)),
    )


def processor_time(study: Study) -> Markdown:
    """Show processor time beside wall time, for the whole process tree."""
    found = modes(study)
    tables = [f"**{study.title(mode)}**\n\n{_processor_table(study, mode)}" for mode in found]
    return paragraphs(*tables, *(_dask(study, mode) for mode in found))


def _dask(study: Study, mode: str) -> str | None:
    """Say why tasks take more processor time in Dask's workers, where they do."""
    ratio = compare(study.of_work(mode), "task_cpu_seconds", {"engine": "dask"}, {"engine": "pool"})
    if ratio.low is None or ratio.low < MORE_WORK:
        return None
    trials = study.run.trials
    large = float(trials.loc[trials["mode"] == mode, "item_bytes"].astype(float).max()) >= LARGE_BYTES
    reason = (
        f"In {study.name(mode)}, the same tasks take {short_estimate(ratio)} times the processor time in "
        "Dask's workers that they take in those of multiprocessing.Pool."
    )
    return reason + large * (
        " Dask starts its workers with "
        "`MALLOC_TRIM_THRESHOLD_=65536`: each large array is then fetched from the kernel page by page. "
        "It is a default of Dask, which its setting `distributed.nanny.pre-spawn-environ` changes."
    )


def _processor_table(study: Study, mode: str) -> str:
    rows = study.of_work(mode)
    spent = rows.assign(
        available=rows["workers"].astype(float) * rows["duration_seconds"],
        beyond=rows["cpu_seconds"] - rows["task_cpu_seconds"],
    )
    metrics = ("duration_seconds", "available", "cpu_seconds", "task_cpu_seconds", "beyond")
    lines = []
    for name in fastest_first(study, mode):
        mine = select(spent, {"engine": name})
        values = [mean_estimate(mine[metric].astype(float)) for metric in metrics]
        lines.append((label(name), *(short(one) for one in values), values[0].n))
    head = (
        *("engine", "time, s", "workers × time", "CPU-seconds"),
        *("of task bodies", "beyond", "n"),
    )
    return table(head, lines, right=range(1, 7))
