"""Tables made of the code itself: every parameter of an experiment, and every column of every file."""

import dataclasses
import json
import re
from pathlib import Path

from lab import paths
from lab.data.records import CHECKS, FILES, columns
from lab.errors import DataError, ParameterError
from lab.experiment.factoring_parameters import Factoring
from lab.experiment.mechanism_parameters import Mechanisms
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import (
    BreakEven,
    Docker,
    MultiNode,
    Named,
    RayVersusMultiprocessing,
    SingleNode,
    parameters_from,
)
from lab.report.markdown import Markdown, literal, table

KINDS: dict[str, type[Named]] = {
    "single_node": SingleNode,
    "multi_node": MultiNode,
    "docker": Docker,
    "ray_vs_multiprocessing": RayVersusMultiprocessing,
    "break_even": BreakEven,
    "factoring": Factoring,
    "own": Own,
    "mechanisms": Mechanisms,
}


def parameters_of(experiment: str, notebook: Path | None = None) -> Markdown:
    """Return the parameters of an experiment: ranges from their rules, the rest from its notebook."""
    told = explained(notebook or paths.ROOT / "notebooks" / f"{experiment}.ipynb")
    rows = [
        (
            f"`{field.name}`",
            *(told.get(field.name) or ("–", "–")),
            field.metadata["rule"].describe(),
            field.metadata["unit"] or "–",
        )
        for field in dataclasses.fields(KINDS[experiment])
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


def refusal(name: str, value: str) -> Markdown:
    """Return what the lab says to a wrong parameter of the single-node experiment, a whole number."""
    try:
        parameters_from(SingleNode, {name: int(value)})
    except ParameterError as error:
        return Markdown(f"> {error}")
    raise AssertionError(f"{name} was accepted")


TYPES = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def columns_of(file: str) -> Markdown:
    """Return the columns of a file with unit, kind and meaning."""
    rows = [
        (
            f"`{one.name}`",
            one.unit or "–",
            TYPES[one.kind] + (", may be empty" if one.optional else ""),
            one.meaning,
        )
        for one in columns({**FILES, **CHECKS}[file])
    ]
    return Markdown(table(("column", "unit", "kind", "meaning"), rows))
