"""A run by file: a request that a job carries out somewhere else, and the job's log, which brings the rows.

    python -m lab.experiment.batch request quick nodes=[1,2] >request.json
    python -m lab.experiment.batch rows request.json job.log

For a cluster that this machine does not talk to while the job runs, such as that of a RayJob on Kubernetes.
The job is `python -m lab.experiment.job request.json`, on the cluster's head.
"""

import argparse
import base64
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

from lab import paths
from lab.clusters.package import packed
from lab.clusters.wire import Message, Receiver
from lab.data.ledger import Ledger
from lab.data.store import Run
from lab.errors import ClusterError, DataError, LabError, ParameterError
from lab.experiment.examples import works_of
from lab.experiment.facts import facts_of, new_run_id
from lab.experiment.job import Request
from lab.experiment.parameters import MultiNode, parameters_from
from lab.experiment.plan import multi_node_plan
from lab.experiment.profiles import notebook_parameters, profile_file, with_true_profile
from lab.experiment.run import run_plan, slots_to_run, write_interrupted
from lab.experiment.sites import Elsewhere, folder_of, request_for
from lab.measure.node import find_cgroup

EXPERIMENT = "multi_node"
BY_FILE = {"cluster": "address", "address": "none: the request goes by file"}


def make_request(profile: str, changes: Mapping[str, str], data: Path | None = None) -> Request:
    """Return the request for a new run with a profile's parameters, or for the rest of the run `run_id`."""
    path = profile_file(EXPERIMENT, profile)
    if not path.exists():
        raise ParameterError(f"there is no profile {profile!r} of {EXPERIMENT}: {path.parent} has them all")
    given = notebook_parameters(EXPERIMENT) | yaml.safe_load(path.read_text()) | changes | BY_FILE
    parameters = with_true_profile(EXPERIMENT, parameters_from(MultiNode, given))
    run_id = parameters.run_id or new_run_id(parameters.profile)
    parameters = dataclasses.replace(parameters, run_id=run_id)
    plan = multi_node_plan(parameters)
    works = works_of(parameters)
    facts = facts_of(EXPERIMENT, run_id, parameters, works, plan, find_cgroup())
    with Ledger((data or paths.data_folder()) / EXPERIMENT / run_id, facts) as ledger:
        write_interrupted(plan, ledger)
        to_do = slots_to_run(plan, ledger)
        if not to_do:
            raise DataError(f"the run {run_id} has all of its trials: leave run_id out for a new one")
        asked = request_for(EXPERIMENT, parameters, works, to_do, ledger.digests(), BY_FILE["cluster"], 0.0)
        files = base64.b64encode(packed(folder_of(works))).decode()
        return dataclasses.replace(asked, files=files)


def take_rows(request: Request, log: str, cut: bool = False, data: Path | None = None) -> Run:
    """Write the rows of a job's log to the run that was asked for, and return it.

    A log without its end is refused, unless it is known to be `cut` off: its rows are then written, and
    `ClusterError` says that there are more to come. Another code, or other versions, than the request's are
    refused, too.
    """
    saved = SavedLog(request, log)
    if not cut and not saved.complete():
        raise DataError(
            "the log does not hold all that the job had to say: where the job still runs, wait for its end "
            "and save the log again; where it died, add --cut to keep the rows that are there"
        )
    parameters = parameters_from(MultiNode, request.parameters)
    own = request_for(EXPERIMENT, parameters, {}, (), {}, request.cluster, 0.0)
    if (own.code, own.versions) != (request.code, request.versions):
        raise DataError(
            "the request was written with another version of the lab, or of what it needs, than is here: "
            "read its log where it was written"
        )
    site = Elsewhere(request.cluster, saved, request.start_seconds, {})
    sites = {request.cluster: lambda: nullcontext(site)}
    plan = multi_node_plan(parameters)
    return run_plan(EXPERIMENT, parameters, works_of(parameters), plan, data, find_cgroup(), lambda _: sites)


class SavedLog:
    """The answer to one request, in place of a job that could still be asked."""

    def __init__(self, request: Request, log: str) -> None:
        """Remember both."""
        self._asked, self._lines = _plain(dataclasses.asdict(request)), log.split("\n")
        # what stands behind the last end of a line is a piece of one, or nothing
        del self._lines[-1]

    def complete(self) -> bool:
        """Tell whether the job's last line is there, and all those before it."""
        receiver = Receiver()
        for line in self._lines:
            receiver.feed(line)
        return receiver.complete

    def run(
        self,
        request: Mapping[str, Any],
        run_id: str,
        receive: Callable[[Message], None],
        folder: Path | None = None,  # noqa: ARG002  nothing is sent any more
        variables: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> None:
        """Hand over what the log holds; `ClusterError` where it answers another request, or lacks its end."""
        # the work follows from the parameters, and one pickle of it may differ from the next
        given = {name: value for name, value in _plain(request).items() if name not in ("works", "files")}
        other = [name for name, value in given.items() if value != self._asked[name]]
        if other:
            raise ClusterError(
                f"this is not the request that the run {run_id} would make now (other: {', '.join(other)}): "
                "read each log once, on the machine and with the version of the lab that wrote its request"
            )
        receiver = Receiver()
        for line in self._lines:
            for message in receiver.feed(line):
                receive(message)
        if not receiver.complete:
            raise ClusterError(
                f"the log ends before the job did; its rows are kept. For the rest: the same "
                f"`python -m lab.experiment.batch request` with run_id={run_id}"
            )


def _plain(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(request))
    return plain


def read_request(path: Path) -> Request:
    """Read a request that was written to a file."""
    try:
        return Request(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} holds no request of this lab ({error}): write it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def read_log(path: Path) -> str:
    """Read a log that was saved; whatever is no UTF-8 in it is none of the lab's."""
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def main(arguments: Sequence[str]) -> None:
    """Write a request to standard output, or the rows of a log to the run's folder."""
    parser = argparse.ArgumentParser(prog="python -m lab.experiment.batch", description="A run by file.")
    commands = parser.add_subparsers(dest="command", required=True)
    request = commands.add_parser("request", help="write a request to standard output")
    request.add_argument("profile", help="quick or full")
    request.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="a parameter of the notebook")
    rows = commands.add_parser("rows", help="write the rows of a job's log to data/")
    rows.add_argument("request", type=Path)
    rows.add_argument("log", type=Path)
    rows.add_argument("--cut", action="store_true", help="the log ends early: keep what it holds")
    given = parser.parse_args(arguments)
    try:
        if given.command == "rows":
            take_rows(read_request(given.request), read_log(given.log), given.cut)
        else:
            changes = dict(one.partition("=")[::2] for one in given.changes)
            print(json.dumps(dataclasses.asdict(make_request(given.profile, changes))))
    except LabError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
