"""A Ray of its own for each trial of a command: so many nodes, so many CPUs on each, and nothing else in it.

What limits a script is the size of the Ray that it finds: it is started for the trial on nodes of the cluster
that the run is on, and ended after it, with every actor that the script has left behind. Its head is on the
driver's node, where the command runs too, as a job's does. What Ray hands out are slots: a task or an actor
that asks for no CPU, or starts threads, is limited by the node's own quota alone.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lab.clusters.by_command import HERE, free_ports, start_node
from lab.clusters.embedded import SETTINGS
from lab.engines import Completion, Observer, Place, Work
from lab.engines.command import attend
from lab.engines.ray_worker import Worker
from lab.errors import EngineError
from lab.measure.task import UNKNOWN, Measurement, Outcome, first_line

READY_SECONDS, END_SECONDS = 120.0, 10.0
POLL_SECONDS = 0.1
REDIRECT = str(Path(__file__).parent / "redirect")
KEPT = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", *SETTINGS)
"""Variables of Ray that hold for this one, too; all others in a worker are of the Ray around it."""


class CommandTeam:
    """A Ray that waits for a command. `places` are where its nodes are: the roots of their processes."""

    def __init__(
        self, address: str, slots: int, places: Sequence[Place], node_watches: Mapping[str, Any]
    ) -> None:
        self.address, self.slots, self.places, self.node_watches = address, slots, places, node_watches
        self.lost_workers = 0

    def run(self, work: Work, schedule: str, observer: Observer) -> None:  # noqa: ARG002  it decides itself
        """Run each command; raises `EngineError` where one does not end well, or used another Ray."""
        for task, command in enumerate(work.payloads):
            observer.submitted(1)
            submitted, before = time.monotonic(), self._drivers()
            variables = surroundings() | {
                "RAY_ADDRESS": self.address,
                "PYTHONPATH": os.pathsep.join(filter(None, (REDIRECT, os.environ.get("PYTHONPATH")))),
                "PYTHONUNBUFFERED": "1",
            }
            ended = attend(command, variables, work.deadline - submitted)
            received = time.monotonic()
            if self._drivers() == before:
                raise EngineError(
                    "the command never connected to the Ray that was started for it, so neither nodes nor "
                    "workers limited it: it uses no Ray, or one that it reaches by other means than ray.init"
                )
            outcome = Outcome(1 if ended.units is None else ended.units, "")
            measured = Measurement(ended.started, ended.finished, UNKNOWN, outcome, None)
            observer.completed(Completion(task, 1, 0, self.places[0].node_id, submitted, received, measured))

    def _drivers(self) -> int:
        """Return how many drivers have connected so far."""
        return len(_gcs(self.address).get_all_job_info())


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[CommandTeam]:
    """Start a Ray of so many nodes within the running one, yield it once all are alive, and end it."""
    import ray

    here, chosen = ray.get_runtime_context().get_node_id(), _chosen(nodes)
    address = ray.util.get_node_ip_address()
    slots = workers // nodes
    with contextlib.ExitStack() as undo:
        folder = undo.enter_context(
            tempfile.TemporaryDirectory(prefix="lab-ray-", ignore_cleanup_errors=True)
        )
        log = Path(folder, "said")
        gcs = f"{address}:{free_ports(1)[0]}"
        head = ["--head", f"--port={gcs.rpartition(':')[2]}", f"--num-cpus={slots if here in chosen else 0}"]
        head += ["--include-dashboard=false", f"--temp-dir={folder}"]
        head.append(f"--ray-client-server-port={free_ports(1)[0]}")
        root = start_node(head, surroundings(), log, address, chosen.get(here, _store(here)))
        undo.callback(_kill, root)
        _await(gcs, 1, log)
        places, actors = ([Place(here[:12], root.pid)] if here in chosen else []), {}
        for node_id, store in chosen.items():
            if node_id != here:
                actor = undo.enter_context(_keeper(node_id))
                undo.callback(_ended, actor)
                pid = _ask(actor.call.remote(start_beside, gcs, slots, store))
                places.append(Place(node_id[:12], pid))
                actors[node_id[:12]] = actor
                if address == HERE:
                    # raylets of one host that start at once take each other's ports
                    _await(gcs, len(actors) + 1, log)
        _await(gcs, len(actors) + 1, log)
        yield CommandTeam(gcs, slots, tuple(places), actors)


def surroundings() -> dict[str, str]:
    """Return the environment without what a Ray has put into it, as a person's own shell has it."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_") or name in KEPT}
    # else Ray takes 127.0.0.1 for the address of its nodes, and refuses a second one there
    several = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    # a command's `python` is the one that has this Ray
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**mine, **SETTINGS, **several, "PATH": path}


