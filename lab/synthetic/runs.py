"""Made-up rows of a run: what planted losses, and tests without a cluster, are put together from."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lab.data.records import NodeFacts, NodeWindow, Sample, TaskRecord, Trial, columns
from lab.data.store import Run

WINDOW_SECONDS = 10.0
CLOCK_UNCERTAINTY_SECONDS = 0.001


@dataclasses.dataclass(frozen=True, slots=True)
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
        parts = {
            "useful": processor * (1 - self.slower),
            "slower": processor * self.slower,
            "waiting": self.waiting,
            "gaps": self.gaps + self.stall,
            "startup": self.startup,
            "tail": self.tail,
        }
        seconds = {term: part * self.usable * WINDOW_SECONDS for term, part in parts.items()}
        return {**seconds, "unused": (self.cores - self.usable) * WINDOW_SECONDS, "residual": 0.0}


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


def node_id(number: int, cluster: str = "embedded") -> str:
    """Return the made-up id of a node, counted from 0; raylets beside containers have ids of their own."""
    return f"{number + 1 + 100 * (cluster == 'local'):012x}"


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


def trial_row(
    trial_id: str,
    block: int,
    nodes: Sequence[Node],
    rows: Sequence[TaskRecord],
    cluster: str,
    duration_seconds: float = WINDOW_SECONDS,
) -> Trial:
    """Return a trial on those nodes that ended well, with the totals of its task rows."""
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
        planned_tasks=len(done),
        tasks=len(done),
        failed_attempts=0,
        lost_workers=0,
        task_cpu_seconds=sum(row.cpu_seconds or 0.0 for row in done),
        driver_cpu_seconds=0.0,
        sampler_cpu_seconds=0.0,
    )


def window_row(trial_id: str, number: int, node: Node, rows: Sequence[TaskRecord]) -> NodeWindow:
    """Return the window of a node: no counter misses what was planted to use it, and who waits sleeps."""
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
        workers_delay_seconds=0.0,
        ray_cpu_seconds=node.ray_cores * WINDOW_SECONDS,
        sampler_cpu_seconds=node.sampler_cores * WINDOW_SECONDS,
        throttled_seconds=0.0,
    )


def facts_row(number: int, cores: float, cluster: str) -> NodeFacts:
    """Return the facts of a node with that quota on the one made-up host."""
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
