"""`lab resume RUN_ID`: goes on with a run of any experiment, with the parameters that it was begun with."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the runs (default: data/ of the lab)")


def carry_out(given: argparse.Namespace) -> None:
    """Go on with the run."""
    from lab.cli.outcome import tell
    from lab.cli.runs import find_run
    from lab.data.store import read_environment
    from lab.experiment.table import function_of

    folder = find_run(given.run, given.data)
    environment = read_environment(folder)
    parameters = parameters_of(
        environment, {"work": given.work, "items": given.items, "address": given.address}
    )
    tell(function_of(str(environment["experiment"]))(parameters, folder.parent.parent))


def parameters_of(environment: Mapping[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the parameters that a run was begun with; no run keeps its cluster's address: it is given."""
    parameters: dict[str, Any] = dict(environment["parameters"])
    if "cluster" in parameters:
        parameters["address"] = ""
    return parameters | {name: value for name, value in changes.items() if value is not None}
