"""Every port that listens in the containers, why it is there, and what it tells whoever has no token."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from containers import MEGABYTES, ROOT, Compose
from test_compose import services

PROBE = Path(__file__).with_name("probe.py").read_text()
LISTENING = """
import json, psutil
told = {one.pid: " ".join(one.cmdline()).strip() for one in psutil.process_iter()}
found = [one for one in psutil.net_connections("inet") if one.status == "LISTEN"]
print(json.dumps([(one.laddr.ip, one.laddr.port, told.get(one.pid, "")) for one in found]))
"""

EVERYWHERE = {
    r"raylet/raylet": "the node itself: leases of workers, and objects that other nodes fetch",
    r"ray::DashboardAgent": "the node's agent: its health, the jobs and logs on it",
    r"ray::RuntimeEnvAgent": "puts a job's files where its workers find them",
    r"ray::|lab\.experiment\.job": "a worker or a driver: it is handed tasks and asked for results",
}
"""What listens in every container, by the process; why it is there."""
ON_HEAD = EVERYWHERE | {
    r"gcs/gcs_server": "the cluster's table of nodes and actors, which all nodes ask",
    r"dashboard/dashboard\.py": "the dashboard and the jobs API, which the lab speaks to",
    r"ray\.util\.client\.server": "the Ray Client, for scripts that connect with ray://",
}
DOCKER_DNS = "127.0.0.11"
"""Docker's own resolver of names, in every container of a network."""
OPEN = {
    "/api/healthz": "health of a node, as Kubernetes asks for it",
    "/api/gcs_healthz": "health of the head, as its container asks for it",
    "/api/local_raylet_healthz": "health of a node, as its container asks for it",
    "/grpc.health.v1.Health/Check": "health, as nodes ask it of one another",
}
"""What is answered without the token; the head's page is without data, which it asks for with the token."""
PAGE = "/"


@pytest.mark.parametrize("name", ["ray-head", "ray-worker"])
def test_containers_have_limits(name: str) -> None:
    """Processes, memory with swap, and logs have limits in docker-compose.yml, for each service."""
    found = services()[name]
    assert found["pids_limit"] == 4096
    assert found["memswap_limit"] == found["mem_limit"]
    assert found["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.fixture
def cluster(compose_cluster: Compose) -> Compose:
    """Return the shared cluster of five nodes."""
    return compose_cluster


@pytest.mark.docker
def test_the_limits_of_containers_are_in_force(cluster: Compose) -> None:
    """Docker holds the limits; Ray's own processes and threads are far below theirs."""
    for one in cluster.containers():
        host, name = one["HostConfig"], one["Name"].strip("/")
        assert host["PidsLimit"] == 4096
        assert host["MemorySwap"] == host["Memory"]
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
        if "worker" in name:
            assert host["Memory"] == MEGABYTES * 2**20
        threads = cluster.inside(name, "sh", "-c", "cat /proc/[0-9]*/task/*/comm | wc -l")
        assert int(threads) < 4096 / 4


def listening(cluster: Compose, name: str) -> list[tuple[str, int, str]]:
    """Return address, port and process of all that listens in a container."""
    return [tuple(one) for one in json.loads(cluster.inside(name, "python", "-c", LISTENING))]


@pytest.mark.docker
def test_every_port_that_listens_has_a_reason(cluster: Compose) -> None:
    """Head and workers listen where the list above says why, and nowhere else; no port is for metrics."""
    for one in cluster.containers():
        name = one["Name"].strip("/")
        reasons = ON_HEAD if "head" in name else EVERYWHERE
        found = [each for each in listening(cluster, name) if each[0] != DOCKER_DNS]
        unknown = [each for each in found if not any(re.search(known, each[2]) for known in reasons)]
        assert unknown == []
        assert {port for _, port, _ in found} & {44217, 44227} == set()
        for known in list(reasons)[:3]:
            assert any(re.search(known, told) for *_, told in found), known


def check_told(said: dict[str, dict[str, int | str]]) -> None:
    """Raise where a port tells anything but its health without the token."""
    for where, answers in said.items():
        told = {name for name, answer in answers.items() if answer in (200, "OK")}
        page = {PAGE} if where.endswith(":8265") else set()
        assert told <= OPEN.keys() | page, where
        refused = {answer for name, answer in answers.items() if name not in told}
        assert refused <= {401, 403, 404, "UNAUTHENTICATED", "UNIMPLEMENTED"}, where
        assert refused & {401, 403, "UNAUTHENTICATED"}, where


def ports_of(cluster: Compose) -> list[str]:
    """Return address and port of all that listens on the network, in the head and in one worker."""
    found = []
    for service in ("ray-head", "ray-worker"):
        one = cluster.containers(service)[0]
        (network,) = one["NetworkSettings"]["Networks"].values()
        ports = {
            port for ip, port, _ in listening(cluster, one["Name"].strip("/")) if not ip.startswith("127.")
        }
        found += [f"{network['IPAddress']}:{port}" for port in sorted(ports)]
    return found


def probed(*command: str) -> dict[str, dict[str, int | str]]:
    """Return what the ports answer to the probe that a command runs."""
    done = subprocess.run(command, input=PROBE, capture_output=True, text=True, timeout=200, check=True)
    found: dict[str, dict[str, int | str]] = json.loads(done.stdout)
    return found


@pytest.mark.docker
def test_nothing_answers_without_the_token(cluster: Compose) -> None:
    """Asked from another container of the network, from the host, and from a container outside of it.

    On the network each port is reached, and refuses; from outside none is reached but the published one.
    """
    ports, published = ports_of(cluster), cluster.address.removeprefix("http://")
    run = ["docker", "run", "--rm", "--interactive", "--entrypoint", "python"]
    beside = probed(*run, "--network", f"{cluster.project}_default", cluster.image, "-", *ports)
    check_told(beside)
    # what a process of the moment listened on may have ended since
    assert sum(map(bool, beside.values())) >= len(ports) - 2
    check_told({where: told for where, told in probed(sys.executable, "-", *ports).items() if told})
    host = probed(sys.executable, "-", published)
    check_told({"host:8265": host[published]})
    outside = probed(*run, cluster.image, "-", *ports)
    assert not any(outside.values()), outside


def test_no_kind_of_cluster_has_ports_of_metrics() -> None:
    """The ports of metrics, which ask for no token, are closed on every kind of cluster."""
    deployed = ("values.yaml", "rayjob.yaml")
    for file in ("docker-compose.yml", "book/clusters.md", *(f"deploy/kuberay/{one}" for one in deployed)):
        text = (ROOT / file).read_text()
        assert "AUTOSCALER_METRIC_PORT" in text
        assert "DASHBOARD_METRIC_PORT" in text
