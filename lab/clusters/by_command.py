"""Nodes started by `ray start` and ended with their processes alone; a cluster of them on this machine."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from lab.clusters.addresses import Head
from lab.clusters.embedded import SETTINGS
from lab.errors import ClusterError

RAY = Path(sys.executable).parent / "ray"
WORKERS = 2
READY_SECONDS, END_SECONDS = 60.0, 8.0
STARTS = 2
"""How often a node is started that ends: on a busy machine a raylet gives up after 15 s."""
HERE = "127.0.0.1"
STORE = 80_000_000
"""Bytes of an object store, the smallest that Ray takes."""


@contextlib.contextmanager
def started_by_command() -> Iterator[Head]:
    """Yield the jobs server of a cluster of a head and two workers; raises `ClusterError`."""
    token, gcs, dashboard, client = secrets.token_hex(32), *free_ports(3)
    # without the second Ray refuses a second node at 127.0.0.1
    more = {"RAY_AUTH_TOKEN": token, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    # a job's `python` is the one that has Ray
    path = f"{RAY.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, **SETTINGS, **more, "PATH": path}
    head = Head(f"http://{HERE}:{dashboard}", token)
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, contextlib.ExitStack() as undo:
        first = ["--head", f"--port={gcs}", "--num-cpus=0", f"--dashboard-port={dashboard}"]
        first += [f"--dashboard-host={HERE}", f"--ray-client-server-port={client}", f"--temp-dir={folder}"]
        worker, log = [f"--address={HERE}:{gcs}", "--num-cpus=1"], Path(folder, "said")
        for number, options in enumerate([first, *[worker] * WORKERS], 1):
            # one after another: raylets of one host that start at once take each other's ports
            for left in range(STARTS - 1, -1, -1):
                started = start_node(options, environment, log)
                undo.callback(end_node, started)
                if _came(head, number, log, started, left):
                    break
        yield head


def start_node(
    options: Sequence[str], environment: Mapping[str, str], log: Path, address: str = HERE, store: int = STORE
) -> psutil.Popen:
    """Start a node that listens at an address, with an object store of so many bytes, and say so to a log."""
    # two agents at one port: the second takes no jobs
    common = [
        f"--dashboard-agent-listen-port={free_ports(1)[0]}",
        "--block",
        "--disable-usage-stats",
        "--log-color=false",
        f"--node-ip-address={address}",
        f"--object-store-memory={store}",
    ]
    with log.open("a") as said:
        return psutil.Popen(
            [str(RAY), "start", *common, *options], env=environment, stdout=said, stderr=subprocess.STDOUT
        )


def _came(head: Head, nodes: int, log: Path, started: psutil.Popen, left: int) -> bool:
    """Wait until so many nodes are alive; False where the last one has ended and may be started again.

    Raises `ClusterError` with what was said last.
    """
    deadline = time.monotonic() + READY_SECONDS
    while True:
        alive = 0
        with contextlib.suppress(ClusterError, KeyError, TypeError):
            listed = head.ask("GET", "/api/v0/nodes?detail=1")["data"]["result"]["result"]
            alive = sum(one["state"] == "ALIVE" for one in listed)
        if alive >= nodes:
            return True
        ended = started.poll() is not None
        if ended and left:
            return False
        if ended or time.monotonic() > deadline:
            said = " ".join(log.read_text().split())[-300:]
            raise ClusterError(f"{alive} of {nodes} nodes came up by `ray start`, which says: {said}")
        time.sleep(0.3)


def end_node(started: psutil.Process) -> None:
    """End a node: by a signal, and what is left of its processes then by force."""
    with contextlib.suppress(psutil.NoSuchProcess):
        every = [started, *started.children(recursive=True)]
        started.terminate()
        for one in psutil.wait_procs(every, END_SECONDS)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody of this machine listens on now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HERE, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
