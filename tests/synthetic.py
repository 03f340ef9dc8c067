"""A made-up run whose truth is known: frames with the columns of lab's records, for tests without a cluster.

The law: a task of the seeded work takes its base seconds, times workers / cores on each node once there are
more workers than cores, times 2 % of noise; a worker waits GAP_SECONDS between tasks. Throughput therefore
grows with the workers up to the cores, and stays level beyond.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from lab.data.records import NodeFacts, NodeWindow, Sample, TaskRecord, Trial
from lab.synthetic.runs import frame, node_id

CORES = 4
TASKS = 48
GAP_SECONDS = 0.002
SAMPLE_SECONDS = 0.25
NODE_MEMORY_BYTES = 8 * 2**30
LAB_MEMORY_BYTES = 300 * 2**20
WORKER_MEMORY_BYTES = 80 * 2**20
FRAMES = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]
QUOTA_CORES = 0.25
"""Of each container: with one worker, tasks take four times their base seconds."""
BASELINES = ("serial", "processes")
HEAD = f"{0:012x}"
"""The made-up id of a head that only drives."""


class Configuration(NamedTuple):
    """One configuration of the made-up plan."""

    mode: str
    arm: str
    engine: str
    schedule: str
    nodes: int
    workers_per_node: int
    cluster: str = "embedded"
    cores: float = CORES
    slowness: float = 1.0
    """Times which the cluster makes every task last."""


def synthetic_run(
    workers: Sequence[int] = (1, 2, 4, 6),
    blocks: int = 3,
    modes: Sequence[str] = ("search", "find"),
    seed: int = 0,
    nodes: Sequence[int] = (1,),
) -> FRAMES:
    """Return the frames trials, tasks, samples, windows and nodes of a run in which every trial went well.

    `workers` are workers per node. Per mode and block: baseline serial; baseline processes for every worker
    count; experiment ray, dynamic and static, for every worker count and number of nodes; and a copy of the
    dynamic experiment with most workers on the smallest cluster.
    """
    planned = [one for mode in modes for one in _plan(mode, workers, nodes)]
    facts = [_node(number) for number in range(max(nodes))]
    return _frames(planned, facts, blocks, modes, seed)


def multi_node_run(
    nodes: Sequence[int] = (1, 2, 4),
    workers_per_node: Sequence[int] = (1, 2),
    blocks: int = 3,
    modes: Sequence[str] = ("search",),
    schedules: Sequence[str] = ("dynamic", "static"),
    cluster: str = "compose",
    seed: int = 0,
) -> FRAMES:
    """Return the five frames of a run over containers of QUOTA_CORES on one host; its head only drives.

    Of another kind of cluster: plain raylets that share the host's cores (local), or machines of their own
    (address). One worker on one node is in it, as a baseline where it is not asked for; the copy arm is the
    first schedule on most nodes with fewest workers each.
    """
    cores = QUOTA_CORES if cluster == "compose" else CORES
    planned = []
    for mode in modes:
        one = Configuration(mode, "experiment", "ray", schedules[0], 1, 1, cluster, cores)
        asked = [
            one._replace(schedule=schedule, nodes=many, workers_per_node=load)
            for schedule in schedules
            for many in nodes
            for load in workers_per_node
        ]
        if one not in asked:
            planned.append(one._replace(arm="baseline"))
        copy = one._replace(arm="copy", nodes=max(nodes), workers_per_node=min(workers_per_node))
        planned += [*asked, copy]
    return _frames(planned, _cluster_nodes(cluster, max(nodes)), blocks, modes, seed)


def own_run(
    mode: str = "work",
    engines: Sequence[str] = ("ray", "processes", "serial", "pool"),
    workers: Sequence[int] = (1, 2, 4, 6),
    blocks: int = 3,
    raising: Sequence[int] = (),
    seed: int = 0,
) -> FRAMES:
    """Return the five frames of a run of somebody's own work on one machine, as `lab run` makes one.

    Of engine pool no worker and no time of a result is known; the items in `raising` raise everywhere.
    """
    planned = [
        Configuration(mode, "baseline" if engine in BASELINES else "experiment", engine, "dynamic", 1, count)
        for engine in engines
        for count in (workers if engine != "serial" else (1,))
    ]
    copied = [one for one in planned if one.engine == "ray"][-1:]
    planned += [one._replace(arm="copy") for one in copied]
    trials, tasks, *others = _frames(planned, [_node(0)], blocks, (mode,), seed)
    window = ~tasks["warmup"].astype(bool)
    failed = window & tasks["task"].isin(raising)
    tasks.loc[failed, ["status", "error_kind", "error_message"]] = [
        "failed",
        "ValueError",
        "no <b>page</b> |",
    ]
    tasks.loc[failed, ["units", "digest", "result_bytes"]] = None
    good = tasks[window & ~failed].groupby("trial_id")
    of_trial = trials["trial_id"]
    trials["tasks"] = of_trial.map(good.size()).astype("Int64")
    trials["units"] = of_trial.map(good["units"].sum()).astype("Int64")
    trials["failed_attempts"] = len(raising)
    pool = tasks["trial_id"].isin(trials.loc[trials["engine"] == "pool", "trial_id"]) & window
    ends = tasks["trial_id"].map(trials.set_index("trial_id")["duration_seconds"]).astype(float)
    tasks["worker"] = tasks["worker"].mask(pool, -1)
    tasks["received_seconds"] = tasks["received_seconds"].mask(pool, ends)
    return trials, tasks, *others


def docker_run(
    nodes: Sequence[int] = (1, 2),
    workers_per_node: Sequence[int] = (1,),
    blocks: int = 5,
    modes: Sequence[str] = ("search",),
    ratio: float = 1.0,
    seed: int = 0,
    noise: float = 0.02,
    quota: float = 1.0,
) -> FRAMES:
    """Return the five frames of a run in containers of a quota each beside raylets on their host.

    `ratio` is the true throughput of containers as a part of that of the host, where the quota does not
    hold back their workers.
    """
    planned = []
    for mode in modes:
        for many in nodes:
            for load in workers_per_node:
                one = Configuration(mode, "baseline", "ray", "dynamic", many, load, "local")
                contained = one._replace(arm="experiment", cluster="compose", cores=quota, slowness=1 / ratio)
                planned += [one, contained]
        largest = contained._replace(nodes=max(nodes), workers_per_node=min(workers_per_node))
        planned.append(largest._replace(arm="copy"))
    facts = [*_cluster_nodes("compose", max(nodes), quota), *_cluster_nodes("local", max(nodes))]
    return _frames(planned, facts, blocks, modes, seed, noise)


def _frames(
    planned: Sequence[Configuration],
    facts: Sequence[NodeFacts],
    blocks: int,
    modes: Sequence[str],
    seed: int,
    noise: float = 0.02,
) -> FRAMES:
    generator = np.random.default_rng(seed)
    base = {mode: generator.gamma(4.0, 0.025, TASKS) for mode in modes}
    units = {mode: generator.poisson(6, TASKS) + 1 for mode in modes}
    trials: list[Trial] = []
    tasks: list[TaskRecord] = []
    samples: list[Sample] = []
    windows: list[NodeWindow] = []
    for block in range(blocks):
        for place in generator.permutation(len(planned)):
            slot, one = len(trials), planned[place]
            rows = _tasks(f"{slot:03d}-1", one, base[one.mode], units[one.mode], generator, noise)
            trial = _trial(slot, block, one, rows)
            trials.append(trial)
            tasks.extend(rows)
            samples.extend(_samples(trial, one))
            windows.extend(_windows(trial, one))
    return (
        frame(Trial, trials),
        frame(TaskRecord, tasks),
        frame(Sample, samples),
        frame(NodeWindow, windows),
        frame(NodeFacts, facts),
    )


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
    noise: float,
) -> list[TaskRecord]:
    workers = one.nodes * one.workers_per_node
    slower = max(1.0, one.workers_per_node / one.cores) * one.slowness
    disturbed = generator.normal(1.0, noise)
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
        node_id=node_id(worker // one.workers_per_node, one.cluster),
        worker=worker,
        submitted_seconds=min(started, 0.0),
        started_seconds=started,
        finished_seconds=started + run,
        received_seconds=started + run + GAP_SECONDS / 2,
        cpu_seconds=run * min(1.0, one.cores / one.workers_per_node),
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
        **{name: value for name, value in one._asdict().items() if name not in ("cores", "slowness")},
        workers=one.nodes * one.workers_per_node,
        status="ok",
        started_at=begin.isoformat(),
        startup_seconds=1.5 if ray else 0.1,
        warmup_seconds=0.1,
        duration_seconds=max(row.received_seconds or 0.0 for row in window),
        planned_tasks=len(window),
        tasks=len(window),
        failed_attempts=0,
        lost_workers=0,
        units=sum(row.units or 0 for row in window),
        digest=f"digest-of-{one.mode}",
        task_cpu_seconds=cpu_seconds,
        driver_cpu_seconds=cpu_seconds if one.engine == "serial" else 0.05,
        system_cpu_seconds=0.1,
        sampler_cpu_seconds=0.01,
        steal_seconds=0.0,
        load_before=0.2,
    )


def _samples(trial: Trial, one: Configuration) -> Iterator[Sample]:
    duration = trial.duration_seconds or 0.0
    interval = SAMPLE_SECONDS if one.cluster == "embedded" else 1.0
    lab_memory = LAB_MEMORY_BYTES + trial.workers_per_node * WORKER_MEMORY_BYTES
    drives = one.cluster == "embedded"
    store = 2**20 if trial.engine == "ray" else None
    for at in [*np.arange(interval, duration, interval).tolist(), duration]:
        if not drives:
            yield Sample(
                trial_id=trial.trial_id,
                node_id=HEAD,
                at_seconds=at,
                cpu_cores=0.1,
                memory_bytes=NODE_MEMORY_BYTES // 8,
                lab_memory_bytes=LAB_MEMORY_BYTES,
                object_store_bytes=store,
                queue_length=0,
                sampler_cpu_seconds=0.01 * at / duration,
            )
        for number in range(trial.nodes):
            yield Sample(
                trial_id=trial.trial_id,
                node_id=node_id(number, one.cluster),
                at_seconds=at,
                cpu_cores=0.95 * min(trial.workers_per_node, one.cores),
                steal_cores=0.0,
                throttled_seconds=0.0,
                memory_bytes=NODE_MEMORY_BYTES // 4 + lab_memory,
                lab_memory_bytes=lab_memory,
                object_store_bytes=store,
                queue_length=0 if drives else None,
                sampler_cpu_seconds=0.01 * at / duration,
            )


def _windows(trial: Trial, one: Configuration) -> Iterator[NodeWindow]:
    seconds = trial.duration_seconds or 0.0
    drives = one.cluster == "embedded"
    window = NodeWindow(
        trial_id=trial.trial_id,
        node_id=HEAD,
        workers=0,
        status="ok",
        clock_offset_seconds=0.0,
        clock_uncertainty_seconds=0.0,
        began_seconds=0.0,
        ended_seconds=seconds,
        cpu_seconds=0.1 * seconds,
        workers_cpu_seconds=0.0,
        ray_cpu_seconds=0.04 * seconds,
        steal_seconds=0.0,
    )
    if not drives:
        yield window
    for number in range(trial.nodes):
        used = min(trial.workers_per_node, one.cores) * seconds
        yield dataclasses.replace(
            window,
            node_id=node_id(number, one.cluster),
            workers=trial.workers_per_node,
            clock_offset_seconds=0.5 * number,
            clock_uncertainty_seconds=0.0002,
            cpu_seconds=0.95 * used,
            workers_cpu_seconds=0.9 * used,
            ray_cpu_seconds=0.02 * used,
            sampler_cpu_seconds=None if drives else 0.01 * used,
            throttled_seconds=0.6 * seconds if one.cluster == "compose" else None,
            network_received_bytes=1000,
            network_sent_bytes=1000,
        )


def _cluster_nodes(cluster: str, nodes: int, cores: float | None = None) -> list[NodeFacts]:
    """Return a head that only drives and nodes that share its host, but for those of a cluster by address."""
    head = dataclasses.replace(_node(0), node_id=HEAD, cluster=cluster, holds_workers=False)
    quota = cores or (QUOTA_CORES if cluster == "compose" else float(CORES))
    source = {"compose": "cgroup", "local": "processes"}.get(cluster, "host")
    found = [
        dataclasses.replace(
            head,
            node_id=node_id(number, cluster),
            holds_workers=True,
            quota_cores=quota,
            cpu_source=source,
            host_id=f"made-up-host-{number}" if cluster == "address" else head.host_id,
        )
        for number in range(nodes)
    ]
    return [head, *found]


def _node(number: int) -> NodeFacts:
    return NodeFacts(
        node_id=node_id(number),
        session=1,
        cluster="embedded",
        holds_workers=True,
        host_id="made-up-host",
        cpu_model="Made-up processor",
        cores=CORES,
        quota_cores=float(CORES),
        cpu_source="host",
        memory_bytes=NODE_MEMORY_BYTES,
        object_store_bytes=2**30,
        gpus=0,
        cluster_start_seconds=4.0,
    )
