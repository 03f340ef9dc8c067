"""Readings of the node that this process runs on: processor, memory, GPUs, under a cgroup's limits or not.

Sources: psutil for the host; the cgroup files of Linux, version 1 (`cpuacct.usage`, `cpu.cfs_quota_us`,
`memory.usage_in_bytes`) and version 2 (`cpu.stat`, `cpu.max`, `memory.current`), where a limit is set.
"""

import contextlib
import dataclasses
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from lab.measure.gpus import read_gpus

UNLIMITED_BYTES = 2**60
"""Above this a cgroup's memory limit means that there is none."""

NOT_OURS = ("idle", "iowait", "steal", "guest", "guest_nice")
"""Fields of the processor's times that are not use by this host (Linux counts guest within user, too)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """Counters and levels of a node at one moment; an unknown is `None`."""

    cpu_seconds: float
    machine_cpu_seconds: float
    steal_seconds: float | None
    throttled_seconds: float | None
    memory_bytes: int
    network_received_bytes: int | None
    network_sent_bytes: int | None
    gpu_percent: float | None
    gpu_memory_bytes: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Cgroup:
    """The limits of this process' cgroup and where its counters are; `None` where it has none."""

    quota_cores: float | None
    memory_limit_bytes: int | None
    cpu_usage: Path | None
    cpu_stat: Path | None
    memory_usage: Path | None
    memory_stat: Path | None

    def cpu_seconds(self) -> float | None:
        """Return the processor time that the cgroup has used, in seconds."""
        if self.cpu_usage is None:
            return None
        if self.cpu_usage.name == "cpuacct.usage":
            return int(self.cpu_usage.read_text()) / 1e9
        return _table(self.cpu_usage)["usage_usec"] / 1e6

    def throttled_seconds(self) -> float | None:
        """Return for how long the quota has held the cgroup back, in seconds."""
        if self.cpu_stat is None or self.quota_cores is None:
            return None
        table = _table(self.cpu_stat)
        return table["throttled_usec"] / 1e6 if "throttled_usec" in table else table["throttled_time"] / 1e9

    def memory_bytes(self) -> int | None:
        """Return the memory in use less the page cache that can be dropped at once."""
        if self.memory_usage is None or self.memory_stat is None or self.memory_limit_bytes is None:
            return None
        table = _table(self.memory_stat)
        inactive = table.get("total_inactive_file", table.get("inactive_file", 0))
        return max(0, int(self.memory_usage.read_text()) - inactive)


def find_cgroup(root: Path = Path("/sys/fs/cgroup")) -> Cgroup:
    """Return the cgroup that limits this process, as seen from inside its container or on the host."""
    if (root / "cgroup.controllers").exists():
        return _cgroup_v2(own_folder(root, ""))
    return _cgroup_v1(*(own_folder(root / name, name) for name in ("cpu", "cpuacct", "memory")))


def usable_cores(cgroup: Cgroup) -> float:
    """Return the cores that this process may use: affinity, and the cgroup's quota where it is lower."""
    affinity = len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)
    return min(float(affinity), cgroup.quota_cores or float("inf"))


def usable_memory_bytes(cgroup: Cgroup) -> int:
    """Return the memory that this node may use, in bytes."""
    return min(psutil.virtual_memory().total, cgroup.memory_limit_bytes or UNLIMITED_BYTES)


def read_node(cgroup: Cgroup, source: str, processes: Iterable[psutil.Process] = ()) -> Reading:
    """Read the node's counters now; `source` is `cpu_source` of nodes.csv.

    `processes` are those of the node, for the source of that name.
    The network's counters are those of all interfaces but the loopback; nodes that share a host without
    limits share its interfaces too, and have none of their own.
    """
    times, used = psutil.cpu_times(), cgroup.memory_bytes()
    received, sent = (None, None) if source == "processes" else _network_bytes()
    gpu_percent, gpu_memory = read_gpus()
    return Reading(
        cpu_seconds=_node_cpu_seconds(cgroup, source, times, processes),
        machine_cpu_seconds=_machine_cpu_seconds(times),
        steal_seconds=getattr(times, "steal", None),
        throttled_seconds=cgroup.throttled_seconds(),
        memory_bytes=_host_memory_bytes() if used is None else used,
        network_received_bytes=received,
        network_sent_bytes=sent,
        gpu_percent=gpu_percent,
        gpu_memory_bytes=gpu_memory,
    )


