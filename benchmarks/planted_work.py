"""Work with a planted cause each, which `planted_causes.py` looks for. An item is a number of steps."""

from functools import cache

STEPS = 60_000
"""Some 3 ms of a core."""


def sums(steps: int) -> int:
    """Return a sum over the steps: work without a fault."""
    total = 0
    for number in range(steps):
        total += number % 7
    return total


def sums_of_slow_node(steps: int) -> int:
    """Return the sum; one node of the cluster, that with the first id, takes three times as long for it."""
    for _ in range(2 if on_slow_node() else 0):
        sums(steps)
    return sums(steps)


@cache
def on_slow_node() -> bool:
    """Tell whether this process is on the slow node: of several nodes the one with the first id."""
    import ray

    if not ray.is_initialized():
        return False
    # the head of a compose cluster has no CPU, and runs no task
    nodes = sorted(one["NodeID"] for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU"))
    return len(nodes) > 1 and nodes[0] == ray.get_runtime_context().get_node_id()


def sums_with_threads(steps: int) -> int:
    """Return the sum beside products of matrices, which take a second thread of their own."""
    import numpy

    matrix = numpy.ones((600, 600))
    return sums(steps) + int((matrix @ matrix)[0, 0])


def tables(count: int = 96, size: int = 3_000_000) -> list[bytes]:
    """Return large items; of zeros, they are few bytes in the upload to a cluster, and all in a call."""
    return [bytes(size) for _ in range(count)]


def sums_beside(content: bytes) -> int:
    """Return a sum over a few steps, of an item that takes longer to come than that."""
    return sums(STEPS) + content[0]
