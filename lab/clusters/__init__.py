"""Clusters that the lab can run on; each kind yields a `Cluster` with its facts and takes it down again."""

import dataclasses
from collections.abc import Callable

import psutil

from lab.records import NodeFacts


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is ready for work."""

    start_seconds: float
    nodes: tuple[NodeFacts, ...]
    system_processes: tuple[psutil.Process, ...]
    object_store_bytes: Callable[[], int | None]
