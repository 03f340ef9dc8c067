"""Ray's own events of tasks, from its timeline: the lab's times are compared with them, never made of it."""

import collections
import dataclasses
import logging
import time
from collections.abc import Mapping
from typing import Any

from lab.clusters.embedded import SETTINGS
from lab.errors import ClusterError

EVENT_SETTINGS: Mapping[str, str] = SETTINGS | {"RAY_task_events_report_interval_ms": "100"}
"""The lab's settings of Ray, but that Ray keeps the events."""

PATIENCE_SECONDS = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Execution:
    """One `task:execute` event: the body of one call, on the host's clock, in seconds since 1970."""

    began: float
    ended: float


def executions(method: str, count: int) -> tuple[tuple[Execution, ...], ...]:
    """Return the executions of an actor's method, in order, of each worker; waits until there are `count`.

    Raises `ClusterError` where Ray does not tell of as many.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = _executions(method)
        told = sum(map(len, found))
        if told >= count:
            return found
        if time.monotonic() > deadline:
            raise ClusterError(
                f"Ray tells of {told} executions of {method}, and {count} there were: it drops events where "
                "the machine is overloaded; run it again when it is quiet"
            )


def _executions(method: str) -> tuple[tuple[Execution, ...], ...]:
    """Return them so far: a `task:execute` event has no name, and lies within the event of its call."""
    import ray

    logging.getLogger("ray._private.state").setLevel(logging.ERROR)
    workers: dict[str, list[Any]] = collections.defaultdict(list)
    for event in sorted(ray.timeline() or [], key=lambda one: (one["ts"], -one["dur"])):
        workers[event["tid"]].append(event)
    found = []
    for events in workers.values():
        name, mine = "", []
        for event in events:
            if event["cat"].startswith("task::"):
                name = event["cat"].removeprefix("task::")
            elif event["cat"] == "task:execute" and name == method:
                mine.append(Execution(event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6))
        if mine:
            found.append(tuple(mine))
    return tuple(found)
