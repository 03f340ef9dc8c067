"""The engines, a row each: to add one takes a row here and a module in `lab/engines` with `team`."""

import dataclasses

EVERYWHERE = ("embedded", "local", "compose", "address")


@dataclasses.dataclass(frozen=True, slots=True)
class Engine:
    """What can run tasks.

    `label` is its name in figures and tables, `framework` report B's word for it, `module` that of its
    `team`; `clusters` are the kinds of cluster that it runs on.
    """

    label: str
    framework: str
    module: str
    on_ray: bool = False
    clusters: tuple[str, ...] = ("embedded",)


TABLE: dict[str, Engine] = {
    "serial": Engine("plain loop", "python", "serial"),
    "processes": Engine("plain processes", "multiprocessing", "processes"),
    "pool": Engine("multiprocessing.Pool", "multiprocessing", "pool"),
    "futures": Engine("concurrent.futures", "concurrent.futures", "futures"),
    "joblib": Engine("joblib (loky)", "joblib", "loky"),
    "dask": Engine("Dask distributed", "dask", "dask_cluster"),
    "ray_tasks": Engine("Ray tasks", "ray", "ray_tasks", on_ray=True),
    "ray_actor_pool": Engine("ray.util.ActorPool", "ray", "ray_actor_pool", on_ray=True),
    "ray_pool": Engine("ray.util.multiprocessing.Pool", "ray", "ray_pool", on_ray=True),
    "ray": Engine("Ray actors, this lab's dispatch", "ray", "ray_actors", on_ray=True, clusters=EVERYWHERE),
}

ENGINES: dict[str, str] = {name: one.label for name, one in TABLE.items()}
"""The engines' names in figures and tables, in their order there."""
