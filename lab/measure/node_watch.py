"""What watches one node: its facts, its clock, and what its counters and samples say of a window.

The driver has one for its own node; on every other node of a trial the first worker has one.
"""

import collections
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable

import psutil

from lab.data.records import NodeWindow, Sample
from lab.measure.below import Below
from lab.measure.environment import code_facts, cpu_model, versions
from lab.measure.gpus import gpu_handles
from lab.measure.node import (
    Reading,
    cpu_megahertz,
    cpu_seconds,
    delay_seconds,
    find_cgroup,
    host_id,
    read_node,
    usable_cores,
    usable_memory_bytes,
)
from lab.measure.sampler import Sampler

AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""The titles of what runs beside each raylet and is no worker, as Ray 2.60 gives them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What a node watch knows of its node; processor facts as in `lab.data.records.NodeFacts`."""

    host_id: str
    cpu_model: str
    cores: int
    quota_cores: float
    has_own_cgroup: bool
    """Whether the node has a quota of its own, and a counter of what it uses."""
    memory_bytes: int
    gpus: int
    code: str
    versions: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """What a node watch saw between begin and end; `began` and `ended` are on its own monotonic clock."""

    began: float
    ended: float
    samples: tuple[Sample, ...]
    counters: NodeWindow
    own_cpu_seconds: float
    """Of the process that the node watch is in, its sampling included: the driver's, on the driver's node."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Counters:
    """Processor seconds so far of the workers, of Ray's own processes, and of this one; workers' delay."""

    workers: float
    delay: float | None
    ray: float
    own: float


class NodeWatch:
    """The watch over the node that this process is on."""

    def __init__(self, ray_processes: Callable[[], Iterable[psutil.Process]] | None = None) -> None:
        self.ray_processes = ray_processes or processes_of_ray
        self._cgroup = find_cgroup()
        self._sampler: Sampler | None = None
        # loads NVML, some 50 ms of processor time that would otherwise fall between the first two readings
        gpu_handles()

    def report(self) -> Report:
        """Return the facts of the node."""
        return Report(
            host_id=host_id(),
            cpu_model=cpu_model(),
            cores=os.cpu_count() or 1,
            quota_cores=usable_cores(self._cgroup),
            has_own_cgroup=self._cgroup.quota_cores is not None and self._cgroup.cpu_usage is not None,
            memory_bytes=usable_memory_bytes(self._cgroup),
            gpus=len(gpu_handles()),
            code=code_facts()["digest"],
            versions=versions(),
        )

    def begin(
        self,
        trial_id: str,
        node_id: str,
        workers: Iterable[int],
        source: str,
        interval_seconds: float,
        watch_ray: bool = True,
        queue_length: Callable[[], int] | None = None,
        object_store_bytes: Callable[[], int | None] | None = None,
        slots: int = 0,
    ) -> float:
        """Read the counters, begin to sample, and return when, on this node's clock.

        `workers` are process ids; `source` is `cpu_source` of nodes.csv; `watch_ray` counts the memory of
        Ray's own processes as the lab's. With `slots` the processes are the roots of others that come and go,
        in so many slots of a Ray of a command's own: all of these count as workers.
        """
        self.stop()
        own, self._workers = psutil.Process(), _processes(workers)
        # no second of processor time is both a worker's and Ray's
        self._ray = ray = tuple(one for one in self.ray_processes() if one not in self._workers)
        # a worker watches its own node, the driver the one that it is on
        mine = dict.fromkeys([own, *(() if slots else self._workers), *(ray if watch_ray else ())])
        self._below = below = Below(self._workers) if slots else None
        self._slots = slots if self._workers else 0
        self._own_is_worker = own in self._workers
        node = [*self._workers, *ray]
        self._sampler = Sampler(
            trial_id,
            node_id,
            lambda: self._read(source, node),
            mine,
            interval_seconds,
            queue_length,
            object_store_bytes,
            None if below is None else below.private_bytes,
        )
        self._sampler.__enter__()
        # the node is read before its processes, and after them at the end: its window holds theirs
        self._before = self._counters()
        return self._sampler.began

    def end(self) -> Window:
        """Take the last sample, end, and return what was seen."""
        sampler = self._sampler
        if sampler is None:
            raise RuntimeError("the node_watch was not begun")
        self._sampler = None
        sampler.__exit__(None, None, None)
        ended, after, before = time.monotonic(), self._counters(), self._before
        first, last, sampling = sampler.first, sampler.read(), sampler.cpu_seconds
        counters = NodeWindow(
            trial_id=sampler.trial_id,
            node_id=sampler.node_id,
            workers=self._slots or len(self._workers),
            status="ok",
            cpu_seconds=last.cpu_seconds - first.cpu_seconds,
            workers_cpu_seconds=after.workers - before.workers - (sampling if self._own_is_worker else 0.0),
            workers_delay_seconds=_difference(after.delay, before.delay),
            ray_cpu_seconds=after.ray - before.ray,
            sampler_cpu_seconds=sampling,
            throttled_seconds=_difference(last.throttled_seconds, first.throttled_seconds),
            steal_seconds=_difference(last.steal_seconds, first.steal_seconds),
            network_received_bytes=_count(last.network_received_bytes, first.network_received_bytes),
            network_sent_bytes=_count(last.network_sent_bytes, first.network_sent_bytes),
            cpu_megahertz=cpu_megahertz(),
            machine_cpu_seconds=last.machine_cpu_seconds - first.machine_cpu_seconds,
        )
        return Window(sampler.began, ended, tuple(sampler.samples), counters, after.own - before.own)

    def stop(self) -> None:
        """End what a window that was cut off has left running."""
        if self._sampler is not None:
            self._sampler.__exit__(None, None, None)
            self._sampler = None

    def _read(self, source: str, processes: Iterable[psutil.Process]) -> Reading:
        """Read the node; of a command's Ray on a shared host the processes are those that there are now."""
        reading = read_node(self._cgroup, source, self._ray if self._below else processes)
        if source != "processes" or self._below is None:
            return reading
        return dataclasses.replace(reading, cpu_seconds=reading.cpu_seconds + self._below.cpu_seconds())

    def _counters(self) -> _Counters:
        workers, delay = cpu_seconds(self._workers), delay_seconds(self._workers)
        if self._below is not None:
            workers, delay = self._below.cpu_seconds(), None
        return _Counters(workers, delay, cpu_seconds(self._ray), time.process_time())


