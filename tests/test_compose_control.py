"""The compose project under the lab's control: what is refused, started, scaled and taken down."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers import own_project

from lab import paths
from lab.clusters.compose import compose
from lab.errors import ClusterError
from lab.measure.environment import code_facts

# --- a docker that does as it is told -------------------------------------------------------------------

CONFIG = """
services:
  ray-worker:
    image: ray-scaling-lab:latest
"""


class FakeDocker:
    """A `docker` on the PATH that answers from a folder, and notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        answers = {
            "info": "4",
            "compose version": "2.26.1",
            "compose config": CONFIG,
            "image inspect": "sha256:new",
            "run": code_facts()["digest"],
            "compose ps --quiet ray-head": "",
            "compose ps --quiet ray-worker": "",
            "compose up": "",
            "compose exec -T ray-head wait_for_nodes": "3 nodes are ready",
            "compose exec -T ray-head cat": "0123abcd",
            "compose port": "127.0.0.1:8265",
            "compose down": "",
        }
        for command, said in answers.items():
            self.answer(command, said)
        script = folder / "bin" / "docker"
        script.parent.mkdir()
        script.write_text(
            f"#!/bin/sh\ncd '{folder}'\necho \"$LAB_WORKER_CPUS $*\" >>asked\nname=$*\n"
            'while [ -n "$name" ]; do\n'
            '  if [ -f "$name.code" ]; then\n'
            '    cat "$name.out"; cat "$name.err" >&2; exit "$(cat "$name.code")"\n'
            "  fi\n"
            '  case $name in *" "*) name=${name% *};; *) break;; esac\n'
            "done\nexit 99\n"
        )
        script.chmod(0o755)

    def answer(self, command: str, said: str, error: str = "", code: int = 0) -> None:
        """Set what a command, by its first words, answers."""
        for suffix, text in (("out", said), ("err", error), ("code", str(code))):
            (self.folder / f"{command}.{suffix}").write_text(text)

    def runs(self, *quotas: float, image: str = "sha256:new") -> None:
        """Have a head run, and a worker of each quota."""
        for service, cores in (("ray-head", (0.0,)), ("ray-worker", quotas)):
            names = [f"{service}-{number}" for number in range(len(cores))]
            found = [
                {"HostConfig": {"NanoCpus": round(one * 1e9)}, "Image": image, "State": {"Running": True}}
                for one in cores
            ]
            self.answer(f"compose ps --quiet {service}", "\n".join(names))
            self.answer(f"inspect {' '.join(names)}", json.dumps(found))

    def asked(self, *words: str) -> list[str]:
        """Return the commands that were given, with LAB_WORKER_CPUS before them, of those compose verbs."""
        lines = (self.folder / "asked").read_text().splitlines()
        return [line for line in lines if any(f" compose {word}" in line for word in words)]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """Return a Docker engine of four cores, with an image up to date and no container."""
    fake = FakeDocker(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.delenv("LAB_WORKER_CPUS", raising=False)
    return fake


def refused(nodes: int = 3, node_cores: float = 0.5, may_scale: bool = True) -> str:
    """Return why the cluster is not to be had."""
    with (
        pytest.raises(ClusterError) as caught,
        compose(nodes, node_cores, may_scale, 60.0),
    ):
        raise AssertionError("there is a cluster")
    return str(caught.value)


def test_without_docker_the_cluster_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no docker at all, the message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no `docker` on this machine: install" in refused()


@pytest.mark.parametrize(
    ("command", "said", "error", "code", "why"),
    [
        ("info", "", "Cannot connect to the Docker daemon", 1, "no Docker engine answers: Cannot connect"),
        ("info", "0", "Cannot connect to the Docker daemon", 0, "sudo systemctl start docker"),
        ("info", "", "Got permission denied while trying to connect", 1, "group `docker`"),
        (
            "compose version",
            "",
            "'compose' is not a docker command",
            1,
            "without compose: install its plugin",
        ),
        ("compose config", "", "yaml: line 3", 1, "docker-compose.yml cannot be read: .*yaml: line 3"),
        ("image inspect", "", "No such image", 1, "ray-scaling-lab:latest is not built: make docker-build"),
        ("run", "0123456789abcdef", "", 0, "digest there is 0123456789abcdef, here .* make docker-build"),
        (
            "run",
            "",
            "No module named lab",
            1,
            "there is No module named lab, here .* make docker-build",
        ),
    ],
)
def test_what_lacks_is_told_before_anything_is_changed(
    docker: FakeDocker, command: str, said: str, error: str, code: int, why: str
) -> None:
    """Each thing that Docker lacks gets its own message, and no container is touched."""
    docker.answer(command, said, error, code)
    message = refused()
    assert re.search(why, message, re.DOTALL), message
    assert docker.asked("up", "down") == []


def test_more_cores_than_the_engine_has_are_refused(docker: FakeDocker) -> None:
    """Quotas of more than the engine's cores together are refused, with the sum; all of it is not."""
    assert "9 nodes of 0.5 cores are 4.5 cores, and Docker has 4" in refused(nodes=9)
    assert docker.asked("up", "down") == []
    with compose(8, 0.5, True, 60.0):
        assert docker.asked("up") != []


def test_compose_of_its_own_is_used_where_the_plugin_lacks(docker: FakeDocker) -> None:
    """Without the plugin, the command docker-compose is asked."""
    docker.answer("compose version", "", "unknown command", 1)
    old = docker.folder / "bin" / "docker-compose"
    old.write_text('#!/bin/sh\nexec docker compose "$@"\n')
    old.chmod(0o755)
    with compose(3, 0.5, True, 60.0) as cluster:
        assert cluster.token == "0123abcd"


def test_a_cluster_is_started_and_taken_down(docker: FakeDocker) -> None:
    """Where nothing runs, so many nodes of that quota are started, waited for, and removed at the end."""
    with compose(3, 0.5, True, 60.0) as cluster:
        assert docker.asked("up") == ["0.5 compose up --detach --no-build --scale ray-worker=3"]
        assert docker.asked("exec -T ray-head wait_for_nodes 3") != []
        assert docker.asked("down") == []
        assert (cluster.address, cluster.token) == ("http://127.0.0.1:8265", "0123abcd")
        assert cluster.image_id == "sha256:new"
        assert cluster.start_seconds > 0.0
        assert "0123abcd" not in repr(cluster)
    assert docker.asked("down") == ["0.5 compose down --volumes --remove-orphans --timeout 10"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_cluster_is_taken_down_after_an_error(docker: FakeDocker, error: type[BaseException]) -> None:
    """An error, or Ctrl-C, while the cluster is in use goes on, and leaves none behind."""
    with pytest.raises(error), compose(3, 0.5, True, 60.0):
        raise error
    assert len(docker.asked("down")) == 1


@pytest.mark.parametrize(
    ("runs", "nodes", "scaled"),
    [((0.5, 0.5), 3, 3), ((0.25, 0.25, 0.25), 3, 3), ((0.25, 0.5, 0.5, 0.5), 2, 4), ((), 1, 1)],
)
def test_a_cluster_that_runs_is_changed_and_left(
    docker: FakeDocker, runs: tuple[float, ...], nodes: int, scaled: int
) -> None:
    """Too few nodes, or another quota, are made right without removing any, and the cluster stays."""
    docker.runs(*runs)
    with compose(nodes, 0.5, True, 60.0):
        assert docker.asked("up") == [f"0.5 compose up --detach --no-build --scale ray-worker={scaled}"]
        assert docker.asked(f"exec -T ray-head wait_for_nodes {scaled} ") != []
    assert docker.asked("down") == []


def test_a_cluster_of_an_older_image_is_renewed(docker: FakeDocker) -> None:
    """Containers of another image than the one that is built are replaced."""
    docker.runs(0.5, 0.5, 0.5, image="sha256:old")
    with compose(3, 0.5, True, 60.0):
        assert len(docker.asked("up")) == 1


@pytest.mark.parametrize("may_scale", [True, False])
def test_a_cluster_that_fits_is_left_alone(docker: FakeDocker, may_scale: bool) -> None:
    """Where enough nodes run as wanted, nothing is changed, but that they are ready is made sure of."""
    docker.runs(0.5, 0.5, 0.5, 0.5)
    with compose(3, 0.5, may_scale, 60.0):
        assert docker.asked("exec -T ray-head wait_for_nodes 4 ") != []
    assert docker.asked("up", "down") == []


def test_a_quota_without_a_short_form_fits(docker: FakeDocker) -> None:
    """A third of a core, which compose sets as 333333344 billionths, is what was asked for."""
    docker.runs(*[0.333333344] * 3)
    with compose(3, 1 / 3, False, 60.0):
        assert docker.asked("up") == []


@pytest.mark.parametrize(
    ("runs", "image", "why"),
    [
        (None, "sha256:new", "no compose cluster of this folder runs"),
        ((0.5,), "sha256:new", "the compose cluster has 1 nodes of 0.5 cores"),
        ((0.25, 0.5, 0.5), "sha256:new", "the compose cluster has 3 nodes of 0.25 and 0.5 cores"),
        ((0.5, 0.5, 0.5), "sha256:old", "has 3 nodes of 0.5 cores, and runs an older image"),
    ],
)
def test_a_cluster_that_may_not_be_changed_is_told(
    docker: FakeDocker, runs: tuple[float, ...] | None, image: str, why: str
) -> None:
    """Where too little runs and may not be changed, the message says what is there and what to type."""
    if runs is not None:
        docker.runs(*runs, image=image)
    message = refused(may_scale=False)
    assert why in message
    assert "LAB_WORKER_CPUS=0.5 make docker-up NODES=3" in message
    assert docker.asked("up", "down") == []


@pytest.mark.parametrize(
    ("command", "error", "why"),
    [
        (
            "compose up",
            "Bind for 127.0.0.1:8265 failed: port is already allocated",
            "LAB_DASHBOARD_PORT=8266",
        ),
        ("compose up", "no space left on device", "the cluster did not start: no space left on device"),
        (
            "compose exec -T ray-head wait_for_nodes",
            "2 of 3 nodes are ready after 60 s",
            "2 of 3 nodes are ready",
        ),
    ],
)
def test_a_failed_start_leaves_nothing_behind(docker: FakeDocker, command: str, error: str, why: str) -> None:
    """Where a start fails, the message says why, and what was begun is removed; an older cluster is not."""
    docker.answer(command, "", error, 1)
    assert why in refused()
    assert len(docker.asked("down")) == 1
    docker.runs(0.5, 0.5)
    assert why in refused()
    assert len(docker.asked("down")) == 1


def test_a_cluster_that_stays_is_told(docker: FakeDocker) -> None:
    """Where the end does not succeed, the command for it is named."""
    docker.answer("compose down", "", "no", 1)
    with (
        pytest.raises(ClusterError, match=r"was not taken down: no.*make docker-down"),
        compose(3, 0.5, True, 9),
    ):
        assert docker.asked("down") == []


# --- a real one -----------------------------------------------------------------------------------------


def run(*command: str) -> str:
    """Run a command in the project's root that must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def workers() -> list[Any]:
    """Return what Docker knows about the workers that run."""
    ids = run("docker", "compose", "ps", "--quiet", "ray-worker").split()
    return json.loads(run("docker", "inspect", *ids)) if ids else []


@pytest.fixture(scope="module")
def nothing() -> Iterator[None]:
    """Have this process in a compose project of its own, with its image and no cluster."""
    with own_project("control") as compose, compose.entered():
        yield


@pytest.mark.docker
@pytest.mark.usefixtures("nothing")
def test_a_real_cluster_grows_and_ends() -> None:
    """One node is started, a second joins it, each of the asked quota; the one who started ends them all."""
    assert "no compose cluster of this folder runs" in refused(1, 1 / 3, may_scale=False)
    with compose(1, 1 / 3, True, 120.0) as first:
        assert len(workers()) == 1
        with compose(2, 1 / 3, True, 120.0) as second:
            assert (second.address, second.token) == (first.address, first.token)
            assert second.image_id == first.image_id == workers()[0]["Image"]
        quotas = [one["HostConfig"]["NanoCpus"] for one in workers()]
        assert quotas == [pytest.approx(1e9 / 3, rel=1e-6)] * 2
        with compose(2, 1 / 3, False, 120.0) as third:
            assert third.start_seconds < first.start_seconds
        assert "has 2 nodes of 0.333333 cores; this run asks for 2 of 0.5" in refused(2, 0.5, may_scale=False)
    assert run("docker", "compose", "ps", "--all", "--quiet") == ""
    filters = ["--filter", f"label=com.docker.compose.project={os.environ['COMPOSE_PROJECT_NAME']}"]
    assert run("docker", "volume", "ls", "--quiet", *filters) == ""


@pytest.mark.docker
@pytest.mark.usefixtures("nothing")
def test_a_real_taken_port_is_told() -> None:
    """Where someone listens on the dashboard's port, its variable is named and nothing is left."""
    with socket.create_server(("127.0.0.1", int(os.environ["LAB_DASHBOARD_PORT"]))):
        assert "LAB_DASHBOARD_PORT=" in refused(1, 0.25)
    assert run("docker", "compose", "ps", "--all", "--quiet") == ""


def test_a_cluster_of_another_folder_is_refused(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a clone of the same folder name has a cluster, a run neither uses, scales nor ends it.

    Who names the project means that cluster: then its folder is not asked for.
    """
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    labels = {"com.docker.compose.project.working_dir": "/elsewhere/lab"}
    found = [
        {
            "HostConfig": {"NanoCpus": 0},
            "Image": "a",
            "State": {"Running": True},
            "Config": {"Labels": labels},
        }
    ]
    docker.answer("compose ps --quiet ray-head", "one")
    docker.answer("inspect one", json.dumps(found))
    assert "that of /elsewhere/lab: it is not touched" in refused()
    assert docker.asked("up", "down") == []
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "shared")
    with compose(3, 0.5, True, 60.0) as cluster:
        assert cluster is not None
