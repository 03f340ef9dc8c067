"""The job of Slurm that this process is in: its nodes, and whether Slurm is taking them away."""

import contextlib
import dataclasses
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lab.errors import ClusterError

ASK_SECONDS = 60.0


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
    hosts = tuple(ask(["scontrol", "show", "hostnames", listed]).split())
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
def ended_with_job(job: int, run_id: str, files: Sequence[Path]) -> Iterator[None]:
    """Have SIGTERM end this process at once, as the ledger bears, with none of these files left.

    Slurm sends it to every process of the job, those of Ray too: to end in order would be to wait for their
    answers. A thread ends the process, since the first may wait within Ray, where no handler is called.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_when_told, args=(heard, job, run_id, files), daemon=True).start()
    handler = signal.signal(signal.SIGTERM, no_more)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.set_wakeup_fd(before)
        told.close()


def no_more(*_: object) -> None:
    """Take a signal, which `ended_with_job` acts on; Ray puts a handler of its own in its place."""


def _end_when_told(heard: socket.socket, job: int, run_id: str, files: Sequence[Path]) -> None:
    with heard:
        while number := heard.recv(1):
            if number[0] == signal.SIGTERM:
                for one in files:
                    one.unlink(missing_ok=True)
                told = "all finished trials are kept. To go on: another job, with --run-id"
                os.write(2, f"\nSlurm ends job {job}; {told} {run_id}\n".encode())
                os._exit(128 + signal.SIGTERM)


def stop_where_taken(job: int) -> None:
    """Raise `KeyboardInterrupt` where Slurm is ending a job: a trial that has failed then is no failed one.

    Slurm says so before it sends signals, of which those to other nodes may come before that to this process.
    """
    try:
        state = ask(["squeue", "--noheader", f"--jobs={job}", "--format=%T"])
    except ClusterError:
        return
    if state.strip() != "RUNNING":
        raise KeyboardInterrupt


def ask(command: Sequence[str]) -> str:
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
