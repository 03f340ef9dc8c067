"""Every experiment by name, and the function that carries it out: the same that its notebook calls."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.data.store import Run
from lab.errors import DataError

FUNCTIONS: Mapping[str, str] = {
    "single_node": "lab.experiment.run:single_node",
    "multi_node": "lab.experiment.run:multi_node",
    "docker": "lab.experiment.run:docker",
    "own": "lab.experiment.own:own",
    "ray_vs_multiprocessing": "lab.experiment.comparisons:ray_vs_multiprocessing",
    "factoring": "lab.experiment.factoring:factoring",
    "break_even": "lab.experiment.comparisons:break_even",
}
"""By name, so that no experiment loads what only another needs."""


def function_of(experiment: str) -> Callable[[Mapping[str, Any], Path | None], Run]:
    """Return what runs an experiment with the values of its parameters, and goes on with a run that is there.

    Raises `DataError` for an experiment that is not carried out by parameters, such as the validation.
    """
    if experiment not in FUNCTIONS:
        raise DataError(
            f"a run of {experiment!r} cannot be gone on with from here: only {', '.join(FUNCTIONS)} can; "
            "one of your own goes on where its function is called again with run_id"
        )
    module, _, name = FUNCTIONS[experiment].partition(":")
    function: Callable[[Mapping[str, Any], Path | None], Run]
    function = getattr(importlib.import_module(module), name)
    return function
