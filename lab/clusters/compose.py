"""The compose project of this repository as a cluster: started, scaled and taken down by Docker alone."""

import contextlib
import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

import yaml

from lab import paths
from lab.clusters.addresses import check_jobs_address
from lab.clusters.docker import ASK_SECONDS, ask, compose_command, engine_cores, said
from lab.errors import ClusterError
from lab.measure.environment import code_facts

CHANGE_SECONDS = 600.0
"""For Docker to start, scale or remove containers: each worker that is replaced has 40 s to end."""
QUOTA_TOLERANCE = 1_000_000
"""In billionths of a core."""
FOLDER = "com.docker.compose.project.working_dir"
"""The label by which compose tells whose container it is."""
DIGEST = "from lab.measure.environment import code_facts; print(code_facts()['digest'])"


@dataclasses.dataclass(frozen=True, slots=True)
class ComposeCluster:
    """A compose cluster that is ready: its jobs server, its token, and what it took to get there."""

    address: str
    token: str = dataclasses.field(repr=False)
    start_seconds: float
    image_id: str
    containers: tuple[str, ...]
    """Docker's ids of the containers that are its nodes with workers."""


@contextlib.contextmanager
def compose(nodes: int, node_cores: float, may_scale: bool, wait_seconds: float) -> Iterator[ComposeCluster]:
    """Yield the compose cluster with at least `nodes` nodes of `node_cores` each; raises `ClusterError`.

    It is started or scaled where that is needed and allowed. A cluster that did not run before is taken down
    at the end, its token with it; another is left as it is then.
    """
    began = time.monotonic()
    _check_cores(nodes, node_cores, engine_cores())
    project = _Project(compose_command(), {**os.environ, "LAB_WORKER_CPUS": str(node_cores)})
    config = yaml.safe_load(project.say(["config"], "docker-compose.yml cannot be read"))
    image_id = _image_id(config["services"]["ray-worker"]["image"])
    wanted = _Node(round(node_cores * 1e9), image_id)
    before = _state(project)
    count = max(nodes, len(before.workers))
    with contextlib.ExitStack() as undo:
        if not before.fits(nodes, wanted):
            if not may_scale:
                raise _too_little(before, nodes, node_cores, wanted)
            if before.is_nothing():
                undo.callback(_take_down, project)
            _scale(project, count)
        _await_nodes(project, count, wait_seconds - (time.monotonic() - began))
        address, token, containers = _address(project), _token(project), _containers(project, "ray-worker")
        yield ComposeCluster(address, token, time.monotonic() - began, image_id, containers)


def running_compose() -> tuple[str, str, tuple[str, ...]]:
    """Return address, token and all containers of the compose cluster that runs; changes nothing.

    Raises `ClusterError` where none runs.
    """
    project = _Project(compose_command(), os.environ)
    ids = tuple(project.say(["ps", "--all", "--quiet"], "the project's containers cannot be listed").split())
    if not ids or _state(project).head is None:
        raise ClusterError("no head of a compose cluster of this folder runs: make docker-up")
    return _address(project), _token(project), ids


@dataclasses.dataclass(frozen=True, slots=True)
class _Node:
    """A container of the cluster: its quota in billionths of a core, and its image."""

    nano_cores: int
    image_id: str

    def is_like(self, other: Self) -> bool:
        """Return whether image and quota are the same; compose sets a third of a core as 0.333333344."""
        return self.image_id == other.image_id and abs(self.nano_cores - other.nano_cores) < QUOTA_TOLERANCE


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    """The containers that run."""

    head: _Node | None
    workers: tuple[_Node, ...]

    def is_nothing(self) -> bool:
        return self.head is None and not self.workers

    def fits(self, nodes: int, wanted: _Node) -> bool:
        """Return whether head and at least so many nodes run, and all of them are as wanted."""
        head = self.head is not None and self.head.image_id == wanted.image_id
        return head and len(self.workers) >= nodes and all(wanted.is_like(one) for one in self.workers)


@dataclasses.dataclass(frozen=True, slots=True)
class _Project:
    """Compose in the root of this repository, under an environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = dataclasses.field(repr=False)

    def run(self, arguments: list[str], seconds: float = ASK_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a compose command, whether it succeeds or not."""
        return ask([*self.command, *arguments], seconds, self.environment)

    def say(self, arguments: list[str], failure: str) -> str:
        """Return what a compose command prints, or raise `ClusterError` with its own words."""
        done = self.run(arguments)
        if done.returncode != 0:
            raise ClusterError(f"{failure}: `{' '.join([*self.command, *arguments])}` says: {said(done)}")
        return done.stdout.strip()


# --- before anything is changed -------------------------------------------------------------------------


