"""Facts about the environment that a run was made in: never a user, host, address, token or home path."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from lab import paths
from lab.data.code import measuring_digest
from lab.measure.gpus import gpu_handles
from lab.measure.node import Cgroup, host_id, usable_cores, usable_memory_bytes

PACKAGES = (
    "ray",
    "numpy",
    "gmpy2",
    "python-flint",
    "cypari",
    "passagemath-libecm",
    "pandas",
    "psutil",
    "papermill",
    "joblib",
    "dask",
    "distributed",
)

NODE_PACKAGES = ("ray", "gmpy2", "python-flint", "numpy", "psutil")
"""Those of them that all nodes of a cluster must have in the same version; the others only the client has."""

CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman put into each container."""


def utc_now() -> str:
    """Return the time now, in UTC, as ISO 8601 text with the zone."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def code_facts() -> dict[str, Any]:
    """Return the lab's version and a digest of the source that measures, so that runs do not mix."""
    # without the package's metadata the lab was not installed, but is found by PYTHONPATH or the like
    version = _version("ray-scaling-lab") or "not installed"
    return {"version": version, "digest": measuring_digest()}


def versions() -> dict[str, str]:
    """Return the versions of Python and of those packages here that the numbers depend on."""
    import gmpy2

    found = {name: version for name in PACKAGES if (version := _version(name)) is not None}
    return {"python": platform.python_version(), **found, "gmp": gmpy2.mp_version()}


def other_versions(
    found: Mapping[str, str], wanted: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """Return name, version there and version wanted of what all nodes must have the same of, and have not."""
    known = [(name, found.get(name), wanted.get(name)) for name in ("python", *NODE_PACKAGES)]
    return [one for one in known if one[1] != one[2]]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine_facts(cgroup: Cgroup) -> dict[str, Any]:
    """Return what this machine is, in cores, bytes and names of models."""
    return {
        "cpu_model": cpu_model(),
        "cores": os.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "quota_cores": usable_cores(cgroup),
        "memory_bytes": usable_memory_bytes(cgroup),
        "gpus": len(gpu_handles()),
        "architecture": platform.machine(),
        "system": platform.system(),
        "kernel": platform.release(),
        "hypervisor": "hypervisor" in _cpu_flags(),
        "container": any(path.exists() for path in CONTAINER_MARKS),
    }


def commit_facts() -> dict[str, Any]:
    """Return the commit that is checked out, and whether files differ from it; None where there is no git."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": None if changes is None else bool(changes),
    }


def session_facts() -> dict[str, Any]:
    """Return what may differ between two sessions of one run: time, commit, boot, load."""
    return {
        "started_at": utc_now(),
        **commit_facts(),
        "host_id": host_id(),
        "load_before": os.getloadavg()[0],
        "processes": len(psutil.pids()),
    }


def cpu_model() -> str:
    """Return the processor's name."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cpu_flags() -> list[str]:
    return next((line.split() for line in _cpuinfo() if line.startswith("flags")), [])


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
