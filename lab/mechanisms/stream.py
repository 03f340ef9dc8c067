"""A stream of tasks of one length, while something happens to the cluster at a known moment."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psutil

from lab.errors import ClusterError
from lab.mechanisms.ground import Ground, here, on_node

POLL_SECONDS = 0.02
HELD_SECONDS = 2.0
"""The length of a task that is there to be killed."""
Begin = tuple[int, str, int, float]
"""Of a task: its number, node, process, and seconds since 1970."""
Act = tuple[float, Callable[[Sequence[Begin]], None]]
"""What is done during a stream, so many seconds after its begin; it is given the begins so far."""


class Journal:
    """An actor that notes each begin of a task: what is run twice is there twice."""

    def __init__(self) -> None:
        self._begins: list[Begin] = []

    def begin(self, number: int, node: str, pid: int, at: float) -> None:
        """Note a begin."""
        self._begins.append((number, node, pid, at))

    def begins(self) -> list[Begin]:
        """Return all begins so far."""
        return self._begins


class Striker:
    """An actor that kills processes of its node, at a moment that is known before."""

    def strike(self, pid: int | None, at: float) -> None:
        """Kill a process at that moment, in seconds since 1970; with None the whole node, this one last.

        The raylet, which has started all other processes of a node, goes first.
        """
        raylet = psutil.Process(os.getppid())
        node = [raylet, *raylet.children(recursive=True)]
        victims = [psutil.Process(pid)] if pid else sorted(node, key=lambda one: one.pid == os.getpid())
        time.sleep(max(0.0, at - time.time()))
        for one in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


@dataclasses.dataclass(frozen=True, slots=True)
class Streamed:
    """What came of a stream: of each result its number, node and the end of its work; and all begins."""

    results: Sequence[tuple[int, str, float]]
    begins: Sequence[Begin]

    @property
    def once(self) -> bool:
        """Tell whether every number is there exactly once."""
        return sorted(number for number, *_ in self.results) == list(range(len(self.results)))

    @property
    def again(self) -> int:
        """Return how many begins there were beyond the first of each number."""
        return len(self.begins) - len({number for number, *_ in self.begins})


def unit(number: int, seconds: float, journal: Any) -> tuple[int, str, float]:
    """Do one unit of work, and note its begin; return number, node and end."""
    import ray

    node = here()
    # known before the work begins: a kill could take what is on its way
    ray.get(journal.begin.remote(number, node, os.getpid(), time.time()))
    time.sleep(seconds)
    return number, node, time.time()


def started(kind: type[Any], node_id: str) -> Any:
    """Return an actor on a node, without a slot of its own, once it is there."""
    import ray

    found = ray.remote(kind).options(num_cpus=0, scheduling_strategy=on_node(node_id)).remote()
    ray.get(found.__ray_ready__.remote())
    return found


def stream(ground: Ground, tasks: int, acts: Iterable[Act], held_on: str = "") -> Streamed:
    """Run so many tasks, and the acts meanwhile; raises `ClusterError` where the tasks do not end.

    With `held_on`, a node, the first task is a long one there, and has begun before all else: what is killed
    then is in the middle of it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    journal = started(Journal, here())
    task, seconds = ray.remote(max_retries=-1)(unit), ground.parameters.task_seconds
    pending = []
    if held_on:
        there = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(held_on, soft=True))
        pending = [there.remote(0, HELD_SECONDS, journal)]
        while not ray.get(journal.begins.remote()):
            time.sleep(POLL_SECONDS)
    began = time.monotonic()
    deadline = began + 10 * tasks * seconds + 2 * ground.parameters.wait_seconds
    pending += [task.remote(number, seconds, journal) for number in range(len(pending), tasks)]
    results, to_come = [], sorted(acts, key=lambda pair: pair[0])
    while pending:
        done, pending = ray.wait(pending, num_returns=len(pending), timeout=POLL_SECONDS)
        results += ray.get(done)
        while to_come and time.monotonic() - began >= to_come[0][0]:
            to_come.pop(0)[1](ray.get(journal.begins.remote()))
        if time.monotonic() > deadline:
            raise ClusterError(f"{len(pending)} of {tasks} tasks did not end in time")
    begins = ray.get(journal.begins.remote())
    ray.kill(journal)
    return Streamed(results, begins)
