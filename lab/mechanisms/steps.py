"""`add(a, b)` step by step: what happens when, told by the driver, the task's body and Ray's own events."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from lab.clusters.watched import clocks, on_each
from lab.data.records import Mechanism
from lab.errors import ClusterError
from lab.mechanisms.ground import Ground, here, on_node, warm

NAME = "steps"
BYTES = 1_000_000
"""Of `a`; `b` has twice as many, so that there is more to move for one node than for the other."""
PATIENCE_SECONDS = 15.0
STATES = {
    "PENDING_NODE_ASSIGNMENT": "the owner asks for a worker",
    "SUBMITTED_TO_WORKER": "the call goes to the worker",
    "RUNNING": "the worker takes the call",
    "FINISHED": "the owner knows that it has ended",
}
"""Ray's states of a task that are steps here, and what each is."""
PARTS = {
    "task:deserialize_arguments": "the arguments are there and are read",
    "task:store_outputs": "the result goes into the store",
}
"""Ray's own events within the call: their begins are steps."""


class Clock:
    """An actor that tells its node's time, in seconds since 1970."""

    def clock(self) -> float:
        """Return the time now."""
        return time.time()


def add(a: Any, b: Any) -> tuple[Any, str, float, float]:
    """Return a + b, of equally many as the shorter has, the node, and when the body began and ended."""
    began = time.time()
    found = a + b[: len(a)]
    return found, here(), began, time.time()


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield every step of each repeat: its moment in seconds since the call, on the driver's clock."""
    import ray

    first, second, *_ = nodes = ground.need(2)
    warm(nodes)
    ray.get(ray.remote(add).remote(np.ones(1), np.ones(1)))
    offsets = {
        node: one.offset_seconds
        for node, one in clocks(on_each(Clock, [n.node_id for n in nodes]), time.time).items()
    }
    traced = [_trace(first.node_id, second.node_id, offsets) for _ in range(ground.parameters.repeats)]
    for block, (task_id, node, steps) in enumerate(traced):
        on_b, offset = float(node == second.node_id), offsets.get(node[:12], 0.0)
        yield Mechanism(
            experiment=NAME, case="add(a, b)", quantity="ran where b lies", unit="1", block=block, value=on_b
        )
        moments = steps | _told_by_ray(task_id, offset)
        for case, moment in sorted(moments.items(), key=lambda pair: pair[1]):
            yield Mechanism(
                experiment=NAME,
                case=case,
                quantity="moment",
                unit="s",
                block=block,
                at_seconds=moment - steps["driver: add.remote(a, b)"],
                value=moment - steps["driver: add.remote(a, b)"],
            )


def _trace(first: str, second: str, offsets: dict[str, float]) -> tuple[str, str, dict[str, float]]:
    """Return the task's id, its node, and the steps that the driver and the body tell."""
    import ray

    make = ray.remote(np.ones)
    a = make.options(scheduling_strategy=on_node(first)).remote(BYTES, np.uint8)
    b = make.options(scheduling_strategy=on_node(second)).remote(2 * BYTES, np.uint8)
    ray.wait([a, b], num_returns=2, fetch_local=False)
    task = ray.remote(add)
    called = time.time()
    reference = task.remote(a, b)
    returned = time.time()
    _, node, began, ended = ray.get(reference)
    got = time.time()
    offset = offsets.get(node[:12], 0.0)
    steps = {
        "driver: add.remote(a, b)": called,
        "driver: it returns a reference, ray.get is called": returned,
        "body: it begins": began - offset,
        "body: it ends": ended - offset,
        "driver: ray.get returns": got,
    }
    return reference.task_id().hex(), node, steps


def _told_by_ray(task_id: str, offset: float) -> dict[str, float]:
    """Return the steps in Ray's own task events; raises `ClusterError` where they do not come."""
    from ray._private.state import state
    from ray.core.generated.common_pb2 import TaskStatus

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        mine = [one for one in state._get_all_task_events() if one.task_id.hex() == task_id]
        parts = {
            event.event_name: event.start_time / 1e9 - offset
            for one in mine
            for event in one.profile_events.events
        }
        states = {
            TaskStatus.Name(number): nanoseconds / 1e9
            for one in mine
            for number, nanoseconds in one.state_updates.state_ts_ns.items()
        }
        if parts.keys() >= PARTS.keys() and states.keys() >= STATES.keys():
            # the worker tells when it takes the call, the owner all other states
            states["RUNNING"] -= offset
            return {f"Ray: {PARTS[name]}": parts[name] for name in PARTS} | {
                f"Ray: {STATES[name]}": states[name] for name in STATES
            }
        if time.monotonic() > deadline:
            raise ClusterError(
                "Ray keeps no events of tasks here, so the steps within it cannot be told: its setting "
                "RAY_task_events_report_interval_ms is 0, or the machine is overloaded"
            )
        time.sleep(0.2)
