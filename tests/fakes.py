"""Stand-ins for the run side's tests: tiny parameters, workloads that misbehave, engines and a cluster."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.clusters.watched import Watched
from lab.data.records import NodeFacts, NodeWindow, Sample
from lab.engines import Completion, Observer, Place, Work
from lab.experiment.factoring_parameters import Factoring
from lab.experiment.mechanism_parameters import Mechanisms
from lab.experiment.parameters import (
    BreakEven,
    Docker,
    MultiNode,
    RayVersusMultiprocessing,
    SingleNode,
    parameters_from,
)
from lab.measure.node import Cgroup
from lab.measure.node_watch import Window
from lab.measure.task import Measurement, Outcome

NO_LIMITS = Cgroup(None, None, None, None, None, None)
NODE_ID = "0123456789ab"

TINY: dict[str, Any] = {
    "run_id": "tiny",
    "profile": "custom",
    "seed": 7,
    "workers": [1, 2],
    "repeats": 2,
    "modes": ["search", "find"],
    "schedules": ["dynamic", "static"],
    "search_bits": 64,
    "search_width": 256,
    "search_tasks": 5,
    "find_bits": [32, 48],
    "find_tasks": [3, 2],
    "factor_bits": 32,
    "factor_tasks": 4,
    "sample_seconds": 0.2,
    "deadline_seconds": 120.0,
    "stall_seconds": 60.0,
    "object_store_megabytes": 80,
    "dashboard_port": 0,
}
"""A notebook's parameters for a run that takes no time to speak of."""


def tiny(**changes: Any) -> SingleNode:
    """Return the tiny parameters with some changed."""
    return parameters_from(SingleNode, TINY | changes)


NODES: dict[str, Any] = {
    name: value for name, value in TINY.items() if name not in ("workers", "dashboard_port")
} | {
    "schedules": ["dynamic"],
    "nodes": [1, 2],
    "workers_per_node": [1],
    "node_cores": 0.25,
    "may_scale": False,
    "wait_seconds": 60.0,
}
"""The same for the experiments over several nodes."""

LOCAL: dict[str, Any] = NODES | {"cluster": "local", "address": ""}


def tiny_nodes(**changes: Any) -> MultiNode:
    """Return tiny parameters of the experiment over several nodes, with some changed."""
    return parameters_from(MultiNode, LOCAL | changes)


def tiny_docker(**changes: Any) -> Docker:
    """Return tiny parameters of the comparison of containers with their host, with some changed."""
    return parameters_from(Docker, NODES | {"margin_percent": 3.0} | changes)


COMPARISON: dict[str, Any] = {
    "run_id": "tiny",
    "profile": "custom",
    "seed": 7,
    "engines": ["serial", "pool"],
    "workers": [2],
    "repeats": 1,
    "sample_seconds": 0.1,
    "deadline_seconds": 60.0,
    "stall_seconds": 60.0,
    "object_store_megabytes": 80,
}
"""Parameters that the comparisons of engines share."""

VERSUS: dict[str, Any] = COMPARISON | {
    "workloads": ["images", "search"],
    "image_megabytes": 0.01,
    "image_tasks": [3, 5],
    "complexity": 1.0,
    "transfers": ["seed", "value", "shared"],
    "search_bits": 64,
    "search_width": 256,
    "search_tasks": 5,
}

BREAK_EVEN: dict[str, Any] = COMPARISON | {
    "task_seconds": [1e-5, 1e-3],
    "window_seconds": 0.02,
    "most_calls": 10,
}


FACTORING: dict[str, Any] = {
    **{name: COMPARISON[name] for name in ("run_id", "profile", "seed", "repeats", "sample_seconds")},
    **{name: COMPARISON[name] for name in ("deadline_seconds", "stall_seconds", "object_store_megabytes")},
    "cluster": "embedded",
    "address": "",
    "nodes": [1],
    "workers": [1, 2],
    "node_cores": 0.25,
    "may_scale": True,
    "wait_seconds": 60.0,
    "works": ["curves", "numbers", "hunt", "lost"],
    "numbers": [],
    "curve_bits": 128,
    "curve_bound": 2000,
    "curve_count": 5,
    "number_bits": 64,
    "number_count": 5,
    "hunt_bits": 220,
    "hunt_factor_bits": 40,
    "hunt_count": 4,
}