def processes_of_ray() -> tuple[psutil.Process, ...]:
    """Return Ray's own processes on the node of this worker or job: raylet, agents, and a head's services.

    Workers, and what they have started, are not among them. Ray names workers `ray::...`, but its agents
    too. `ray start` and what it started beside the raylet are found only while it runs, as with `--block`.
    """
    raylet = next((one for one in psutil.Process().parents() if one.name() == "raylet"), None)
    if raylet is None:
        return ()
    starter = raylet.parent()
    first = starter if starter is not None and _is_ray_start(starter) else raylet
    return (first, *_below(first))


def _below(first: psutil.Process) -> tuple[psutil.Process, ...]:
    """Return all that a process has started, itself or through others, but workers and what is below them."""
    started = collections.defaultdict(list)
    for one in first.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            started[one.ppid()].append(one)
    found: list[psutil.Process] = []
    to_see = [first]
    while to_see:
        own = [one for one in started[to_see.pop().pid] if not _is_worker(_title(one))]
        found += own
        to_see += own
    return tuple(found)


def _is_worker(title: str) -> bool:
    """Tell whether a process is a worker, idle or not: their titles begin as those of Ray's agents do."""
    return title.startswith("ray::") and title.strip() not in AGENTS


def _is_ray_start(process: psutil.Process) -> bool:
    words = _title(process).split()
    return any(word.rpartition("/")[2] == "ray" for word in words) and "start" in words


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _processes(pids: Iterable[int]) -> tuple[psutil.Process, ...]:
    """Return the processes of which those are the ids; one that is gone is left out."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return tuple(found)


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def _count(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before
