"""A comparison in a container: `python -m lab.comparison contained ray_vs_multiprocessing quick workers=[2]`.

In the container itself `python -m lab.comparison carry-out` does what a request on standard input asks for.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import paths
from lab.clusters.compose import check_docker
from lab.comparison.contained import Container, Limits, carry_out_contained, check_folder, recover
from lab.comparison.request import Request, carry_out, make_request, read_request
from lab.data.store import ENVIRONMENT
from lab.errors import LabError


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
    parser = argparse.ArgumentParser(prog="python -m lab.comparison", description="Engines in a container.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("carry-out", help="in the container: do what standard input asks for")
    contained = commands.add_parser("contained", help="run a comparison in a container under fixed limits")
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
        recover(Container(given.experiment, changes["run_id"]), data)
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