def tiny_versus(**changes: Any) -> RayVersusMultiprocessing:
    """Return tiny parameters of the comparison on images and primes, with some changed."""
    return parameters_from(RayVersusMultiprocessing, VERSUS | changes)


MECHANISMS = {
    "run_id": "tiny",
    "profile": "custom",
    "seed": 1,
    "repeats": 1,
    "experiments": [],
    "cluster": "local",
    "address": "",
    "nodes": 2,
    "node_slots": 2,
    "window_seconds": 0.04,
    "turns": 4,
    "task_seconds": 0.02,
    "object_kilobytes": [1, 1000, 100000],
    "object_store_megabytes": 100,
    "wait_seconds": 60.0,
    "faults": "",
}
"""The largest object is too large for the store."""


def tiny_break_even(**changes: Any) -> BreakEven:
    """Return tiny parameters of the comparison on tasks of stated lengths, with some changed."""
    return parameters_from(BreakEven, BREAK_EVEN | changes)


def tiny_mechanisms(**changes: Any) -> Mechanisms:
    """Return tiny parameters of Ray's mechanisms, with some changed."""
    return parameters_from(Mechanisms, MECHANISMS | changes)


def tiny_factoring(**changes: Any) -> Factoring:
    """Return tiny parameters of the experiment on factoring, with some changed."""
    return parameters_from(Factoring, FACTORING | changes)


# --- workloads: plain functions of this module, so that any engine can carry them to its workers ---


def square(number: int) -> Outcome:
    """Return at once."""
    return Outcome(1, f"{number * number:016x}")


def slow_square(number: int) -> Outcome:
    """Return after 50 ms of sleep."""
    time.sleep(0.05)
    return square(number)


def sleep_long(number: int) -> Outcome:
    """Return after the deadline of any test."""
    time.sleep(600)
    return square(number)


def fail_on_three(number: int) -> Outcome:
    """Raise where the number is 3."""
    if number == 3:
        raise ValueError('three is "not" allowed,\nand a second line')
    return square(number)


def no_outcome(number: int) -> Any:
    """Return what is no outcome and cannot even be pickled."""
    return lambda: number


def exit_on_three(number: int) -> Outcome:
    """Leave Python where the number is 3."""
    if number == 3:
        raise SystemExit(3)
    return square(number)


class Unreadable:
    """A payload that travels, but cannot be unpacked where it arrives."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Name a function that raises."""
        return _refuse_to_unpack, ()


def _refuse_to_unpack() -> None:
    raise ValueError("this payload cannot be unpacked")


def die_once(payload: tuple[int, str]) -> Outcome:
    """Kill the worker's own process under the first task that finds the mark; sleep a little before."""
    number, mark = payload
    time.sleep(0.02)
    with contextlib.suppress(FileNotFoundError):
        Path(mark).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def die_always(number: int) -> Outcome:
    """Kill the worker's own process, unless the number is below 100: that is the warm-up."""
    if number >= 100:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


# --- observers, engines, clusters ---


