"""Sentences bound to the data: one that the data contradicts fails the build, and says which and where.

Only what must hold in every honest run is required here. What depends on the machine is chosen from the
data where it is written, and the reference report's claims get a verdict instead.
"""

import pandas as pd

from lab.analysis.configurations import CONFIGURATION, WORK
from lab.analysis.measures import node_efficiency
from lab.analysis.trials import lost_workers, script_modes, sound
from lab.data.store import Run
from lab.errors import ClaimError
from lab.published.single_node_claims import unequal_digests

CLOCKS = 0.01
"""What the clocks of driver and workers may differ by, as a part of the window."""


def claims(run: Run) -> tuple[str, str, str, str, str]:
    """Return all that the book says of every run; raises `ClaimError` for what the data contradict."""
    return (
        one_trial_per_block(run),
        nothing_left_out(run),
        same_results(run),
        tasks_add_up(run),
        work_fits_window(run),
    )


def require(sentence: str, holds: bool, where: str, found: str) -> str:
    """Return the sentence if it holds; else raise `ClaimError` with sentence, run and what was found."""
    if not holds:
        raise ClaimError(
            f"the book says: {sentence!r}, but the run in {where} contradicts it: {found}. "
            "Find out why before you publish: the data or the code that wrote it is wrong"
        )
    return sentence


def same_results(run: Run) -> str:
    """Claim that all trials of the same work came to the same results, whatever the engine and the workers.

    Work that says of itself that its results differ is left out.
    """
    works = run.environment.get("works", {})
    free = {mode for mode, facts in works.items() if facts.get("same_results") is False}
    unequal = unequal_digests(run.trials[~run.trials["mode"].isin(free)])
    if set(run.trials["mode"]) <= free:
        return "Results may differ from trial to trial, as the work says of itself: they were not compared."
    return require(
        "All trials of the same work that ended well returned the same results: their digests are equal.",
        not unequal,
        str(run.directory),
        f"more than one digest in {'; '.join(unequal)}",
    )


def nothing_left_out(run: Run) -> str:
    """Claim that every planned trial is counted once, as one that ended well or as one that failed."""
    ended = _ended(run)
    well = int((ended["status"] == "ok").sum())
    failed, planned = len(ended) - well, int(run.environment["planned_trials"])
    odd = int(lost_workers(ended).sum())
    besides = f" ({odd} of them after losing workers: they are listed, and in no mean)" * bool(odd)
    return require(
        f"Of {planned} planned trials, {well} ended well{besides} and {failed} failed; none is left out.",
        well + failed == planned and ended["slot"].is_unique,
        str(run.directory),
        f"{len(ended)} ended trials in {ended['slot'].nunique()} slots, of {planned} planned",
    )


def _ended(run: Run) -> pd.DataFrame:
    """Return the trials of a run that were not cut short."""
    return run.trials[run.trials["status"] != "interrupted"]


def one_trial_per_block(run: Run) -> str:
    """Claim that each block holds every configuration exactly once."""
    ended = _ended(run)
    key = [*CONFIGURATION, *WORK]
    counts = ended.groupby([*key, "block"], dropna=False).size()
    configurations, blocks = ended.groupby(key, dropna=False).ngroups, ended["block"].nunique()
    times = "once" if blocks == 1 else f"{blocks} times, once in every block"
    return require(
        f"Each of the {configurations} configurations ran {times}.",
        bool((counts == 1).all()) and len(counts) == configurations * blocks,
        str(run.directory),
        f"{int((counts != 1).sum())} configurations more than once in a block, "
        f"{configurations * blocks - len(counts)} missing from one",
    )


def tasks_add_up(run: Run) -> str:
    """Claim that the tasks' rows account for each trial's count of tasks and units."""
    scripts = script_modes(run.environment)
    if set(run.trials["mode"]) <= scripts:
        return "Trials of a script have no rows of tasks: what it did is what it says of itself."
    good = run.trials[(run.trials["status"] == "ok") & ~run.trials["mode"].isin(scripts)].set_index(
        "trial_id"
    )
    rows = run.tasks[(run.tasks["status"] == "ok") & ~run.tasks["warmup"].astype(bool)]
    # steps on the way to a result lie beyond the tasks of the trial
    on_the_way = rows["step"].notna() & (rows["task"] >= rows["trial_id"].map(good["planned_tasks"]))
    results = rows[~on_the_way.fillna(False)]
    finished = results.groupby("trial_id").agg(tasks=("task", "nunique"), units=("units", "sum"))
    sums = finished.reindex(good.index).fillna(0).astype("int64")
    wrong = (sums != good[["tasks", "units"]].fillna(0).astype("int64")).any(axis="columns")
    return require(
        "Every finished task has its row, and the rows add up to the totals of their trial.",
        not wrong.any(),
        str(run.directory),
        f"they do not in {', '.join(map(str, good.index[wrong][:5]))}",
    )


def work_fits_window(run: Run) -> str:
    """Claim that no worker worked longer than the window lasted; 1 % is left to the two clocks."""
    done = sound(run.trials).set_index("trial_id")
    window = run.tasks[run.tasks["trial_id"].isin(done.index) & ~run.tasks["warmup"].astype(bool)]
    efficiency = node_efficiency(done, window)
    over = efficiency.index[efficiency > 1 + CLOCKS]
    return require(
        "In no trial did the workers work longer than the window allows.",
        over.empty,
        str(run.directory),
        f"node efficiency is above 1 in {', '.join(map(str, over[:5]))}",
    )
