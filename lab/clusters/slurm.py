"""The nodes of a Slurm allocation as a cluster: a Ray that `srun` starts on them, and that ends with the run.

`ray symmetric-run` is not used: it ends every Ray of the user on a machine, that of another job too,
refuses to start beside one, and gives the nodes 30 s. One Ray over the allocation serves all sizes up to it.
"""

import contextlib
import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import psutil

from lab.clusters.attached import Cluster
from lab.clusters.by_command import RAY, end_node
from lab.clusters.embedded import SETTINGS, connected, in_process
from lab.clusters.slurm_job import (
    Allocation,
    address_of,
    allocation,
    ask,
    ended_with_job,
    no_more,
    stop_where_taken,
)
from lab.errors import ClusterError, TokenError
from lab.measure.node_watch import NodeWatch

ON_NODES = SETTINGS | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
"""Ray's settings where nodes are reached by an address of their own."""
POLL_SECONDS = 0.2
FIRST_PORT, PORTS, JOBS = 10000, 400, 50
"""Each job has so many ports, by its id: jobs that share a machine do not take each other's."""
NAMED_PORTS = (
    "--port",
    "--ray-client-server-port",
    "--node-manager-port",
    "--object-manager-port",
    "--runtime-env-agent-port",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
    "--metrics-export-port",
)
OF_HEAD = NAMED_PORTS[:2]
AGAIN_SECONDS = 60.0
"""After so long a node without a Ray gets another. A raylet of Ray 2.60 ends itself where its agent, which
imports a lot, takes over 15 s to begin: on a node with little time, or at a first import from a shared disk.
"""
ASKED = 'test -x "$0" && exec "$0" -c "$@"; echo "$(hostname)|no Python|"'
"""For a shell: a node that lacks the environment says so itself."""
PROBE = """
import importlib.metadata, os, socket, sys
node = socket.gethostname()
try:
    ray = importlib.metadata.version("ray")
except importlib.metadata.PackageNotFoundError:
    ray = ""
print(node, "file" if os.access(sys.argv[1], os.R_OK) else "none", ray, sep="|")
"""


def ports(job: int) -> tuple[int, ...]:
    """Return a job's ports, those of NAMED_PORTS and then those of workers."""
    first = FIRST_PORT + job % JOBS * PORTS
    return tuple(range(first, first + PORTS))