def comes_true(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Return whether a condition holds within some seconds."""
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return bool(found)


class Collector:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.submissions = 0
        self.completions: list[Completion] = []

    def submitted(self, tasks: int) -> None:
        """Count."""
        self.submissions += tasks

    def completed(self, completion: Completion) -> None:
        """Keep."""
        self.completions.append(completion)

    def good(self) -> dict[int, Outcome]:
        """Return the outcome of each task; a task that came to two of them fails the test."""
        found: dict[int, Outcome] = {}
        for one in self.completions:
            if one.measurement is not None and one.measurement.outcome is not None:
                assert one.task not in found
                found[one.task] = one.measurement.outcome
        return found

    def failed(self) -> list[Completion]:
        """Return the attempts without an outcome."""
        return [one for one in self.completions if one.measurement is None or one.measurement.outcome is None]


class FakeTeam:
    """Runs everything in the driver, in order, and keeps a transcript."""

    places: Sequence[Place] = ()
    node_watches: Mapping[str, Any] = {}
    lost_workers = 0

    def __init__(self, engine: str, workers: int, transcript: list[str]) -> None:
        self.engine, self.workers, self.transcript = engine, workers, transcript

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Run the tasks one after another, dealt out in turn."""
        self.transcript.append(f"{self.engine} runs {len(work.payloads)} tasks, {schedule}")
        measured = work.call(work.function)
        for task, payload in enumerate(work.payloads):
            observer.submitted(1)
            submitted = time.monotonic()
            measurement: Measurement = measured(payload)
            observer.completed(
                Completion(task, 1, task % self.workers, None, submitted, time.monotonic(), measurement)
            )


class FakeEngines:
    """Engines that write down what is asked of them."""

    def __init__(self, *names: str, team: type[FakeTeam] = FakeTeam) -> None:
        self.transcript: list[str] = []
        self.table = {name: self._engine(name, team) for name in names or ("serial", "processes", "ray")}

    def _engine(self, name: str, kind: type[FakeTeam]) -> Any:
        @contextlib.contextmanager
        def team(workers: int, nodes: int = 1) -> Iterator[FakeTeam]:  # noqa: ARG001  one node is enough
            self.transcript.append(f"{name} starts {workers}")
            try:
                yield kind(name, workers, self.transcript)
            finally:
                self.transcript.append(f"{name} ends")

        return team


def node_facts(node_id: str = NODE_ID, **changes: Any) -> NodeFacts:
    """Return the facts of a node that is not there."""
    facts: dict[str, Any] = {
        "node_id": node_id,
        "session": 1,
        "cluster": "embedded",
        "holds_workers": True,
        "host_id": "feedfacecafe",
        "cores": 2,
        "quota_cores": 2.0,
        "cpu_source": "host",
        "memory_bytes": 8 * 2**30,
        "object_store_bytes": 80_000_000,
        "gpus": 0,
        "cluster_start_seconds": 0.5,
    }
    return NodeFacts(**facts | changes)


class FakeCluster:
    """A cluster of one node that takes no time and no memory; `offsets` are those of made-up nodes."""

    here = NODE_ID

    def __init__(self, offsets: Mapping[str, float] | None = None) -> None:
        self._new, self._offsets = (node_facts(),), dict(offsets or {})

    def need(self, nodes: int, seconds: float) -> None:
        """Have what is asked for."""

    def take_new(self) -> tuple[NodeFacts, ...]:
        """Return the node's facts, once."""
        new, self._new = self._new, ()
        return new

    def node_of(self, node_id: str | None) -> str:
        """Return the node, or this one."""
        return node_id or self.here

    def synchronize(self, team: Any) -> None:
        """Have equal clocks."""

    def offset_seconds(self, node_id: str) -> float:
        """Return what was made up."""
        return self._offsets.get(node_id, 0.0)

    def begin(self, trial_id: str, *_: Any) -> float:
        """Return the time."""
        self._trial_id, self._began = trial_id, time.monotonic()
        return self._began

    def end(self) -> Watched:
        """Return one sample and the counters of an idle node."""
        ended = time.monotonic()
        sample = Sample(
            trial_id=self._trial_id, node_id=NODE_ID, at_seconds=ended - self._began, queue_length=0
        )
        counters = NodeWindow(
            trial_id=self._trial_id,
            node_id=NODE_ID,
            workers=1,
            status="ok",
            began_seconds=0.0,
            ended_seconds=ended - self._began,
            cpu_seconds=0.0,
            ray_cpu_seconds=0.0,
        )
        window = Window(self._began, ended, (sample,), counters, 0.0)
        return Watched(window, (sample,), (counters,))


@contextlib.contextmanager
def fake_embedded(*_: Any) -> Iterator[Any]:
    """Stand in for `lab.clusters.embedded.embedded`."""
    yield FakeCluster()
