"""The figures of the page on Docker: containers beside their host."""

import pandas as pd

from lab.figures.curves import Axis, Failed, crosses, lines_of
from lab.figures.lines import Panel, chart
from lab.figures.style import looks_of


def throughput(
    levels: pd.DataFrame, dots: pd.DataFrame, failed: Failed, unit: str, title: str, axis: Axis
) -> str:
    """Draw the throughput of containers and of their host against workers on each node."""
    lines = lines_of(levels, dots, axis)
    return chart(title, [Panel("Throughput", unit, lines, axis.label, failed=crosses(failed, axis))])


def ratios(found: pd.DataFrame, margin: float | None, title: str, axis: Axis) -> str:
    """Draw the ratio of containers to host, and the margin within which they count as equivalent."""
    band = None if margin is None else (1 - margin, 1 + margin, f"margin of ±{100 * margin:g} %")
    own = Axis(axis.column, axis.label, looks_of(tuple(dict.fromkeys(found["series"]))))
    lines = lines_of(found, axis=own)
    panel = Panel(
        "Containers / host", "ratio of throughput", lines, axis.label, level=(1.0, "equal"), band=band
    )
    return chart(title, [panel])
