"""One row per trial: throughput, latency, efficiency, use of the processors and of memory, errors."""

import numpy as np
import pandas as pd

from lab.analysis.attempts import unplaced
from lab.analysis.configurations import WORK
from lab.analysis.nodes import latest, own_cores, throttled
from lab.analysis.queue import mean_and_max, queue_lengths
from lab.analysis.trials import sound
from lab.analysis.usage import usage

OF_TREE = [
    "task_cpu_seconds",
    "cpu_seconds",
    "memory_before_bytes",
    "peak_memory_bytes",
    "driver_memory_bytes",
]
"""Columns of trials.csv on all processes together; known where each engine has a process of its own."""

KEPT = [
    "slot",
    "block",
    "mode",
    "arm",
    "engine",
    "schedule",
    "cluster",
    "nodes",
    "workers_per_node",
    "workers",
    *WORK,
    "digest",
    "duration_seconds",
    "startup_seconds",
    *OF_TREE,
]
"""Columns of trials.csv that a row of `measures` begins with."""


def measures(
    trials: pd.DataFrame,
    tasks: pd.DataFrame,
    samples: pd.DataFrame,
    windows: pd.DataFrame,
    nodes: pd.DataFrame,
) -> pd.DataFrame:
    """Return what was measured in every trial that ended well with all its workers, indexed by trial_id.

    Takes the five frames of one run; a head that only drives is neither capacity nor in a mean of use. A
    missing input gives NaN, never 0; warm-up tasks never count. After the columns of KEPT come, with
    `window` the trial's duration_seconds:

    - throughput (units/s), tasks_per_second, seconds_per_task
    - missed_part (0..1): what the memory of the driver alone leaves out of the peak of all processes
    - node_efficiency: work time of the window's attempts / (workers * window), the reference report's
      "work time / time alive"; cpu_efficiency: CPU seconds of tasks / (cores * window), the cores as in
      lab.analysis.nodes.own_cores; cpu_seconds_per_unit of the tasks
    - driver_cpu_cores, system_cpu_cores, sampler_cpu_cores: CPU seconds per second of window
    - attempts, failed_attempts, error_rate (0..1)
    - wait (started - submitted), run (finished - started) and latency (received - submitted) of successful
      attempts, each as _p50_seconds, _p95_seconds and _p99_seconds
    - queue_mean, queue_max (tasks), as in lab.analysis.queue
    - of engines that report all results at the end neither waiting nor latency nor queue is known
    - cpu_percent, memory_percent, gpu_percent, lab_memory_bytes, object_store_bytes, as in
      lab.analysis.usage; the last as the trial itself knows it, where it does
    - throttled_percent of the window, a mean over nodes, as in lab.analysis.nodes
    """
    done = sound(trials).set_index("trial_id")
    mine = tasks[tasks["trial_id"].isin(done.index)]
    window = mine[~mine["warmup"].astype(bool)]
    told = window[~window["trial_id"].isin(unplaced(window))]
    in_use = _nodes_in_use(mine, windows[windows["trial_id"].isin(done.index)], nodes)
    parts = [
        done[KEPT],
        _rates(done),
        _efficiencies(done, window, in_use),
        _attempts(window),
        _delays(window, "run", "started_seconds", "finished_seconds"),
        _delays(told, "wait", "submitted_seconds", "started_seconds"),
        _delays(told, "latency", "submitted_seconds", "received_seconds"),
        _queues(done, told),
        _usage(done, samples[samples["trial_id"].isin(done.index)], in_use),
        throttled(windows[windows["trial_id"].isin(done.index)], nodes),
    ]
    return pd.concat([part.reindex(done.index) for part in parts], axis="columns")


