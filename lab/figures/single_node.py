"""The figures of the single-node page: frames of series over workers to inline SVG."""

from collections.abc import Mapping

import pandas as pd

from lab.figures.curves import REFERENCE, Failed, crosses, curve, lines_of, reference_line
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, LOOKS, PURPLE, VERMILION, Look


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
    panels = [Panel("Throughput", unit, lines, failed=crosses(failed), level=level)]
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


def replayed(curves: Mapping[str, pd.DataFrame], reference: pd.DataFrame, title: str) -> str:
    """Draw efficiency (fraction) against nodes: replays per schedule beside the reference report's curve."""
    looks = {"static": LOOKS["Ray, static"], "dynamic": LOOKS["Ray, dynamic"]}
    lines = [
        Line(
            f"{name}, replayed",
            looks[name],
            *curve(rows, "nodes"),
        )
        for name, rows in curves.items()
    ]
    theirs = Line(
        REFERENCE, Look(PURPLE, "--", "v"), reference["nodes"].tolist(), reference["node_efficiency"].tolist()
    )
    return chart(title, [Panel("Node efficiency", "fraction", [*lines, theirs], "nodes", top=1.08)])
