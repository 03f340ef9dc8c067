"""A made-up run that compares engines, whose truth is known: a frame of its trials.

The law: a task takes its work and, for each call, the cost of the engine, shared by the tasks of the call;
workers share tasks evenly. With WORKERS workers an engine of cost c a call breaks even with a plain loop at
tasks of c / (WORKERS - 1). Noise hits a timing as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from lab.analysis.measures import measures
from lab.data.engines import ENGINES
from lab.data.reading import empty
from lab.data.records import FILES, Trial
from lab.synthetic.runs import frame

WORKERS = 2
COSTS: Mapping[str, float] = {
    "serial": 0.0,
    "processes": 40e-6,
    "pool": 60e-6,
    "futures": 150e-6,
    "joblib": 400e-6,
    "dask": 2e-3,
    "ray_tasks": 600e-6,
    "ray_actor_pool": 900e-6,
    "ray_pool": 700e-6,
    "ray": 20e-6,
}
"""Seconds that a call costs; this lab's dispatch on Ray costs so much for a task."""

LENGTHS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1, 1.0)
PEAK_BYTES = 200 * 2**20
RAY_BYTES = 500 * 2**20
"""What Ray's own processes hold on top."""
DRIVER_BYTES = 120_000_000
IMAGE_BYTES = 6_200_000
IMAGE_SECONDS = 0.4


def break_even_run(
    blocks: int = 5,
    seed: int = 0,
    noise: float = 0.01,
    engines: Sequence[str] = ENGINES,
    costs: Mapping[str, float] = COSTS,
    lengths: Sequence[float] = LENGTHS,
) -> pd.DataFrame:
    """Return the trials of a run over task lengths: one task a call, equal batches, or the engine's own."""
    generator = np.random.default_rng(seed)
    rows = []
    for block in range(blocks):
        for engine in generator.permutation(list(engines)):
            for length in lengths:
                for batching in _batchings(str(engine)):
                    tasks = 200 if batching == "none" and length > 1e-3 else 1000
                    batch = {"none": 1, "equal": tasks // (4 * WORKERS)}.get(batching)
                    call = costs[str(engine)] / (batch or 1)
                    seconds = tasks * (length + call) / _workers(str(engine))
                    rows.append(
                        _trial(
                            len(rows),
                            block,
                            str(engine),
                            tasks,
                            seconds * generator.lognormal(0, noise),
                            mode="spin",
                            batching=batching,
                            batch=batch,
                            task_seconds=length,
                            units=tasks * 7,
                        )
                    )
    return frame(Trial, rows)


def race_run(
    blocks: int = 5,
    seed: int = 0,
    noise: float = 0.01,
    engines: Sequence[str] = ENGINES,
    slowness: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return the trials of images and search on every engine; `slowness` multiplies an engine's seconds.

    Images have 10, 30 and 50 tasks made by workers, and 30 that travel; engine ray has a copy.
    """
    generator = np.random.default_rng(seed)
    slower = {"serial": WORKERS, "ray": 1.0, "pool": 1.05, "dask": 1.2, **(slowness or {})}
    works = [("images", "seed", tasks) for tasks in (10, 30, 50)]
    works += [("images", "value", 30), ("images", "shared", 30), ("search", None, 48)]
    rows = []
    for block in range(blocks):
        arms = [(engine, "experiment") for engine in engines]
        arms += [("ray", "copy")] if "ray" in engines else []
        for place in generator.permutation(len(arms)):
            engine, arm = arms[place]
            for workload, transfer, tasks in works:
                heavy = 1.2 if transfer == "value" else 1.0
                seconds = tasks * IMAGE_SECONDS / WORKERS * slower.get(engine, 1.1) * heavy
                rows.append(
                    _trial(
                        len(rows),
                        block,
                        engine,
                        tasks,
                        seconds * generator.lognormal(0, noise),
                        arm=arm,
                        mode=workload,
                        transfer=transfer,
                        batching="own" if engine == "ray" else "none",
                        batch=None if engine == "ray" else 1,
                        task_cpu_seconds=tasks * IMAGE_SECONDS,
                        units=tasks if workload == "images" else 400,
                        item_bytes=IMAGE_BYTES if workload == "images" else None,
                    )
                )
    return frame(Trial, rows)


def measured(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the measures of trials of which nothing else is known."""
    return measures(trials, *(empty(record) for record in list(FILES.values())[1:]))


def failing(trials: pd.DataFrame, engine: str) -> pd.DataFrame:
    """Return the trials with all of an engine failed."""
    rows = trials.copy()
    mine = rows["engine"] == engine
    gone = ["duration_seconds", "tasks", "units", "digest", "cpu_seconds", "task_cpu_seconds"]
    gone += ["memory_before_bytes", "peak_memory_bytes", "object_store_bytes", "driver_memory_bytes"]
    rows.loc[mine, gone] = None
    rows.loc[mine, ["status", "error_kind", "error_message"]] = [
        "failed",
        "EngineError",
        "it would | not start",
    ]
    return rows


def _batchings(engine: str) -> Iterator[str]:
    if engine == "ray":
        yield "own"
        return
    if engine != "serial":
        yield "none"
    yield "equal"


def _workers(engine: str) -> int:
    return 1 if engine == "serial" else WORKERS


def _trial(slot: int, block: int, engine: str, tasks: int, seconds: float, **facts: object) -> Trial:
    ray = engine.startswith("ray")
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=20 * slot)
    work = f"{facts['mode']}-{tasks}-{facts.get('task_seconds')}"
    known: dict[str, object] = {
        "arm": "experiment",
        "trial_id": f"{slot:04d}-1",
        "slot": slot,
        "attempt": 1,
        "block": block,
        "engine": engine,
        "schedule": "dynamic",
        "cluster": "embedded",
        "nodes": 1,
        "workers_per_node": _workers(engine),
        "workers": _workers(engine),
        "planned_tasks": tasks,
        "tasks": tasks,
        "status": "ok",
        "started_at": begin.isoformat(),
        "startup_seconds": 4.0 if ray else 0.3,
        "warmup_seconds": 0.2,
        "duration_seconds": seconds,
        "digest": f"digest-of-{work}",
        "cpu_seconds": 1.02 * seconds * _workers(engine),
        "memory_before_bytes": PEAK_BYTES // 2 + ray * RAY_BYTES,
        "peak_memory_bytes": PEAK_BYTES + ray * RAY_BYTES,
        "object_store_bytes": 2**20 if ray else None,
        "sampler_cpu_seconds": 0.002 * seconds,
        "steal_seconds": 0.0,
        "load_before": 0.3,
        "driver_memory_bytes": DRIVER_BYTES,
    }
    return Trial(**{**known, **facts})
