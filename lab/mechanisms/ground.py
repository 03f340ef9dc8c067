"""What an experiment stands on: a Ray that this process is connected to, and how its rows are made."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lab.data.records import Mechanism
from lab.errors import ClusterError
from lab.experiment.mechanism_parameters import Mechanisms

POLL_SECONDS = 0.05
WARM_SECONDS = 0.2
"""How long a task takes that warms a slot up: long enough that the next one gets another."""


class Changing(Protocol):
    """Nodes that can be added and taken away: `lab.clusters.local.Raylets`."""

    def add(self) -> None:
        """Start another node."""

    def remove(self, node_id: str, gracefully: bool) -> None:
        """Take a node away, or clear up after one that was killed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A node that may hold workers: Ray's whole id of it, its slots, and its object store in bytes."""

    node_id: str
    slots: int
    store_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Ground:
    """The parameters, and the cluster: `changing` where its nodes can be added and taken away."""

    parameters: Mechanisms
    changing: Changing | None = None

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes that are alive and may hold workers, in an order that does not change."""
        import ray

        alive = sorted((one for one in ray.nodes() if one["Alive"]), key=lambda one: str(one["NodeID"]))
        return tuple(
            Node(
                one["NodeID"],
                int(one["Resources"]["CPU"]),
                int(one["Resources"].get("object_store_memory", 0)),
            )
            for one in alive
            if one["Resources"].get("CPU", 0) >= 1
        )

    def need(self, many: int) -> tuple[Node, ...]:
        """Return the nodes once there are so many; raises `ClusterError` where they do not come."""
        deadline = time.monotonic() + self.parameters.wait_seconds
        while len(found := self.nodes()) < many:
            if time.monotonic() > deadline:
                raise ClusterError(f"it needs {many} nodes with a CPU, and this cluster has {len(found)}")
            time.sleep(POLL_SECONDS)
        return found

    def too_large(self, size_bytes: int) -> str:
        """Return why objects of that size are not made here; empty where a third of each store holds one."""
        import ray

        stores = [int(one["Resources"].get("object_store_memory", 0)) for one in ray.nodes() if one["Alive"]]
        if size_bytes <= min(stores) / 3:
            return ""
        return (
            f"objects of {size_bytes / 1e6:g} MB need an object store of {3 * size_bytes / 1e6:g} MB on each "
            f"node, and the smallest here has {min(stores) / 1e6:.0f} MB: give object_store_megabytes more"
        )

    def sizes(self) -> list[int]:
        """Return the sizes asked for, in bytes, ascending."""
        return sorted(1000 * one for one in self.parameters.object_kilobytes)


def on_node(node_id: str) -> Any:
    """Return the strategy that places a task or an actor on that node alone."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def warm(nodes: Sequence[Node]) -> None:
    """Have a worker in each slot, so that no measurement starts one."""
    import ray

    task = ray.remote(nap)
    placed = {one.node_id: task.options(scheduling_strategy=on_node(one.node_id)) for one in nodes}
    ray.get([placed[one.node_id].remote(WARM_SECONDS) for one in nodes for _ in range(one.slots)])


def nap(seconds: float) -> None:
    """Take up a slot for a time."""
    time.sleep(seconds)


def here() -> str:
    """Return Ray's whole id of the node that this process is on."""
    import ray

    found: str = ray.get_runtime_context().get_node_id()
    return found


def rate_of(call: Callable[[], Any], seconds: float) -> float:
    """Return calls per second, of as many as fill a time."""
    call()
    began, calls = time.perf_counter(), 0
    while (now := time.perf_counter()) - began < seconds or not calls:
        call()
        calls += 1
    return calls / (now - began) if now > began else float("nan")


def skipped(experiment: str, why: str, case: str = "all", **facts: Any) -> Mechanism:
    """Return the row of what this cluster cannot do."""
    return Mechanism(
        experiment=experiment,
        case=case,
        quantity="not measured",
        unit="1",
        status="skipped",
        error_message=why,
        **facts,
    )
