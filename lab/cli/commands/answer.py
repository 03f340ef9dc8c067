"""`lab answer RUN`: how far, why no further, how many; and the answer for a target or a price."""

import argparse
import html
import json

from lab.errors import DataError

EXAMPLE = "  lab answer 20261127T154421Z-custom --target 5000 --price 0.40"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and the purpose."""
    parser.add_argument("run", metavar="RUN", help="the run's id, as `lab list` shows it")
    parser.add_argument("--target", type=float, metavar="RATE", help="units/s that are wanted")
    parser.add_argument("--work", type=float, metavar="UNITS", help="units that are to be done, with --hours")
    parser.add_argument("--hours", type=float, metavar="HOURS", help="by when, with --work")
    parser.add_argument("--price", type=float, metavar="PRICE", help="what a node costs for an hour, in all")
    parser.add_argument("--json", action="store_true", help="print plain values instead of sentences")


def carry_out(given: argparse.Namespace) -> None:
    """Print the answers of every piece of the run's work."""
    # the analysis takes a second to import
    from lab.cli.runs import find_run
    from lab.data.store import read_run
    from lab.report import baselines, runs_alike
    from lab.report.answers import answers
    from lab.report.caveats import caveats
    from lab.report.decision import decide
    from lab.report.purposes import as_values, in_words
    from lab.report.study import Study

    purpose = _target(given), given.price
    study = Study(read_run(find_run(given.run, given.data)))
    if not study.modes:
        raise DataError(f"no trial of {given.run} ended well: `lab list` shows its state")
    decisions = [decide(study, mode) for mode in study.modes]
    if given.json:
        print(json.dumps([as_values(one, *purpose) for one in decisions], indent=2))
        return
    # what is asked for is checked before anything is told
    wanted = [in_words(one, *purpose) for one in decisions]
    for one, lines in zip(decisions, wanted, strict=True):
        print(f"{one.mode}, {one.series}")
        for found in answers(study, one.mode):
            # what is foreign was made safe for pages
            print(f"  {found.question} {html.unescape(found.answer)} ({found.sure})")
        for line in (baselines.in_words(one), runs_alike.in_words(one), *caveats(one), *lines):
            print(f"  {html.unescape(line)}")


def _target(given: argparse.Namespace) -> float | None:
    if (given.work is None) != (given.hours is None):
        raise DataError("--work and --hours belong together: so many units by then")
    if given.work is None:
        return None if given.target is None else float(given.target)
    if given.target is not None:
        raise DataError("give a target, or an amount of work and the hours for it, not both")
    for name, value in (("hours", given.hours), ("work", given.work)):
        if not value > 0:
            raise DataError(f"--{name} must be above 0, but is {value:g}")
    return float(given.work / given.hours / 3600)
