"""The same seeded work with measuring on and off in turn, on one team of workers that stays up."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from lab.clusters.attached import Cluster
from lab.engines import ray_actors
from lab.engines.ray_dispatch import Actors
from lab.errors import ClusterError
from lab.experiment.examples import example, prepared
from lab.experiment.expected import Expected
from lab.experiment.plan import Configuration, PlannedTrial
from lab.experiment.setting import Setting, Sink
from lab.experiment.trial import run_trial
from lab.loading import find
from lab.workload import Prepared

ON, OFF = "on", "off"
SAMPLE_SECONDS = {ON: 0.2, OFF: 60.0}
"""Longer than a window is off: there is one sample, at the end."""

SEED = 20260101
SEARCH_BITS, SEARCH_WIDTH = 512, 8192
"""Windows of some 20 ms of processor time each, as in the published runs."""
PILOT_TASKS = 48
WAIT_SECONDS = 60.0
DEADLINE_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Windows:
    """How many windows of about how many seconds, on how many workers; a block is a pair of windows."""

    cluster: str
    nodes: int
    workers_per_node: int
    blocks: int
    window_seconds: float

    def order(self) -> tuple[tuple[int, str], ...]:
        """Return block and arm of each window in turn: on, off; off, on; on, off; and so forth."""
        return tuple(
            (block, arm) for block in range(self.blocks) for arm in ((OFF, ON) if block % 2 else (ON, OFF))
        )


def work(count: int) -> Prepared:
    """Return so many seeded tasks: fewer are the first of more."""
    make = find(example("primes.py:search_items"))[1]
    return prepared("search", make(SEARCH_BITS, SEARCH_WIDTH, count, SEED))


def measure_in_turn(
    asked: Windows, cluster: Cluster, sink: Sink, told: Callable[[int], None] = lambda _: None
) -> None:
    """Measure all windows; the place of each in the order is the slot of its trial, and told before it.

    A first trial, in the slot after the last, finds out how many tasks fill a window. Raises `ClusterError`.
    """
    configuration = Configuration(
        "search", "experiment", "ray", "dynamic", asked.cluster, asked.nodes, asked.workers_per_node
    )
    order, expected = asked.order(), Expected()
    cluster.need(asked.nodes, WAIT_SECONDS)
    with ray_actors.team(configuration.workers, asked.nodes) as team:
        setting = _setting(team, cluster, sink)
        pilot = PlannedTrial(len(order), asked.blocks, configuration)
        first = run_trial(pilot, 1, work(PILOT_TASKS), Expected(), setting)
        if first.status != "ok" or not first.duration_seconds:
            raise ClusterError(f"the work cannot be done here: {first.error_message}")
        tasks = max(PILOT_TASKS, round(PILOT_TASKS * asked.window_seconds / first.duration_seconds))
        full = work(tasks)
        for slot, (block, arm) in enumerate(order):
            told(slot)
            planned = PlannedTrial(slot, block, configuration)
            measured = dataclasses.replace(setting, sample_seconds=SAMPLE_SECONDS[arm])
            run_trial(planned, 1, full, expected, measured)


def _setting(team: Actors, cluster: Cluster, sink: Sink) -> Setting:
    """Return what all trials share, among it an engine that starts nothing: the team is there."""

    @contextlib.contextmanager
    def engine(workers: int, nodes: int) -> Iterator[Actors]:  # noqa: ARG001  it was asked for as many
        yield team

    return Setting(
        sink, cluster, SAMPLE_SECONDS[ON], DEADLINE_SECONDS, WAIT_SECONDS, WAIT_SECONDS, {"ray": engine}
    )
