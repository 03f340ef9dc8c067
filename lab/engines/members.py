"""The worker processes of a team that a library started on this machine: found, watched, and ended."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import psutil

from lab.engines import Place
from lab.errors import EngineError

NAP_SECONDS = 0.05
"""So long a worker is held by the call that finds it: the next call then goes to another one."""
READY_SECONDS = 60.0
END_SECONDS = 10.0
CODE_SECONDS = 1.0


def nap(seconds: float) -> int:
    """Run in a worker: hold it for a moment, and return its process id."""
    time.sleep(seconds)
    return os.getpid()


def find(
    engine: str,
    workers: int,
    ask: Callable[[Sequence[float]], Iterable[int]],
    node_id: str | None = None,
) -> "Members":
    """Return the workers once each has answered; `ask` has the library map `nap` over so many seconds."""
    began, seen = time.monotonic(), set[int]()
    while len(seen) < workers:
        if time.monotonic() - began > READY_SECONDS:
            raise EngineError(
                f"engine {engine} has {len(seen)} of {workers} workers up after {READY_SECONDS:.0f} s"
            )
        seen.update(ask([NAP_SECONDS] * workers))
    return Members(sorted(seen), node_id)


class Members:
    """The processes of a team, `node_id` being Ray's id of their node where Ray started them."""

    def __init__(self, pids: Iterable[int], node_id: str | None = None) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self.places = tuple(Place(node_id, process.pid) for process in self._processes)
        mine = {process.pid for process in self._processes}
        self._children = [child for child in multiprocessing.active_children() if child.pid in mine]

    def lost(self) -> int:
        """Return how many of the processes have ended."""
        return sum(map(_has_ended, self._processes))

    def loss(self) -> EngineError:
        """Return the error of a worker process that ended under the work."""
        until = time.monotonic() + CODE_SECONDS
        while not (code := self._odd_code()) and time.monotonic() < until:
            time.sleep(0.01)  # a thread of the library may be about to learn it
        return EngineError(f"a worker process ended{cause(code) if code else ''}")

    def _odd_code(self) -> int | None:
        """Return how the lost one ended; the others a library ends itself then, with SIGTERM."""
        codes = (child.exitcode for child in self._children)
        return next((code for code in codes if code not in (None, 0, -signal.SIGTERM)), None)

    def kill(self) -> None:
        """Kill what is left."""
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def wait(self) -> None:
        """Wait for those that were told to end, which tell Ray so: of one that is killed it complains."""
        psutil.wait_procs(self._processes, timeout=END_SECONDS)

    def end(self) -> None:
        """Kill what is left, and wait until it is gone."""
        self.kill()
        for child in self._children:
            child.join(END_SECONDS)
        psutil.wait_procs(self._processes, timeout=END_SECONDS)


class Staffed:
    """What a team has besides its work, whose workers a library started; and no watch of its node."""

    node_watches: Mapping[str, Any] = {}

    def __init__(self, members: Members) -> None:
        self._members, self.places = members, members.places

    @property
    def lost_workers(self) -> int:
        """Return how many of the first processes have ended."""
        return self._members.lost()


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def cause(code: int) -> str:
    """Return how a process ended, in brackets, by its exit code."""
    if code == -signal.SIGKILL:
        return " (signal 9: the kernel kills so where memory runs out)"
    return f" (signal {-code})" if code < 0 else f" (exit code {code})"
