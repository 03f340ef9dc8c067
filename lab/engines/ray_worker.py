"""A worker on Ray: an actor that runs batches of tasks, and watches its node."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from lab.engines import Call
from lab.engines.carried import run_batch
from lab.measure.node_watch import NodeWatch, Window


class Worker:
    """The body of an actor. Before and after its tasks the first one on a node also watches the node.

    A sampling thread in a worker costs a node next to nothing; another idle Ray process would cost it some
    5 ms of processor time a second, which is 2 % of a node of 0.25 cores.
    """

    def __init__(self) -> None:
        self._node_watch: NodeWatch | None = None

    def identity(self) -> tuple[str, int]:
        """Return Ray's id of the node and the process id."""
        import os

        import ray

        return ray.get_runtime_context().get_node_id()[:12], os.getpid()

    def run(self, call: Call, function: Any, payloads: Sequence[Any]) -> tuple[float, list[Any]]:
        """Run a batch of tasks; return its seconds, and for each task what `home` is made for."""
        began = time.monotonic()
        results = run_batch(call, function, payloads)
        return time.monotonic() - began, results

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function of the lab's returns on this node."""
        return function(*arguments)

    def clock(self) -> float:
        """Return this node's monotonic clock, in seconds."""
        return time.monotonic()

    def begin(self, *arguments: Any) -> float:
        """Begin to watch the node, as `NodeWatch.begin`."""
        if self._node_watch is None:
            self._node_watch = NodeWatch()
        return self._node_watch.begin(*arguments)

    def end(self) -> Window:
        """Return what was seen of the node, as `NodeWatch.end`."""
        if self._node_watch is None:
            raise RuntimeError("the node_watch was not begun")
        return self._node_watch.end()
