"""`lab export RUN`: a run in the format of somebody else's site."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import DataError

if TYPE_CHECKING:
    from lab.report.study import Study

EXAMPLE = """\
  lab export RUN_ID --format bencher | bencher run --adapter json
  lab export RUN_ID --format openmetrics -o run.txt
  lab export RUN_ID --format asv -o results/"""

FORMATS = ("openmetrics", "json", "bencher", "asv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the format, and where it goes."""
    parser.add_argument("run", metavar="RUN", help="the run's id, or its folder")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="json",
        help="OpenMetrics text, plain JSON (the default), Bencher's metric format, a result file of asv",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="a file, or a folder that is there, such as the results/ of asv, which gets its benchmarks.json "
        "and machine.json, too (default: printed)",
    )


def carry_out(given: argparse.Namespace) -> None:
    """Print the run, or write it and say where it is."""
    from lab.cli.runs import find_run
    from lab.data.store import read_run
    from lab.report import export, export_asv
    from lab.report.study import Study

    forms = {
        "openmetrics": export.open_metrics,
        "json": export.plain,
        "bencher": export.bencher,
        "asv": export_asv.asv,
    }
    files = forms[given.format](whole(Study(read_run(find_run(given.run, given.data)))))
    first, path = next(iter(files)), given.output
    if path is None:
        print(files[first], end="")
    elif path.is_dir():
        for name, text in files.items():
            write(path / name, text)
    else:
        write(path, files[first])


def whole(study: "Study") -> "Study":
    """Return a run that can be exported; raises `DataError` for one that is not complete, or has nothing."""
    run = study.run.run_id
    if not study.run.complete:
        raise DataError(f"the run {run} is not complete: `lab resume {run}` goes on with it")
    if not study.modes:
        raise DataError(f"no trial of the run {run} ended well: there is nothing to export")
    return study


def write(path: Path, text: str) -> None:
    """Write a file, with its folder, and say so."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    print(f"written: {path}")
