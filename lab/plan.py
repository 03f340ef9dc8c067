"""From parameters to trials: which configuration runs when, in seeded, blocked random order. Pure."""

import dataclasses
import random

from lab.parameters import SingleNode

BASELINE_SCHEDULE = "dynamic"
"""The plain processes share one counter: the best that one would write by hand."""


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """What a trial runs: the same configuration is repeated once in every block."""

    mode: str
    arm: str
    engine: str
    schedule: str
    nodes: int
    workers_per_node: int

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


def single_node_plan(parameters: SingleNode, cores: int) -> tuple[PlannedTrial, ...]:
    """Return every configuration once per block; the order within a block is shuffled by the seed.

    `cores` decides which configuration the A/A arm copies: as many workers as there are cores.
    """
    configurations = [
        configuration
        for mode in parameters.modes
        for configuration in _configurations(mode, parameters, cores)
    ]
    shuffle = random.Random(parameters.seed).shuffle
    order: list[tuple[int, Configuration]] = []
    for block in range(parameters.repeats):
        shuffled = list(configurations)
        shuffle(shuffled)
        order += [(block, configuration) for configuration in shuffled]
    return tuple(PlannedTrial(slot, block, one) for slot, (block, one) in enumerate(order))


def _configurations(mode: str, parameters: SingleNode, cores: int) -> list[Configuration]:
    serial = Configuration(mode, "baseline", "serial", "static", 1, 1)
    processes = [
        Configuration(mode, "baseline", "processes", BASELINE_SCHEDULE, 1, count)
        for count in parameters.workers
    ]
    ray = [
        Configuration(mode, "experiment", "ray", schedule, 1, count)
        for schedule in parameters.schedules
        for count in parameters.workers
    ]
    copied = min(ray, key=lambda one: (abs(one.workers - cores), one.schedule != parameters.schedules[0]))
    return [serial, *processes, *ray, dataclasses.replace(copied, arm="copy")]
