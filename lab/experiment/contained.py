"""A comparison in one container: `python -m lab.experiment.contained run break_even quick workers=[2]`.

The container has fixed limits, which all engines share, and carries the whole run out. In it
`python -m lab.experiment.contained carry-out` does what a request on standard input asks for.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import paths
from lab.clusters.container import Container, Limits, stoppable
from lab.clusters.docker import check_docker
from lab.data.environment import ENVIRONMENT
from lab.data.records import FILES
from lab.data.store import Run
from lab.errors import ClusterError, DataError, LabError, ParameterError
from lab.experiment.comparisons import EXPERIMENTS, compare, parameters_of
from lab.experiment.facts import new_run_id
from lab.experiment.parameters import Comparison
from lab.experiment.profiles import notebook_parameters, profile_file
from lab.measure.environment import code_facts, commit_facts

RUN_FILES = (*FILES, ENVIRONMENT)
"""The files of a run; the environment comes last."""
CARRY_OUT = ("-m", "lab.experiment.contained", "carry-out")


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
    parameters = _parameters(experiment, profile, changes)
    parameters = dataclasses.replace(parameters, run_id=parameters.run_id or new_run_id(parameters.profile))
    directory = (data or paths.data_folder()) / experiment / parameters.run_id
    return Request(
        experiment,
        dataclasses.asdict(parameters),
        code_facts()["digest"],
        commit_facts(),
        {name: (directory / name).read_text() for name in RUN_FILES if (directory / name).exists()},
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
    return parameters_of(experiment, given)


def carry_out(request: Request, data: Path) -> Run:
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
    return compare(request.experiment, request.parameters, data, request.session)


def read_request(text: str) -> Request:
    """Return the request that a text holds."""
    try:
        return Request(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise DataError(f"this is no request of this lab ({error}): write it again") from None


def container_of(experiment: str, run_id: str) -> Container:
    """Return the container of a run."""
    return Container(experiment, run_id, RUN_FILES)


def carry_out_contained(
    request: Request, image: str, limits: Limits, data: Path, command: Sequence[str] = CARRY_OUT
) -> int:
    """Carry a request out in a container, bring the run home however it ends, and return the exit code."""
    container = container_of(request.experiment, request.run_id)
    with stoppable():
        container.create(image, limits, command)
        try:
            code = container.attend(json.dumps(dataclasses.asdict(request)))
            state = container.state()
        finally:
            container.bring_home(data)
    if code and state is not None and state[1]:
        print(f"The memory, {limits.memory}, ran out: the kernel ended a process.", flush=True)
    return code


def recover(container: Container, data: Path) -> None:
    """Bring home the run of a container whose host process was killed; refuse to disturb one at work."""
    state = container.state()
    if state is None:
        return
    if state[0]:
        raise ClusterError(
            f"the run {container.run_id} is under way in the container {container.name}: wait for it, or "
            f"stop it (docker stop {container.name}), and then go on with the run"
        )
    container.bring_home(data)


def check_folder(data: Path) -> None:
    """Refuse to begin where the rows could not be written in the end."""
    existing = next(folder for folder in (data, *data.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        raise DataError(f"cannot write to {existing}: make it writable for this user, or set LAB_DATA")


def main(arguments: Sequence[str]) -> None:
    """Carry a comparison out in a container, or be the process in it that does."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "carry-out":
            # relative: the host's folder has the same name
            carry_out(read_request(sys.stdin.read()), Path("data"))
        else:
            _contained(given)
    except LabError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.experiment.contained", description="Engines in a container."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("carry-out", help="in the container: do what standard input asks for")
    contained = commands.add_parser("run", help="run a comparison in a container under fixed limits")
    contained.add_argument("experiment", help="ray_vs_multiprocessing or break_even")
    contained.add_argument("profile", help="quick, full or reference")
    contained.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="a parameter of the notebook")
    contained.add_argument("--image", default="ray-scaling-lab:latest")
    contained.add_argument("--cpus", type=float, default=2.0, help="cores that all processes share")
    contained.add_argument("--memory", default="3g", help="memory of all, as Docker reads it")
    return parser


def _contained(given: argparse.Namespace) -> None:
    check_docker()
    changes = dict(one.partition("=")[::2] for one in given.changes)
    data = paths.data_folder()
    check_folder(data)
    if changes.get("run_id"):
        recover(container_of(given.experiment, changes["run_id"]), data)
    request = make_request(given.experiment, given.profile, changes, data)
    limits = Limits(given.cpus, given.memory)
    cores = f"{limits.cores:g} core{'' if limits.cores == 1 else 's'}"
    print(
        f"==> Running {request.experiment} in one container of {cores} and {limits.memory} (Ctrl-C stops it)"
    )
    if request.workers > limits.cores:
        print(f"Up to {request.workers} workers share {cores}: they take turns.")
    sys.stdout.flush()
    try:
        code = carry_out_contained(request, given.image, limits, data)
    except BaseException:
        _tell_how_to_go_on(request, data)
        raise
    if code:
        _tell_how_to_go_on(request, data)
        sys.exit(code)


def _tell_how_to_go_on(request: Request, data: Path) -> None:
    directory = data / request.experiment / request.run_id
    if (directory / ENVIRONMENT).exists():
        told = f"What was measured is kept in {directory}. To go on: the same command, with"
        print(f"\n{told} RUN_ID={request.run_id}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
