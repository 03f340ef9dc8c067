"""Several raylets on this host: a cluster whose nodes share one machine, with nothing but Ray installed."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from lab.clusters.attached import Cluster
from lab.clusters.embedded import SETTINGS, SHOWN_SECONDS, connected, in_process
from lab.errors import ClusterError
from lab.measure.node_watch import NodeWatch


@dataclasses.dataclass(frozen=True, slots=True)
class Raylets:
    """The nodes of this host, of which some can be added and taken away; `head` are the head's processes."""

    handle: Any
    head: tuple[psutil.Process, ...]
    cpus: int
    object_store_bytes: int

    def add(self) -> None:
        """Start another node, and wait until Ray knows it."""
        self.handle.add_node(num_cpus=self.cpus, object_store_memory=self.object_store_bytes)

    def remove(self, node_id: str, gracefully: bool) -> None:
        """Take a node away, or clear up after one that was killed; the id is Ray's own, whole."""
        found = [one for one in self.handle.worker_nodes if one.node_id == node_id]
        for one in found:
            self.handle.remove_node(one, allow_graceful=gracefully)


@contextlib.contextmanager
def raylets(
    nodes: int,
    cpus: int,
    object_store_megabytes: int,
    settings: Mapping[str, str] = SETTINGS,
    head_cpus: int = 0,
) -> Iterator[Raylets]:
    """Start a head and beside it so many nodes with room for `cpus` workers each; connect to the head.

    The nodes have no limits of their own: they share the cores of the host. Raises `ClusterError`.
    """
    with in_process(settings), contextlib.ExitStack() as stack:
        from ray.cluster_utils import Cluster as Handle

        store = object_store_megabytes * 10**6
        try:
            handle = Handle(
                initialize_head=True,
                head_node_args={
                    "num_cpus": head_cpus,
                    "object_store_memory": store,
                    "include_dashboard": False,
                },
            )
            stack.callback(handle.shutdown)
            head = tuple(psutil.Process().children(recursive=True))
            found = Raylets(handle, head, cpus, store)
            for _ in range(nodes):
                found.add()
        except Exception as error:  # Ray raises plain Exception where a raylet does not come up
            raise ClusterError(f"{nodes} raylets did not start on this host: {error}") from error
        stack.enter_context(connected(address=handle.address))
        yield found


@contextlib.contextmanager
def local(nodes: int, cpus: int, object_store_megabytes: int) -> Iterator[Cluster]:
    """Yield such a cluster whose head runs no tasks, with all nodes watched; raises `ClusterError`."""
    began = time.monotonic()
    with raylets(nodes, cpus, object_store_megabytes) as found:
        node_watch = NodeWatch(lambda: found.head)
        cluster = Cluster("local", time.monotonic() - began, node_watch)
        cluster.need(nodes, SHOWN_SECONDS)
        yield cluster
