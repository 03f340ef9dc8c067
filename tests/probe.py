"""Asks ports for what they tell without a token: `python - HOST:PORT ...`, on the host or in a container."""

import json
import socket
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc

PATHS = (
    *("/", "/metrics", "/api/version", "/api/jobs/", "/api/v0/nodes", "/nodes?view=summary", "/logs"),
    *("/api/healthz", "/api/gcs_healthz", "/api/local_raylet_healthz"),
)
METHODS = (
    "/grpc.health.v1.Health/Check",
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.ReporterService/GetTraceback",
    "/ray.rpc.RayletDriver/ClusterInfo",
    "/ray.rpc.CoreWorkerService/GetCoreWorkerStats",
)
"""One of each service of Ray's: those that a port has not are UNIMPLEMENTED."""


def asked(where):
    """Return what a port answers by path or method, in HTTP or gRPC; nothing where none listens."""
    host, port = where.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError:
        return {}
    said = {}
    for path in PATHS:
        try:
            with urllib.request.urlopen(f"http://{where}{path}", timeout=10) as answer:
                said[path] = answer.status
        except urllib.error.HTTPError as error:
            said[path] = error.code
        except Exception:  # noqa: BLE001  whatever else it is, it is no answer
            pass
    if said:
        return said
    with grpc.insecure_channel(where) as channel:
        for method in METHODS:
            try:
                channel.unary_unary(method)(b"", timeout=10)
                said[method] = "OK"
            except grpc.RpcError as error:
                said[method] = error.code().name
    return said


if __name__ == "__main__":
    with ThreadPoolExecutor(16) as pool:
        print(json.dumps(dict(zip(sys.argv[1:], pool.map(asked, sys.argv[1:]), strict=True))))
