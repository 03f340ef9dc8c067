"""`lab run WORK`: measures a function of the user's own."""

import argparse
import dataclasses
import os
import sys
from typing import Any

from lab.cli.options import add_options, meaning_of, reader

USAGE = "lab run FILE.py:FUNCTION --items ITEMS [--workers 1,2,4] [OPTION ...]"
EXAMPLE = """\
  lab run my_job.py:work --items my_job.py:items --workers 1,2,4
  lab run my_job.py:work --items 1000 --workers 2 --nodes 1,2 --cluster compose
  lab run my_job.py:work --items items.jsonl --dry-run
  lab run --command "python my_script.py" --workers 1,2,4
afterwards:
  lab book"""

SAME_RESULTS = "same_results"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the work, an option for every parameter of own work, and what only the command line has."""
    from lab.experiment.own_parameters import Own

    work = next(field for field in dataclasses.fields(Own) if field.name == "work")
    parser.add_argument(
        "work",
        metavar="WORK",
        nargs="?",
        default="",
        type=reader(work.metadata["rule"]),
        help=meaning_of(work),
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="run a few items here, say what a run would do, write nothing"
    )
    parser.add_argument(
        "--different-results",
        dest=SAME_RESULTS,
        action="store_false",
        default=argparse.SUPPRESS,
        help="the results of an item may differ from run to run: they are not compared",
    )
    add_unchecked(parser)
    add_options(parser, Own, left_out=("work", SAME_RESULTS))


def add_unchecked(parser: argparse.ArgumentParser) -> None:
    """Add the option to run whatever `lab check` has found."""
    parser.add_argument(
        "--unchecked", action="store_true", help="run also where the last `lab check` found something bad"
    )


def heed_unchecked(asked: dict[str, Any]) -> None:
    """Take the option out of what was asked, and have it known to the run."""
    if asked.pop("unchecked"):
        os.environ["LAB_UNCHECKED"] = "1"


def carry_out(given: argparse.Namespace) -> None:
    """Run the work, and say where its rows are and what comes next."""
    from lab.api import run
    from lab.cli.outcome import tell

    asked = vars(given)
    heed_unchecked(asked)
    work, items = asked.pop("work"), asked.pop("items", None)
    if not (work or asked.get("command")):
        print("lab run: error: the following arguments are required: WORK, or --command", file=sys.stderr)
        raise SystemExit(2)
    found = run(work, items, **asked)
    if found is not None:
        tell(found)