def _node_cpu_seconds(cgroup: Cgroup, source: str, times: Any, processes: Iterable[psutil.Process]) -> float:
    limited = cgroup.cpu_seconds() if source == "cgroup" else None
    if limited is not None:
        return limited
    if source == "processes":
        return cpu_seconds(processes)
    return _machine_cpu_seconds(times)


def _machine_cpu_seconds(times: Any) -> float:
    return float(sum(times) - sum(getattr(times, name, 0.0) for name in NOT_OURS))


def _host_memory_bytes() -> int:
    memory = psutil.virtual_memory()
    return int(memory.total - memory.available)


def _network_bytes() -> tuple[int, int]:
    """Return the bytes that the node has received and sent, over all interfaces but the loopback."""
    # to mend counters of 32 bits that begin anew, which no kernel of today has, takes a fifth of the time
    found = psutil.net_io_counters(pernic=True, nowrap=False)
    counters = [one for name, one in found.items() if not name.startswith("lo")]
    return sum(one.bytes_recv for one in counters), sum(one.bytes_sent for one in counters)


def private_memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the resident memory that the processes share with no one, in bytes; ended ones count 0."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            memory = process.memory_info()
            total += memory.rss - getattr(memory, "shared", 0)
    return total


def delay_seconds(processes: Iterable[psutil.Process]) -> float | None:
    """Return for how long their main threads were ready to run and had no processor, None where not known.

    Source: the second number of `schedstat`, Documentation/scheduler/sched-stats in the kernel's source.
    """
    total = 0.0
    for process in processes:
        try:
            ran, waited, _ = Path(f"/proc/{process.pid}/schedstat").read_text().split()
        except (OSError, ValueError):
            return None
        # a kernel that does not count has only zeros
        if ran == "0":
            return None
        total += int(waited) / 1e9
    return total


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the processor time of the processes so far, in seconds; ended ones count 0."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def cpu_megahertz() -> float | None:
    """Return the mean clock rate of the processors now, or `None` where the system does not tell."""
    with contextlib.suppress(NotImplementedError, OSError, RuntimeError):
        found = psutil.cpu_freq()
        return None if found is None or not found.current else float(found.current)
    return None


def host_id() -> str:
    """Return a digest that is equal on all nodes of one host until it boots again, and tells nothing else."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    seed = boot.read_text().strip() if boot.exists() else str(psutil.boot_time())
    return hashlib.sha256(seed.encode()).hexdigest()[:12]


def _cgroup_v2(folder: Path) -> Cgroup:
    quota = (_text(folder / "cpu.max") or "max").split()
    limit = _text(folder / "memory.max") or "max"
    return Cgroup(
        quota_cores=None if quota[0] == "max" else int(quota[0]) / int(quota[1]),
        memory_limit_bytes=None if limit == "max" else int(limit),
        cpu_usage=_existing(folder / "cpu.stat"),
        cpu_stat=_existing(folder / "cpu.stat"),
        memory_usage=_existing(folder / "memory.current"),
        memory_stat=_existing(folder / "memory.stat"),
    )


def _cgroup_v1(cpu: Path, accounting: Path, memory: Path) -> Cgroup:
    quota, period = _text(cpu / "cpu.cfs_quota_us"), _text(cpu / "cpu.cfs_period_us")
    limit = int(_text(memory / "memory.limit_in_bytes") or UNLIMITED_BYTES)
    return Cgroup(
        quota_cores=None if quota is None or period is None or int(quota) < 0 else int(quota) / int(period),
        memory_limit_bytes=None if limit >= UNLIMITED_BYTES else limit,
        cpu_usage=_existing(accounting / "cpuacct.usage"),
        cpu_stat=_existing(cpu / "cpu.stat"),
        memory_usage=_existing(memory / "memory.usage_in_bytes"),
        memory_stat=_existing(memory / "memory.stat"),
    )


def own_folder(root: Path, controller: str) -> Path:
    """Return the folder of this process' cgroup; inside a container that is the root of what is mounted."""
    for line in (_text(Path("/proc/self/cgroup")) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        folder = root / path.lstrip("/")
        if controller in controllers.split(",") and folder.exists():
            return folder
    return root


def _table(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
