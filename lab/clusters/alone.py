"""This machine without a cluster: the driver and all that it started are watched as one process tree."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from lab.clusters.stores import bytes_in_use
from lab.data.records import NodeFacts, NodeWindow, Sample
from lab.engines import Team
from lab.measure.node_watch import NodeWatch
from lab.measure.tree import Tree

NODE = "this machine"
LARGEST_SHARE = 0.03
"""Of a core for looking at the memory, which takes some 25 ms where Ray runs: windows are a second or so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the process tree in one window: columns of a trial's row, and no node's rows."""

    facts: Mapping[str, Any]
    samples: tuple[Sample, ...] = ()
    windows: tuple[NodeWindow, ...] = ()


class Alone:
    """Stands where trials ask for a cluster: one node, whose engines come and go with their own processes."""

    def __init__(self, kind: str = "embedded") -> None:
        report = NodeWatch().report()
        facts = NodeFacts(
            node_id=NODE,
            session=1,
            cluster=kind,
            holds_workers=True,
            host_id=report.host_id,
            cpu_model=report.cpu_model,
            cores=report.cores,
            quota_cores=report.quota_cores,
            cpu_source="processes",
            memory_bytes=report.memory_bytes,
            gpus=report.gpus,
            cluster_start_seconds=0.0,
        )
        self._new: tuple[NodeFacts, ...] = (facts,)

    def need(self, nodes: int, seconds: float) -> None:
        """Have the one node there is."""

    def take_new(self) -> tuple[NodeFacts, ...]:
        """Return the node's facts, once."""
        new, self._new = self._new, ()
        return new

    def node_of(self, node_id: str | None) -> str:  # noqa: ARG002  a Ray of an engine's own is on it, too
        """Return the one node there is."""
        return NODE

    def synchronize(self, team: Team) -> None:
        """Have one clock."""

    def offset_seconds(self, node_id: str) -> float:  # noqa: ARG002  one clock
        """Return 0."""
        return 0.0

    def begin(
        self,
        trial_id: str,  # noqa: ARG002  there are no rows of nodes
        team: Team,  # noqa: ARG002  all processes are watched
        interval_seconds: float,
        watch_ray: bool,
        queue_length: Callable[[], int],  # noqa: ARG002
    ) -> float:
        """Have the process tree sampled; returns when, on the driver's clock."""
        self._tree, self._on_ray = Tree(interval_seconds, LARGEST_SHARE), watch_ray
        self._steal = _steal_seconds()
        self._tree.__enter__()
        return time.monotonic()

    def end(self) -> Seen:
        """End the sampling and sum up."""
        store = None
        if self._on_ray:
            # a Ray that has died under the work says nothing, and must not hide why the trial failed
            with contextlib.suppress(Exception):
                store = bytes_in_use()
        self._tree.__exit__(None, None, None)
        tree, steal = self._tree, _steal_seconds()
        return Seen(
            {
                "cpu_seconds": tree.cpu_seconds,
                "memory_before_bytes": tree.memory_before_bytes,
                "peak_memory_bytes": tree.peak_memory_bytes,
                "driver_memory_bytes": tree.peak_driver_bytes,
                "sampler_cpu_seconds": tree.sampler_cpu_seconds,
                "object_store_bytes": store,
                "steal_seconds": None if steal is None or self._steal is None else steal - self._steal,
            }
        )


def _steal_seconds() -> float | None:
    return getattr(psutil.cpu_times(), "steal", None)
