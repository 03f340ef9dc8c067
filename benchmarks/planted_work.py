"""Work with a planted cause each, which `planted_causes.py` looks for. An item is a number of steps."""

import os
import time
from functools import cache

STEPS = 60_000
"""Some 3 ms of a core."""


def sums(steps: int) -> int:
    """Return a sum over the steps: work without a fault."""
    total = 0
    for number in range(steps):
        total += number % 7
    return total


def sums_or_wait(steps: int) -> int:
    """Return the sum after a third of a wait in which the processor has nothing to do."""
    began = time.perf_counter()
    total = sums(steps)
    time.sleep((time.perf_counter() - began) / 2)
    return total


def sums_of_slow_node(steps: int) -> int:
    """Return the sum; one node of the cluster, that with the first id, takes twice as long for it."""
    return sums(2 * steps) and sums(steps) if on_slow_node() else sums(steps)


@cache
def on_slow_node() -> bool:
    """Tell whether this process is on the slow node: of several nodes the one with the first id."""
    import ray

    alive = sorted(one["NodeID"] for one in ray.nodes() if one["Alive"])
    return len(alive) > 1 and alive[-1] == ray.get_runtime_context().get_node_id()


def sums_with_threads(steps: int) -> int:
    """Return the sum beside products of matrices, which take a second thread of their own."""
    import numpy

    matrix = numpy.ones((600, 600))
    return sums(steps) + int((matrix @ matrix)[0, 0])


def table(size: int) -> bytes:
    """Return so many bytes that nobody can compress."""
    return os.urandom(size)


def tables(count: int = 96, size: int = 3_000_000) -> list[bytes]:
    """Return items that are large."""
    return [table(size) for _ in range(count)]


def first_bytes(content: bytes) -> int:
    """Return a number of a large item."""
    return content[0] + len(content) * (content[0] < 0)
