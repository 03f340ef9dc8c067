"""`lab resume RUN_ID`: goes on with a run of any experiment, with the parameters that it was begun with."""

import argparse
from collections.abc import Mapping
from typing import Any

from lab.cli.commands.run import add_unchecked, heed_unchecked
from lab.errors import ParameterError
from lab.measure.environment import CONTAINER_MARKS

EXAMPLE = """\
  lab resume 20260101T120000Z-work
  lab resume 20260101T120000Z-work --work elsewhere/my_job.py:work"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, and what a run does not keep or what may have moved."""
    parser.add_argument("run", metavar="RUN_ID", help="as `lab list` has it")
    parser.add_argument(
        "--work", metavar="FILE.py:FUNCTION", help="where the work's file is now, if it was moved"
    )
    parser.add_argument("--items", metavar="ITEMS", help="where the items are now, if they were moved")
    parser.add_argument("--address", metavar="URL", help="of the cluster's jobs API, which no run keeps")
    add_unchecked(parser)


def carry_out(given: argparse.Namespace) -> None:
    """Go on with the run, and say what it came to."""
    from lab.cli.outcome import tell
    from lab.cli.runs import find_run
    from lab.data.environment import read_environment
    from lab.experiment.own import own_work
    from lab.experiment.table import function_of

    heed_unchecked(vars(given))
    folder = find_run(given.run, given.data)
    environment, data = read_environment(folder), folder.parent.parent
    experiment = str(environment["experiment"])
    parameters = parameters_of(environment, given.address)
    moved = {name: value for name in ("work", "items") if (value := getattr(given, name)) is not None}
    if moved and experiment != "own":
        raise ParameterError(f"a run of {experiment} has the lab's own work: leave --work and --items out")
    refuse_elsewhere(environment, parameters)
    # what a run goes on with is what it was begun with: only the places are others
    found = own_work(parameters, moved, data) if moved else function_of(experiment)(parameters, data)
    assert found is not None
    tell(found)


def refuse_elsewhere(environment: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Raise for a run that only the place where it began can go on with: a container, or a script."""
    run, experiment = environment["run_id"], environment["experiment"]
    contained = bool(environment.get("machine", {}).get("container"))
    if contained and not any(path.exists() for path in CONTAINER_MARKS):
        command = f"make run COMPARISON={experiment} PROFILE={parameters.get('profile')} RUN_ID={run}"
        raise ParameterError(f"the run {run} was begun in a container. To go on: {command}")
    if experiment == "own" and not (parameters.get("work") or parameters.get("command")):
        raise ParameterError(
            f"the run {run} was given a function itself, not its name: go on from the script that began it, "
            f"with run(..., run_id={run!r})"
        )


def parameters_of(environment: Mapping[str, Any], address: str | None = None) -> dict[str, Any]:
    """Return the parameters that a run was begun with; no run keeps its cluster's address: it is given."""
    parameters: dict[str, Any] = dict(environment["parameters"])
    if "cluster" in parameters:
        parameters["address"] = address or ""
    return parameters
