"""Ray inside this process: one node, started for the run and stopped with it."""

import contextlib
import importlib.metadata
import logging
import os
import secrets
import socket
import time
import warnings
from collections.abc import Iterator
from typing import Any

import psutil

from lab.clusters import Cluster
from lab.errors import ClusterError
from lab.measure.node import Cgroup, gpu_handles, host_id, usable_cores, usable_memory_bytes
from lab.records import NodeFacts

PINNED_RAY = "2.60.0"
"""The version whose behaviour the lab's measurements rely on; `tests/test_ray_facts.py` holds the facts."""

SETTINGS = {
    # a worker at nice 15, Ray's default, is no fair match for a plain process
    "RAY_worker_niceness": "0",
    # no idle spare workers: memory and start-up are then those of the workers asked for
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
    # nothing leaves the machine, and nothing is exported that no one reads
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    # our own task records are the source
    "RAY_task_events_report_interval_ms": "0",
    "RAY_AUTH_MODE": "token",
    # off: Ray then takes 127.0.0.1 as the node's address, and every port of it listens there only
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


def check_ray_version() -> None:
    """Refuse another Ray than the pinned one, before it is imported."""
    try:
        found = f"{importlib.metadata.version('ray')} is"
    except importlib.metadata.PackageNotFoundError:
        found = "is not"
    if found != f"{PINNED_RAY} is":
        raise ClusterError(
            f"Ray {found} installed, the lab measures Ray {PINNED_RAY}: "
            f'run `make report` again, or `pip install "ray[default]=={PINNED_RAY}"`'
        )


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
    cpus: int, object_store_megabytes: int, dashboard_port: int, cgroup: Cgroup
) -> Iterator[Cluster]:
    """Start Ray with room for `cpus` workers in this process, yield it, and shut it down.

    The worker slots may exceed the cores: the experiment asks what oversubscription does. The token is
    made for this process, since Ray reads it but once in a process, and never written down. Raises
    `ClusterError`.
    """
    check_ray_version()
    check_port(dashboard_port)
    os.environ.update(SETTINGS)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _quiet_import()
    if ray.is_initialized():
        raise ClusterError("Ray already runs in this process: restart the notebook's kernel and run it again")
    began = time.monotonic()
    with _ray(cpus, object_store_megabytes, dashboard_port) as context:
        seconds = time.monotonic() - began
        yield Cluster(
            start_seconds=seconds,
            nodes=(_facts(context, seconds, cgroup),),
            system_processes=tuple(psutil.Process().children(recursive=True)),
            object_store_bytes=object_store_bytes,
        )


def _quiet_import() -> Any:
    """Import Ray without its advice on notebook widgets, which would stand before the progress bar."""
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import ray
    return ray


@contextlib.contextmanager
def _ray(cpus: int, object_store_megabytes: int, dashboard_port: int) -> Iterator[Any]:
    import ray

    try:
        context = ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=object_store_megabytes * 10**6,
            include_dashboard=dashboard_port > 0,
            dashboard_host="127.0.0.1",
            dashboard_port=dashboard_port or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises plain Exception where a node does not come up in time
        ray.shutdown()
        raise ClusterError(f"Ray did not start: {error}") from error
    try:
        yield context
    finally:
        ray.shutdown()


def _facts(context: Any, seconds: float, cgroup: Cgroup) -> NodeFacts:
    import ray

    capacity = ray.cluster_resources().get("object_store_memory")
    return NodeFacts(
        node_id=context.address_info["node_id"][:12],
        session=1,
        host_id=host_id(),
        cores=os.cpu_count() or 1,
        quota_cores=usable_cores(cgroup),
        memory_bytes=usable_memory_bytes(cgroup),
        object_store_bytes=None if capacity is None else int(capacity),
        gpus=len(gpu_handles()),
        cluster_start_seconds=seconds,
    )


def object_store_bytes() -> int | None:
    """Return the bytes in use of the cluster's object store, as of a second ago at most."""
    import ray

    capacity = ray.cluster_resources().get("object_store_memory")
    return (
        None if capacity is None else int(capacity - ray.available_resources().get("object_store_memory", 0))
    )
