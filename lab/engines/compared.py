"""The engines that are compared with each other on one node, each with the same number of workers."""

import contextlib
from collections.abc import Callable, Mapping

from lab.engines import (
    Team,
    dask_cluster,
    futures,
    loky,
    pool,
    processes,
    ray_actor_pool,
    ray_actors,
    ray_pool,
    ray_tasks,
    serial,
)

Engine = Callable[[int, int], contextlib.AbstractContextManager[Team]]
"""Takes the workers in all, and the nodes that they are spread over: one."""

COMPARED: Mapping[str, Engine] = {
    "serial": serial.team,
    "processes": processes.team,
    "pool": pool.team,
    "futures": futures.team,
    "joblib": loky.team,
    "dask": dask_cluster.team,
    "ray_tasks": ray_tasks.team,
    "ray_actor_pool": ray_actor_pool.team,
    "ray_pool": ray_pool.team,
    "ray": ray_actors.team,
}

ON_RAY = frozenset({"ray_tasks", "ray_actor_pool", "ray_pool", "ray"})
"""Those that need a Ray which runs."""
