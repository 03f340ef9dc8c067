"""The section on efficiency: node efficiency beside CPU efficiency, for every mode."""

from collections.abc import Sequence

from lab.figures import curves as figures
from lab.figures.lines import Line
from lab.report.levels import Beside, intervals, level_table
from lab.report.markdown import Markdown, figure, folded, paragraphs
from lab.report.study import Study


def efficiency(study: Study, lines: Sequence[Line] = (), theirs: Beside | None = None) -> Markdown:
    """Show node efficiency and CPU efficiency against workers or nodes, for every mode.

    `lines` and `theirs` are the reference report's node efficiency, drawn and in a table.
    """
    parts, axis = [], study.axis
    for mode in study.modes:
        node, cpu = study.levels(mode, "node_efficiency"), study.levels(mode, "cpu_efficiency")
        drawn = figures.efficiency(node, cpu, f"Efficiency against {axis.label}, {mode}", axis, lines)
        parts += [
            figure(drawn, f"Mode {mode}. Means with {intervals(study)}."),
            folded(f"Node efficiency, {mode}", level_table(node, theirs, axis=axis)),
            folded(f"CPU efficiency, {mode}", level_table(cpu, axis=axis)),
        ]
    return paragraphs(*parts)