@contextlib.contextmanager
def token_file(folder: Path, job: int) -> Iterator[Path]:
    """Have the token of this process in a file that its owner alone can read, for the other nodes.

    Raises `TokenError` where others can read it, as on a file system that keeps no modes.
    """
    path = folder / f".slurm-{job}.token"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        _refuse_open(path)
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(os.environ["RAY_AUTH_TOKEN"])
    try:
        _refuse_open(path)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _refuse_open(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise TokenError(
            f"the token file {path.name} in {path.parent.name} can be read by others (mode {mode:o}), and "
            "whoever has the token may run anything: remove it, and keep data/ where files have modes"
        )


@contextlib.contextmanager
def slurm(
    nodes: int, megabytes: int, wait_seconds: float, folder: Path, run_id: str
) -> Iterator[tuple[Cluster, Callable[[], None]]]:
    """Start Ray on all nodes of the allocation; `folder` is one that all of them share.

    Yields it, and what raises `KeyboardInterrupt` where Slurm is taking the nodes away.
    Raises `ClusterError` where there is no allocation, too small a one, or one that Ray cannot start on.
    """
    began, found = time.monotonic(), allocation(os.environ, nodes)
    address = address_of(found.hosts[0])
    with in_process(ON_NODES), contextlib.ExitStack() as undo:
        token = undo.enter_context(token_file(folder, found.job))
        log = folder / f".slurm-{found.job}.log"
        undo.callback(log.unlink, missing_ok=True)
        undo.enter_context(ended_with_job(found.job, run_id, (token, log)))
        _refuse_unfit(found, token, folder)
        path = f"{RAY.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        variables = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token), "PATH": path}
        del variables["RAY_AUTH_TOKEN"]
        deadline, gcs = began + wait_seconds, f"{address}:{ports(found.job)[0]}"
        options = ["--head", f"--node-ip-address={address}", "--include-dashboard=false"]
        head = _ray_start(found, [*options, *_named(found.job, OF_HEAD)], megabytes)
        begin = partial(_begun, head, variables, log)
        node = undo.enter_context(_connected(gcs, address, begin, deadline, log))
        # Ray has put one of its own there
        signal.signal(signal.SIGTERM, no_more)
        cluster = Cluster("slurm", time.monotonic() - began, NodeWatch(lambda: _tree(node)))
        start = _ray_start(found, [f"--address={gcs}"], megabytes)
        while True:
            if missing := _without_ray(found.hosts):
                step = _srun(found, len(missing), f"--nodelist={','.join(missing)}")
                undo.callback(end_node, _begun([*step, *start], variables, log))
            with contextlib.suppress(ClusterError):
                cluster.need(nodes, min(AGAIN_SECONDS, wait_seconds))
                break
            if time.monotonic() > deadline:
                there = f"{len(cluster.workers_on())} of {nodes} nodes after {wait_seconds:g} s"
                raise ClusterError(f"Ray is on {there}, and says: {_last_words(log)}")
        cluster.start_seconds = time.monotonic() - began
        yield cluster, partial(stop_where_taken, found.job)


def _without_ray(hosts: Sequence[str]) -> list[str]:
    """Return the hosts that no node of this Ray is on."""
    import ray

    there = {one["NodeManagerAddress"] for one in ray.nodes() if one["Alive"]}
    return [one for one in hosts if address_of(one) not in there]


def _tree(node: psutil.Popen) -> tuple[psutil.Process, ...]:
    with contextlib.suppress(psutil.Error):
        return (node, *(one for one in node.children(recursive=True) if "ray::" not in one.name()))
    return ()


def _begun(command: Sequence[str], variables: Mapping[str, str], log: Path) -> psutil.Popen:
    with log.open("a") as said:
        return psutil.Popen(command, env=variables, stdout=said, stderr=subprocess.STDOUT)


def _named(job: int, names: Sequence[str]) -> list[str]:
    return [f"{name}={ports(job)[NAMED_PORTS.index(name)]}" for name in names]


def _ray_start(found: Allocation, options: Sequence[str], megabytes: int) -> list[str]:
    mine = ports(found.job)
    return [
        *(str(RAY), "start", "--block", "--disable-usage-stats", "--log-color=false"),
        *(f"--num-cpus={found.cpus}", f"--object-store-memory={megabytes * 10**6}"),
        *_named(found.job, NAMED_PORTS[len(OF_HEAD) :]),
        *(f"--min-worker-port={mine[len(NAMED_PORTS)]}", f"--max-worker-port={mine[-1]}"),
        *options,
    ]


def _srun(found: Allocation, nodes: int, *options: str) -> list[str]:
    """Return the words that run a command once on so many nodes, with all CPUs that the job has there."""
    per_node = [
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={found.cpus}",
    ]
    return ["srun", f"--jobid={found.job}", "--overlap", "--cpu-bind=none", *per_node, *options]


def _refuse_unfit(found: Allocation, token: Path, folder: Path) -> None:
    """Raise `ClusterError` for a node that lacks this Ray, or does not see the folder of the rows."""
    said = ask([*_srun(found, len(found.hosts)), "sh", "-c", ASKED, sys.executable, PROBE, str(token)])
    here = importlib.metadata.version("ray")
    for line in said.splitlines():
        node, sees, there = [*line.split("|"), "", ""][:3]
        if sees == "none":
            raise ClusterError(
                f"the node {node} does not see {folder.name}/, where the rows and the token are: have it "
                "on a file system that all nodes share, or name one with --data"
            )
        if there != here:
            raise ClusterError(
                f"the node {node} has {f'Ray {there}' if there else 'no Ray'} in "
                f"{Path(sys.executable).parent.parent.name}/ in place of {here}: set it up where "
                "all nodes see it, or alike on each; or leave the node out (sbatch --exclude)"
            )


@contextlib.contextmanager
def _connected(
    gcs: str, address: str, begin: Callable[[], psutil.Popen], deadline: float, log: Path
) -> Iterator[psutil.Popen]:
    """Start the head, again where it does not come up, and connect to it; yields it.

    Raises `ClusterError` with what it said where it is not there in time.
    """
    with contextlib.ExitStack() as undo:
        head = begin()
        undo.callback(lambda: end_node(head))
        while True:
            try:
                socket.create_connection((address, int(gcs.rpartition(":")[2])), 1.0).close()
                undo.enter_context(connected(address=gcs, _node_ip_address=address))
                break
            except (OSError, ClusterError) as error:
                if time.monotonic() > deadline:
                    told = f"Ray's head does not come up: {error}; it says: {_last_words(log)}"
                    raise ClusterError(told) from None
            if head.poll() is not None:
                head = begin()
            time.sleep(POLL_SECONDS)
        yield head


def _last_words(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").split())[-300:]
