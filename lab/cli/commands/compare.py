"""`lab compare A B`: whether the second of two runs is slower than the first, and how sure that is."""

import argparse
import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.commands.list import table
from lab.cli.runs import find_run
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.report.two_runs import TwoRuns

USAGE = "lab compare A B [--margin 3%%] [--fail-on slower|different|undecided] [OPTION ...]"
EXAMPLE = """\
  lab compare 20261127T154421Z-custom 20261128T090000Z-custom
  lab compare main/data/own/RUN branch/data/own/RUN --margin 5% --fail-on slower --summary summary.md

exit status:
                        --fail-on    slower  different  undecided (default)
  within the margin                     0        0          0
  faster than the margin                0        1          0
  slower than the margin                1        1          1
  not decided                           0        0          2
  the runs cannot be compared           3        3          3
  wrong usage, such as an unknown option: 64 here, since 2 is a verdict
  an error of the lab itself: 70, since Python's own 1 is a verdict"""

SLOWER, UNDECIDED, NOT_COMPARABLE = 1, 2, 3
WRONG_USAGE, INTERNAL = 64, 70
"""As in sysexits.h of BSD."""
FAIL_ON = ("slower", "different", "undecided")
SUMMARY = "GITHUB_STEP_SUMMARY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add both runs, the margin, what is let pass, and where the outcome goes."""
    for name, words in (("A", "the first run, which the second is measured by"), ("B", "the second run")):
        parser.add_argument(name.lower(), metavar=name, help=f"{words}: its id, or its folder")
    parser.add_argument(
        "--margin",
        dest="margin_percent",
        type=percent,
        metavar="PERCENT",
        help="what the second run may lose before it counts as slower (default 3%%)",
    )
    parser.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        default=FAIL_ON[-1],
        help="what does not end with status 0, as the table below has it",
    )
    parser.add_argument(
        "--scatter",
        dest="scatter_percent",
        type=percent,
        metavar="PERCENT",
        help="what levels of runs made at different times scatter by (standard deviation) where fewer than "
        "four runs of one kind tell it (default 2%%)",
    )
    parser.add_argument(
        "--across-machines", action="store_true", help="compare runs of different machines, too"
    )
    parser.add_argument(
        "--changed-work", action="store_true", help="the function was changed, and that is the question"
    )
    parser.add_argument("--json", action="store_true", help="print plain values instead of sentences")
    parser.add_argument(
        "--markdown", action="store_true", help="print Markdown, for a comment on a pull request"
    )
    parser.add_argument(
        "--summary",
        type=Path,
        metavar="FILE",
        help=f"append Markdown to a file (default: where {SUMMARY} says, in GitHub Actions)",
    )


def carry_out(given: argparse.Namespace) -> int:
    """Print the comparison and return its status; that of an error of the lab itself is none of a verdict."""
    try:
        return _compared(given)
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(INTERNAL) from error


def compare(namespace: Mapping[str, Any]) -> "TwoRuns":
    """Compare the two runs that the parameters of a notebook name; raises `LabError` where that cannot be."""
    from lab.experiment.parameters import parameters_from
    from lab.report.two_runs import Named, two_runs

    # any dataclass of parameters will do, though all others are experiments
    asked = parameters_from(Named, namespace)  # type: ignore[type-var]
    return two_runs(find_run(asked.first), find_run(asked.second), asked)


def _compared(given: argparse.Namespace) -> int:
    from lab.analysis.verdicts import at_least, within
    from lab.report import compared
    from lab.report.two_runs import Asked, two_runs

    names = [one.name for one in dataclasses.fields(Asked) if getattr(given, one.name) is not None]
    asked = Asked(**{name: getattr(given, name) for name in names})
    try:
        two = two_runs(find_run(given.a, given.data), find_run(given.b, given.data), asked)
    except LabError as error:
        print(f"not comparable: {error}", file=sys.stderr)
        return NOT_COMPARABLE
    if given.json:
        print(json.dumps(compared.as_values(two), indent=2))
    else:
        print(compared.shown(two).text if given.markdown else in_text(two))
    summary = given.summary or os.environ.get(SUMMARY)
    if summary:
        append(Path(summary), compared.shown(two).text)
    margin = two.comparison.margin
    true_for = within(margin) if given.fail_on == "different" else at_least(1 - margin)
    undecided = UNDECIDED if given.fail_on == "undecided" else 0
    return {"holds": 0, "does not hold": SLOWER, "not decided": undecided}[two.comparison.outcome(true_for)]


def append(file: Path, text: str) -> None:
    """Append Markdown to a file; one that cannot be written was named wrongly."""
    try:
        with file.open("a", encoding="utf-8") as open_file:
            open_file.write(f"{text}\n")
    except OSError as error:
        print(f"{file} cannot be written: {error.strerror or error}", file=sys.stderr)
        raise SystemExit(WRONG_USAGE) from error


def in_text(two: "TwoRuns") -> str:
    """Return a comparison as plain text."""
    from lab.report import compared

    facts = [(one.what, one.first, one.second) for one in two.differences]
    judged = compared.verdict(two)
    parts = [
        f"first   {two.first.run.run_id}\nsecond  {two.second.run.run_id}",
        table(_plain([("what differs", "first", "second"), *facts]))
        if facts
        else "Nothing that is known differs but when they were made.",
        table(_plain([compared.heads(two), *compared.rows(two)])),
        compared.levels(two),
        f"{compared.headline(two)}.",
        f"{judged.outcome}: {judged.claim}. True if {judged.rule}. {judged.evidence}",
        f"{compared.power(two)}\n{compared.covers(two)}\n{compared.noisy(two)}".strip(),
    ]
    return "\n\n".join(parts)


def _plain(lines: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return rows of foreign text without what a terminal would obey."""
    return [
        tuple("".join(one if one.isprintable() else "\ufffd" for one in cell) for cell in row)
        for row in lines
    ]


def percent(text: str) -> float:
    """Return a percentage, which may be given with its sign: 3% and 3 are 3."""
    from lab.report.two_runs import PERCENT

    try:
        return PERCENT.accept(text.strip().removesuffix("%").strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted is {error}, such as 3%") from None
