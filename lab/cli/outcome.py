"""What a run came to, on the terminal: where its rows are, one line for each size, and what comes next."""

import pandas as pd

from lab import paths
from lab.analysis.configurations import WORK
from lab.cli.commands.list import table
from lab.data.store import Run
from lab.errors import EngineError

HEADS = ("work", "engine", "nodes", "workers", "trials", "median s", "per second")
SIZES = ["mode", "engine", "batching", "schedule", "nodes", "workers"]
"""What tells one line of the table from another: a run with several pieces of work of a size has no table."""


def tell(run: Run) -> None:
    """Print how the trials ended, and what comes next; raises `EngineError` where none ended well."""
    # what was cut off was done again
    trials = run.trials[run.trials["status"] != "interrupted"]
    good = trials[trials["status"] == "ok"]
    if good.empty:
        first = next(iter(trials["error_message"].dropna()), "no message")
        raise EngineError(f"no trial of {run.directory} ended well; the first: {first}")
    if not good.drop_duplicates([*SIZES, *WORK]).duplicated(SIZES).any():
        print(table([HEADS, *sizes(good[good["arm"] != "copy"])]))
    of_good = run.tasks.merge(good[["trial_id", "mode"]], on="trial_id")
    print(failures(of_good), end="")
    bad = len(trials) - len(good)
    for _, first in trials[trials["status"] != "ok"].head(1).iterrows():
        print(f"the first trial that failed, {first['engine']}: {first['error_message']}")
    print(f"{len(trials)} trials, {bad or 'none'} of them failed. Rows: {run.directory}")
    if other := run.environment.get("against"):
        print(f"The two beside each other: lab compare {other['run_id']} {run.run_id}")
    data = run.directory.parent.parent
    print("The report: lab book" + ("" if data == paths.data_folder() else f" --data {data}"))


def failures(tasks: pd.DataFrame) -> str:
    """Return a line on the items that failed and how the first did, and one on what was done again.

    `tasks` bear the mode of their trials: each kind of work has items of its own.
    """
    rows = tasks[~tasks["warmup"].astype(bool)]
    good, key = rows["status"] == "ok", ["trial_id", "task"]
    done = pd.MultiIndex.from_frame(rows.loc[good, key])
    bad = rows[~good]
    again = pd.MultiIndex.from_frame(bad[key]).isin(done)
    failed, lost = bad[~again], bad[again]
    told = ""
    if len(failed):
        items, every = (len(one.drop_duplicates(["mode", "task"])) for one in (failed, rows))
        told += f"{items} of {every} items failed, as item {_first(failed)}\n"
    if len(lost):
        told += f"{len(lost)} attempts failed and were done again, as that at item {_first(lost)}\n"
    return told


def _first(bad: pd.DataFrame) -> str:
    """Return the first item of attempts that failed, and how it did."""
    first = bad.iloc[0]
    told = ": ".join(str(one) for one in (first["error_kind"], first["error_message"]) if not pd.isna(one))
    return f"{first['task']} did: {told}"


def sizes(good: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return a row for each size of each engine: its median duration, and its units per second at that."""
    rows = []
    for key, own in good.groupby(SIZES, sort=False, dropna=False):
        mode, engine, batching, schedule, nodes, workers = map(str, key)
        name = engine if schedule == "dynamic" or engine == "serial" else f"{engine}, {schedule}"
        name += ", equal batches" * (batching == "equal")
        seconds = float(own["duration_seconds"].median())
        rate = float((own["units"] / own["duration_seconds"]).median())
        rows.append((mode, name, nodes, workers, f"{len(own)}", f"{seconds:.3g}", f"{rate:.4g}"))
    return sorted(rows, key=lambda row: (row[0], row[1], int(row[2]), int(row[3])))
