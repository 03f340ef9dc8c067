"""Planted facts of a cluster, for the rules of `lab check`: well unless something is changed."""

from dataclasses import replace
from typing import Any

from lab.clusters.looked import Link, Looked, Node
from lab.measure.condition import Condition

VERSIONS = {
    "python": "3.11.7",
    "ray": "2.60.0",
    "numpy": "2.4.6",
    "gmpy2": "2.3.2",
    "python-flint": "0.9.0",
    "psutil": "7.2.2",
}
CODE = "0123456789abcdef"
WELL = Condition(
    host_id="host of one",
    code=CODE,
    versions=VERSIONS,
    cores=4,
    cpuset_cores=4,
    quota_cores=None,
    physical_cores=4,
    memory_bytes=8_000_000_000,
    shared_memory_bytes=4_000_000_000,
    store_in_memory=True,
    disk_bytes=100_000_000_000,
    disk_free_bytes=50_000_000_000,
    open_files=1024,
    most_open_files=1_048_576,
    processes=4096,
    niceness=0,
    threads={"openblas": 1},
)


def node(name: str, number: int = 0, condition: dict[str, Any] | None = None, **changes: Any) -> Node:
    """Return a node that is well but for the changes, of itself and of its condition; each has a host."""
    there = replace(WELL, **({"host_id": f"host of {name}"} | (condition or {})))
    facts: dict[str, Any] = {
        "node_id": name,
        "address": f"192.0.2.{number + 10}",
        "hostname": f"machine-{number}",
        "cpus": 4.0,
        "store_bytes": 200_000_000,
        "condition": there,
        "cpu_seconds": 0.8,
        "first_task_seconds": 1.2,
        "clock_offset_seconds": 0.0001,
        "clock_uncertainty_seconds": 0.0003,
    }
    return Node(**(facts | changes))


def looked(*nodes: Node, **changes: Any) -> Looked:
    """Return a look at nodes, by default a head without CPUs and two more, with fast ways between them."""
    nodes = nodes or (node("head", 0, cpus=0.0), node("one", 1), node("two", 2))
    names = [one.node_id for one in nodes]
    links = tuple(
        Link(source=one, target=other, round_trip_seconds=0.0005, bytes_per_second=5e8)
        for place, one in enumerate(names)
        for other in names[place + 1 :]
    )
    facts: dict[str, Any] = {
        "here": names[0],
        "code": CODE,
        "versions": VERSIONS,
        "nodes": nodes,
        "links": links,
        "pairs": len(links),
    }
    return Looked(**(facts | changes))
