"""Hunts for factors, read from the rows of their steps: when one was found, what it ended, and how soon."""

import pandas as pd

from lab.analysis.curve_theory import chance

FORM = r"(?P<item>\d+) (?P<kind>\w+)(?: (?P<bound>\d+) (?P<curves>\d+))?(?: (?P<ending>found|late))?"
"""How `lab.factoring.splitting` tells of a step."""
HUNTS = ("hunt", "lost")


def steps_of(trials: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of the trials that ended well, with mode, nodes and workers, and what each one was."""
    good = trials[(trials["status"] == "ok") & trials["mode"].isin(HUNTS) & (trials["arm"] != "copy")]
    rows = tasks[~tasks["warmup"].astype(bool) & (tasks["status"] == "ok") & tasks["step"].notna()]
    told = rows["step"].astype(str).str.extract(FORM)
    told = told.astype({"item": "Int64", "bound": "Int64", "curves": "Int64"})
    known = good.set_index("trial_id")[["mode", "nodes", "workers", "block", "cluster"]]
    return rows.drop(columns="step").join(told).join(known, on="trial_id", how="inner")


def hunted(steps: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each number of each trial: seconds from the begin of its first curve to its end."""
    key = ["trial_id", "mode", "nodes", "workers", "block", "item"]
    curves = steps[steps["kind"] == "curves"]
    begun = curves.groupby(key)["started_seconds"].min()
    ended = steps[steps["kind"] == "finish"].groupby(key)["received_seconds"].max()
    return (ended - begun).reindex(begun.index).rename("seconds").reset_index()


def wasted(steps: pd.DataFrame) -> pd.DataFrame:
    """Return by mode, nodes and workers the processor seconds of curves, and of those that came too late."""
    curves = steps[steps["kind"] == "curves"]
    late = curves["cpu_seconds"].where(curves["ending"] == "late", 0.0)
    key = ["mode", "nodes", "workers"]
    table = curves.assign(late=late).groupby(key)[["cpu_seconds", "late"]].sum()
    return table.assign(part=table["late"] / table["cpu_seconds"]).reset_index()


def changes(steps: pd.DataFrame) -> pd.DataFrame:
    """Return for each find and each worker the seconds until the worker was on work that is still needed.

    `curve_seconds` is what a curve of the number took there. A worker that has no more work after the find,
    since the last number was split, has no row.
    """
    known = ["trial_id", "mode", "nodes", "workers", "block", "item"]
    needed = steps[steps["ending"] != "late"].dropna(subset="started_seconds")
    finds = steps[(steps["kind"] == "curves") & (steps["ending"] == "found")]
    asked = finds[[*known, "started_seconds", "finished_seconds", "curves"]].merge(
        needed[["trial_id", "worker"]].drop_duplicates(), on="trial_id"
    )
    begun = needed[["trial_id", "worker"]].assign(next_seconds=needed["started_seconds"])
    found = pd.merge_asof(
        asked.sort_values("finished_seconds"),
        begun.sort_values("next_seconds"),
        left_on="finished_seconds",
        right_on="next_seconds",
        by=["trial_id", "worker"],
        direction="forward",
    ).dropna(subset="next_seconds")
    lasted = found["finished_seconds"] - found["started_seconds"]
    return found.assign(
        seconds=found["next_seconds"] - found["finished_seconds"],
        curve_seconds=lasted / found["curves"].astype(float),
    )[[*known, "worker", "seconds", "curve_seconds"]]


def efforts(steps: pd.DataFrame, factor_bits: float) -> pd.Series:
    """Return for each number how many factors theory expected by the curves that it took to find one.

    If every curve finds one with its theoretical chance p, the sum of p over the curves until the find
    is exponential with mean 1, whatever their bounds. All trials have the same curves on a number, which
    end in another order with more workers: a number counts once, by its first trial with fewest workers.
    """
    curves = steps[(steps["kind"] == "curves") & (steps["mode"] == "hunt") & (steps["ending"] != "late")]
    if curves.empty:
        return pd.Series(dtype=float)
    least = curves.sort_values(["workers", "trial_id"])["trial_id"].iloc[0]
    mine = curves[curves["trial_id"] == least].sort_values("finished_seconds")
    first = mine[mine["ending"] == "found"].groupby("item")["finished_seconds"].min()
    until = mine[mine["finished_seconds"] <= mine["item"].map(first)]
    bounds = {bound: chance(factor_bits, int(bound)) for bound in until["bound"].unique()}
    expected = until["curves"].astype(float) * until["bound"].map(bounds).astype(float)
    found: pd.Series = expected.groupby(until["item"]).sum()
    return found