def _nodes_in_use(tasks: pd.DataFrame, windows: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per trial and node that its task rows name: own_cores, node_memory_bytes.

    A lost task may be booked on a head that only drives; it is left out. Of a trial without rows of tasks, as
    that of a script, the nodes are those with workers in its windows.
    """
    facts = latest(nodes)[["node_id", "host_id", "cluster", "cores", "quota_cores", "memory_bytes"]].rename(
        columns={"memory_bytes": "node_memory_bytes"}
    )
    drivers = nodes.loc[~nodes["holds_workers"].astype(bool), "node_id"]
    untold = windows[~windows["trial_id"].isin(tasks["trial_id"]) & (windows["workers"] > 0)]
    told = tasks.loc[~tasks["node_id"].isin(drivers), ["trial_id", "node_id"]].drop_duplicates()
    placed = pd.concat([told, untold[["trial_id", "node_id"]]]) if len(untold) else told
    in_use = placed.merge(facts, on="node_id", how="left")
    return in_use.assign(own_cores=own_cores(in_use))


def _window_seconds(done: pd.DataFrame) -> pd.Series:
    seconds = done["duration_seconds"].astype(float)
    return seconds.where(seconds > 0)


def _rates(done: pd.DataFrame) -> pd.DataFrame:
    window, units = _window_seconds(done), done["units"].astype(float)
    per_unit = done["task_cpu_seconds"].astype(float) / units.where(units > 0)
    return pd.DataFrame(
        {
            name: done[column].astype(float) / window
            for name, column in (
                ("throughput", "units"),
                ("tasks_per_second", "tasks"),
                ("driver_cpu_cores", "driver_cpu_seconds"),
                ("system_cpu_cores", "system_cpu_seconds"),
                ("sampler_cpu_cores", "sampler_cpu_seconds"),
            )
        }
        | {
            "cpu_seconds_per_unit": per_unit,
            "seconds_per_task": window / done["planned_tasks"].astype(float),
            "missed_part": 1
            - done["driver_memory_bytes"].astype(float) / done["peak_memory_bytes"].astype(float),
        }
        # of a time near 0 a rate is beyond all numbers
    ).replace([np.inf, -np.inf], np.nan)


def _usage(done: pd.DataFrame, samples: pd.DataFrame, in_use: pd.DataFrame) -> pd.DataFrame:
    found = usage(samples, in_use).reindex(done.index)
    store = done["object_store_bytes"].astype(float).fillna(found["object_store_bytes"])
    return found.assign(object_store_bytes=store)


def _efficiencies(done: pd.DataFrame, window: pd.DataFrame, in_use: pd.DataFrame) -> pd.DataFrame:
    cores = in_use.groupby("trial_id")["own_cores"].sum(skipna=False)
    seconds = _window_seconds(done)
    return pd.DataFrame(
        {
            "node_efficiency": node_efficiency(done, window),
            "cpu_efficiency": done["task_cpu_seconds"].astype(float) / (cores * seconds),
        }
    )


def node_efficiency(done: pd.DataFrame, window: pd.DataFrame) -> pd.Series:
    """Return work time over workers times window (1 where all work all the time) of each trial.

    `done` are sound trials by trial_id, `window` the rows of their tasks without warm-ups.
    """
    work = window["finished_seconds"].astype(float) - window["started_seconds"].astype(float)
    # an attempt lost with its worker leaves no times and is left out; a successful one has to have them
    counted = (window["status"] == "ok") | work.notna()
    work_seconds = work[counted].groupby(window["trial_id"]).sum(skipna=False)
    return work_seconds / (done["workers"] * _window_seconds(done))


def _attempts(window: pd.DataFrame) -> pd.DataFrame:
    failed = (window["status"] != "ok").groupby(window["trial_id"])
    return pd.DataFrame(
        {"attempts": failed.size(), "failed_attempts": failed.sum(), "error_rate": failed.mean()}
    )


def _delays(window: pd.DataFrame, name: str, begin: str, end: str) -> pd.DataFrame:
    succeeded = window[window["status"] == "ok"]
    seconds = succeeded[end].astype(float) - succeeded[begin].astype(float)
    of_trial = seconds.groupby(succeeded["trial_id"])
    return pd.DataFrame(
        {f"{name}_p{percent}_seconds": of_trial.quantile(percent / 100) for percent in (50, 95, 99)}
    )


def _queues(done: pd.DataFrame, window: pd.DataFrame) -> pd.DataFrame:
    seconds = _window_seconds(done)
    needed = window[["trial_id", "warmup", "submitted_seconds", "received_seconds"]]
    rows = {
        trial_id: mean_and_max(queue_lengths(attempts), float(seconds[trial_id]))
        for trial_id, attempts in needed.groupby("trial_id")
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["queue_mean", "queue_max"], dtype=float)
