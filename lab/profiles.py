"""Profiles: the named sets of parameters in `notebooks/profiles/`, and which one a run really has."""

import dataclasses
from pathlib import Path

import yaml

from lab import paths
from lab.parameters import SingleNode, parameters_from

PROFILES = paths.ROOT / "notebooks" / "profiles"


def with_true_profile(parameters: SingleNode, folder: Path = PROFILES) -> SingleNode:
    """Return the parameters, labelled custom where a value differs from the profile that they claim.

    Parameters that the profile leaves open do not count.
    """
    path = folder / f"{parameters.profile}.yaml"
    if not path.exists():
        return dataclasses.replace(parameters, profile="custom")
    given = {field.name: getattr(parameters, field.name) for field in dataclasses.fields(parameters)}
    wanted = parameters_from(SingleNode, given | yaml.safe_load(path.read_text()))
    return parameters if wanted == parameters else dataclasses.replace(parameters, profile="custom")
