"""A comparison that is carried out elsewhere: what the host asks for, as JSON, and how it is done there."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab import paths
from lab.comparison.run import EXPERIMENTS, compare
from lab.data.records import TIMINGS
from lab.data.store import ENVIRONMENT, Timings
from lab.errors import ClusterError, DataError, ParameterError
from lab.experiment.parameters import Comparison, parameters_from
from lab.experiment.profiles import notebook_parameters, profile_file, with_true_profile
from lab.experiment.run import new_run_id
from lab.measure.environment import code_facts, commit_facts

FILES = (*TIMINGS, ENVIRONMENT)
"""The files of a run; the environment comes last, since a folder without one is no run yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the host asks for: checked parameters with a run id, and what only the host knows."""

    experiment: str
    parameters: Mapping[str, Any]
    code: str
    """The digest of the source that measures."""
    session: Mapping[str, Any]
    """The commit, which a container has no git to ask for."""
    files: Mapping[str, str]
    """What the run holds so far, by name of file; empty for a new run."""

    @property
    def run_id(self) -> str:
        """Return the name of the run's folder."""
        return str(self.parameters["run_id"])

    @property
    def workers(self) -> int:
        """Return the most workers at once."""
        return int(max(self.parameters["workers"]))


def make_request(
    experiment: str, profile: str, changes: Mapping[str, str], data: Path | None = None
) -> Request:
    """Return the request for a new run with a profile's parameters, or for the rest of the run `run_id`."""
    parameters = with_true_profile(experiment, _parameters(experiment, profile, changes))
    parameters = dataclasses.replace(parameters, run_id=parameters.run_id or new_run_id(parameters.profile))
    directory = (data or paths.data_folder()) / experiment / parameters.run_id
    return Request(
        experiment,
        dataclasses.asdict(parameters),
        code_facts()["digest"],
        commit_facts(),
        {name: (directory / name).read_text() for name in FILES if (directory / name).exists()},
    )


def _parameters(experiment: str, profile: str, changes: Mapping[str, str]) -> Comparison:
    """Return the notebook's parameters, a profile's in their place, and changes in theirs."""
    if experiment not in EXPERIMENTS:
        known = ", ".join(EXPERIMENTS)
        raise ParameterError(f"no experiment {experiment!r} compares engines: choose one of {known}")
    path = profile_file(experiment, profile)
    if not path.exists():
        raise ParameterError(f"there is no profile {profile!r} of {experiment}: {path.parent} has them all")
    given = notebook_parameters(experiment) | yaml.safe_load(path.read_text()) | changes
    return parameters_from(EXPERIMENTS[experiment][0], given)


def carry_out(request: Request, data: Path) -> Timings:
    """Carry a request out, with its rows in `data`; refuses to measure with other code than asked for."""
    own = code_facts()["digest"]
    if own != request.code:
        raise ClusterError(
            f"the image holds other code ({own}) than the folder that asks ({request.code}): make build"
        )
    directory = data / request.experiment / request.run_id
    for name in request.files:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(request.files[name])
    parameters = parameters_from(EXPERIMENTS[request.experiment][0], request.parameters)
    return compare(request.experiment, parameters, data, request.session)


def read_request(text: str) -> Request:
    """Return the request that a text holds."""
    try:
        return Request(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise DataError(f"this is no request of this lab ({error}): write it again") from None
