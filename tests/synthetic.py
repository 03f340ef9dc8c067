"""A made-up run whose truth is known: frames with the columns of lab.records, for tests without a cluster.

The law: a task of the seeded work takes its base seconds, times workers / cores on each node once there are
more workers than cores, times 2 % of noise; a worker waits GAP_SECONDS between tasks. Throughput therefore
grows with the workers up to the cores, and stays level beyond.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lab.records import NodeFacts, Sample, TaskRecord, Trial, columns

CORES = 4
TASKS = 48
GAP_SECONDS = 0.002
SAMPLE_SECONDS = 0.25
NODE_MEMORY_BYTES = 8 * 2**30
LAB_MEMORY_BYTES = 300 * 2**20
WORKER_MEMORY_BYTES = 80 * 2**20
FRAMES = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]


class Configuration(NamedTuple):
    """One configuration of the made-up plan."""

    mode: str
    arm: str
    engine: str
    schedule: str
    nodes: int
    workers_per_node: int


def synthetic_run(
    workers: Sequence[int] = (1, 2, 4, 6),
    blocks: int = 3,
    modes: Sequence[str] = ("search", "find"),
    seed: int = 0,
    nodes: Sequence[int] = (1,),
) -> FRAMES:
    """Return the frames trials, tasks, samples and nodes of a run in which every trial went well.

    `workers` are workers per node. Per mode and block: baseline serial; baseline processes for every worker
    count; experiment ray, dynamic and static, for every worker count and number of nodes; and a copy of the
    dynamic experiment with most workers on the smallest cluster.
    """
    generator = np.random.default_rng(seed)
    base = {mode: generator.gamma(4.0, 0.025, TASKS) for mode in modes}
    units = {mode: generator.poisson(6, TASKS) + 1 for mode in modes}
    trials: list[Trial] = []
    tasks: list[TaskRecord] = []
    samples: list[Sample] = []
    for block in range(blocks):
        planned = [one for mode in modes for one in _plan(mode, workers, nodes)]
        for place in generator.permutation(len(planned)):
            slot, one = len(trials), planned[place]
            rows = _tasks(f"{slot:03d}-1", one, base[one.mode], units[one.mode], generator)
            trial = _trial(slot, block, one, rows)
            trials.append(trial)
            tasks.extend(rows)
            samples.extend(_samples(trial))
    facts = [_node(number) for number in range(max(nodes))]
    return frame(Trial, trials), frame(TaskRecord, tasks), frame(Sample, samples), frame(NodeFacts, facts)


def frame(record: type, rows: Sequence[Any]) -> pd.DataFrame:
    """Return records as a frame with the column types that the store reads."""
    table = pd.DataFrame(
        [dataclasses.asdict(row) for row in rows], columns=[column.name for column in columns(record)]
    )
    kinds = {bool: "bool", int: "Int64", float: "float64", str: "str"}
    return table.astype(
        {
            column.name: "int64" if column.kind is int and not column.optional else kinds[column.kind]
            for column in columns(record)
        }
    )


def node_id(number: int) -> str:
    """Return the made-up id of a node, counted from 0."""
    return f"{number + 1:012x}"


def _plan(mode: str, workers: Sequence[int], nodes: Sequence[int]) -> Iterator[Configuration]:
    yield Configuration(mode, "baseline", "serial", "dynamic", 1, 1)
    for count in workers:
        yield Configuration(mode, "baseline", "processes", "dynamic", 1, count)
        for machines in nodes:
            for schedule in ("dynamic", "static"):
                yield Configuration(mode, "experiment", "ray", schedule, machines, count)
    yield Configuration(mode, "copy", "ray", "dynamic", min(nodes), max(workers))


def _tasks(
    trial_id: str,
    one: Configuration,
    base: np.ndarray,
    units: np.ndarray,
    generator: np.random.Generator,
) -> list[TaskRecord]:
    workers = one.nodes * one.workers_per_node
    slower = max(1.0, one.workers_per_node / CORES)
    disturbed = generator.normal(1.0, 0.02)
    rows = [
        _task(trial_id, worker, one, worker, -1.0, 0.1, warmup=True, units=None) for worker in range(workers)
    ]
    free = np.full(workers, GAP_SECONDS)
    for task in range(len(base)):
        worker = int(free.argmin()) if one.schedule == "dynamic" else task % workers
        run = float(base[task] * slower * disturbed)
        rows.append(_task(trial_id, task, one, worker, float(free[worker]), run, False, int(units[task])))
        free[worker] += run + GAP_SECONDS
    return rows


def _task(
    trial_id: str,
    task: int,
    one: Configuration,
    worker: int,
    started: float,
    run: float,
    warmup: bool,
    units: int | None,
) -> TaskRecord:
    return TaskRecord(
        trial_id=trial_id,
        task=task,
        attempt=1,
        warmup=warmup,
        node_id=node_id(worker // one.workers_per_node),
        worker=worker,
        submitted_seconds=min(started, 0.0),
        started_seconds=started,
        finished_seconds=started + run,
        received_seconds=started + run + GAP_SECONDS / 2,
        cpu_seconds=run * min(1.0, CORES / one.workers_per_node),
        status="ok",
        units=units,
        digest=f"{one.mode}-{task}",
        result_bytes=64,
    )


def _trial(slot: int, block: int, one: Configuration, rows: Sequence[TaskRecord]) -> Trial:
    window = [row for row in rows if not row.warmup]
    ray = one.engine == "ray"
    cpu_seconds = sum(row.cpu_seconds or 0.0 for row in window)
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=slot)
    return Trial(
        trial_id=rows[0].trial_id,
        slot=slot,
        attempt=1,
        block=block,
        **one._asdict(),
        workers=one.nodes * one.workers_per_node,
        status="ok",
        started_at=begin.isoformat(),
        startup_seconds=1.5 if ray else 0.1,
        warmup_seconds=0.1,
        duration_seconds=max(row.received_seconds or 0.0 for row in window),
        tasks=len(window),
        failed_attempts=0,
        units=sum(row.units or 0 for row in window),
        digest=f"digest-of-{one.mode}",
        task_cpu_seconds=cpu_seconds,
        driver_cpu_seconds=cpu_seconds if one.engine == "serial" else 0.05,
        system_cpu_seconds=0.1,
        sampler_cpu_seconds=0.01,
        steal_seconds=0.0,
        load_before=0.2,
    )


def _samples(trial: Trial) -> Iterator[Sample]:
    duration = trial.duration_seconds or 0.0
    lab_memory = LAB_MEMORY_BYTES + trial.workers_per_node * WORKER_MEMORY_BYTES
    for number in range(trial.nodes):
        for at in [*np.arange(SAMPLE_SECONDS, duration, SAMPLE_SECONDS).tolist(), duration]:
            yield Sample(
                trial_id=trial.trial_id,
                node_id=node_id(number),
                at_seconds=at,
                cpu_cores=0.95 * min(trial.workers_per_node, CORES),
                steal_cores=0.0,
                throttled_seconds=0.0,
                memory_bytes=NODE_MEMORY_BYTES // 4 + lab_memory,
                lab_memory_bytes=lab_memory,
                object_store_bytes=2**20 if trial.engine == "ray" else None,
                queue_length=0,
                sampler_cpu_seconds=0.01 * at / duration,
            )


def _node(number: int) -> NodeFacts:
    return NodeFacts(
        node_id=node_id(number),
        session=1,
        host_id="made-up-host",
        cores=CORES,
        quota_cores=float(CORES),
        memory_bytes=NODE_MEMORY_BYTES,
        object_store_bytes=2**30,
        gpus=0,
        cluster_start_seconds=4.0,
    )
