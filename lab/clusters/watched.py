"""What is known of nodes from one window: how their clocks stand, and what was seen of them."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from functools import partial
from typing import Any

from lab.data.records import NodeWindow, Sample
from lab.measure.node_watch import Window
from lab.measure.task import first_line

PINGS = 10
ANSWER_SECONDS = 15.0


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of all nodes in one window, on the driver's clock; `driver` is the driver's own node."""

    driver: Window
    samples: tuple[Sample, ...]
    windows: tuple[NodeWindow, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """Return the columns of a trial's row that tell of the driver's node."""
        counters = self.driver.counters
        sampler = counters.sampler_cpu_seconds or 0.0
        return {
            "driver_cpu_seconds": self.driver.own_cpu_seconds - sampler,
            "system_cpu_seconds": counters.ray_cpu_seconds,
            "sampler_cpu_seconds": sampler,
            "steal_seconds": counters.steal_seconds,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """A node's monotonic clock minus the driver's, and how well that is known, both in seconds."""

    offset_seconds: float
    uncertainty_seconds: float


def on_each(kind: type[Any], node_ids: Iterable[str], **options: Any) -> dict[str, Any]:
    """Start an actor without a CPU of its own on each node; return them by the first 12 digits of its id."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote, started = ray.remote(kind), {}
    for node_id in node_ids:
        strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
        one = remote.options(num_cpus=0, scheduling_strategy=strategy, **options)
        started[node_id[:12]] = one.remote()
    return started


def answers(calls: Mapping[Any, Any], seconds: float) -> tuple[dict[Any, Any], dict[Any, str]]:
    """Return what was answered within the time, by the calls' names, and why the others were not."""
    import ray

    found, lost, deadline = {}, {}, time.monotonic() + seconds
    for name, call in calls.items():
        try:
            found[name] = ray.get(call, timeout=max(0.0, deadline - time.monotonic()))
        except ray.exceptions.RayError as error:
            lost[name] = f"{type(error).__name__}: {first_line(error)}"
    return found, lost


def clocks(node_watches: Mapping[str, Any], now: Callable[[], float] = time.monotonic) -> dict[str, Clock]:
    """Return how the clocks of the nodes that answer stand, by the fastest of several pings.

    `now` is the driver's clock of the kind that the nodes tell. All nodes are asked at once: one after the
    other, 1,000 of them would take a minute before each window.
    """
    best: dict[str, Clock] = {}
    asked = dict(node_watches)
    for _ in range(PINGS):
        sent, arrived, calls = {}, dict[str, float](), {}
        for node, node_watch in asked.items():
            sent[node] = now()
            calls[node] = node_watch.clock.remote().future()
            calls[node].add_done_callback(partial(stamp, arrived, node, now))
        wait(calls.values(), timeout=ANSWER_SECONDS)
        asked = {node: asked[node] for node, call in calls.items() if call.done() and not call.exception()}
        for node in asked:
            half = (arrived[node] - sent[node]) / 2
            if node not in best or half < best[node].uncertainty_seconds:
                best[node] = Clock(calls[node].result() - sent[node] - half, half)
    return best


def stamp(arrived: dict[str, float], node: str, now: Callable[[], float], _call: object) -> None:
    """Note when a node's answer has come."""
    arrived[node] = now()
