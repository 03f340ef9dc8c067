"""The figures of the single-node page: frames of series over workers to inline SVG."""

from collections.abc import Mapping, Sequence

import pandas as pd

from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, GREEN, LOOKS, PURPLE, VERMILION, Look

REFERENCE = "reference report"
PERCENTILES: Mapping[str, Look] = {
    "median": Look(BLUE, "-", "o"),
    "95th percentile": Look(VERMILION, "--", "s"),
    "99th percentile": Look(GREEN, "-.", "^"),
}
Failed = Sequence[tuple[str, int]]
"""The failed trials of a figure: series and workers of each."""


def lines_of(levels: pd.DataFrame, dots: pd.DataFrame | None = None) -> list[Line]:
    """Return a line per series of a frame with series, workers, value, low, high (as `Study.levels`).

    `dots` has series, workers, value: the single trials.
    """
    lines = []
    for name, rows in levels.groupby("series", sort=False):
        ordered = rows.sort_values("workers")
        single = [] if dots is None else _pairs(dots[dots["series"] == name])
        lines.append(Line(str(name), LOOKS[str(name)], *_curve(ordered, "workers"), dots=single))
    return lines


def reference_line(reference: pd.DataFrame, column: str, x: str = "workers") -> Line:
    """Return a curve of the reference report, where it was read off."""
    known = reference.dropna(subset=[column])
    return Line(REFERENCE, LOOKS[REFERENCE], known[x].tolist(), known[column].tolist())


def throughput(
    levels: pd.DataFrame,
    dots: pd.DataFrame,
    speedups: pd.DataFrame,
    reference: pd.DataFrame,
    failed: Failed,
    unit: str,
    title: str,
) -> str:
    """Draw throughput against workers, and below it relative to one worker, beside the reference report.

    The report's primes per second come from other machines, so only its ratios share an axis with ours.
    """
    serial = levels[levels["series"] == "serial loop"]
    level = None if serial.empty else (float(serial["value"].iloc[0]), "serial loop, 1 process")
    lines = lines_of(levels[levels["series"] != "serial loop"], dots)
    crosses = [(float(workers), LOOKS[name]) for name, workers in failed if name in LOOKS]
    panels = [Panel("Throughput", unit, lines, failed=crosses, level=level)]
    if not speedups.empty:
        relative = [*lines_of(speedups), reference_line(reference, "ratio")]
        panels.append(Panel("Relative to the same engine's 1 worker", "ratio", relative))
    return chart(title, panels)


def speedup(speedups: pd.DataFrame, reference: pd.DataFrame, title: str) -> str:
    """Draw throughput relative to one worker against workers, beside the reference report."""
    lines = [*lines_of(speedups), reference_line(reference, "ratio")]
    return chart(title, [Panel("Throughput, relative to 1 worker", "ratio", lines)])


def usage(
    cpu: pd.DataFrame, memory: pd.DataFrame, node: pd.DataFrame, reference: pd.DataFrame, title: str
) -> str:
    """Draw CPU use, the lab's own memory (bytes) and the node's memory against workers."""
    mebibytes = memory.assign(**{key: memory[key] / 2**20 for key in ("value", "low", "high")})
    return chart(
        title,
        [
            Panel(
                "CPU of the node",
                "% of its cores",
                [*lines_of(cpu), reference_line(reference, "cpu_percent")],
                top=105,
            ),
            Panel("Memory of driver, workers and Ray", "MiB, private", lines_of(mebibytes)),
            Panel(
                "Memory of the node",
                "% in use",
                [*lines_of(node), reference_line(reference, "memory_percent")],
            ),
        ],
        height_inches=2.2,
    )


def efficiency(node: pd.DataFrame, cpu: pd.DataFrame, title: str) -> str:
    """Draw node efficiency and CPU efficiency (fractions) against workers."""
    panels = [
        Panel("Node efficiency: work time / time alive", "fraction", lines_of(node), top=1.08),
        Panel("CPU efficiency: CPU time / core time", "fraction", lines_of(cpu), top=1.08),
    ]
    return chart(title, panels, height_inches=2.2)


def latency(levels: Mapping[str, Mapping[str, pd.DataFrame]], title: str) -> str:
    """Draw percentiles of waiting and of running against workers: part -> percentile -> frame in seconds."""
    panels = []
    for part, frames in levels.items():
        lines = [
            Line(
                name,
                PERCENTILES[name],
                *_curve(rows, "workers"),
            )
            for name, rows in frames.items()
        ]
        panels.append(Panel(part, "seconds", lines))
    return chart(title, panels, height_inches=2.2)


def over_time(samples: pd.DataFrame, cores: float, title: str) -> str:
    """Draw the samples of one trial: CPU in cores, and private memory, over the window."""
    at = samples["at_seconds"].tolist()
    cpu = Line("cores in use", Look(BLUE, "-", "o"), at, samples["cpu_cores"].astype(float).tolist())
    memory = samples["lab_memory_bytes"].astype(float) / 2**20
    private = Line("private memory", Look(VERMILION, "-", "s"), at, memory.tolist())
    x_label = "seconds since the window began"
    panels = [
        Panel("CPU", "cores", [cpu], x_label, level=(cores, "cores that the node may use")),
        Panel("Memory of driver, workers and Ray", "MiB, private", [private], x_label),
    ]
    return chart(title, panels, height_inches=1.9)


def queue(lengths: Mapping[str, pd.DataFrame], title: str) -> str:
    """Draw the queue of one trial per series over its window, as steps."""
    lines = [
        Line(name, LOOKS[name], rows["at_seconds"].tolist(), rows["length"].tolist(), steps=True)
        for name, rows in lengths.items()
    ]
    return chart(title, [Panel("Queue", "tasks", lines, "seconds since the window began")])


def replayed(curves: Mapping[str, pd.DataFrame], reference: pd.DataFrame, title: str) -> str:
    """Draw efficiency (fraction) against nodes: replays per schedule beside the reference report's curve."""
    looks = {"static": LOOKS["Ray, static"], "dynamic": LOOKS["Ray, dynamic"]}
    lines = [
        Line(
            f"{name}, replayed",
            looks[name],
            *_curve(rows, "nodes"),
        )
        for name, rows in curves.items()
    ]
    curve = Line(
        REFERENCE, Look(PURPLE, "--", "v"), reference["nodes"].tolist(), reference["node_efficiency"].tolist()
    )
    return chart(title, [Panel("Node efficiency", "fraction", [*lines, curve], "nodes", top=1.08)])


def _pairs(rows: pd.DataFrame) -> list[tuple[float, float]]:
    pairs = zip(rows["workers"].astype(float), rows["value"].astype(float), strict=True)
    return [(x, y) for x, y in pairs if y == y]


def _curve(rows: pd.DataFrame, x: str) -> tuple[list[float], list[float], list[float], list[float]]:
    across, value, low, high = (rows[key].astype(float).tolist() for key in (x, "value", "low", "high"))
    return across, value, low, high
