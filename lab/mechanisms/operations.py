"""Tasks, actors and objects: how many a second, beside Ray's own benchmark and the memory's bandwidth."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from lab.data.records import Mechanism
from lab.mechanisms.ground import Ground, on_node, rate_of, skipped, warm

NAME = "operations"
PART = 1 / 4
"""Single calls take this part of a window in each turn. Batches are long, and have this part of the turns."""
BATCH = 1000
"""Calls in flight at once where they are asynchronous, as in Ray's benchmark."""
BENCHMARK = {
    "object get": "single client get calls (Plasma Store)",
    "object put": "single client put calls (Plasma Store)",
    "task, synchronous": "single client tasks sync",
    "task, asynchronous": "single client tasks async",
    "actor call, synchronous": "1:1 actor calls sync",
    "actor call, asynchronous": "1:1 actor calls async",
}
"""Our operations, and what `ray microbenchmark` calls them; its last of these comes last here, too."""
BENCHMARK_SECONDS = 9.0
"""What one of Ray's takes, on its own clock: one second to warm up, and four times two."""

Operation = tuple[Callable[[], Any], int]
"""A call, and how many operations it is."""


def rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield operations per second: ours and Ray's in turns, then by nodes, then objects by size."""
    warm(ground.need(1))
    yield from beside_benchmark(ground)
    yield from by_nodes(ground)
    for size in ground.sizes():
        yield from by_size(ground, size)


def beside_benchmark(ground: Ground) -> Iterator[Mechanism]:
    """Yield the rates of each operation, ours and Ray's, which of the two goes first in turns."""
    ours, theirs = operations(), benchmark_operations()
    parameters = ground.parameters
    for block in range(parameters.repeats):
        for case in BENCHMARK:
            single = ours[case][1] == 1
            turns = max(1, round(parameters.turns * (1 if single else PART)))
            for pair in range(block * turns, (block + 1) * turns):
                # short turns, so that drift hits both alike
                seconds = parameters.window_seconds * (PART if single else 1)
                ways = [("ours", _ours, ours[case]), ("ray microbenchmark", _theirs, theirs[case])]
                for quantity, rate, operation in ways[:: -1 if pair % 2 else 1]:
                    yield _row(case, quantity, "1/s", rate(*operation, seconds), block=pair)


def nothing() -> bytes:
    """Return at once: what is measured is the call."""
    return b"ok"


class Answering:
    """An actor that returns at once."""

    def nothing(self) -> bytes:
        """Return at once."""
        return b"ok"


def operations() -> dict[str, Operation]:
    """Return the operations as a user would write them."""
    import ray

    task, value = ray.remote(nothing), ray.put(0)
    actor = ray.remote(Answering).options(num_cpus=0).remote()
    return {
        "object get": (lambda: ray.get(value), 1),
        "object put": (lambda: ray.put(0), 1),
        "task, synchronous": (lambda: ray.get(task.remote()), 1),
        "task, asynchronous": (lambda: ray.get([task.remote() for _ in range(BATCH)]), BATCH),
        "actor call, synchronous": (lambda: ray.get(actor.nothing.remote()), 1),
        "actor call, asynchronous": (lambda: ray.get([actor.nothing.remote() for _ in range(BATCH)]), BATCH),
    }


class _Collected(Exception):
    """All operations that are wanted have come."""


def benchmark_operations() -> dict[str, Operation]:
    """Return Ray's own, from the program behind `ray microbenchmark`, which times none of them here."""
    import ray
    from ray._private import ray_perf

    wanted, found = {name: case for case, name in BENCHMARK.items()}, dict[str, Operation]()

    def collect(name: str, call: Callable[[], Any], multiplier: int = 1, *_: Any) -> list[Any]:
        if name in wanted:
            found[wanted[name]] = call, multiplier
        if len(found) == len(wanted):
            raise _Collected
        return []

    quiet = {"init": mock.DEFAULT, "shutdown": mock.DEFAULT}
    # a task that makes 10,000 objects is for an operation that is not asked for here
    left_out: dict[str, Any] = {"timeit": collect, "create_object_containing_ref": mock.MagicMock()}
    with (
        contextlib.suppress(_Collected),
        mock.patch.multiple(ray_perf, **left_out),
        mock.patch.multiple(ray, **quiet),
        mock.patch("builtins.print"),
    ):
        ray_perf.main()
    return found


def _ours(call: Callable[[], Any], multiplier: int, seconds: float) -> float:
    return multiplier * rate_of(call, seconds)


def _theirs(call: Callable[[], Any], multiplier: int, seconds: float) -> float:
    """Return a rate as Ray's own `timeit` finds it, on a clock so fast that it ends within some seconds."""
    from ray._private import ray_microbenchmark_helpers as helpers

    fast = BENCHMARK_SECONDS / seconds
    clock = SimpleNamespace(perf_counter=lambda: fast * time.perf_counter(), sleep=lambda _: None)
    with mock.patch.object(helpers, "time", clock), mock.patch("builtins.print"):
        ((_, rate, _),) = helpers.timeit("", call, multiplier)
    return float(rate) * fast


def by_nodes(ground: Ground) -> Iterator[Mechanism]:
    """Yield empty tasks per second of 1 to N nodes together, each with a process that submits."""
    import ray

    nodes = ground.need(1)
    clients = [
        ray.remote(Submitting).options(num_cpus=0, scheduling_strategy=on_node(one.node_id)).remote()
        for one in nodes
    ]
    ray.get([one.submit.remote(BATCH // 10) for one in clients])
    for block in range(ground.parameters.repeats):
        for many in range(1, len(nodes) + 1):
            began = time.perf_counter()
            ray.get([one.submit.remote(BATCH) for one in clients[:many]])
            rate = many * BATCH / (time.perf_counter() - began)
            yield _row("task, a client on each node", "rate", "1/s", rate, block=block, nodes=many)
    for one in clients:
        ray.kill(one)


class Submitting:
    """An actor that submits empty tasks of its own."""

    def submit(self, many: int) -> None:
        """Submit so many at once, and wait for all."""
        import ray

        task = ray.remote(nothing)
        ray.get([task.remote() for _ in range(many)])


def by_size(ground: Ground, size: int) -> Iterator[Mechanism]:
    """Yield what a put and a copy by numpy bring to a second, and how often one object can be got."""
    import ray

    if why := ground.too_large(size):
        yield skipped(NAME, why, "object by size", size_bytes=size)
        return
    array = np.ones(size, np.uint8)
    reference = ray.put(array)
    calls: Mapping[str, Callable[[], Any]] = {
        "put": lambda: ray.put(array),
        "numpy copy": array.copy,
        "get": lambda: ray.get(reference),
    }
    for block in range(ground.parameters.repeats):
        for quantity, call in calls.items():
            rate = rate_of(call, ground.parameters.window_seconds / 2)
            value, unit = (rate, "1/s") if quantity == "get" else (rate * size, "B/s")
            yield _row("object by size", quantity, unit, value, block=block, size_bytes=size)


def _row(case: str, quantity: str, unit: str, value: float, **facts: Any) -> Mechanism:
    return Mechanism(experiment=NAME, case=case, quantity=quantity, unit=unit, value=value, **facts)
