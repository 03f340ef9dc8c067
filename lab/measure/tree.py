"""The driver and all that it started, as one: processor time and memory of a whole process tree.

An engine's price is not that of its workers alone. Ray in this process starts a raylet, a control store and
agents besides; plain processes start next to nothing. All of them are descendants of the driver.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

INTERVAL_SECONDS = 0.5
"""The shortest pause. Ten plain processes take 6 ms of processor time a sample where 120 run on the machine,
1.2 % of a core at this interval; Ray with two workers takes 24 ms. So `LARGEST_SHARE` makes their pauses
longer: 0.6 s and 2.4 s."""

LARGEST_SHARE = 0.01
"""Of a core, that the samples take while the work goes on: after one that was dear the pause is longer."""


class Tree:
    """A window over the driver and all its descendants; use it as a context manager.

    What it knows is in its attributes after the exit, each `None` before, and where the platform does not
    tell it:

    `cpu_seconds`: processor time of all the processes within the window, less that of the sampler. A process
    that appeared within the window counts from its start, one that ended within it up to the last sample
    that saw it, and one that no sample saw does not count.
    `memory_before_bytes`, `peak_memory_bytes`: the sum of the proportional set sizes (PSS) at the begin, and
    the largest of all samples, the one at the end included. PSS counts a page that n processes map as 1/n of
    a page for each, so the sum counts it once. A page that no process maps, such as of a file in /dev/shm
    that is only written to, is in no sum. `None` if one process of the tree may not be read.
    `peak_driver_bytes`: the largest resident set size (RSS) of the driver alone.
    `sampler_cpu_seconds`: what the samples cost; reading at the begin is before the window.
    `samples`: how many there were, the one at the end included. Peaks between two samples are not seen, so a
    trial for the sake of memory is to last for many; a larger `largest_share` of a core buys more of them.

    An error in the sampler's thread is raised on exit, unless another one is on its way already.
    """

    def __init__(
        self, interval_seconds: float = INTERVAL_SECONDS, largest_share: float = LARGEST_SHARE
    ) -> None:
        self.interval_seconds, self.largest_share = interval_seconds, largest_share
        self.cpu_seconds: float | None = None
        self.memory_before_bytes: int | None = None
        self.peak_memory_bytes: int | None = None
        self.peak_driver_bytes: int | None = None
        self.sampler_cpu_seconds = 0.0
        self.samples = 0
        self.error: BaseException | None = None
        self._driver = psutil.Process()
        self._memory: list[int | None] = []
        self._resident: list[int] = []
        self._cpu_last: dict[psutil.Process, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tree", daemon=True)

    def __enter__(self) -> Self:
        """Read all processes, then begin the window."""
        began = time.thread_time()
        processes = self._processes()
        self._read_memory(processes)
        self.memory_before_bytes = self._memory[0]
        self._pause = self._pause_after(time.thread_time() - began)
        # last, since what was read before is no part of the window
        self._cpu_before = self._cpu_last = self._cpu(processes, 0.0)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the last sample and sum up."""
        self._stop.set()
        self._thread.join()
        if self.error is None:
            self.cpu_seconds = sum(
                last - self._cpu_before.get(process, 0.0) for process, last in self._cpu_last.items()
            )
            known = [one for one in self._memory if one is not None]
            self.peak_memory_bytes = max(known) if len(known) == len(self._memory) else None
            self.peak_driver_bytes = max(self._resident)
        elif error is None:
            raise self.error

    def _run(self) -> None:
        began = time.thread_time()
        stopped = False
        try:
            while not stopped:
                stopped = self._stop.wait(self._pause)
                before = time.thread_time()
                self._sample(began)
                self._pause = self._pause_after(time.thread_time() - before)
        except Exception as error:  # noqa: BLE001  the trial that asked is told at its end
            self.error = error
        self.sampler_cpu_seconds = time.thread_time() - began

    def _pause_after(self, cost_seconds: float) -> float:
        return max(self.interval_seconds, cost_seconds / self.largest_share)

    def _sample(self, began: float) -> None:
        """Read the processor times first: at the end of the window they must not hold what comes after."""
        processes = self._processes()
        self._cpu_last = self._cpu_last | self._cpu(processes, time.thread_time() - began)
        self._read_memory(processes)
        self.samples += 1

    def _processes(self) -> list[psutil.Process]:
        return [self._driver, *self._driver.children(recursive=True)]

    def _cpu(self, processes: Iterable[psutil.Process], sampler: float) -> dict[psutil.Process, float]:
        """Return the processor time of each process that is still there, the sampler's taken out."""
        found: dict[psutil.Process, float] = {}
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                found[process] = processor_seconds(process)
        found[self._driver] -= sampler
        return found

    def _read_memory(self, processes: Iterable[psutil.Process]) -> None:
        self._memory.append(proportional_bytes(processes))
        self._resident.append(self._driver.memory_info().rss)


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process so far, in seconds; raises `psutil.NoSuchProcess`.

    Linux has a clock for each process, to the nanosecond, and its id is made of the process' own, as in
    clock_getcpuclockid(3). psutil reads ticks of 10 ms instead: ten processes may be off by 0.1 s.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def proportional_bytes(processes: Iterable[psutil.Process], proc: Path = Path("/proc")) -> int | None:
    """Return the sum of the proportional set sizes; processes that have ended count 0.

    `None` where the platform does not tell, or one of the processes that run is not ours to read.
    """
    if not (proc / "self" / "smaps_rollup").exists():
        return None
    total = 0
    for process in processes:
        try:
            total += _pss(proc / str(process.pid) / "smaps_rollup")
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            # a process that is about to end has no owner that could read it
            if _runs(process):
                return None
    return total


def _pss(rollup: Path) -> int:
    """Return `Pss:`, in bytes; a process that ends while it is read has no such line."""
    for line in rollup.read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
