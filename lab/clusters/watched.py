"""What is known of nodes from one window: how their clocks stand, and what was seen of them."""

import dataclasses
import time
from typing import Any

from lab.data.records import NodeWindow, Sample
from lab.measure.node_watch import Window

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


def ping(node_watch: Any) -> Clock | None:
    """Return how a node's clock stands, by the fastest of several pings; None where it does not answer."""
    import ray

    best: Clock | None = None
    try:
        for _ in range(PINGS):
            sent = time.monotonic()
            there = ray.get(node_watch.clock.remote(), timeout=ANSWER_SECONDS)
            half = (time.monotonic() - sent) / 2
            if best is None or half < best.uncertainty_seconds:
                best = Clock(there - sent - half, half)
    except ray.exceptions.RayError:
        return best
    return best
