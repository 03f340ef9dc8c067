"""A look at the Ray cluster that this process is connected to: one worker on each node tells of it."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lab.clusters.looked import Dead, Link, Looked, Node
from lab.clusters.watched import answers, clocks, on_each, stamp
from lab.measure.condition import Condition, condition
from lab.measure.environment import code_facts, versions

FIRST_SECONDS = 18.0
"""For a worker to start on each node and answer: a quota of a quarter of a core makes that slow."""
FACTS_SECONDS, USED_SECONDS = 8.0, 2.0
LINKS_SECONDS = 18.0
"""For all pairs together."""
LINK_SECONDS = 5.0
"""For one pair, before it counts as cut."""
OBJECT_BYTES = 16_000_000
PINGS = 10
MOST_CUT = 2
MOST_ROUNDS = 20
"""Of pairs: in each, a node moves an object once, which takes it some 50 ms of processor time."""
SLOW_BYTES_PER_SECOND = 20e6
"""Below this an object is fetched once more: a quota may have held one of the two back."""
EXPECTED_DEATHS = (1, 3, 4)
"""`NodeDeathInfo` of Ray's common.proto: terminated, drained by the autoscaler, preempted."""


class Probe:
    """What runs on each node. Its methods may run side by side, since two of them may ask each other."""

    def clock(self) -> float:
        """Return this node's time."""
        return time.time()

    def condition(self) -> Condition:
        """Return what this node was given, and what limits it."""
        from ray._private import worker

        node = worker._global_node
        return condition("/tmp" if node is None else node.get_session_dir_path())

    def used(self) -> float:
        """Return the processor time that this process has taken, its start included."""
        return sum(os.times()[:2])

    def offer(self) -> list[Any]:
        """Put an object into this node's store; in a list, since it is not to be sent along."""
        import numpy
        import ray

        return [ray.put(numpy.ones(OBJECT_BYTES, dtype=numpy.uint8))]

    def link(self, source: Any) -> tuple[float, float]:
        """Return the shortest round trip to another probe in seconds, and bytes per second from its node."""
        import ray

        deadline = time.monotonic() + LINK_SECONDS
        trips, rates = list[float](), list[float]()
        for _ in range(PINGS):
            sent = time.perf_counter()
            ray.get(source.clock.remote(), timeout=max(0.1, deadline - time.monotonic()))
            trips.append(time.perf_counter() - sent)
        while len(rates) < 3 and max(rates, default=0.0) < SLOW_BYTES_PER_SECOND:
            (offered,) = ray.get(source.offer.remote(), timeout=max(0.1, deadline - time.monotonic()))
            sent = time.perf_counter()
            ray.get(offered, timeout=max(0.1, deadline - time.monotonic()))
            rates.append(OBJECT_BYTES / (time.perf_counter() - sent))
            del offered
        return min(trips), max(rates)


def look() -> Looked:
    """Return what is found of the cluster, within 45 s whatever hangs: a node that is silent is named."""
    import ray

    every = ray.nodes()
    alive = {one["NodeID"][:12]: one for one in every if one["Alive"]}
    probes = on_each(Probe, (one["NodeID"] for one in alive.values()), max_concurrency=8)
    first, lost = _first_tasks(probes)
    conditions, silent = answers({node: probes[node].condition.remote() for node in first}, FACTS_SECONDS)
    lost |= silent
    probes = {node: probe for node, probe in probes.items() if node in conditions}
    found, links = clocks(probes, time.time), tuple(_links(probes))
    used, _ = answers({node: probe.used.remote() for node, probe in probes.items()}, USED_SECONDS)
    nodes = [
        _node(
            one,
            condition=conditions.get(node),
            lost=lost.get(node, ""),
            first_task_seconds=first.get(node),
            cpu_seconds=used.get(node),
            clock_offset_seconds=found[node].offset_seconds if node in found else None,
            clock_uncertainty_seconds=found[node].uncertainty_seconds if node in found else None,
        )
        for node, one in alive.items()
    ]
    return Looked(
        here=ray.get_runtime_context().get_node_id()[:12],
        code=code_facts()["digest"],
        versions=versions(),
        nodes=tuple(nodes),
        dead=tuple(_dead(one) for one in every if not one["Alive"]),
        links=links,
        pairs=len(probes) * (len(probes) - 1) // 2,
    )


def _first_tasks(probes: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return after how many seconds each node answered first, and why others did not."""
    began, arrived = time.monotonic(), dict[str, float]()
    calls = {node: probe.clock.remote() for node, probe in probes.items()}
    for node, call in calls.items():
        call.future().add_done_callback(partial(stamp, arrived, node, time.monotonic))
    there, lost = answers(calls, FIRST_SECONDS)
    return {node: arrived.get(node, time.monotonic()) - began for node in there}, lost


def _node(found: Mapping[str, Any], **answered: Any) -> Node:
    store = found["Resources"].get("object_store_memory")
    return Node(
        node_id=found["NodeID"][:12],
        address=found["NodeManagerAddress"],
        hostname=found["NodeManagerHostname"],
        cpus=float(found["Resources"].get("CPU", 0)),
        store_bytes=None if store is None else int(store),
        **answered,
    )


def _dead(found: Mapping[str, Any]) -> Dead:
    return Dead(
        node_id=found["NodeID"][:12],
        address=found["NodeManagerAddress"],
        expected=found.get("DeathReason") in EXPECTED_DEATHS,
    )


def _links(probes: Mapping[str, Any]) -> Iterator[Link]:
    """Try the pairs of nodes in rounds with each node in one pair, until time or rounds are used up.

    A node that two others did not reach is tried no more: each try takes the time of many that are well.
    """
    deadline, cut = time.monotonic() + LINKS_SECONDS, Counter[str]()
    for every in rounds(sorted(probes))[:MOST_ROUNDS]:
        if time.monotonic() > deadline - LINK_SECONDS:
            return
        pairs = [pair for pair in every if max(cut[one] for one in pair) < MOST_CUT]
        calls = {(one, other): probes[other].link.remote(probes[one]) for one, other in pairs}
        found, lost = answers(calls, LINK_SECONDS)
        for source, target in pairs:
            trip, rate = found.get((source, target), (None, None))
            told = lost.get((source, target), "")
            cut.update((source, target) if told else ())
            yield Link(
                source=source, target=target, round_trip_seconds=trip, bytes_per_second=rate, lost=told
            )


def rounds(names: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Return all pairs of names in rounds of pairs without a common name, by the circle method."""
    around: list[str | None] = [*names, *([None] if len(names) % 2 else [])]
    found = []
    for _ in range(len(around) - 1):
        halves = zip(around[: len(around) // 2], reversed(around[len(around) // 2 :]), strict=True)
        found.append([(one, other) for one, other in halves if one is not None and other is not None])
        around = [around[0], around[-1], *around[1:-1]]
    return found
