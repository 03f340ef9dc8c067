"""`lab trace RUN`: writes one trial as a file for Perfetto."""

import argparse
from pathlib import Path

EXAMPLE = """\
  lab trace RUN_ID
  lab trace data/multi_node/RUN_ID --trial 012-1 -o trial.json.gz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the trial, and where the file goes."""
    parser.add_argument("run", metavar="RUN", help="the run's id, or its folder")
    parser.add_argument(
        "--trial", metavar="ID", help="as in trials.csv (default: a typical one of the largest size)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="a folder, or a file, gzipped as *.gz",
    )


def carry_out(given: argparse.Namespace) -> None:
    """Write the file, and say where it is and what opens it."""
    from lab.cli.runs import find_run
    from lab.data.store import read_run
    from lab.trace import trace, typical_trial, write

    run = read_run(find_run(given.run, given.data))
    trial = given.trial or typical_trial(run)
    found, path = trace(run, trial), given.output
    if path.is_dir():
        path /= f"{run.run_id}-{trial}.trace.json.gz"
    write(found, path)
    print(
        f"{len(found['traceEvents'])} events of trial {trial}: {path}\n"
        "To see it, open it in https://ui.perfetto.dev (which reads it in your browser and sends it nowhere) "
        "or in chrome://tracing."
    )