def _check_cores(nodes: int, node_cores: float, cores: int) -> None:
    if nodes * node_cores > cores + 1e-9:
        raise ClusterError(
            f"{nodes} nodes of {node_cores:g} cores are {nodes * node_cores:g} cores, and Docker has "
            f"{cores}: the nodes would slow each other down. Take fewer nodes, or fewer cores each"
        )


def _image_id(image: str) -> str:
    """Return the id of an image that holds the code of this checkout."""
    done = ask(["docker", "image", "inspect", "--format", "{{.Id}}", image], ASK_SECONDS)
    if done.returncode != 0:
        raise ClusterError(f"the image {image} is not built: make docker-build")
    within = ask(["docker", "run", "--rm", "--network", "none", image, "python", "-c", DIGEST], ASK_SECONDS)
    here, there = code_facts()["digest"], within.stdout.strip()
    if within.returncode != 0 or here != there:
        raise ClusterError(
            f"the image {image} holds other code than this folder: its digest there is "
            f"{there or said(within)}, here {here}. Bring it up to date: make docker-build"
        )
    return done.stdout.strip()


def _state(project: _Project) -> _State:
    head = _running(project, "ray-head")
    return _State(head[0] if head else None, _running(project, "ray-worker"))


def _containers(project: _Project, service: str) -> tuple[str, ...]:
    return tuple(project.say(["ps", "--quiet", service], "the project's containers cannot be listed").split())


def _running(project: _Project, service: str) -> tuple[_Node, ...]:
    ids = _containers(project, service)
    # one that ends between the two questions is left out
    found: list[Any] = json.loads(ask(["docker", "inspect", *ids], ASK_SECONDS).stdout) if ids else []
    for one in found:
        _refuse_foreign(one.get("Config", {}).get("Labels", {}).get(FOLDER, ""))
    return tuple(
        _Node(one["HostConfig"]["NanoCpus"], one["Image"]) for one in found if one["State"]["Running"]
    )


def _refuse_foreign(folder: str) -> None:
    """Raise for a container of another folder: compose calls a project after the last part of its path.

    Who names the project means it, whatever folder it was started from.
    """
    if os.environ.get("COMPOSE_PROJECT_NAME"):
        return
    if folder and os.path.realpath(folder) != os.path.realpath(paths.ROOT):
        raise ClusterError(
            f"a cluster of the same name runs, that of {folder}: it is not touched. Rename this folder, or "
            "give this cluster another name: export COMPOSE_PROJECT_NAME=another"
        )


def _too_little(before: _State, nodes: int, node_cores: float, wanted: _Node) -> ClusterError:
    quotas = sorted({node.nano_cores / 1e9 for node in before.workers})
    what = "no compose cluster of this folder runs"
    if not before.is_nothing():
        what = f"the compose cluster has {len(before.workers)} nodes"
        what += f" of {' and '.join(f'{quota:g}' for quota in quotas)} cores" if quotas else ""
    if any(node.image_id != wanted.image_id for node in (before.head, *before.workers) if node is not None):
        what += ", and runs an older image"
    return ClusterError(
        f"{what}; this run asks for {nodes} of {node_cores:g} and may not change it. Make it so: "
        f"LAB_WORKER_CPUS={node_cores:g} make docker-up NODES={max(nodes, len(before.workers))}"
    )


# --- the change -----------------------------------------------------------------------------------------


def _scale(project: _Project, count: int) -> None:
    done = project.run(["up", "--detach", "--no-build", "--scale", f"ray-worker={count}"], CHANGE_SECONDS)
    if done.returncode == 0:
        return
    if any(words in done.stderr for words in ("port is already allocated", "address already in use")):
        raise ClusterError(
            f"the port of the dashboard is taken: {said(done)}. End what listens there (another cluster: "
            "make docker-down in its folder), or choose another, such as LAB_DASHBOARD_PORT=8266"
        )
    raise ClusterError(f"the cluster did not start: {said(done)}")


def _take_down(project: _Project) -> None:
    # workers whose head is gone would wait for it for half a minute
    done = project.run(["down", "--volumes", "--remove-orphans", "--timeout", "10"], CHANGE_SECONDS)
    if done.returncode != 0:
        raise ClusterError(f"the cluster was not taken down: {said(done)}. Do it by hand: make docker-down")


def _await_nodes(project: _Project, count: int, seconds: float) -> None:
    seconds = max(seconds, 5.0)
    command = ["exec", "-T", "ray-head", "wait_for_nodes", str(count), f"{seconds:.0f}"]
    done = project.run(command, seconds + ASK_SECONDS)
    if done.returncode != 0:
        raise ClusterError(
            f"the cluster is not ready: {said(done)}. See why: docker compose ps, docker compose logs"
        )


def _address(project: _Project) -> str:
    found = project.say(["port", "ray-head", "8265"], "the head publishes no port")
    return check_jobs_address(found)


def _token(project: _Project) -> str:
    return project.say(["exec", "-T", "ray-head", "cat", "/run/ray-token/token"], "the token cannot be read")
