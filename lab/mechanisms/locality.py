"""Whether a task runs where its input lies, and what it costs where it does not."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from lab.data.records import Mechanism
from lab.mechanisms.ground import Ground, Node, here, on_node, skipped, warm

NAME = "locality"
CHOICES = 4
"""That Ray makes in each block and size."""


def make(size: int) -> Any:
    """Return an array of so many bytes: Ray keeps it in the store of the node that it is made on."""
    return np.ones(size, np.uint8)


def where(array: Any) -> tuple[int, str]:
    """Return the array's length, and the node that this runs on."""
    return len(array), here()


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield the time from the call to its result, with the input, away from it, and as Ray places it."""
    nodes = ground.need(2)
    warm(nodes)
    for size in ground.sizes():
        if why := ground.too_large(size):
            yield skipped(NAME, why, "input", size_bytes=size)
            continue
        for block in range(ground.parameters.repeats):
            # the data lie on each node in turn
            with_data, away = nodes[block % len(nodes)], nodes[(block + 1) % len(nodes)]
            for case, node in (
                ("with the data", with_data),
                ("away from it", away),
                *(CHOICES * [("as Ray places it", None)]),
            ):
                yield from one(size, block, case, with_data, node)


def one(size: int, block: int, case: str, with_data: Node, node: Node | None) -> Iterator[Mechanism]:
    """Yield how long one task took whose input was made anew; of Ray's own choice, if it went to the data."""
    import ray

    made = ray.remote(make).options(scheduling_strategy=on_node(with_data.node_id)).remote(size)
    ray.wait([made], fetch_local=False)
    task = ray.remote(where)
    if node is not None:
        task = task.options(scheduling_strategy=on_node(node.node_id))
    began = time.perf_counter()
    length, ran_on = ray.get(task.remote(made))
    seconds = time.perf_counter() - began
    assert length == size
    facts: dict[str, Any] = {"experiment": NAME, "case": case, "size_bytes": size, "block": block}
    yield Mechanism(quantity="duration", unit="s", value=seconds, **facts)
    if node is None:
        yield Mechanism(
            quantity="ran with the data", unit="1", value=float(ran_on == with_data.node_id), **facts
        )
