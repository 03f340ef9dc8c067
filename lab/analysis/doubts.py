"""What is wrong with a run's files: each fault is named, and what it spoils is unknown, not guessed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.attempts import Attempts, Marks, Places, overlaps, read_attempts, read_places, unplaced
from lab.data.store import Run
from lab.formats import count

ROUNDING_SECONDS = 2e-6
"""Times are written with six decimals: two of them may miss each other by so much."""

OVERLAP_SECONDS = 1e-3
"""Attempts on one worker that overlap by less are an imprecise clock."""

FILLED = 4
"""Cells of trials by tasks for each attempt, above which a table of them would be mostly empty."""

Spoiled = Literal["terms", "parts", "nothing"]
"""What becomes unknown: all of a place's account, the parts of its terms, or nothing."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One fault: in which trial and on which node ('' where it concerns all), and what it makes unknown."""

    trial_id: str
    node_id: str
    what: str
    spoils: Spoiled


@dataclass(frozen=True, slots=True)
class Examined:
    """A run with its places and attempts as `lab.analysis.attempts` reads them, and every doubt about it."""

    run: Run
    places: pd.DataFrame
    attempts: Attempts
    doubts: tuple[Doubt, ...]

    def spoiled(self, spoils: Spoiled) -> Marks:
        """Mark the places of which that became unknown; a fault of a trial concerns all its places."""
        found = [one for one in self.doubts if one.spoils == spoils]
        trials = {one.trial_id for one in found if not one.node_id}
        nodes = pd.MultiIndex.from_tuples(
            [(one.trial_id, one.node_id) for one in found if one.node_id] or [("", "")]
        )
        here = pd.MultiIndex.from_frame(self.places[["trial_id", "node_id"]])
        marks: Marks = self.places["trial_id"].isin(trials).to_numpy(dtype=bool) | here.isin(nodes)
        return marks


def examine(run: Run) -> Examined:
    """Return a run with everything that is wrong with it, without the trials that know of no workers."""
    run = _placed(run)
    places, of_row = read_places(run)
    attempts = read_attempts(run, of_row)
    found = [
        *_of_trials(run, places, attempts),
        *_of_places(places),
        *_of_attempts(places, attempts),
        *_of_samples(run, places),
        *_of_rows(run, of_row),
    ]
    return Examined(run, places, attempts, tuple(found))


def _placed(run: Run) -> Run:
    """Return the run without the trials of engines that report all results at the end."""
    gone = unplaced(run.tasks)
    if not gone:
        return run
    kept = {
        name: rows[~rows["trial_id"].isin(gone)].reset_index(drop=True)
        for name in ("trials", "tasks", "samples", "windows")
        for rows in (getattr(run, name),)
    }
    return replace(run, **kept)


def _of_trials(run: Run, places: pd.DataFrame, attempts: Attempts) -> Iterator[Doubt]:
    trials = run.trials
    for trial_id in trials.loc[trials["trial_id"].duplicated(), "trial_id"].unique():
        yield Doubt(trial_id, "", "trials.csv has more than one row of it", "terms")
    codes = pd.Index(trials["trial_id"].unique())
    of_place = codes.get_indexer(pd.Index(places["trial_id"]))
    succeeded = np.bincount(of_place[attempts.place[attempts.succeeded]], minlength=len(codes))
    listed = places["window"].notna().to_numpy()
    nodes = np.bincount(of_place[listed], minlength=len(codes))
    workers = np.bincount(of_place[listed], places["workers"].to_numpy()[listed], len(codes))
    told = trials.drop_duplicates("trial_id", keep="last").set_index("trial_id", drop=False).loc[codes]
    counted: Iterable[tuple[Any, int, int, int]] = zip(
        told.itertuples(), succeeded.tolist(), nodes.tolist(), workers.astype(int).tolist(), strict=True
    )
    for row, tasks, on_nodes, of_workers in counted:
        if not row.duration_seconds > 0:
            yield Doubt(row.trial_id, "", "the length of its window is not known", "terms")
        if not pd.isna(row.tasks) and row.tasks != tasks:
            text = f"tasks.csv has {count(tasks, 'finished task')} in its window, trials.csv {row.tasks}"
            yield Doubt(row.trial_id, "", text, "terms")
        if (on_nodes, of_workers) != (row.nodes, row.workers):
            text = (
                f"windows.csv has {count(of_workers, 'worker')} on {count(on_nodes, 'node')} "
                f"of it, trials.csv {row.workers} on {row.nodes}"
            )
            yield Doubt(row.trial_id, "", text, "terms")


def _of_places(places: pd.DataFrame) -> Iterator[Doubt]:
    lost, known = (places["window"] == status for status in ("lost", "ok"))
    cgroup = known & (places["cpu_source"] == "cgroup")
    driven = places["sampler_cpu_seconds"].isna()
    driver = places[["driver_cpu_seconds", "driver_sampler_cpu_seconds"]].isna().any(axis="columns")
    ray = known & (places["engine"] == "ray")
    yield from _at(
        places, places["window"].isna(), "it ran tasks, but windows.csv has no row of it with workers"
    )
    yield from _at(places, lost, "the node was lost: it did not answer after the window")
    yield from _at(places, places["quota_cores"].isna(), "nodes.csv has no row of it")
    for name in ("cpu_seconds", "throttled_seconds"):
        unread = cgroup & places[name].isna()
        yield from _at(places, unread, f"{name} was not read from its cgroup", "nothing")
    for name in ("ray_cpu_seconds", "workers_cpu_seconds"):
        yield from _at(places, ray & places[name].isna(), f"{name} was not read", "parts")
    yield from _at(
        places, ray & driven & driver, "the processor time of sampler and driver was not read", "parts"
    )


