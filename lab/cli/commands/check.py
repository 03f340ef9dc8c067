"""`lab check`: says within a minute what is good, doubtful or bad about a cluster."""

import argparse
import json
import sys

WRONG_USAGE = 64
"""As in sysexits.h: 1 and 2 tell what was found."""
EXAMPLE = """\
  lab check
  lab check --cluster compose
  lab check --address http://127.0.0.1:8265 --nodes 4
exit status:
  0 all good, 1 something doubtful, 2 something bad, 64 wrong usage, 130 stopped by Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the cluster, and what else is to be tried."""
    from lab.experiment.parameters import CLUSTERS

    # an allocation is looked at when a run begins in it
    choices = [one for one in CLUSTERS if one != "slurm"]
    kinds = ", ".join(choices)
    parser.add_argument("--cluster", choices=choices, metavar="KIND", help=f"{kinds} (default embedded)")
    parser.add_argument("--address", metavar="URL", help="of a cluster's jobs API: http://HOST:8265")
    parser.add_argument("--nodes", type=int, metavar="N", help="how many nodes are to run tasks, at least")
    parser.add_argument(
        "--examples",
        action="store_true",
        help="also run small examples: tasks, and jobs by command, over HTTP and from Python (a minute more)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def carry_out(given: argparse.Namespace) -> int:
    """Check, print a line for each thing, and return the status of the worst."""
    from lab import paths
    from lab.check.lines import VERDICTS
    from lab.check.run import as_json, check, keep_for_runs, table
    from lab.errors import DataError

    cluster = given.cluster or ("embedded" if given.address is None else "address")
    if (cluster == "address") != (given.address is not None):
        print("lab check: --address goes with the cluster address, and with no other", file=sys.stderr)
        return WRONG_USAGE
    checked = check(cluster, given.address or "", given.nodes, given.examples)
    print(json.dumps(as_json(checked), indent=2) if given.json else table(checked))
    try:
        keep_for_runs(checked, given.data or paths.data_folder())
    except DataError as error:
        print(f"The check is not kept for the next run: {error}", file=sys.stderr)
    return VERDICTS.index(checked.verdict)
