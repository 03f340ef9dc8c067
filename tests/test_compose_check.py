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
from lab.check.run import Checked, check, table
from lab.clusters.embedded import PINNED_RAY

pytestmark = pytest.mark.docker

MINUTE = 60.0
CHECKS = int(os.environ.get("LAB_CHECKS", "1"))
STORE = 100_000_000
JOIN = "exec ray start --block --disable-usage-stats --address=ray-head:6379 --num-cpus=1"
AHEAD = "import time\nnow = time.time\ntime.time = lambda: now() + 30.0\n"
"""A clock cannot be set in a container: it is planted where Python reads it."""
OTHER_PYTHON = "import platform\nplatform.python_version = lambda: '3.11.99'\n"
"""Ray itself refuses a node whose Python is another: this one joins, and tells of another."""
OTHER_RAY = "2.59.0"
FAULTS = {
    "cpus": "tight",
    "limits": "tight",
    "niceness": "tight",
    "threads": "tight",
    "object store": "full",
    "disk": "full",
    "clocks": "strange",
    "versions": "strange",
    "round trip": "cut",
}
"""The line that is to name a node, and the service whose node has that fault, beside others."""
STEPS = (("ray-worker",), ("tight", "full"), ("strange", "cut"))
"""What is started at once: a node that starts among too many others gives up."""
FILL = """
left=$(df -B1 --output=avail /tmp | tail -n 1)
head -c $((left - 2000000)) /dev/zero >/tmp/filler
"""


@pytest.mark.timeout(120 + 60 * CHECKS)
def test_a_cluster_that_is_well_raises_no_alarm(compose_cluster: Compose) -> None:
    """However often it is checked (LAB_CHECKS=50): each ends within a minute, at about 1 CPU-s a node."""
    seconds, used, alarms = [], [], list[Line]()
    with compose_cluster.entered():
        for _ in range(CHECKS):
            found = check("compose")
            alarms += [one for one in found.lines if one.verdict != "good"]
            seconds.append(found.seconds)
            used.append(found.node_cpu_seconds)
    print(
        f"{CHECKS} checks: {min(seconds):.1f} to {max(seconds):.1f} s, at most {max(used):.2f} CPU-s a node, "
        f"{len(alarms)} alarms"
    )
    assert alarms == []
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
    """Return what is added to docker-compose.yml: services of one container each, with faults."""
    (folder / "strange").mkdir()
    (folder / "strange" / "sitecustomize.py").write_text(AHEAD + OTHER_PYTHON)
    (folder / "_version.py").write_text(f'version = "{OTHER_RAY}"\ncommit = "none"\n')
    changes: dict[str, dict[str, object]] = {
        "tight": {
            "command": ["worker", "ray-head", "4"],
            "ulimits": {"nofile": {"soft": 1000, "hard": 1000}},
            "environment": {"RAY_worker_niceness": "7", "OMP_NUM_THREADS": "8"},
        },
        "full": {
            "shm_size": "64m",
            "tmpfs": ["/tmp:exec,mode=1777,size=200m"],
            "command": ["bash", "-c", f"{JOIN} --object-store-memory={STORE}"],
        },
        "strange": {
            "volumes": [f"{folder / 'strange'}:/planted:ro"],
            "environment": {"PYTHONPATH": "/planted"},
        },
        "cut": {"networks": ["far"]},
        "ray": {"volumes": [f"{folder / '_version.py'}:{ray_version}:ro"]},
    }
    base = {"extends": {"file": str(ROOT / "docker-compose.yml"), "service": "ray-worker"}, "cpus": 1.0}
    services: dict[str, object] = {name: base | change for name, change in changes.items()}
    services["ray-head"] = {"networks": ["default", "far"]}
    return {"services": services, "networks": {"far": {}}}


@pytest.fixture(scope="module")
def planted(project: Compose, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Yield a cluster with nodes that have faults, in the project of the tests, and leave none of it."""
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
        nodes = 0
        for services in STEPS:
            nodes += len(services)
            project.run("docker", "compose", "up", "--detach", "--no-build", *services)
            project.run("docker", "compose", "exec", "-T", "ray-head", "wait_for_nodes", f"{nodes}", "120")
        project.run("docker", "compose", "up", "--detach", "--no-build", "ray")
        project.inside(project.containers("full")[0]["Id"], "sh", "-c", FILL)
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
            found = check("compose")
        print(f"\n{table(found)}")
        yield found
    finally:
        planted.run("docker", "unpause", victim)


def line_of(found: Checked, name: str) -> Line:
    """Return a line by its name."""
    (told,) = [one for one in found.lines if one.name == name]
    return told


@pytest.mark.parametrize(("name", "service"), FAULTS.items())
def test_a_fault_of_a_node_is_named(planted: Compose, found: Checked, name: str, service: str) -> None:
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
    # the head, and all but the one that is paused
    assert sum(one.condition is not None for one in found.looked.nodes) == len(sum(STEPS, ()))


def test_a_wrong_token_is_named(planted: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its address the cluster wants the token, and another one is told as that, with where it belongs."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    told = line_of(check("address", planted.address), "token")
    assert (told.verdict, "refuses this token" in told.sentence) == ("bad", True)


def test_no_line_is_wrong_without_a_fault(found: Checked) -> None:
    """Of what was not planted nothing is bad."""
    planted = {*FAULTS, "containers", "nodes", "hosts", "first task", "bandwidth"}
    assert [one for one in found.lines if one.name not in planted and one.verdict != "good"] == []


def test_a_cluster_that_is_not_there_is_told(project: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no head runs the check says so and how to start one."""
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"{project.project}-none")
    (told,) = check("compose").lines
    assert (told.name, told.verdict) == ("reachable", "bad")
    assert "no head of a compose cluster of this folder runs: make docker-up" in told.sentence