def _of_attempts(places: pd.DataFrame, attempts: Attempts) -> Iterator[Doubt]:
    uncertainty = places["clock_uncertainty_seconds"].fillna(0.0).to_numpy() + ROUNDING_SECONDS
    tolerance, window = uncertainty[attempts.place], places["duration_seconds"].to_numpy()[attempts.place]
    started, finished = attempts.started, attempts.finished
    timeless = np.isnan(started) | np.isnan(finished) | np.isnan(attempts.cpu_seconds)
    checks: tuple[tuple[Marks, str], ...] = (
        (timeless, "attempts without times or processor time"),
        (finished < started, "a clock jumped: attempts that ended before they began"),
        (started < -tolerance, "a clock jumped or was set wrongly: attempts that began before the window"),
        (
            started < attempts.submitted - tolerance,
            "a clock jumped: attempts that began before they were handed over",
        ),
        (
            finished > window + tolerance,
            "a clock jumped or was set wrongly: attempts that ended after the window",
        ),
        (
            finished > attempts.received + tolerance,
            "a clock jumped: attempts that ended after their result was there",
        ),
        (_repeated(places, attempts), "rows were repeated: attempts at a task that had already succeeded"),
    )
    for marks, text in checks:
        yield from _marked(places, attempts, marks, text, "terms")
    overlapping = overlaps(attempts)
    earlier = np.concatenate([[0.0], finished[:-1]])[: len(finished)]
    overlapping &= earlier - started > OVERLAP_SECONDS
    yield from _marked(
        places, attempts, overlapping, "attempts that overlap the one before on their worker", "nothing"
    )
    workers = np.bincount(attempts.place[attempts.first], minlength=len(places))
    many = workers > places["workers"].to_numpy()
    yield from _at(places, many, "tasks.csv names more workers on it than windows.csv")


def _repeated(places: pd.DataFrame, attempts: Attempts) -> Marks:
    """Mark the successes at a task of a trial beyond the first, on whatever node."""
    trial, trials = pd.factorize(places["trial_id"])
    key = trial[attempts.place[attempts.succeeded]] * attempts.tasks + attempts.task[attempts.succeeded]
    cells = len(trials) * attempts.tasks
    # counting is far faster than looking for duplicates, where the tasks of all trials are about the same
    if cells <= FILLED * len(key) and np.bincount(key, minlength=cells).max(initial=0) <= 1:
        return np.zeros(len(attempts.place), dtype=bool)
    marks = np.zeros(len(attempts.place), dtype=bool)
    marks[attempts.succeeded] = pd.Series(key).duplicated().to_numpy()
    return marks


def _of_samples(run: Run, places: pd.DataFrame) -> Iterator[Doubt]:
    samples = run.samples
    of_trial, trials = pd.factorize(samples["trial_id"])
    at_node, nodes = pd.factorize(samples["node_id"])
    pair = of_trial * len(nodes) + at_node
    order = np.argsort(pair, kind="stable") if (np.diff(pair) < 0).any() else slice(None)
    pair, at = pair[order], samples["at_seconds"].to_numpy(dtype=np.float64)[order]
    sampled = np.zeros(len(trials) * len(nodes), dtype=bool)
    sampled[pair] = True
    row = pd.Index(trials).get_indexer(pd.Index(places["trial_id"]))
    column = pd.Index(nodes).get_indexer(pd.Index(places["node_id"]))
    read = (row >= 0) & (column >= 0)
    read[read] = sampled[(row * len(nodes) + column)[read]]
    missing = (places["window"] == "ok").to_numpy() & ~read
    yield from _at(places, missing, "samples.csv has no row of it", "nothing")
    step, same = np.diff(at), pair[1:] == pair[:-1]
    for marks, text in (
        (same & (step == 0), "samples.csv holds the same moment twice"),
        (same & (step < 0), "its samples are not in the order of time: a clock jumped, or rows were merged"),
    ):
        for one in np.unique(pair[1:][marks]):
            yield Doubt(trials[one // len(nodes)], nodes[one % len(nodes)], text, "nothing")


def _of_rows(run: Run, of_row: Places) -> Iterator[Doubt]:
    unknown = run.tasks["trial_id"][of_row < 0]
    for trial_id, rows in unknown.value_counts(sort=False).items():
        text = f"tasks.csv has {count(rows, 'row')} of it, trials.csv has none"
        yield Doubt(str(trial_id), "", text, "nothing")


def _marked(
    places: pd.DataFrame, attempts: Attempts, marks: Marks, text: str, spoils: Spoiled
) -> Iterator[Doubt]:
    if not marks.any():
        return
    numbers = np.bincount(attempts.place[marks], minlength=len(places))
    hit = np.flatnonzero(numbers)
    found = places.loc[hit, ["trial_id", "node_id"]].itertuples(index=False)
    for (trial_id, node_id), number in zip(found, numbers[hit].tolist(), strict=True):
        yield Doubt(trial_id, node_id, f"{text} ({number:,})", spoils)


def _at(
    places: pd.DataFrame, where: pd.Series | NDArray[np.bool_], what: str, spoils: Spoiled = "terms"
) -> Iterator[Doubt]:
    for trial_id, node_id in places.loc[where, ["trial_id", "node_id"]].itertuples(index=False):
        yield Doubt(trial_id, node_id, what, spoils)
