"""The compose cluster as a user meets it: sizes, limits, the token, jobs, scaling and the end."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers import CORES, MEGABYTES, NODES, ROOT, Compose, until

from lab.clusters.embedded import SETTINGS

BUSY = """
import time
began, used = time.monotonic(), time.process_time()
while time.monotonic() - began < 2.0:
    pass
print((time.process_time() - used) / (time.monotonic() - began))
"""

KILL_RAYLET = """
import psutil
(raylet,) = [one for one in psutil.process_iter() if one.name() == "raylet"]
raylet.kill()
"""

LIMITS = """
from lab.measure.node import find_cgroup
found = find_cgroup()
print(found.quota_cores, found.memory_limit_bytes)
"""


# --- the files ------------------------------------------------------------------------------------------


def services() -> dict[str, Any]:
    """Return the services of docker-compose.yml."""
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(content["services"], dict)
    return content["services"]


@pytest.mark.parametrize("name", ["ray-head", "ray-worker"])
def test_containers_have_the_settings_of_the_embedded_ray(name: str) -> None:
    """Ray is set up alike in a container and in this process, so that the two can be compared."""
    wanted = {key: value for key, value in SETTINGS.items() if key != "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}
    assert wanted.items() <= services()[name]["environment"].items()


def test_every_setting_is_documented_with_its_default() -> None:
    """.env.example lists the variables of docker-compose.yml with their defaults, and where the runs are."""
    text = (ROOT / "docker-compose.yml").read_text()
    used = dict(part.split("}")[0].split(":-", 1) for part in text.split("${")[1:])
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line.startswith("#LAB_")]
    documented = dict(line[1:].split("=", 1) for line in lines)
    assert used | {"LAB_DATA": "data"} == documented


def test_the_image_is_given_what_it_needs_and_no_more() -> None:
    """The build context leaves everything out but what is named."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    named = {rule[1:] for rule in rules if rule.startswith("!")}
    files = {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"}
    assert named == {"lab", "examples", "docker", "deploy/slurm"} | files


# --- the targets, with a docker that does as it is told --------------------------------------------------


def make(folder: Path, docker: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder, where `docker` is the given lines of shell, then a version."""
    fake = folder / "bin" / "docker"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{docker}\necho 2.26.1\n")
    fake.chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    environment["PATH"] = f"{fake.parent}{os.pathsep}{environment['PATH']}"
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("target", ["build", "docker-build", "docker-up", "docker-token", "docker-down"])
def test_a_missing_engine_is_told(tmp_path: Path, target: str) -> None:
    """Where no Docker engine answers, each target says so and what to do, with Docker's own words."""
    done = make(tmp_path, 'case $1 in info) echo "permission denied" >&2; exit 1;; esac', target)
    assert done.returncode != 0
    assert "permission denied" in done.stderr
    assert "No Docker engine answers. Start it" in done.stderr


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """Where the dashboard's port is taken, nothing is left running and the way out is named."""
    said = "Bind for 127.0.0.1:8265 failed: port is already allocated"
    docker = f'echo "$*" >>asked; case "$*" in *" up "*) echo "{said}" >&2; exit 1;; esac'
    done = make(tmp_path, docker, "docker-up")
    assert done.returncode != 0
    assert said in done.stderr
    assert "LAB_DASHBOARD_PORT=8266 make docker-up" in done.stderr
    assert (tmp_path / "asked").read_text().splitlines()[-1] == "compose down"


def test_a_token_without_a_cluster_is_told(tmp_path: Path) -> None:
    """Where no head runs, there is no token, but the command that starts one."""
    done = make(tmp_path, 'case "$*" in *exec*) echo "not running" >&2; exit 1;; esac', "docker-token")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "No cluster of this folder runs: make docker-up" in done.stderr


# --- a real cluster -------------------------------------------------------------------------------------


@pytest.fixture
def cluster(compose_cluster: Compose) -> Compose:
    """Return the shared cluster of five nodes."""
    return compose_cluster


@pytest.mark.docker
def test_there_are_five_nodes_and_a_head_that_runs_nothing(cluster: Compose) -> None:
    """Five nodes have the CPUs that they were given; the head is alive and has none."""
    assert sorted(node.get("CPU", 0.0) for node in cluster.nodes().values()) == [0.0] + [1.0] * NODES
    (head,) = [node for node in cluster.nodes().values() if "node:__internal_head__" in node]
    assert "CPU" not in head


@pytest.mark.docker
def test_the_object_store_fits_into_the_shared_memory(cluster: Compose) -> None:
    """No node's object store is larger than its shared memory, where it would move to the disk."""
    (size,) = {one["HostConfig"]["ShmSize"] for one in cluster.containers("ray-worker")}
    stores = [node["object_store_memory"] for node in cluster.nodes().values() if "CPU" in node]
    assert all(0.85 * size < store < size for store in stores), (size, stores)


@pytest.mark.docker
def test_the_limits_are_in_force_on_every_node(cluster: Compose) -> None:
    """A node sees its limits in its cgroup, and a busy loop gets no more of a core than the quota."""
    for name in (one["Name"].strip("/") for one in cluster.containers("ray-worker")):
        assert cluster.inside(name, "python", "-c", LIMITS).split() == [str(CORES), str(MEGABYTES * 2**20)]
        # one node after the other, so that the machine has enough for each, whatever else it does
        share = float(cluster.inside(name, "python", "-c", BUSY))
        assert 0.4 * CORES < share < 1.15 * CORES


@pytest.mark.docker
def test_requests_need_the_token(cluster: Compose) -> None:
    """The jobs API answers 401 without a token, 403 with a wrong one, and 200 with the right one."""
    token = cluster.token()
    assert [cluster.ask("/api/jobs/", one)[0] for one in (None, "0" * 64, token)] == [401, 403, 200]
    status, _ = cluster.ask("/api/jobs/", None, {"entrypoint": "echo refused"})
    assert status == 401


@pytest.mark.docker
def test_nothing_but_one_port_of_loopback_is_published(cluster: Compose) -> None:
    """Of all containers' ports this machine listens on one, for itself only."""
    published = [
        (port, one["HostIp"])
        for container in cluster.containers()
        for port, bindings in container["NetworkSettings"]["Ports"].items()
        for one in bindings or ()
    ]
    assert published == [("8265/tcp", "127.0.0.1")]


@pytest.mark.docker
def test_containers_may_do_little(cluster: Compose) -> None:
    """Nothing runs as root, holds a capability, or writes outside /tmp; workers cannot change the token."""
    for container in cluster.containers():
        name = container["Name"]
        assert cluster.inside(name.strip("/"), "id", "-u") == "10001\n"
        status = cluster.inside(name.strip("/"), "grep", "-E", "CapBnd|NoNewPrivs", "/proc/1/status").split()
        assert status == ["CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
        mounts = {one["Destination"]: one["RW"] for one in container["Mounts"]}
        assert mounts == {"/run/ray-token": "worker" not in name}
        assert container["HostConfig"]["ReadonlyRootfs"]


@pytest.mark.docker
def test_the_token_is_on_its_volume_only(cluster: Compose) -> None:
    """The token, fit for the owner's eyes alone, is in no image, setting, command or log."""
    head = cluster.containers("ray-head")[0]["Name"].strip("/")
    assert cluster.inside(head, "stat", "-c", "%a %U", "/run/ray-token/token") == "600 lab\n"
    token = cluster.token()
    assert len(token) == 64
    told = json.dumps(cluster.containers())
    told += cluster.run("docker", "image", "inspect", cluster.image)
    told += cluster.run("docker", "history", "--no-trunc", cluster.image)
    told += cluster.run("docker", "compose", "logs")
    told += cluster.inside(head, "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert token not in told
    assert cluster.run("docker", "run", "--rm", cluster.image, "ls", "/run/ray-token") == ""


@pytest.mark.docker
def test_the_image_is_small_and_holds_what_is_pinned(cluster: Compose) -> None:
    """The image has at most 800 MB, packages of requirements.lock only, and nothing else of this folder."""
    size = int(cluster.run("docker", "image", "inspect", "--format", "{{.Size}}", cluster.image))
    assert size <= 800e6
    head = cluster.containers("ray-head")[0]["Name"].strip("/")
    installed = set(cluster.inside(head, "pip", "list", "--format=freeze").lower().replace("_", "-").split())
    pinned = {line.split(" ;")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {one.split("==")[0] for one in installed - pinned} == {"pip", "ray-scaling-lab"}
    assert set(cluster.inside(head, "ls", "-A", "/opt/source").split()) == {
        "LICENSE",
        "README.md",
        "lab",
        "pyproject.toml",
        "requirements.lock",
    }


@pytest.mark.docker
def test_all_packages_of_the_image_are_listed(project: Compose) -> None:
    """`make sbom` lists each package of Debian and of Python once, with its version and its package URL."""
    inside = ["docker", "run", "--rm", "--interactive", "--network=none", "--entrypoint"]
    script = (ROOT / "docker" / "sbom.py").read_text()
    command = [*inside, "python", project.image, "-", project.image]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == ("CycloneDX", project.image)
    urls = [one["purl"] for one in listed["components"]]
    assert len(urls) == len(set(urls))
    python = project.run(*inside, "pip", project.image, "list", "--format=freeze").split()
    debian = project.run(*inside, "dpkg-query", project.image, "-W").splitlines()
    assert len(urls) == len(python) + len(debian)
    pinned = {line.split(" ;")[0].replace("==", "@") for line in (ROOT / "requirements.lock").open()}
    told = {url.removeprefix("pkg:pypi/") for url in urls if url.startswith("pkg:pypi/")}
    assert {one.split("@")[0] for one in told - {one.strip() for one in pinned}} == {"pip", "ray-scaling-lab"}


@pytest.mark.docker
def test_the_image_runs_the_same_code(cluster: Compose) -> None:
    """The digest of the code that measures is the same inside and outside."""
    from lab.measure.environment import code_facts

    script = "from lab.measure.environment import code_facts; print(code_facts()['digest'])"
    head = cluster.containers("ray-head")[0]["Name"].strip("/")
    assert cluster.inside(head, "python", "-c", script).strip() == code_facts()["digest"]


@pytest.mark.docker
def test_a_node_whose_ray_dies_comes_back(cluster: Compose) -> None:
    """Where a raylet is killed, its node counts as dead within 15 s and its container starts a new one."""
    before = set(cluster.nodes())
    name = cluster.containers("ray-worker")[0]["Name"].strip("/")
    cluster.inside(name, "python", "-c", KILL_RAYLET)
    until(lambda: not before <= set(cluster.nodes()), 15)
    until(lambda: len(cluster.nodes()) == NODES + 1, 60)
    assert len(set(cluster.nodes()) - before) == 1


@pytest.mark.docker
def test_every_container_becomes_healthy(cluster: Compose) -> None:
    """The health checks, which ask Ray, come to say that all is well."""
    until(lambda: {one["State"]["Health"]["Status"] for one in cluster.containers()} == {"healthy"}, 60)


@pytest.mark.docker
def test_a_check_of_a_well_node_rests_first(cluster: Compose) -> None:
    """Asked by hand it answers at once; asked as Docker does it, it rests where the last answer was good."""
    name = cluster.containers("ray-worker")[0]["Name"].strip("/")
    took = []
    for rest in ((), ("5",)):
        began = time.monotonic()
        cluster.inside(name, "healthy", "worker", *rest)
        took.append(time.monotonic() - began)
    assert took[1] >= 5
    assert took[0] < took[1]
    for service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values():
        check = service["healthcheck"]
        # a rest is no hang, and what Ray's answer may take comes on top of it
        assert int(check["timeout"].removesuffix("s")) >= int(check["test"][-1]) + 10


@pytest.mark.parametrize("target", ["docker-up", "docker-token", "docker-down"])
def test_a_cluster_of_another_folder_is_not_touched(tmp_path: Path, target: str) -> None:
    """Two clones whose folders have one name have one project: the other's cluster is left alone."""
    docker = 'echo "$*" >>asked; case "$*" in inspect*) echo /elsewhere/lab; exit 0;; esac'
    done = make(tmp_path, docker, target)
    assert done.returncode != 0
    assert "that of /elsewhere/lab: it is not touched" in done.stderr
    assert "COMPOSE_PROJECT_NAME" in done.stderr
    asked = (tmp_path / "asked").read_text()
    assert not re.search("compose (up|down|exec)", asked)


def test_a_setting_of_env_counts_for_make_as_for_compose(tmp_path: Path) -> None:
    """.env is read where the shell has no such variable, with quotes and comments as compose reads them."""
    (tmp_path / ".env").write_text("# of mine\nLAB_IMAGE_TAG=\"mine\"\nLAB_DATA='my data' # elsewhere\n")
    (tmp_path / "more.mk").write_text('include Makefile\nshow:\n\t@echo "$(image) of $$LAB_DATA"\n')
    done = make(tmp_path, "", "-f", "more.mk", "show")
    assert done.stdout.strip() == "ray-scaling-lab:mine of my data"
    shutil.rmtree(tmp_path / "bin")
    done = make(tmp_path, "", "-f", "more.mk", "show", "LAB_IMAGE_TAG=shell")
    assert done.stdout.strip() == "ray-scaling-lab:shell of my data"
