"""Proves the lab's own measuring beside other instruments: what `lab validate` does.

Task times beside Ray's own events; memory beside `docker stats`; throughput with measuring on beside off; the
processor time of all processes beside the cgroup's counter. Rows of `lab.data.records.Check` go to
`data/validation/<run_id>/checks.csv` as they come.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import paths
from lab.clusters.compose import ComposeCluster, compose
from lab.clusters.docker import check_docker
from lab.clusters.embedded import check_ray_version, embedded
from lab.clusters.jobs import Jobs
from lab.clusters.wire import Message
from lab.data.ledger import write_environment
from lab.data.records import SCHEMA_VERSION, Check, NodeFacts, NodeWindow, Sample, Trial
from lab.data.table import Table
from lab.errors import ClusterError
from lab.experiment.facts import facts_here, new_run_id
from lab.experiment.sites import refusal
from lab.measure.environment import utc_now
from lab.measure.node import find_cgroup, usable_cores
from lab.validation.containers import Memory, memory, node_ids
from lab.validation.times import OBJECT_STORE_MEGABYTES, task_checks
from lab.validation.windows import OFF, ON, SAMPLE_SECONDS, Windows, measure_in_turn

COMPOSE = Windows("compose", nodes=4, workers_per_node=1, blocks=10, window_seconds=10.0)
NODE_CORES = 0.25
EMBEDDED = Windows("embedded", nodes=1, workers_per_node=1, blocks=10, window_seconds=6.0)
"""With as many workers as there are cores."""
TASKS = 200
READY_SECONDS = 120.0
NEAREST_SECONDS = 0.5
"""How far from the reading of `docker stats` a sample may be."""
FILE = "checks.csv"
ENTRYPOINT = "python -m lab.validation.job"


class Pairs:
    """Takes the rows of windows as they come, and writes the checks that they are good for."""

    def __init__(self, asked: Windows, table: Table) -> None:
        self.asked, self._table, self._order = asked, table, asked.order()
        self.memory: dict[int, Memory] = {}
        """By slot, what Docker said."""
        self._sources: dict[str, str] = {}
        self._rates: dict[str, float | None] = {}
        self._windows: list[NodeWindow] = []
        self._samples: list[Sample] = []

    def append(self, record: Any) -> None:
        """Take one row; a trial comes after all that belongs to it."""
        if isinstance(record, NodeFacts):
            self._sources[record.node_id] = record.cpu_source
        elif isinstance(record, NodeWindow) and record.workers:
            self._windows.append(record)
        elif isinstance(record, Sample):
            self._samples.append(record)
        elif isinstance(record, Trial):
            if record.slot < len(self._order):
                self._take(record, *self._order[record.slot])
            self._windows, self._samples = [], []

    def extend(self, records: Sequence[Any]) -> None:
        """Take several rows: of tasks, of which nothing is kept."""

    def sync(self) -> None:
        """Bring all rows to the disk."""
        self._table.sync()

    def _take(self, trial: Trial, block: int, arm: str) -> None:
        for window in self._windows:
            if self._sources.get(window.node_id) == "cgroup":
                self._write("processor time", "CPU s", block, window.node_id, *_processor_seconds(window))
        if arm == ON and trial.slot in self.memory:
            found = self.memory[trial.slot]
            for node in [one.node_id for one in self._windows]:
                own = memory_then([one for one in self._samples if one.node_id == node], trial, found.at)
                self._write("memory", "B", block, node, own, found.used_bytes.get(node))
        self._rates[arm] = _rate(trial)
        if len(self._rates) == 2:
            self._end_block(block)

    def _end_block(self, block: int) -> None:
        on, off = self._rates.pop(ON), self._rates.pop(OFF)
        cluster, blocks = self.asked.cluster, self.asked.blocks
        self._write("measuring on/off", "1/s", block, cluster, on, off)
        told = (
            "failed" if on is None or off is None else f"{on:.1f} primes/s with measuring, {off:.1f} without"
        )
        print(f"{cluster}, block {block + 1} of {blocks}: {told}", flush=True)

    def _write(
        self, check: str, unit: str, block: int, node: str, lab: float | None, reference: float | None
    ) -> None:
        row = Check(check=check, unit=unit, block=block, node=node, lab_value=lab, reference_value=reference)
        self._table.extend([row])


def _rate(trial: Trial) -> float | None:
    """Return units per second; None where the trial failed."""
    if trial.status != "ok" or not trial.units or not trial.duration_seconds:
        return None
    return trial.units / trial.duration_seconds


def _processor_seconds(window: NodeWindow) -> tuple[float | None, float | None]:
    """Return what the processes used, and what the cgroup counted."""
    parts = window.workers_cpu_seconds, window.ray_cpu_seconds, window.sampler_cpu_seconds
    return None if None in parts else sum(one for one in parts if one is not None), window.cpu_seconds


def memory_then(samples: Sequence[Sample], trial: Trial, at: float) -> int | None:
    """Return a node's memory in the sample nearest to a moment, in seconds since 1970; None if none is near.

    The window begins when its workers are there and warm: to that the clocks are asked for, for some 0.1 s.
    """
    if trial.started_at is None or trial.startup_seconds is None or trial.warmup_seconds is None:
        return None
    asked = datetime.datetime.fromisoformat(trial.started_at).timestamp()
    since = at - asked - trial.startup_seconds - trial.warmup_seconds
    nearest = min(samples, key=lambda one: abs(one.at_seconds - since), default=None)
    if nearest is None or abs(nearest.at_seconds - since) > NEAREST_SECONDS:
        return None
    return nearest.memory_bytes


def on_compose(pairs: Pairs, found: ComposeCluster, run_id: str) -> None:
    """Have the windows measured by a job on the compose cluster, and ask Docker in the middle of each."""
    nodes, order = node_ids(found.containers), pairs.asked.order()

    def receive(message: Message) -> None:
        if message.kind == "refused":
            raise refusal(message.content)
        if message.kind != "slot":
            pairs.append(message.content)
            return
        # the word of a slot comes up to 2 s late, and Docker takes 2 s: so it reads in the middle of the
        # window; of one without samples too, so that both arms are disturbed alike
        time.sleep(pairs.asked.window_seconds / 5)
        slot, said = message.content["slot"], memory(nodes)
        if order[slot][1] == ON:
            pairs.memory[slot] = said

    jobs = Jobs(found.address, found.token, entrypoint=ENTRYPOINT)
    jobs.check(run_id)
    # the job searches for primes, as the example does
    jobs.run(dataclasses.asdict(pairs.asked), run_id, receive, paths.ROOT / "examples")


def validate(data: Path, contained: Windows = COMPOSE, here: Windows = EMBEDDED, tasks: int = TASKS) -> Path:
    """Measure all checks into a new run and return its folder; those of containers only where Docker is.

    Raises `LabError`; the rows so far are kept.
    """
    check_ray_version()
    cores = int(usable_cores(find_cgroup()))
    here = dataclasses.replace(here, workers_per_node=cores)
    directory = data / "validation" / new_run_id("full")
    environment = _environment(directory.name, (contained, here), tasks)
    write_environment(directory, environment)
    path, session = directory / FILE, environment["sessions"][0]
    print(f"new run {directory.name}: rows go to {path}", flush=True)
    with contextlib.closing(Table(path, Check)) as table:
        session |= _in_containers(Pairs(contained, table), directory.name)
        with embedded(cores, OBJECT_STORE_MEGABYTES, 0) as cluster:
            measure_in_turn(here, cluster, Pairs(here, table))
        table.extend(task_checks(cores, tasks))
        table.sync()
    session |= {"finished_at": utc_now(), "files": {FILE: hashlib.sha256(path.read_bytes()).hexdigest()}}
    write_environment(directory, environment)
    return directory


def _environment(run_id: str, asked: Sequence[Windows], tasks: int) -> dict[str, Any]:
    """Return the content of environment.json before the end."""
    here = facts_here(find_cgroup())
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": "validation",
        "run_id": run_id,
        "parameters": {
            "windows": [dataclasses.asdict(one) for one in asked],
            "node_cores": NODE_CORES,
            "sample_seconds": SAMPLE_SECONDS,
            "tasks": tasks,
        },
        "planned_trials": sum(len(one.order()) for one in asked),
        **{name: value for name, value in here.items() if name != "session"},
        "sessions": [here["session"]],
    }


def _in_containers(pairs: Pairs, run_id: str) -> dict[str, str]:
    """Measure what needs containers, and return what the environment file says of them."""
    try:
        check_docker()
    except ClusterError as error:
        print(f"left out memory, processor time, and measuring on/off in containers: {error}", flush=True)
        return {}
    with compose(pairs.asked.nodes, NODE_CORES, True, READY_SECONDS) as found:
        on_compose(pairs, found, run_id)
        return {"image": found.image_id}
