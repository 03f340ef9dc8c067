"""The nodes of a Slurm allocation as a cluster: a Ray that `srun` starts on them, and that ends with the run.

`ray symmetric-run` is not used: it ends every Ray of the user on a machine, that of another job too,
refuses to start beside one, and gives the nodes 30 s. One Ray over the allocation serves all sizes up to it.
"""

import contextlib
import dataclasses
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from lab.clusters.attached import Cluster
from lab.clusters.by_command import RAY, end_node
from lab.clusters.embedded import SETTINGS, connected, in_process
from lab.errors import ClusterError, TokenError
from lab.measure.node_watch import NodeWatch

ON_NODES = SETTINGS | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
"""Ray's settings where nodes are reached by an address of their own."""
ASK_SECONDS, READY_SECONDS, POLL_SECONDS = 60.0, 60.0, 0.2
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
PROBE = """
import importlib.metadata, os, socket, sys
node = socket.gethostname()
try:
    ray = importlib.metadata.version("ray")
except importlib.metadata.PackageNotFoundError:
    ray = ""
print(node, "file" if os.access(sys.argv[1], os.R_OK) else "none", ray, sep="|")
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Allocation:
    """What Slurm has given to this job: its id, the names of its nodes, and the CPUs of the smallest."""

    job: int
    hosts: tuple[str, ...]
    cpus: int


def allocation(variables: Mapping[str, str], nodes: int) -> Allocation:
    """Return the allocation that this process is in; raises `ClusterError` where it does not hold so many."""
    job, listed = variables.get("SLURM_JOB_ID", ""), variables.get("SLURM_JOB_NODELIST", "")
    if not job.isdigit() or not listed:
        raise ClusterError(
            "this is no job of Slurm (SLURM_JOB_ID is not set): submit one, sbatch deploy/slurm/run.sbatch "
            "my_job.py:work --items my_job.py:items --nodes 1,2,4"
        )
    hosts = tuple(_ask(["scontrol", "show", "hostnames", listed]).split())
    if len(hosts) < nodes:
        raise ClusterError(
            f"nodes is up to {nodes}, and job {job} has {len(hosts)}: ask Slurm for more (sbatch "
            f"--nodes={nodes}), or the lab for fewer (--nodes {','.join(map(str, range(1, len(hosts) + 1)))})"
        )
    if socket.gethostname().partition(".")[0] not in {one.partition(".")[0] for one in hosts}:
        raise ClusterError(
            f"job {job} does not run on this machine: begin the run within it, by sbatch, or srun --pty bash"
        )
    # such as 4(x3),2: three nodes with 4 CPUs, one with 2
    counts = [int(one) for one in re.findall(r"(\d+)(?:\(x\d+\))?", variables["SLURM_JOB_CPUS_PER_NODE"])]
    return Allocation(int(job), hosts, min(counts))


def ports(job: int) -> tuple[int, ...]:
    """Return a job's ports, those of NAMED_PORTS and then those of workers."""
    first = FIRST_PORT + job % JOBS * PORTS
    return tuple(range(first, first + PORTS))


def address_of(host: str) -> str:
    """Return the address that other nodes reach a node by; raises `ClusterError` where there is none."""
    try:
        found = socket.gethostbyname(host)
    except OSError as error:
        raise ClusterError(
            f"the node {host} has no address here ({error}): ask who runs the cluster"
        ) from None
    if found.startswith("127."):
        raise ClusterError(
            f"the name {host} leads to {found} on itself, where no other node reaches it: its /etc/hosts "
            "must name the address of its network"
        )
    return found


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
def slurm(nodes: int, megabytes: int, wait_seconds: float, folder: Path) -> Iterator[Cluster]:
    """Start Ray on all nodes of the allocation, and yield it; `folder` is one that all of them share.

    Raises `ClusterError` where there is no allocation, too small a one, or one that Ray cannot start on.
    """
    began, found = time.monotonic(), allocation(os.environ, nodes)
    address = address_of(found.hosts[0])
    with in_process(ON_NODES), contextlib.ExitStack() as undo:
        token = undo.enter_context(token_file(folder, found.job))
        _refuse_unfit(found, token, folder)
        path = f"{RAY.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        variables = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token), "PATH": path}
        del variables["RAY_AUTH_TOKEN"]
        log = folder / f".slurm-{found.job}.log"
        undo.callback(log.unlink, missing_ok=True)
        head = [f"--node-ip-address={address}", "--head", "--include-dashboard=false"]
        node = _begun(_ray_start(found, [*head, *_named(found.job, OF_HEAD)], megabytes), variables, log)
        undo.callback(end_node, node)
        gcs = f"{address}:{ports(found.job)[0]}"
        _await_head(address, ports(found.job)[0], log)
        if len(found.hosts) > 1:
            others = len(found.hosts) - 1
            step = _srun(found, others, "--relative=1")
            start = _ray_start(found, [f"--address={gcs}"], megabytes)
            undo.callback(end_node, _begun([*step, *start], variables, log))
        undo.enter_context(connected(address=gcs, _node_ip_address=address))
        cluster = Cluster("slurm", time.monotonic() - began, NodeWatch(lambda: _tree(node)))
        cluster.need(nodes, wait_seconds)
        cluster.start_seconds = time.monotonic() - began
        yield cluster


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
    """Raise `ClusterError` for a node that lacks Ray, or does not see the folder of the rows."""
    said = _ask([*_srun(found, len(found.hosts)), sys.executable, "-c", PROBE, str(token)])
    for line in said.splitlines():
        node, sees, ray = [*line.split("|"), "", ""][:3]
        if sees == "none":
            raise ClusterError(
                f"the node {node} does not see {folder.name}/, where the rows and the token are: have it "
                "on a file system that all nodes share, or name one with --data"
            )
        if not ray:
            raise ClusterError(
                f"the node {node} has no Ray in {Path(sys.executable).parent.parent.name}/: set the "
                "environment up where all nodes see it, or alike on each"
            )


def _ask(command: Sequence[str]) -> str:
    """Return what a command of Slurm prints; raises `ClusterError`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not there: this is no machine of a Slurm cluster") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"{command[0]} did not answer within {ASK_SECONDS:.0f} s: a node may be down"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        raise ClusterError(f"{command[0]} failed on a node of the allocation, and says: {said}")
    return done.stdout


def _await_head(address: str, port: int, log: Path) -> None:
    """Wait until the head listens; raises `ClusterError` with what it said."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1.0):
            return
        if time.monotonic() > deadline:
            said = " ".join(log.read_text(errors="replace").split())[-300:]
            raise ClusterError(f"the head of Ray does not answer at port {port}, and says: {said}")
        time.sleep(POLL_SECONDS)
