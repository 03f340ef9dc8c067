"""Several raylets on this host: a cluster whose nodes share one machine, with nothing but Ray installed."""

import contextlib
import time
from collections.abc import Iterator

import psutil

from lab.clusters.attached import Cluster
from lab.clusters.embedded import SHOWN_SECONDS, connected, in_process
from lab.errors import ClusterError
from lab.measure.node_watch import NodeWatch


@contextlib.contextmanager
def local(nodes: int, cpus: int, object_store_megabytes: int) -> Iterator[Cluster]:
    """Start a head that runs no tasks and so many raylets with room for `cpus` workers each; yield them.

    The nodes have no limits of their own: they share the cores of the host. Raises `ClusterError`.
    """
    began = time.monotonic()
    with in_process(), contextlib.ExitStack() as stack:
        from ray.cluster_utils import Cluster as Raylets

        store = object_store_megabytes * 10**6
        try:
            raylets = Raylets(
                initialize_head=True,
                head_node_args={"num_cpus": 0, "object_store_memory": store, "include_dashboard": False},
            )
            stack.callback(raylets.shutdown)
            head = tuple(psutil.Process().children(recursive=True))
            for _ in range(nodes):
                raylets.add_node(num_cpus=cpus, object_store_memory=store)
        except Exception as error:  # Ray raises plain Exception where a raylet does not come up
            raise ClusterError(f"{nodes} raylets did not start on this host: {error}") from error
        stack.enter_context(connected(address=raylets.address))
        node_watch = NodeWatch(lambda: head)
        cluster = Cluster("local", time.monotonic() - began, node_watch)
        cluster.need(nodes, SHOWN_SECONDS)
        yield cluster
