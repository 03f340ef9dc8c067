"""Profiles: the named sets of parameters in `notebooks/profiles/`, and which one a run really has."""

import dataclasses
from pathlib import Path

import yaml

from lab import paths
from lab.parameters import Kind, parameters_from

PROFILES = paths.ROOT / "notebooks" / "profiles"


def profile_file(experiment: str, profile: str, folder: Path = PROFILES) -> Path:
    """Return the file of a profile: `full.yaml` for a single node, `multi_node_full.yaml` and the like."""
    return folder / f"{profile if experiment == 'single_node' else f'{experiment}_{profile}'}.yaml"


def with_true_profile(experiment: str, parameters: Kind, folder: Path = PROFILES) -> Kind:
    """Return the parameters, labelled custom where a value differs from the profile that they claim.

    Parameters that the profile leaves open do not count.
    """
    path = profile_file(experiment, parameters.profile, folder)
    if not path.exists():
        return dataclasses.replace(parameters, profile="custom")
    given = {field.name: getattr(parameters, field.name) for field in dataclasses.fields(parameters)}
    wanted = parameters_from(type(parameters), given | yaml.safe_load(path.read_text()))
    return parameters if wanted == parameters else dataclasses.replace(parameters, profile="custom")
