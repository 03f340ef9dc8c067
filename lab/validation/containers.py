"""What Docker says of containers: which node of Ray each is, and `docker stats` of their memory."""

import dataclasses
import re
import subprocess
import time
from collections.abc import Iterable, Mapping

from lab.errors import ClusterError

ASK_SECONDS = 60.0
NODE_ID = re.compile(r"raylet .*--node_id=(\w{12})")
SIZE = re.compile(r"([\d.]+) ?([kKMGT]?)(i?)B")
POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """The memory of each node in bytes, and when it was read, in seconds since 1970."""

    at: float
    used_bytes: Mapping[str, int]


def node_ids(containers: Iterable[str]) -> dict[str, str]:
    """Return for each container Ray's id of the node in it, first 12 digits; nothing runs inside for it."""
    found = {one: NODE_ID.search(_docker("top", one, "-eo", "pid,args")) for one in containers}
    lost = [one for one, match in found.items() if match is None]
    if lost:
        raise ClusterError(f"no raylet runs in the container {lost[0]}: docker logs {lost[0]}")
    return {one: match[1] for one, match in found.items() if match is not None}


def memory(nodes: Mapping[str, str]) -> Memory:
    """Return what `docker stats` says now of containers, whose nodes are given.

    Docker subtracts the inactive page cache of files, as the lab does, and reads at the end of its second
    or two.
    """
    said = _docker("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.MemUsage}}", *nodes)
    at, pairs = time.time(), (line.split(" ", 1) for line in said.splitlines())
    return Memory(at, {nodes[one]: size_bytes(usage.split(" / ")[0]) for one, usage in pairs})


def size_bytes(text: str) -> int:
    """Return the bytes that Docker writes as 245.3MiB, 1.5GiB or 12kB."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise ClusterError(f"`docker stats` tells the memory as {text!r}: the container does not run")
    unit = float(1024 if found[3] else 1000) ** POWERS[found[2]]
    return round(float(found[1]) * unit)


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS)
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"`docker {arguments[0]}` did not end within {ASK_SECONDS:.0f} s: look whether Docker is well"
        ) from None
    if done.returncode != 0:
        raise ClusterError(f"`docker {arguments[0]}` says: {done.stderr.strip()}")
    return done.stdout
