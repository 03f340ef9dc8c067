"""The engines, a row each: to add one takes a row here and a module in `lab/engines` with `team`."""

import dataclasses
from collections.abc import Iterable

EVERYWHERE = ("embedded", "local", "compose", "address", "slurm")


@dataclasses.dataclass(frozen=True, slots=True)
class Engine:
    """What can run tasks.

    `label` is its name in figures and tables, `framework` report B's word for it, `module` that of its
    `team`; `clusters` are the kinds of cluster that it runs on; `batched` ones are told how many tasks a call
    carries, the others choose themselves.
    """

    label: str
    framework: str
    module: str
    on_ray: bool = False
    batched: bool = False
    clusters: tuple[str, ...] = ("embedded",)


TABLE: dict[str, Engine] = {
    "serial": Engine("plain loop", "python", "serial"),
    "processes": Engine("plain processes", "multiprocessing", "processes"),
    "pool": Engine("multiprocessing.Pool", "multiprocessing", "pool", batched=True),
    "futures": Engine("concurrent.futures", "concurrent.futures", "futures", batched=True),
    "joblib": Engine("joblib (loky)", "joblib", "loky", batched=True),
    "dask": Engine("Dask distributed", "dask", "dask_cluster", batched=True),
    "ray_tasks": Engine("Ray tasks", "ray", "ray_tasks", on_ray=True, batched=True),
    "ray_actor_pool": Engine("ray.util.ActorPool", "ray", "ray_actor_pool", on_ray=True, batched=True),
    "ray_pool": Engine("ray.util.multiprocessing.Pool", "ray", "ray_pool", on_ray=True, batched=True),
    "ray": Engine("Ray, batched", "ray", "ray_actors", on_ray=True, clusters=EVERYWHERE),
}

ENGINES: dict[str, str] = {name: one.label for name, one in TABLE.items()}
"""The engines' names in figures and tables, in their order there."""

MOST_LETTERS = 60
"""Letters of the name of somebody's own engine that a page shows."""


def label(engine: str) -> str:
    """Return what figures and tables call an engine: its label, or the name of somebody's own.

    The name is foreign text: what Markdown, HTML or a figure may read as markup is shown as a question mark.
    """
    plain = "".join(one if one.isalnum() or one in " .,:()/_-" else "?" for one in engine[:MOST_LETTERS])
    return ENGINES.get(engine, plain)


def ordered(engines: Iterable[str]) -> tuple[str, ...]:
    """Return each engine once: those of the table in its order, then others by name."""
    found = set(engines)
    return (*(name for name in ENGINES if name in found), *sorted(found - set(ENGINES)))
