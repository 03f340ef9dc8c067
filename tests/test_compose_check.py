"""`lab check` on compose clusters: twelve faults planted in containers are named, and a well one is good."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from containers import NODES, ROOT, Compose

from lab.check.lines import Line
from lab.check.run import Checked, check
from lab.clusters.embedded import PINNED_RAY

pytestmark = pytest.mark.docker

MINUTE = 60.0
STORE = 100_000_000
JOIN = "exec ray start --block --disable-usage-stats --address=ray-head:6379 --num-cpus=1"
AHEAD = "import time\nnow = time.time\ntime.time = lambda: now() + 30.0\n"
"""A clock cannot be set in a container: it is planted where Python reads it."""
OTHER_PYTHON = "import platform\nplatform.python_version = lambda: '3.11.99'\n"
"""Ray itself refuses a node whose Python is another: this one joins, and tells of another."""
OTHER_RAY = "2.59.0"
FAULTS = {
    "cpus": "cpus",
    "shm": "object store",
    "files": "limits",
    "nice": "niceness",
    "threads": "threads",
    "clock": "clocks",
    "disk": "disk",
    "python": "versions",
    "cut": "round trip",
}
"""The service that has a fault, and the line that is to name its node."""
FILL = """
left=$(df -B1 --output=avail /tmp | tail -n 1)
head -c $((left - 2000000)) /dev/zero >/tmp/filler
"""


def test_a_cluster_that_is_well_raises_no_alarm(compose_cluster: Compose) -> None:
    """However often it is checked: LAB_CHECKS says how often; each ends within a minute, at about 1 CPU-s."""
    times = int(os.environ.get("LAB_CHECKS", "2"))
    seconds, used = [], []
    with compose_cluster.entered():
        for number in range(times):
            found = check("compose")
            alarms = [one for one in found.lines if one.verdict != "good"]
            assert alarms == [], f"check {number + 1} of {times}"
            seconds.append(found.seconds)
            used.append(found.node_cpu_seconds)
    print(f"{times} checks: {min(seconds):.1f} to {max(seconds):.1f} s, {max(used):.2f} CPU-s a node at most")
    assert max(seconds) < MINUTE


def test_the_command_by_address_with_its_examples(compose_cluster: Compose, tmp_path: Path) -> None:
    """With address and token from the environment: tasks, and jobs by command, over HTTP and from Python."""
    command = [sys.executable, "-m", "lab", "check", "--address", compose_cluster.address, "--nodes"]
    done = subprocess.run(
        [*command, f"{NODES}", "--examples", "--json", "--data", str(tmp_path)],
        cwd=ROOT,
        env=compose_cluster.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    told = {one["name"]: one["verdict"] for one in json.loads(done.stdout)["lines"]}
    examples = ["squares", "additions", "job by command", "job over HTTP", "job from Python"]
    assert [told.get(name) for name in examples] == ["good"] * len(examples), done.stdout + done.stderr
    assert done.returncode == 0, done.stdout
    assert len(list((tmp_path / ".checks").iterdir())) == 1


# --- faults ---------------------------------------------------------------------------------------------


def faulty(folder: Path, ray_version: str) -> dict[str, object]:
    """Return what is added to docker-compose.yml: a service for each fault, each of one container."""
    for name, code in (("clock", AHEAD), ("python", OTHER_PYTHON)):
        (folder / name).mkdir()
        (folder / name / "sitecustomize.py").write_text(code)
    (folder / "_version.py").write_text(f'version = "{OTHER_RAY}"\ncommit = "none"\n')

    def read_by_python(name: str) -> dict[str, object]:
        return {"volumes": [f"{folder / name}:/planted:ro"], "environment": {"PYTHONPATH": "/planted"}}

    store = f"{JOIN} --object-store-memory={STORE}"
    changes: dict[str, dict[str, object]] = {
        "cpus": {"command": ["worker", "ray-head", "4"]},
        "shm": {"shm_size": "64m", "command": ["bash", "-c", store]},
        "files": {"ulimits": {"nofile": {"soft": 1000, "hard": 1000}}},
        "nice": {"environment": {"RAY_worker_niceness": "7"}},
        "threads": {"environment": {"OMP_NUM_THREADS": "8"}},
        "clock": read_by_python("clock"),
        "disk": {"tmpfs": ["/tmp:exec,mode=1777,size=60m"]},
        "python": read_by_python("python"),
        "ray": {"volumes": [f"{folder / '_version.py'}:{ray_version}:ro"]},
        "cut": {"networks": ["apart"]},
    }
    base = {"extends": {"file": str(ROOT / "docker-compose.yml"), "service": "ray-worker"}, "cpus": 1.0}
    services: dict[str, object] = {name: base | change for name, change in changes.items()}
    services["ray-head"] = {"networks": ["default", "apart"]}
    return {"services": services, "networks": {"apart": {}}}


@pytest.fixture(scope="module")
def planted(project: Compose, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Yield a cluster with a node for each fault, in the project of the tests, and leave none of it."""
    folder = tmp_path_factory.mktemp("faults")
    where = "import ray._version; print(ray._version.__file__)"
    ray_version = project.run("docker", "run", "--rm", project.image, "python", "-c", where).strip()
    (folder / "faults.yml").write_text(yaml.safe_dump(faulty(folder, ray_version)))
    down = ["docker", "compose", "down", "--volumes", "--timeout", "1"]
    project.run(*down)
    files = f"{ROOT / 'docker-compose.yml'}{os.pathsep}{folder / 'faults.yml'}"
    environment, settings = dict(project.environment), dict(project.settings)
    project.settings["COMPOSE_FILE"] = project.environment["COMPOSE_FILE"] = files
    try:
        project.run("docker", "compose", "up", "--detach", "--no-build", "--scale", "ray-worker=1")
        # the node with another Ray never comes
        project.run(
            *("docker", "compose", "exec", "-T", "ray-head", "wait_for_nodes", f"{len(FAULTS) + 1}", "120")
        )
        disk = project.containers("disk")[0]["Id"]
        project.inside(disk, "sh", "-c", FILL)
        yield project
    finally:
        project.run(*down)
        project.settings, project.environment = settings, environment


