"""Made-up clusters whose losses are planted: the share of core time of each is known before it is measured.

A node's window is laid out in shares of the core time that its workers can use: start-up, tasks, gaps, one
stall in the middle, tail. On a node with fewer cores than workers all workers stand still at the same time,
for only then a core is lost. The truth never comes from the code under test.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from synthetic import frame, node_id

from lab.records import NodeFacts, NodeWindow, Sample, TaskRecord, Trial
from lab.store import Run

WINDOW_SECONDS = 10.0
CLOCK_UNCERTAINTY_SECONDS = 0.001


@dataclasses.dataclass(frozen=True)
class Node:
    """One node and what is planted on it; losses are shares of the core time that its workers can use."""

    cores: float = 1.0
    workers: int = 1
    startup: float = 0.0
    gaps: float = 0.0
    stall: float = 0.0
    tail: float = 0.0
    waiting: float = 0.0
    slower: float = 0.0
    """Of the processor time of its tasks: what they take beyond that alone."""
    tasks: int = 20
    """Of each worker."""
    ray_cores: float = 0.0
    sampler_cores: float = 0.0
    upkeep_cores: float = 0.0

    @property
    def usable(self) -> float:
        """Return the cores that its workers can use."""
        return min(self.cores, float(self.workers))

    def truth(self) -> dict[str, float]:
        """Return the core-seconds of each term."""
        tasks = 1 - self.startup - self.gaps - self.stall - self.tail
        processor = tasks - self.waiting
        shares = {
            "useful": processor * (1 - self.slower),
            "slower": processor * self.slower,
            "waiting": self.waiting,
            "gaps": self.gaps + self.stall,
            "startup": self.startup,
            "tail": self.tail,
        }
        seconds = {term: share * self.usable * WINDOW_SECONDS for term, share in shares.items()}
        return {**seconds, "unused": (self.cores - self.usable) * WINDOW_SECONDS, "residual": 0.0}


def truth(nodes: Sequence[Node]) -> dict[str, float]:
    """Return the share of each term in the core time of all nodes."""
    sums = pd.DataFrame([node.truth() for node in nodes]).sum()
    return dict(sums / (WINDOW_SECONDS * sum(node.cores for node in nodes)))


def planted_run(
    nodes: Sequence[Node], blocks: int = 1, seed: int = 0, alone: bool = True, cluster: str = "compose"
) -> Run:
    """Return a run of those nodes, and of one worker alone on a node of its own, once in every block.

    Clocks are off by up to their uncertainty, and processor times vary by 0.1 %.
    """
    generator = np.random.default_rng(seed)
    trials: list[Trial] = []
    tasks: list[TaskRecord] = []
    windows: list[NodeWindow] = []
    for block in range(blocks):
        trial_id = f"{2 * block:03d}-1"
        rows, speeds = _work(trial_id, nodes, generator)
        tasks += rows
        windows += [_window(trial_id, number, node, rows) for number, node in enumerate(nodes)]
        trials.append(_trial(trial_id, block, nodes, rows, cluster))
        if alone:
            single = _alone(f"{2 * block + 1:03d}-1", speeds, node_id(len(nodes)))
            trials.append(_trial(single[0].trial_id, block, [Node()], single, cluster, sum(speeds)))
            windows.append(_window(single[0].trial_id, len(nodes), Node(), single))
            tasks += single
    facts = [_facts(number, node.cores, cluster) for number, node in enumerate([*nodes, Node()])]
    return made_run(trials, tasks, windows, facts)


def made_run(
    trials: Iterable[Trial],
    tasks: Iterable[TaskRecord],
    windows: Sequence[NodeWindow],
    facts: Iterable[NodeFacts],
) -> Run:
    """Return records as a run that was never on disk, with one sample for every window."""
    samples = [
        Sample(trial_id=one.trial_id, node_id=one.node_id, at_seconds=WINDOW_SECONDS, cpu_cores=1.0)
        for one in windows
        if one.status == "ok"
    ]
    return Run(
        directory=Path("planted"),
        environment={"experiment": "multi_node", "parameters": {}},
        trials=frame(Trial, list(trials)),
        tasks=frame(TaskRecord, list(tasks)),
        samples=frame(Sample, samples),
        windows=frame(NodeWindow, windows),
        nodes=frame(NodeFacts, list(facts)),
    )


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
    trials = [_trial("000-1", 0, planted, done, "compose")]
    windows = [_window("000-1", number, node, rows) for number, node in enumerate(planted)]
    if alone:
        trials.append(_trial("001-1", 0, [Node()], alone, "compose"))
        windows.append(_window("001-1", 0, Node(), alone))
    if not alone and (nodes, workers) == (1, 1):
        trials[0] = dataclasses.replace(trials[0], engine="processes")
    facts = [_facts(number, cores, "compose") for number in range(nodes)]
    return made_run(trials, [*rows, *alone], windows, facts)


def changed(run: Run, table: str, where: pd.Series, **values: Any) -> Run:
    """Return the run with other values in some rows of a table."""
    rows = getattr(run, table).copy()
    for name, value in values.items():
        rows.loc[where, name] = value
    return dataclasses.replace(run, **{table: rows})


def task(trial_id: str, index: int, started: float, finished: float, cpu: float, **other: Any) -> TaskRecord:
    """Return a successful attempt of worker 0 on the first node, or as `other` says."""
    facts = {"node_id": node_id(0), "worker": 0, "attempt": 1, "warmup": False, "status": "ok", **other}
    return TaskRecord(
        trial_id=trial_id,
        task=index,
        submitted_seconds=0.0,
        started_seconds=started,
        finished_seconds=finished,
        received_seconds=finished,
        cpu_seconds=cpu,
        **facts,
    )


def _work(
    trial_id: str, nodes: Sequence[Node], generator: np.random.Generator
) -> tuple[list[TaskRecord], list[float]]:
    """Return the attempts of a trial, and the processor time of each task alone."""
    indices, workers = itertools.count(), itertools.count()
    rows: list[TaskRecord] = []
    speeds: list[float] = []
    for number, node in enumerate(nodes):
        off = float(generator.uniform(-0.5, 0.5)) * CLOCK_UNCERTAINTY_SECONDS
        spans = _spans(node, generator)
        for _ in range(node.workers):
            worker = next(workers)
            warm = task(trial_id, 0, -1.0, -0.5, 0.5, node_id=node_id(number), worker=worker, warmup=True)
            rows.append(warm)
            for started, finished in spans:
                processor = _processor_seconds(node, finished - started)
                speeds.append(processor * (1 - node.slower))
                noisy = processor * float(generator.normal(1.0, 0.001))
                # the window ends when the last result is there
                times = (max(0.0, started + off), min(finished + off, WINDOW_SECONDS))
                place = {"node_id": node_id(number), "worker": worker}
                rows.append(task(trial_id, next(indices), *times, noisy, **place))
    return rows, speeds


def _spans(node: Node, generator: np.random.Generator) -> list[tuple[float, float]]:
    """Return begin and end of the tasks of each worker of a node."""
    inside = 1 - node.startup - node.gaps - node.stall - node.tail
    parts = generator.uniform(0.5, 1.5, node.tasks)
    lengths = inside * WINDOW_SECONDS * parts / parts.sum()
    pauses = np.full(node.tasks, node.gaps * WINDOW_SECONDS / max(1, node.tasks - 1))
    pauses[node.tasks // 2 - 1] += node.stall * WINDOW_SECONDS
    begins = node.startup * WINDOW_SECONDS + np.cumsum(lengths + pauses) - lengths - pauses
    return [(float(at), float(at + length)) for at, length in zip(begins, lengths, strict=True)]


def _processor_seconds(node: Node, wall: float) -> float:
    inside = 1 - node.startup - node.gaps - node.stall - node.tail
    return wall * node.usable / node.workers * (1 - node.waiting / inside)


def _alone(trial_id: str, speeds: Sequence[float], on: str) -> list[TaskRecord]:
    """Return the same tasks on one worker, one after the other."""
    ends = np.cumsum(speeds).tolist()
    begins = [0.0, *ends[:-1]]
    return [
        task(trial_id, index, *span, speeds[index], node_id=on)
        for index, span in enumerate(zip(begins, ends, strict=True))
    ]


def _trial(
    trial_id: str,
    block: int,
    nodes: Sequence[Node],
    rows: Sequence[TaskRecord],
    cluster: str,
    duration_seconds: float = WINDOW_SECONDS,
) -> Trial:
    done = [row for row in rows if not row.warmup]
    workers = sum(node.workers for node in nodes)
    return Trial(
        trial_id=trial_id,
        slot=int(trial_id[:3]),
        attempt=1,
        block=block,
        mode="search",
        arm="experiment",
        engine="ray",
        schedule="dynamic",
        cluster=cluster,
        nodes=len(nodes),
        workers_per_node=max(node.workers for node in nodes),
        workers=workers,
        status="ok",
        duration_seconds=duration_seconds,
        tasks=len(done),
        failed_attempts=0,
        lost_workers=0,
        task_cpu_seconds=sum(row.cpu_seconds or 0.0 for row in done),
        driver_cpu_seconds=0.0,
        sampler_cpu_seconds=0.0,
    )


def _window(trial_id: str, number: int, node: Node, rows: Sequence[TaskRecord]) -> NodeWindow:
    mine = [row for row in rows if not row.warmup and row.node_id == node_id(number)]
    tasks = sum(row.cpu_seconds or 0.0 for row in mine)
    return NodeWindow(
        trial_id=trial_id,
        node_id=node_id(number),
        workers=node.workers,
        status="ok",
        clock_offset_seconds=0.0,
        clock_uncertainty_seconds=CLOCK_UNCERTAINTY_SECONDS,
        began_seconds=0.0,
        ended_seconds=WINDOW_SECONDS,
        cpu_seconds=tasks,
        workers_cpu_seconds=tasks + node.upkeep_cores * WINDOW_SECONDS,
        ray_cpu_seconds=node.ray_cores * WINDOW_SECONDS,
        sampler_cpu_seconds=node.sampler_cores * WINDOW_SECONDS,
        throttled_seconds=0.0,
    )


def _facts(number: int, cores: float, cluster: str) -> NodeFacts:
    return NodeFacts(
        node_id=node_id(number),
        session=1,
        cluster=cluster,
        holds_workers=True,
        host_id="made-up-host",
        cores=64,
        quota_cores=cores,
        cpu_source="cgroup",
        memory_bytes=2**33,
        gpus=0,
        cluster_start_seconds=1.0,
    )


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
    trial = dataclasses.replace(_trial("000-1", 0, [Node()], rows, "compose", clock.now))
    counters = {
        "workers_cpu_seconds": tasks * (task_cpu + upkeep),
        "ray_cpu_seconds": ray_cores * clock.now,
    }
    window = dataclasses.replace(_window("000-1", 0, Node(), rows), **counters)
    run = made_run([trial], rows, [window], [_facts(0, cores, "compose")])
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


def _large_but_for_tasks(ids: np.ndarray, places: np.ndarray, node: Node, each: int) -> Run:
    duration, count = 0.051 * each + 0.001, each * len(places) * node.workers
    planted = [node] * len(places)
    made = [_trial(one, 0, planted, [], "compose", duration) for one in ids[:-1]]
    made.append(_trial(ids[-1], 0, [Node()], [], "compose", 0.051 * count + 0.001))
    windows = [_window(one, number, other, []) for one in ids[:-1] for number, other in enumerate(planted)]
    run = made_run(
        [dataclasses.replace(one, tasks=count) for one in made],
        [],
        [*windows, _window(ids[-1], 0, Node(), [])],
        [_facts(number, node.cores, "compose") for number in range(len(places))],
    )
    samples = _many_samples(ids[:-1], places, each * node.workers, duration)
    return dataclasses.replace(run, samples=pd.concat([samples, run.samples.tail(1)]))


def _many_samples(ids: np.ndarray, places: np.ndarray, each: int, duration: float) -> pd.DataFrame:
    at, trial, node = (axis.ravel() for axis in np.indices((each, len(ids), len(places)), dtype=np.int32))
    return pd.DataFrame(
        {
            "trial_id": pd.Series(ids[trial], dtype="str"),
            "node_id": pd.Series(places[node], dtype="str"),
            "at_seconds": (at + 1) * duration / each,
            "cpu_cores": np.ones(len(at)),
        }
    )
