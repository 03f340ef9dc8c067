"""The condition of the node that this process is on: what it was given, and what limits it."""

import contextlib
import dataclasses
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from lab.measure.environment import code_facts, versions
from lab.measure.node import find_cgroup, host_id, own_folder, usable_memory_bytes

SHARED_MEMORY = Path("/dev/shm")
STORE_FOLDER = "--plasma_directory="
"""The option by which a raylet is told where its object store lies."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a process found on its node; an unknown or a limit that is not set is `None`."""

    host_id: str
    code: str
    """The digest of the lab's source."""
    versions: dict[str, str]
    cores: int
    """Hardware threads of the whole host."""
    cpuset_cores: int
    """Those of them that this process may run on."""
    quota_cores: float | None
    physical_cores: int | None
    memory_bytes: int
    shared_memory_bytes: int | None
    store_in_memory: bool | None
    """Whether the object store lies in shared memory, and not on a disk; `None` where there is none."""
    disk_bytes: int
    """Of the file system that objects are spilled to."""
    disk_free_bytes: int
    open_files: int | None
    most_open_files: int | None
    """To which a process may raise that limit itself."""
    processes: int | None
    niceness: int
    threads: dict[str, int]
    """How many each numerical library that numpy loads would use in this process."""

    @property
    def usable_cores(self) -> float:
        """Return the cores that the node may use, by the lower of cpuset and quota."""
        return min(float(self.cpuset_cores), self.quota_cores or float("inf"))


def condition(spill_folder: str) -> Condition:
    """Return the condition of this node, of whose Ray the spilled objects would go to a folder."""
    cgroup, disk = find_cgroup(), shutil.disk_usage(spill_folder)
    soft, hard = map(_limit, resource.getrlimit(resource.RLIMIT_NOFILE))
    store = _store_folder()
    return Condition(
        host_id=host_id(),
        code=code_facts()["digest"],
        versions=versions(),
        cores=os.cpu_count() or 1,
        cpuset_cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1),
        quota_cores=cgroup.quota_cores,
        physical_cores=psutil.cpu_count(logical=False),
        memory_bytes=usable_memory_bytes(cgroup),
        shared_memory_bytes=shutil.disk_usage(SHARED_MEMORY).total if SHARED_MEMORY.exists() else None,
        store_in_memory=Path(store) == SHARED_MEMORY if store and SHARED_MEMORY.exists() else None,
        disk_bytes=disk.total,
        disk_free_bytes=disk.free,
        open_files=soft,
        most_open_files=hard,
        processes=process_limit(),
        niceness=os.nice(0),
        threads=library_threads(),
    )


def process_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how many processes and threads there may be, by user and cgroup; None for any number."""
    limits = [_limit(resource.getrlimit(resource.RLIMIT_NPROC)[0])]
    second = (root / "cgroup.controllers").exists()
    folder = own_folder(root, "") if second else own_folder(root / "pids", "pids")
    with contextlib.suppress(OSError, ValueError):
        # without a limit it holds the word max
        limits.append(int((folder / "pids.max").read_text()))
    return min((one for one in limits if one is not None), default=None)


def library_threads() -> dict[str, int]:
    """Return how many threads each numerical library would use that numpy brings."""
    import numpy  # noqa: F401  loads them
    from threadpoolctl import threadpool_info

    return {str(one["internal_api"]): int(one["num_threads"]) for one in threadpool_info()}


def _store_folder() -> str | None:
    """Return where the raylet that started this process has its object store; None where that is not told."""
    raylet = next((one for one in psutil.Process().parents() if one.name() == "raylet"), None)
    words: Sequence[str] = raylet.cmdline() if raylet is not None else ()
    return next((word.removeprefix(STORE_FOLDER) for word in words if word.startswith(STORE_FOLDER)), None)


def _limit(value: int) -> int | None:
    return None if value in (-1, resource.RLIM_INFINITY) else value
