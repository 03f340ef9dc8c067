"""The one node of the running Ray, as the engines have it that use Ray as its users do."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psutil

from lab.engines.mapped import needed, one_node
from lab.engines.members import END_SECONDS
from lab.errors import EngineError

PLACED_SECONDS = 30.0


def node_with(engine: str, workers: int, nodes: int) -> str:
    """Return Ray's id of its only node; refuse more nodes, and fewer CPUs than workers."""
    one_node(engine, nodes)
    with needed(engine, "ray"):
        import ray
    if not ray.is_initialized():
        raise EngineError(f"engine {engine} runs on a Ray that is started already, and none is")
    alive = [one for one in ray.nodes() if one["Alive"]]
    if len(alive) != 1:
        raise EngineError(f"engine {engine} is of one node: the running Ray has {len(alive)}")
    cpus = alive[0]["Resources"].get("CPU", 0)
    if cpus < workers:
        raise EngineError(f"engine {engine} needs {workers} CPUs of Ray, one a worker, and it has {cpus:g}")
    return str(alive[0]["NodeID"][:12])


@contextlib.contextmanager
def no_more_than(workers: int) -> Iterator[None]:
    """Leave so many CPUs to plain tasks: the others are reserved, and do nothing."""
    import ray

    spare = ray.cluster_resources()["CPU"] - workers
    if not spare:
        yield
        return
    group = ray.util.placement_group([{"CPU": spare}])
    try:
        if not group.wait(PLACED_SECONDS):
            raise EngineError(f"Ray could not set {spare:g} CPUs aside: another job may hold them")
        yield
    finally:
        ray.util.remove_placement_group(group)


def raylet_of(worker: int) -> psutil.Process | None:
    """Return the process of Ray that started a worker, given the worker's process id."""
    return psutil.Process(worker).parent()


def end_workers(raylet: psutil.Process | None, functions: Iterable[Callable[..., Any]]) -> None:
    """End the workers that Ray keeps for later, and those that are still in one of these functions.

    The first would cost the next engine memory and processor time; the second are of calls that were given
    up, which Ray calls ended some time before their processes are.
    """
    ours = {"ray::IDLE"} | {f"ray::{function.__name__}" for function in functions}
    found = []
    with contextlib.suppress(psutil.Error):
        found = [one for one in raylet.children() if one.name() in ours] if raylet else []
    for one in found:
        with contextlib.suppress(psutil.Error):
            one.terminate()  # of one that is killed Ray would complain
    _, alive = psutil.wait_procs(found, timeout=END_SECONDS)
    for one in alive:
        with contextlib.suppress(psutil.Error):
            one.kill()
