"""A made-up run of any size, built without a loop: how long its account takes can be measured."""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.data.store import Run
from lab.synthetic.runs import Node, facts_row, made_run, node_id, trial_row, window_row

Ids = NDArray[np.object_]


def large_run(rows: int, nodes: int, cores: float = 1.0, workers: int = 1, trials: int = 10) -> Run:
    """Return a run with half of the rows in tasks.csv and half in samples.csv, built without a loop.

    Every worker does equally many tasks of 50 ms, with 1 ms between them; one more trial does them alone.
    """
    each = max(2, rows // 2 // ((trials + 1) * nodes * workers))
    ids = np.array([f"{number:03d}-1" for number in range(trials + 1)], dtype=object)
    places = np.array([node_id(number) for number in range(nodes)], dtype=object)
    at, trial, node, worker = (
        axis.ravel() for axis in np.indices((each, trials, nodes, workers), dtype=np.int32)
    )
    alone = np.arange(each * nodes * workers, dtype=np.int32)
    none = np.zeros_like(alone)
    started = 0.001 + 0.051 * np.concatenate([at, alone])
    frames = {
        "trial_id": ids[np.concatenate([trial, none + trials])],
        "node_id": places[np.concatenate([node, none])],
        "status": np.full(len(started), "ok", dtype=object),
    }
    tasks = pd.DataFrame(
        {
            **{name: pd.Series(values, dtype="str") for name, values in frames.items()},
            "task": np.concatenate([(at * nodes + node) * workers + worker, alone]).astype(np.int64),
            "warmup": np.zeros(len(started), dtype=bool),
            "worker": np.concatenate([node * workers + worker, none]).astype(np.int64),
            "submitted_seconds": np.zeros(len(started)),
            "started_seconds": started,
            "finished_seconds": started + 0.05,
            "received_seconds": started + 0.051,
            "cpu_seconds": np.full(len(started), 0.04 * min(1.0, cores / workers)),
        }
    )
    run = _large_but_for_tasks(ids, places, Node(cores=cores, workers=workers), each)
    return dataclasses.replace(run, tasks=tasks)


def _large_but_for_tasks(ids: Ids, places: Ids, node: Node, each: int) -> Run:
    duration, count = 0.051 * each + 0.001, each * len(places) * node.workers
    planted = [node] * len(places)
    made = [trial_row(one, 0, planted, [], "compose", duration) for one in ids[:-1]]
    made.append(trial_row(ids[-1], 0, [Node()], [], "compose", 0.051 * count + 0.001))
    windows = [window_row(one, number, other, []) for one in ids[:-1] for number, other in enumerate(planted)]
    run = made_run(
        [dataclasses.replace(one, tasks=count) for one in made],
        [],
        [*windows, window_row(ids[-1], 0, Node(), [])],
        [facts_row(number, node.cores, "compose") for number in range(len(places))],
    )
    samples = _many_samples(ids[:-1], places, each * node.workers, duration)
    return dataclasses.replace(run, samples=pd.concat([samples, run.samples.tail(1)]))


def _many_samples(ids: Ids, places: Ids, each: int, duration: float) -> pd.DataFrame:
    at, trial, node = (axis.ravel() for axis in np.indices((each, len(ids), len(places)), dtype=np.int32))
    return pd.DataFrame(
        {
            "trial_id": pd.Series(ids[trial], dtype="str"),
            "node_id": pd.Series(places[node], dtype="str"),
            "at_seconds": (at + 1) * duration / each,
            "cpu_cores": np.ones(len(at)),
        }
    )
