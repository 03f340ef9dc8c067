"""Ray inside this process: one node, started for the run and stopped with it."""

import contextlib
import importlib.metadata
import logging
import os
import re
import secrets
import socket
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psutil

from lab.clusters.attached import Cluster
from lab.clusters.surroundings import changing, check_surroundings, limited
from lab.errors import ClusterError
from lab.measure.node_watch import NodeWatch

PINNED_RAY = "2.60.0"
"""The version whose behaviour the lab's measurements rely on; `tests/test_ray_facts.py` holds the facts."""

OLDEST_RAY = "2.55.0"
"""With this one and those in between it measures, too: what they differ by is asked by `--against`."""

SHOWN_SECONDS = 60.0
"""How long nodes that were started may take to show up."""

START_SECONDS = 120.0
"""How long Ray may take to start in this process."""

SLOW = "timed out during startup"
"""What Ray says where a raylet ended itself, its agent being slow: it is started once more."""

SETTINGS = {
    # a worker at nice 15, Ray's default, is no fair match for a plain process
    "RAY_worker_niceness": "0",
    # no idle spare workers: memory and start-up are then those of the workers asked for
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
    # nothing leaves the machine, and nothing is exported that no one reads
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    # no port: these two would tell their metrics without the token; -1 can be opened by nobody
    "AUTOSCALER_METRIC_PORT": "-1",
    "DASHBOARD_METRIC_PORT": "-1",
    # our own task records are the source
    "RAY_task_events_report_interval_ms": "0",
    "RAY_AUTH_MODE": "token",
    # all talk is on this machine or within the cluster: through a proxy, no node would be reached
    "RAY_grpc_enable_http_proxy": "0",
    # off: Ray then takes 127.0.0.1 as the node's address, and every port of it listens there only
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


def check_ray_version() -> None:
    """Refuse a Ray out of range, before it is imported, and limits that none starts under."""
    found = None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found = importlib.metadata.version("ray")
    if found is None or not in_range(found):
        told = "Ray is not installed" if found is None else f"Ray {found} is installed"
        raise ClusterError(
            f"{told}, the lab measures Ray {OLDEST_RAY} to {PINNED_RAY}: "
            f'run `make report` again, or `pip install "ray[default]=={PINNED_RAY}"`'
        )
    check_surroundings()


def in_range(version: str) -> bool:
    """Tell whether the lab measures this version of Ray, as in 2.60.0; one before its release is none."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return False
    oldest, asked, newest = (tuple(map(int, one.split("."))) for one in (OLDEST_RAY, version, PINNED_RAY))
    return oldest <= asked <= newest


def check_port(port: int) -> None:
    """Refuse a dashboard port that someone listens on; 0 means no dashboard."""
    if port == 0:
        return
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ClusterError(
                f"dashboard_port {port} cannot be used ({error.strerror}): end what listens there, "
                "choose another port, or 0 for no dashboard"
            ) from None


@contextlib.contextmanager
def embedded(
    cpus: int, object_store_megabytes: int, dashboard_port: int, settings: Mapping[str, str] = SETTINGS
) -> Iterator[Cluster]:
    """Start Ray with room for `cpus` workers in this process, yield it, and shut it down.

    The worker slots may exceed the cores: the experiment asks what oversubscription does. Ray reads
    `settings` once in a process. Raises `ClusterError`.
    """
    check_port(dashboard_port)
    began = time.monotonic()
    options = {
        "address": "local",
        "num_cpus": cpus,
        "object_store_memory": object_store_megabytes * 10**6,
        "include_dashboard": dashboard_port > 0,
        "dashboard_host": "127.0.0.1",
        "dashboard_port": dashboard_port or None,
    }
    with in_process(settings), connected(**options):
        started = tuple(psutil.Process().children(recursive=True))
        node_watch = NodeWatch(lambda: started)
        refuse_other_cpus(cpus)
        cluster = Cluster("embedded", time.monotonic() - began, node_watch)
        cluster.need(1, SHOWN_SECONDS)
        yield cluster


def refuse_other_cpus(cpus: int) -> None:
    """Raise `ClusterError` where Ray counts other CPUs than it was started with."""
    import ray

    found = ray.cluster_resources().get("CPU", 0)
    if found != cpus:
        raise ClusterError(
            f"Ray counts {found:g} CPUs where {cpus} were asked for: a variable of the environment changes "
            "it (unset RAY_OVERRIDE_RESOURCES)"
        )


def set_up(settings: Mapping[str, str] = SETTINGS) -> None:
    """Have Ray's settings and a token in this process: Ray reads them only when it is imported."""
    if "ray" in sys.modules and os.environ.get("RAY_AUTH_MODE") != settings["RAY_AUTH_MODE"]:
        raise ClusterError(
            "Ray was imported before the lab could set it up: have the file of the work import it, not the "
            "script that calls lab.run, or use the command lab run"
        )
    os.environ.update(settings)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextlib.contextmanager
def in_process(settings: Mapping[str, str] = SETTINGS) -> Iterator[None]:
    """Have Ray's settings in this process, before Ray is imported; refuse where it runs already.

    The token is made for this process, since Ray reads it but once in a process, and never written down.
    """
    check_ray_version()
    set_up(settings)
    if _quiet_import().is_initialized():
        raise ClusterError("Ray already runs in this process: restart the notebook's kernel and run it again")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(_own_folders(sys.path))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _own_folders(path: Sequence[str]) -> list[str]:
    """Return where this process finds modules besides Python's own: Ray tells workers of two folders only.

    They are the folder of the script and the working folder; a worker unpickles an item before it runs it.
    """
    apart = (sys.prefix, sys.base_prefix)
    return list(dict.fromkeys(one for one in path if one and not one.startswith(apart)))


@contextlib.contextmanager
def connected(**options: Any) -> Iterator[None]:
    """Connect this process to the Ray that the options name, or start it, and disconnect in the end."""
    import ray

    told = (
        f"Ray did not start within {START_SECONDS:.0f} s: the machine is too busy, or a setting keeps its "
        f"processes apart (set here: {', '.join(changing(os.environ, SETTINGS)) or 'none'})"
    )
    for left in (1, 0):
        try:
            with limited(START_SECONDS, told):
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
            break
        except ClusterError:
            ray.shutdown()
            raise
        except Exception as error:  # Ray raises plain Exception where a node does not come up in time
            ray.shutdown()
            if not left or SLOW not in str(error):
                raise ClusterError(f"Ray did not start: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _quiet_import() -> Any:
    """Import Ray without its advice on notebook widgets, which would stand before the progress bar."""
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import ray
    return ray