def _chosen(nodes: int) -> dict[str, int]:
    """Return so many nodes that may hold workers, the driver's own first, and what their stores hold."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    alive = [one["NodeID"] for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU", 0) >= 1]
    if len(alive) < nodes:
        raise EngineError(f"{nodes} nodes are asked for, and {len(alive)} that may hold workers are alive")
    return {one: _store(one) for one in sorted(alive, key=lambda one: (one != here, one))[:nodes]}


def _store(node_id: str) -> int:
    """Return the bytes of a node's object store: so many as the Ray around it has there."""
    import ray

    (found,) = (one for one in ray.nodes() if one["NodeID"] == node_id)
    return int(found["Resources"]["object_store_memory"])


@contextlib.contextmanager
def _keeper(node_id: str) -> Iterator[Any]:
    """Have a process on a node that takes no CPU: it starts a node of the other Ray, and watches."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
    actor = ray.remote(Worker).options(num_cpus=0, scheduling_strategy=strategy).remote()
    try:
        yield actor
    finally:
        ray.kill(actor)


def _ask(call: Any) -> Any:
    """Return what a keeper answers; raises `EngineError`."""
    import ray

    try:
        return ray.get(call, timeout=READY_SECONDS)
    except ray.exceptions.RayError as error:
        raise EngineError(f"a node did not start for the command: {first_line(error)}") from error


def _ended(actor: Any) -> None:
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        ray.get(actor.call.remote(end_beside), timeout=READY_SECONDS)


def _kill(started: psutil.Popen) -> None:
    """End a node of a command's Ray at once: nothing of it is needed any more."""
    with contextlib.suppress(psutil.Error):
        every = [started, *started.children(recursive=True)]
        for one in every:
            with contextlib.suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(every, timeout=END_SECONDS)


def _await(gcs: str, nodes: int, log: Path) -> None:
    """Wait until so many nodes are alive; raises `EngineError` with what the head said last."""
    deadline, alive = time.monotonic() + READY_SECONDS, 0
    while alive < nodes:
        if time.monotonic() > deadline:
            said = " ".join(log.read_text(errors="replace").split())[-300:]
            raise EngineError(f"{alive} of {nodes} nodes came up for the command; Ray says: {said}")
        time.sleep(POLL_SECONDS)
        with contextlib.suppress(Exception):  # it does not listen yet
            # 0 is ALIVE in Ray's GcsNodeInfo
            alive = sum(one.state == 0 for one in _gcs(gcs).get_all_node_info().values())


def _gcs(address: str) -> Any:
    import ray

    return ray._raylet.GcsClient(address=address)


# --- in the keeper of a node ------------------------------------------------------------------------------

_STARTED: list[psutil.Popen] = []


def start_beside(gcs: str, slots: int, store: int) -> int:
    """Start a node of a command's Ray beside the one that this process belongs to; return its process id."""
    import ray

    folder = Path(tempfile.gettempdir(), f"lab-ray-{os.getpid()}")
    options = [f"--address={gcs}", f"--num-cpus={slots}"]
    _STARTED.append(start_node(options, surroundings(), folder, ray.util.get_node_ip_address(), store))
    return int(_STARTED[-1].pid)


def end_beside() -> None:
    """End it."""
    while _STARTED:
        _kill(_STARTED.pop())
    Path(tempfile.gettempdir(), f"lab-ray-{os.getpid()}").unlink(missing_ok=True)
