"""Changes of a run's rows, seeded: those that contradict a sentence of the book, and those that do not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lab.analysis.measures import node_efficiency
from lab.analysis.trials import sound
from lab.data.store import Run
from lab.errors import ClaimError
from lab.invariants import claims

Change = Callable[[Run, np.random.Generator], Run]

SEED = 29


def first_blocks(run: Run, blocks: int = 2) -> Run:
    """Return the first blocks of a run as a run of its own: a smaller one is gone through faster."""
    trials = run.trials[run.trials["block"] < blocks]
    ended = trials.loc[trials["status"] != "interrupted", "slot"].nunique()
    tasks = run.tasks[run.tasks["trial_id"].isin(trials["trial_id"])]
    return replace(run, trials=trials, tasks=tasks, environment={**run.environment, "planned_trials": ended})


# --- what contradicts a sentence --------------------------------------------------------------------------


def another_digest(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with another digest of one trial's results."""
    return _set_trial(run, _trial(run, rng), digest="of other results")


def trial_left_out(run: Run, rng: np.random.Generator) -> Run:
    """Return the run without the row of one trial."""
    return replace(run, trials=run.trials[run.trials["trial_id"] != _trial(run, rng)["trial_id"]])


def trial_twice(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with one trial once more, as another attempt at its slot that ended, too."""
    more = _trial(run, rng).to_frame().T.assign(trial_id="again")
    return replace(run, trials=pd.concat([run.trials, more.astype(run.trials.dtypes.to_dict())]))


def another_block(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with one trial in a block that has its configuration already."""
    one = _trial(run, rng)
    others = sorted(set(run.trials["block"]) - {one["block"]})
    return _set_trial(run, one, block=rng.choice(others))


def another_plan(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with more trials planned than it has."""
    planned = run.environment["planned_trials"] + int(rng.integers(1, 9))
    return replace(run, environment={**run.environment, "planned_trials": planned})


def task_left_out(run: Run, rng: np.random.Generator) -> Run:
    """Return the run without the row of one task."""
    return replace(run, tasks=run.tasks.drop(index=_task(run, rng)))


def other_units(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with more units of one task than its trial counts."""
    return _raise(run, _task(run, rng), "units", int(rng.integers(1, 9)))


def other_total(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with another count of one trial's tasks than it has rows."""
    one = _trial(run, rng)
    return _set_trial(run, one, tasks=one["tasks"] + int(rng.integers(1, 9)))


def shorter_window(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with a window that is shorter than the work in it."""
    one = _trial(run, rng)
    done = sound(run.trials).set_index("trial_id")
    worked = node_efficiency(done, run.tasks[~run.tasks["warmup"].astype(bool)])[one["trial_id"]]
    return _set_trial(run, one, duration_seconds=one["duration_seconds"] * worked * rng.uniform(0.1, 0.97))


def longer_task(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with one task that took longer than all workers had time."""
    task = _task(run, rng)
    trial = run.trials.set_index("trial_id").loc[run.tasks.loc[task, "trial_id"]]
    return _raise(run, task, "finished_seconds", 1.1 * trial["workers"] * trial["duration_seconds"])


# --- what does not ----------------------------------------------------------------------------------------


def other_order(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with its rows in another order."""
    shuffled = {name: getattr(run, name).sample(frac=1, random_state=rng) for name in ("trials", "tasks")}
    return replace(run, **shuffled)


def longer_window(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with a window that lasted longer."""
    one = _trial(run, rng)
    return _set_trial(run, one, duration_seconds=one["duration_seconds"] * rng.uniform(1.0, 3.0))


def other_load(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with another load, start and processor time of one trial."""
    names = ("load_before", "startup_seconds", "task_cpu_seconds")
    values = dict(zip(names, rng.uniform(0, 9, len(names)), strict=True))
    return _set_trial(run, _trial(run, rng), **values)


def failed_trial(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with one trial that failed."""
    return _set_trial(run, _trial(run, rng), status="failed", error_kind="EngineError", digest=None)


def cut_short(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with one attempt more, which was cut short and has no rows."""
    more = _trial(run, rng).to_frame().T.assign(trial_id="cut", status="interrupted", digest=None)
    return replace(run, trials=pd.concat([run.trials, more.astype(run.trials.dtypes.to_dict())]))


def no_warm_up(run: Run, rng: np.random.Generator) -> Run:
    """Return the run without the warm-up of one trial."""
    mine = (run.tasks["trial_id"] == _trial(run, rng)["trial_id"]) & run.tasks["warmup"].astype(bool)
    return replace(run, tasks=run.tasks[~mine])


def more_units(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with more units of one task, and of its trial."""
    task, more = _task(run, rng), int(rng.integers(1, 9))
    one = run.trials[run.trials["trial_id"] == run.tasks.loc[task, "trial_id"]].iloc[0]
    return _raise(_set_trial(run, one, units=one["units"] + more), task, "units", more)


def other_digests(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with other results that are equal everywhere."""
    return replace(run, trials=run.trials.assign(digest=f"{rng.integers(2**32):08x}"))


def shorter_task(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with one task that took less time."""
    task = _task(run, rng)
    took = run.tasks.loc[task, "finished_seconds"] - run.tasks.loc[task, "started_seconds"]
    return _raise(run, task, "finished_seconds", -took * rng.uniform(0, 1))


def other_names(run: Run, rng: np.random.Generator) -> Run:
    """Return the run with other names of its nodes, and another machine and profile."""
    name = f"{rng.integers(2**32):08x}"
    facts = {"profile": "custom", "machine": {"cpu_model": name}}
    return replace(run, tasks=run.tasks.assign(node_id=name), environment={**run.environment, **facts})


CONTRADICTIONS: tuple[Change, ...] = (
    *(another_digest, trial_left_out, trial_twice, another_block, another_plan),
    *(task_left_out, other_units, other_total, shorter_window, longer_task),
)
HARMLESS: tuple[Change, ...] = (
    *(other_order, longer_window, other_load, failed_trial, cut_short),
    *(no_warm_up, more_units, other_digests, shorter_task, other_names),
)


def stopped(run: Run, changes: Sequence[Change], count: int, seed: int = SEED) -> dict[str, tuple[int, int]]:
    """Change a run so many times, each way equally often; return how many its claims stop, of how many."""
    rng = np.random.default_rng(seed)
    found = {change.__name__: (0, 0) for change in changes}
    for place in range(count):
        change = changes[place % len(changes)]
        stops, every = found[change.__name__]
        found[change.__name__] = stops + contradicted(change(run, rng)), every + 1
    return found


def contradicted(run: Run) -> bool:
    """Tell whether the book would not be built with a run."""
    try:
        claims(run)
    except ClaimError:
        return True
    return False


def _trial(run: Run, rng: np.random.Generator) -> pd.Series:
    good = sound(run.trials)
    return good.iloc[int(rng.integers(len(good)))]


def _task(run: Run, rng: np.random.Generator) -> Any:
    """Return the label of the row of a task that ended well in a window."""
    good = run.tasks["trial_id"].isin(sound(run.trials)["trial_id"]) & (run.tasks["status"] == "ok")
    return rng.choice(run.tasks.index[good & ~run.tasks["warmup"].astype(bool)])


def _set_trial(run: Run, one: pd.Series, **values: Any) -> Run:
    trials = run.trials.copy()
    for name, value in values.items():
        trials.loc[trials["trial_id"] == one["trial_id"], name] = value
    return replace(run, trials=trials)


def _raise(run: Run, task: Any, column: str, more: float) -> Run:
    tasks = run.tasks.copy()
    tasks.loc[task, column] += more
    return replace(run, tasks=tasks)
