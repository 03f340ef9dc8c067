"""`lab validate`: measures the lab's own measuring beside other instruments."""

import argparse
import sys

EXAMPLE = "  lab validate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the rows go."""
    parser.add_argument(
        "--proofs",
        action="store_true",
        help="only compute anew what becomes of made-up sweeps, about a minute, into proofs.csv",
    )


def carry_out(given: argparse.Namespace) -> None:
    """Measure, which takes about 7 minutes, and say where the rows are."""
    from lab import paths
    from lab.validation.run import FILE, validate

    data = given.data or paths.data_folder()
    if given.proofs:
        from lab.report import made_up
        from lab.report.book import Book

        print(f"done: {made_up.write(Book(data))}; `lab book` shows it on the page Can I trust it?")
        return
    try:
        directory = validate(data)
    except KeyboardInterrupt as stop:
        told = "stopped; the rows so far are kept"
        print(f"\n{told}", file=sys.stderr)
        stop.add_note(told)
        raise
    print(f"done: {directory / FILE}; `lab book` shows it on the page Can I trust it?")
