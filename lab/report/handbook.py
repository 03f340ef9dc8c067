"""Tables of the page on running it oneself: every parameter with its unit, range, default and meaning."""

import dataclasses
import json
import re
from pathlib import Path

from lab import paths
from lab.errors import DataError, ParameterError
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import (
    BreakEven,
    Docker,
    Experiment,
    MultiNode,
    RayVersusMultiprocessing,
    SingleNode,
    parameters_from,
)
from lab.report.markdown import Markdown, literal, table

NOTEBOOKS: dict[type[Experiment], Path] = {
    kind: paths.ROOT / "notebooks" / f"{name}.ipynb"
    for kind, name in (
        (SingleNode, "single_node"),
        (MultiNode, "multi_node"),
        (Docker, "docker"),
        (RayVersusMultiprocessing, "ray_vs_multiprocessing"),
        (BreakEven, "break_even"),
        (Own, "own"),
    )
}


def parameters_of(kind: type[Experiment], notebook: Path | None = None) -> Markdown:
    """Return the parameters of an experiment: ranges from their rules, the rest from its notebook."""
    told = explained(notebook or NOTEBOOKS[kind])
    rows = [
        (
            f"`{field.name}`",
            *(told.get(field.name) or ("–", "–")),
            field.metadata["rule"].describe(),
            field.metadata["unit"] or "–",
        )
        for field in dataclasses.fields(kind)
    ]
    return Markdown(table(("parameter", "in the notebook", "meaning", "accepted", "unit"), rows))


def explained(notebook: Path) -> dict[str, tuple[str, str]]:
    """Return value and comment of each parameter in a notebook's cell that is tagged `parameters`."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{notebook} is no notebook ({error}): restore it from git") from error
    sources = ["".join(one["source"]) for one in cells if "parameters" in one["metadata"].get("tags", ())]
    found = re.findall(r"^(\w+) = (.+?)  # (.+)$", "\n".join(sources), re.MULTILINE)
    return {name: (literal(value), meaning) for name, value, meaning in found}


def refusal(**given: object) -> Markdown:
    """Return what the lab says to a wrong parameter of the single-node experiment."""
    try:
        parameters_from(SingleNode, given)
    except ParameterError as error:
        return Markdown(f"> {error}")
    raise AssertionError(f"{given} was accepted")
