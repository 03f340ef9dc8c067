"""`lab factor NUMBER`: splits a number into primes, on a cluster where it is large, with a certificate."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

EXAMPLE = """\
  lab factor "2**137-1"
  lab factor "10^50 + 19" --workers 2 --json
  lab factor "2**256+1" --cluster compose --nodes 4
what stands in the certificate can be checked in PARI: its last line is what to ask"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the number, and where it is to be split."""
    from lab.cli.options import reader
    from lab.experiment.parameters import MOST_NODES, MOST_WORKERS, PLACES
    from lab.experiment.rules import Real
    from lab.factoring.expression import MOST_BITS
    from lab.factoring.levels import LARGEST

    parser.add_argument("number", metavar="NUMBER", help="a whole number, or an expression such as 2**251-9")
    kinds = ", ".join(PLACES)
    parser.add_argument(
        "--cluster", choices=PLACES, metavar="KIND", default="embedded", help=f"{kinds} (default embedded)"
    )
    parser.add_argument(
        "--address", metavar="URL", default="", help="of a cluster's jobs API: http://HOST:8265"
    )
    parser.add_argument(
        "--workers",
        type=_whole(1, MOST_WORKERS),
        metavar="N",
        help="workers on each node (default: embedded, one for each core; elsewhere 1)",
    )
    parser.add_argument(
        "--nodes", type=_whole(1, MOST_NODES), metavar="N", default=1, help="nodes (default 1)"
    )
    parser.add_argument(
        "--node-cores",
        type=reader(Real(0.01, 1024.0, "cores")),
        metavar="CORES",
        default=0.25,
        help="cores of each container, for cluster compose (default 0.25)",
    )
    parser.add_argument(
        "--seed", type=_whole(0, 2**63 - 1), metavar="N", default=1, help="decides the curves"
    )
    parser.add_argument(
        "--most-bits",
        type=_whole(64, MOST_BITS),
        metavar="N",
        default=LARGEST,
        help=f"of what remains without its small factors; more is refused (default {LARGEST})",
    )
    parser.add_argument("--json", action="store_true", help="print the certificate as JSON")


def _whole(low: int, high: int) -> Callable[[str], Any]:
    from lab.cli.options import reader
    from lab.experiment.rules import Whole

    return reader(Whole(low, high))


def carry_out(given: argparse.Namespace) -> None:
    """Split the number, and print its factors; what happens on the way goes to standard error."""
    from lab.experiment.parameters import check_address
    from lab.factoring.answer import Place, factored
    from lab.factoring.certificate import as_json, in_words
    from lab.measure.node import find_cgroup, usable_cores

    cluster = "address" if given.address else given.cluster
    check_address(cluster, given.address)
    cores = max(1, int(usable_cores(find_cgroup())))
    workers = given.workers or (cores if cluster == "embedded" else 1)
    place = Place(cluster, given.address, given.nodes, workers, given.node_cores)

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = as_json(factored(given.number, place, given.seed, given.most_bits, tell))
    print(json.dumps(found, indent=2) if given.json else in_words(found))
