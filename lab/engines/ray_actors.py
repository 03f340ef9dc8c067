"""Ray: one actor a worker, equally many on each node; `lab.engines.ray_dispatch` feeds them."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import psutil

from lab.engines import Place
from lab.engines.ray_dispatch import Actors
from lab.engines.ray_worker import Worker
from lab.errors import EngineError
from lab.measure.task import first_line

PLACED_SECONDS = 30.0
READY_SECONDS = 120.0
END_SECONDS = 30.0
SMALLEST_CPU = 0.0001
"""Ray counts CPUs in steps of this size."""


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Actors]:
    """Start the actors on the running Ray, yield them once each has answered, and end their processes.

    Exactly `workers / nodes` of them are on each of exactly `nodes` nodes that are alive. More workers than a
    node has CPUs share them; the CPUs in use are reserved, so that no other job takes them.
    """
    import ray

    per_node, group = workers // nodes, _reserve(nodes, workers // nodes)
    actors: list[Any] = []
    local: list[psutil.Process] = []
    try:
        actors = [_actor(group, bundle, per_node) for bundle in range(nodes) for _ in range(per_node)]
        ready = _ready(actors, nodes)
        here = ray.get_runtime_context().get_node_id()[:12]
        local = [psutil.Process(place.pid) for place in ready.places if place.node_id == here]
        yield ready
    finally:
        for actor in actors:
            ray.kill(actor)
        ray.util.remove_placement_group(group)
        psutil.wait_procs(local, timeout=END_SECONDS)


def _reserve(nodes: int, per_node: int) -> Any:
    """Return a placement group of one bundle on each of so many nodes."""
    import ray

    cpus = [one["Resources"].get("CPU", 0) for one in ray.nodes() if one["Alive"]]
    # a node with fewer CPUs than workers is asked for all that it has
    least = min(sorted((one for one in cpus if one >= 1), reverse=True)[:nodes], default=1.0)
    group = ray.util.placement_group([{"CPU": min(per_node, least)}] * nodes, strategy="STRICT_SPREAD")
    if not group.wait(PLACED_SECONDS):
        ray.util.remove_placement_group(group)
        raise EngineError(
            f"Ray could not reserve {min(per_node, least):g} CPUs on each of {nodes} nodes within "
            f"{PLACED_SECONDS:.0f} s: the nodes that are alive have {', '.join(f'{one:g}' for one in cpus)} "
            "CPUs, and another job may hold them"
        )
    return group


def _actor(group: Any, bundle: int, per_node: int) -> Any:
    """Return a new actor in its node's bundle, with an equal part of the bundle's CPUs."""
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    part = group.bundle_specs[bundle]["CPU"] / per_node
    strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=bundle)
    options = {
        "num_cpus": part // SMALLEST_CPU * SMALLEST_CPU,
        "scheduling_strategy": strategy,
        # in order, an actor stands still for 30 s after one in some 1,000 cancels of a call that waits
        "allow_out_of_order_execution": True,
    }
    return ray.remote(Worker).options(**options).remote()


def _ready(actors: Sequence[Any], nodes: int) -> Actors:
    """Return the actors once each has answered, where they are spread as asked for."""
    import ray

    asked = time.monotonic()
    try:
        identities = ray.get([actor.identity.remote() for actor in actors], timeout=READY_SECONDS)
    except ray.exceptions.RayError as error:
        waited = time.monotonic() - asked
        late = isinstance(error, ray.exceptions.GetTimeoutError)
        why = "a node hangs, or has too little memory left" if late else "one of them ended"
        raise EngineError(
            f"{len(actors)} Ray workers did not all start, in {waited:.0f} s: {why} "
            f"({type(error).__name__}: {first_line(error)})"
        ) from error
    places = [Place(node_id, pid) for node_id, pid in identities]
    counts = Counter(place.node_id for place in places)
    if len(counts) != nodes or len(set(counts.values())) != 1:
        raise EngineError(
            f"the workers are not spread equally over {nodes} nodes: {sorted(counts.values())} on each"
        )
    return Actors(actors, places)
