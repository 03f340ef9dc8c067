"""Profiles: the named sets of parameters in `notebooks/profiles/`, and which one a run really has."""

import ast
import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import yaml

from lab import paths
from lab.errors import ParameterError
from lab.experiment.parameters import Kind, parameters_from

NOTEBOOKS = paths.ROOT / "notebooks"
PROFILES = NOTEBOOKS / "profiles"


def profile_file(experiment: str, profile: str, folder: Path = PROFILES) -> Path:
    """Return the file of a profile: `full.yaml` for a single node, `multi_node_full.yaml` and the like."""
    return folder / f"{profile if experiment == 'single_node' else f'{experiment}_{profile}'}.yaml"


def notebook_parameters(experiment: str, folder: Path = NOTEBOOKS) -> dict[str, Any]:
    """Return what the parameters cell of an experiment's notebook sets, read without running it."""
    cells = json.loads((folder / f"{experiment}.ipynb").read_text())["cells"]
    (cell,) = (one for one in cells if "parameters" in one["metadata"].get("tags", ()))
    statements = ast.parse("".join(cell["source"])).body
    assigned = [one for one in statements if isinstance(one, ast.Assign)]
    return {ast.unparse(one.targets[0]): ast.literal_eval(one.value) for one in assigned}


def with_true_profile(experiment: str, parameters: Kind, folder: Path = PROFILES) -> Kind:
    """Return the parameters, labelled custom where a value differs from the profile that they claim.

    Parameters that the profile leaves open do not count.
    """
    path = profile_file(experiment, parameters.profile, folder)
    if not path.exists():
        return dataclasses.replace(parameters, profile="custom")
    given = {field.name: getattr(parameters, field.name) for field in dataclasses.fields(parameters)}
    wanted: Kind | None = None
    # what fails here differs, such as the profile's cluster compose beside an address
    with contextlib.suppress(ParameterError):
        wanted = parameters_from(type(parameters), given | yaml.safe_load(path.read_text()))
    return parameters if wanted == parameters else dataclasses.replace(parameters, profile="custom")
