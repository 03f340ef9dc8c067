"""Made-up runs for the tests of the loss account, beside those of `lab.synthetic.losses`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lab.data.records import TaskRecord
from lab.data.store import Run
from lab.synthetic.runs import Node, facts_row, made_run, task, trial_row, window_row


def joined(runs: Sequence[Run]) -> Run:
    """Return runs of two trials each as the blocks of one run."""
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in ("trials", "tasks", "samples", "windows")}
    for block, run in enumerate(runs):
        for name, parts in tables.items():
            rows = getattr(run, name)
            slots = rows["trial_id"].str[:3].astype(int) + 2 * block
            parts.append(rows.assign(trial_id=[f"{slot:03d}-1" for slot in slots]))
        tables["trials"][-1]["block"] = block
    whole = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    return dataclasses.replace(runs[0], **whole)


def single_run(
    rows: Sequence[TaskRecord],
    cores: float,
    workers: int,
    alone: Sequence[TaskRecord] = (),
    nodes: int = 1,
) -> Run:
    """Return a run of one trial with those attempts on equal nodes, and perhaps of a second, alone."""
    planted = [Node(cores=cores, workers=workers)] * nodes
    done = [row for row in rows if row.status == "ok"]
    trials = [trial_row("000-1", 0, planted, done, "compose")]
    windows = [window_row("000-1", number, node, rows) for number, node in enumerate(planted)]
    if alone:
        trials.append(trial_row("001-1", 0, [Node()], alone, "compose"))
        windows.append(window_row("001-1", 0, Node(), alone))
    if not alone and (nodes, workers) == (1, 1):
        trials[0] = dataclasses.replace(trials[0], engine="processes")
    facts = [facts_row(number, cores, "compose") for number in range(nodes)]
    return made_run(trials, [*rows, *alone], windows, facts)


def changed(run: Run, table: str, where: pd.Series, **values: Any) -> Run:
    """Return the run with other values in some rows of a table."""
    rows = getattr(run, table).copy()
    for name, value in values.items():
        rows.loc[where, name] = value
    return dataclasses.replace(run, **{table: rows})


def throttled_run(
    cores: float, task_cpu: float, upkeep: float, ray_cores: float, idle: float = 0.0, tasks: int = 400
) -> tuple[Run, float]:
    """Return a run of one worker under a quota that the kernel pays out every 0.1 s, and its throttled part.

    Ray's processes take theirs first in each period. Between tasks the worker needs `upkeep` processor
    seconds and then waits for `idle` seconds. Nothing else happens: no core time is left where it is busy.
    """
    clock = _Quota(cores, ray_cores)
    rows = []
    for index in range(tasks):
        clock.run(upkeep)
        clock.now += idle
        started = clock.now
        clock.run(task_cpu)
        rows.append(task("000-1", index, started, clock.now, task_cpu))
    trial = dataclasses.replace(trial_row("000-1", 0, [Node()], rows, "compose", clock.now))
    counters = {
        "workers_cpu_seconds": tasks * (task_cpu + upkeep),
        "ray_cpu_seconds": ray_cores * clock.now,
    }
    window = dataclasses.replace(window_row("000-1", 0, Node(), rows), **counters)
    run = made_run([trial], rows, [window], [facts_row(0, cores, "compose")])
    return run, clock.throttled / clock.now


@dataclasses.dataclass
class _Quota:
    """A worker's clock under a quota of some cores, paid out every PERIOD seconds."""

    cores: float
    ray_cores: float
    now: float = 0.0
    throttled: float = 0.0
    period: int = -1
    left: float = 0.0

    PERIOD = 0.1

    def run(self, processor_seconds: float) -> None:
        """Let the worker compute for so long, held back where the quota of the period is used up."""
        while processor_seconds > 1e-12:
            period = int(self.now / self.PERIOD + 1e-9)
            if period != self.period:
                self.period, self.left = period, (self.cores - self.ray_cores) * self.PERIOD
            end = (period + 1) * self.PERIOD
            step = min(processor_seconds, self.left, end - self.now)
            self.now, self.left, processor_seconds = (
                self.now + step,
                self.left - step,
                processor_seconds - step,
            )
            if self.left <= 1e-12 and processor_seconds > 1e-12:
                self.throttled += end - self.now
                self.now = end