@pytest.fixture(scope="module")
def found(planted: Compose) -> Iterator[Checked]:
    """Yield the check of the cluster with all faults, one of whose nodes is paused meanwhile."""
    (victim,) = [one["Id"] for one in planted.containers("ray-worker")]
    planted.run("docker", "pause", victim)
    try:
        with planted.entered():
            yield check("compose")
    finally:
        planted.run("docker", "unpause", victim)


def line_of(found: Checked, name: str) -> Line:
    """Return a line by its name."""
    (told,) = [one for one in found.lines if one.name == name]
    return told


@pytest.mark.parametrize(("service", "name"), FAULTS.items())
def test_a_fault_of_a_node_is_named(planted: Compose, found: Checked, service: str, name: str) -> None:
    """The line of what is wrong is not good, and names the one node that was planted so."""
    (container,) = planted.containers(service)
    assert found.looked is not None
    (node,) = [one for one in found.looked.nodes if one.hostname == container["Config"]["Hostname"]]
    told = line_of(found, name)
    assert told.verdict != "good", told
    assert node.node_id in told.sentence, told
    assert told.remedy


def test_a_node_with_another_ray_is_named(found: Checked) -> None:
    """Ray does not let it join; its container is named with what its log says of the versions."""
    told = line_of(found, "containers")
    assert told.verdict == "bad"
    assert "ray 1" in told.sentence
    assert f"Ray: {PINNED_RAY}" in told.sentence
    assert f"Ray: {OTHER_RAY}" in told.sentence


def test_a_paused_node_is_named_and_holds_nothing_up(found: Checked) -> None:
    """The check ends within a minute, names container and node, and tells of all others."""
    assert "ray-worker 1 is paused" in line_of(found, "containers").sentence
    assert found.seconds < MINUTE
    assert found.looked is not None
    assert sum(one.condition is not None for one in found.looked.nodes) == len(FAULTS) + 1


def test_a_wrong_token_is_named(planted: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its address the cluster wants the token, and another one is told as that, with where it belongs."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    told = line_of(check("address", planted.address), "token")
    assert (told.verdict, "refuses this token" in told.sentence) == ("bad", True)


def test_no_line_is_wrong_without_a_fault(found: Checked) -> None:
    """Of what was not planted nothing is bad."""
    planted = {*FAULTS.values(), "containers", "nodes", "hosts", "first task", "bandwidth"}
    assert [one for one in found.lines if one.name not in planted and one.verdict != "good"] == []


def test_a_cluster_that_is_not_there_is_told(project: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no head runs the check says so and how to start one."""
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"{project.project}-none")
    (told,) = check("compose").lines
    assert (told.name, told.verdict) == ("reachable", "bad")
    assert "no head of a compose cluster of this folder runs: make docker-up" in told.sentence
