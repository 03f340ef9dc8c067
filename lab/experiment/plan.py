"""From parameters to trials: which configuration runs when, in seeded, blocked random order. Pure."""

import dataclasses
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lab.experiment.factoring_parameters import Factoring
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import Docker, Experiment, MultiNode, SingleNode

One = TypeVar("One")

CALLS_PER_WORKER = 4
"""Equal batches are a worker's share cut in so many: what `multiprocessing.Pool.map` does by itself."""

BASELINE_SCHEDULE = "dynamic"
"""The plain processes share one counter: the best that one would write by hand."""


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """What a trial runs: the same configuration is repeated once in every block."""

    mode: str
    arm: str
    engine: str
    schedule: str
    cluster: str
    nodes: int
    workers_per_node: int
    tasks: int | None = None
    """How many tasks of the work, where it comes in several sizes; this and the rest as in `Trial`."""
    transfer: str | None = None
    task_seconds: float | None = None
    batching: str | None = None
    batch: int | None = None

    @property
    def work(self) -> str:
        """Return the name of the work: of its kind, and of what makes it another piece of that kind."""
        length = "" if self.task_seconds is None else f"{self.task_seconds:g} s"
        tasks = "" if self.tasks is None else str(self.tasks)
        return ", ".join(filter(None, (self.mode, tasks, length, self.transfer)))

    @property
    def workers(self) -> int:
        """Return the number of workers in all."""
        return self.nodes * self.workers_per_node


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A configuration in its place of the plan."""

    slot: int
    block: int
    configuration: Configuration
    turn: int | None = None
    """Trials of one turn follow each other on the same workers; None: it has workers of its own."""


Plan = tuple[PlannedTrial, ...]

Turn = Sequence[Configuration]
"""Configurations that stand together in every block, since workers are started once for all of them."""


def single_node_plan(parameters: SingleNode, cores: int) -> Plan:
    """Return the loop, the plain processes and Ray on ever more workers.

    `cores` decides which configuration the A/A arm copies: as many workers as there are cores.
    """

    def configurations(mode: str) -> list[Configuration]:
        serial = Configuration(mode, "baseline", "serial", "static", "embedded", 1, 1)
        processes = [
            Configuration(mode, "baseline", "processes", BASELINE_SCHEDULE, "embedded", 1, count)
            for count in parameters.workers
        ]
        ray = _sizes(mode, "experiment", "embedded", parameters.schedules, (1,), parameters.workers)
        copied = min(ray, key=lambda one: (abs(one.workers - cores), one.schedule != parameters.schedules[0]))
        return [serial, *processes, *ray, dataclasses.replace(copied, arm="copy")]

    return _in_blocks(parameters, parameters.modes, configurations)


def multi_node_plan(parameters: MultiNode) -> Plan:
    """Return Ray on every number of nodes with every number of workers on each.

    One worker on one node is in every plan, as the baseline where it is not asked for: what efficiency is
    relative to. The A/A arm copies the largest cluster with fewest workers a node.
    """

    def configurations(mode: str) -> list[Configuration]:
        asked = _sizes(
            mode,
            "experiment",
            parameters.cluster,
            parameters.schedules,
            parameters.nodes,
            parameters.workers_per_node,
        )
        alone = dataclasses.replace(asked[0], arm="baseline", nodes=1, workers_per_node=1)
        baseline = [] if dataclasses.replace(alone, arm="experiment") in asked else [alone]
        return [*baseline, *asked, _copy(asked)]

    return _in_blocks(parameters, parameters.modes, configurations)


def docker_plan(parameters: Docker) -> Plan:
    """Return Ray in containers, and the same as a baseline in plain raylets on the host of the containers."""

    def configurations(mode: str) -> list[Configuration]:
        sizes = parameters.schedules, parameters.nodes, parameters.workers_per_node
        contained = _sizes(mode, "experiment", "compose", *sizes)
        return [*contained, *_sizes(mode, "baseline", "local", *sizes), _copy(contained)]

    return _in_blocks(parameters, parameters.modes, configurations)


def factoring_plan(parameters: Factoring) -> Plan:
    """Return each work on every number of nodes and workers; the A/A arm copies the first work's largest.

    Work that loses a worker has workers of its own, and two at least.
    """
    sizes = parameters.cluster, ("dynamic",), parameters.nodes, parameters.workers
    asked = {mode: _sizes(mode, "experiment", *sizes) for mode in parameters.works}
    kept = [one for mode, several in asked.items() if mode != "lost" for one in several]
    lost = [one for one in asked.get("lost", ()) if one.workers > 1]
    copied = [_copy(asked[kept[0].mode])] if kept else []
    return in_blocks(parameters, [(one,) for one in (*kept, *lost, *copied)])


def own_plan(parameters: Own, mode: str, cores: int, items: int) -> Plan:
    """Return one's own work on every engine, with every number of workers on every number of nodes.

    Engines that are told how many of so many items a call carries have each batching. Where the work grows
    with the workers (weak scaling), a trial has the items once for each. One worker on one node
    is in every plan, as the baseline of Ray where it is not asked for. The A/A arm copies the first engine
    that is no baseline, on all nodes, with as many workers as a node has cores.
    """

    def configurations() -> list[Configuration]:
        found = [
            dataclasses.replace(one, tasks=items * one.workers) if parameters.grows else one
            for engine in parameters.used_engines
            for one in _on_engine(engine, mode, parameters, items)
        ]
        asked = [one for one in found if one.arm == "experiment"]
        if not asked:
            return found
        first = [one for one in asked if one.engine == asked[0].engine]
        tasks = items if parameters.grows else None
        alone = dataclasses.replace(first[0], arm="baseline", nodes=1, workers_per_node=1, tasks=tasks)
        several = len(parameters.nodes) > 1 and dataclasses.replace(alone, arm="experiment") not in first
        copied = max(first, key=lambda one: (one.nodes, -abs(one.workers_per_node - cores)))
        return [*found, *([alone] if several else []), dataclasses.replace(copied, arm="copy")]

    # what a function of somebody's keeps in a worker must not make the next trial faster
    return in_blocks(parameters, [(one,) for one in configurations()])


def _on_engine(engine: str, mode: str, parameters: Own, items: int) -> list[Configuration]:
    """Return the configurations of one engine: the loop has one worker, only Ray has schedules and nodes."""
    if engine == "serial":
        return [Configuration(mode, "baseline", engine, "static", parameters.cluster, 1, 1)]
    if engine == "ray":
        sizes = parameters.schedules, parameters.nodes, parameters.workers
        return _sizes(mode, "experiment", parameters.cluster, *sizes)
    arm = "baseline" if engine == "processes" else "experiment"
    found = [
        Configuration(mode, arm, engine, BASELINE_SCHEDULE, parameters.cluster, 1, count)
        for count in parameters.workers
    ]

    def batch(batching: str, workers: int) -> int:
        tasks = items * workers if parameters.grows else items
        return 1 if batching == "none" else equal_batch(tasks, workers)

    return [
        dataclasses.replace(one, batching=batching, batch=batch(batching, one.workers))
        for batching in parameters.batchings_of(engine)
        for one in found
    ] or found


def equal_batch(tasks: int, workers: int) -> int:
    """Return how many tasks a call carries where all calls are of one size."""
    return -(-tasks // (CALLS_PER_WORKER * workers))


def _sizes(
    mode: str,
    arm: str,
    cluster: str,
    schedules: Sequence[str],
    nodes: Sequence[int],
    workers_per_node: Sequence[int],
) -> list[Configuration]:
    """Return Ray under each schedule on every number of nodes and workers."""
    return [
        Configuration(mode, arm, "ray", schedule, cluster, count, workers)
        for schedule in schedules
        for count in nodes
        for workers in workers_per_node
    ]


def _copy(asked: Sequence[Configuration]) -> Configuration:
    """Return the A/A arm: the largest cluster with fewest workers a node, under the first schedule."""
    copied = max(asked, key=lambda one: (one.schedule == asked[0].schedule, one.nodes, -one.workers_per_node))
    return dataclasses.replace(copied, arm="copy")


def in_blocks(parameters: Experiment, turns: Sequence[Turn]) -> Plan:
    """Return every configuration once per block; the seed shuffles turns, and what is in them."""
    seeded = random.Random(parameters.seed)
    in_order = [
        (block, shuffled(seeded, turn))
        for block in range(parameters.repeats)
        for turn in shuffled(seeded, turns)
    ]
    trials = [(block, one, place) for place, (block, turn) in enumerate(in_order) for one in turn]
    return tuple(PlannedTrial(slot, *trial) for slot, trial in enumerate(trials))


def shuffled(seeded: random.Random, ones: Iterable[One]) -> list[One]:
    """Return them in a random order."""
    listed = list(ones)
    seeded.shuffle(listed)
    return listed


def _in_blocks(
    parameters: Experiment, modes: Sequence[str], configurations: Callable[[str], list[Configuration]]
) -> Plan:
    """Return the configurations of every mode; those on as many workers of an engine share them.

    The A/A arm has workers of its own, since its noise is to be that of two starts, too.
    """
    every = [one for mode in modes for one in configurations(mode)]
    turns: dict[tuple[object, ...], list[Configuration]] = {}
    for one in every:
        size = one.arm, one.engine, one.cluster, one.nodes, one.workers_per_node
        turns.setdefault(size, []).append(one)
    return in_blocks(parameters, list(turns.values()))
