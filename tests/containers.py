"""A compose project of the tests' own, and the cluster that those share which do not harm it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NODES = 5
CORES = 0.3
"""Of each node: one more than there are would fit into two cores."""
MEGABYTES = 1000


class Compose:
    """A compose project of its own, with its own image, port and token."""

    def __init__(self, name: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.project = f"lab-test-{name}-{os.getpid()}"
        self.image = f"ray-scaling-lab:{self.project}"
        self.address = f"http://127.0.0.1:{port}"
        self.settings = {
            "COMPOSE_PROJECT_NAME": self.project,
            "LAB_IMAGE_TAG": self.project,
            "LAB_DASHBOARD_PORT": str(port),
            "LAB_WORKER_CPUS": str(CORES),
            "LAB_WORKER_SLOTS": "1",
            "LAB_WORKER_MEMORY": f"{MEGABYTES}m",
        }
        # a user's shell is not under the make that runs the tests, which would have each make tell its folder
        outside = {name: value for name, value in os.environ.items() if "MAKE" not in name}
        self.environment = {**outside, **self.settings}

    def run(self, *command: str | Path, **options: Any) -> str:
        """Run a command of this machine that must succeed, and return what it printed."""
        done = subprocess.run(
            [*command],
            cwd=options.pop("cwd", ROOT),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inside(self, container: str, *command: str) -> str:
        """Run a command in a container."""
        return self.run("docker", "exec", container, *command)

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what Docker knows about the containers, by default of both services."""
        ids = self.run("docker", "compose", "ps", "--all", "--quiet", *([service] if service else [])).split()
        found: list[dict[str, Any]] = json.loads(self.run("docker", "inspect", *ids)) if ids else []
        return found

    def scale(self, nodes: int) -> None:
        """Change the number of workers and wait for it."""
        self.run("docker", "compose", "up", "--detach", "--scale", f"ray-worker={nodes}")
        self.run("docker", "compose", "exec", "-T", "ray-head", "wait_for_nodes", str(nodes), "120")

    def mend(self) -> None:
        """Bring the cluster to its full size where the last test left another, and let commands find it."""
        running = [one for one in self.containers() if one["State"]["Running"] and not one["State"]["Paused"]]
        if len(running) == NODES + 1 and "RAY_AUTH_TOKEN" in self.environment:
            with contextlib.suppress(OSError):
                if len(self.nodes(self.environment["RAY_AUTH_TOKEN"])) == NODES + 1:
                    return
        try:
            self.scale(NODES)
        except AssertionError as error:
            # what the test before left cannot be mended: the next one is not to fail for it
            said = self.run("docker", "compose", "logs", "--tail", "30", "ray-head")
            warnings.warn(f"{error}: made anew. Its head said:\n{said}", stacklevel=2)
            self.run("docker", "compose", "down", "--timeout", "5")
            self.scale(NODES)
        self.environment |= {
            "RAY_API_SERVER_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token(),
        }

    def token(self) -> str:
        """Return the token as a user gets it."""
        return self.run("make", "--silent", "--no-print-directory", "docker-token").strip()

    def ask(self, path: str, token: str | None, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Send a request to the dashboard, and return status and content."""
        request = urllib.request.Request(f"{self.address}{path}", json.dumps(body).encode() if body else None)
        request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def nodes(self, token: str = "") -> dict[str, dict[str, float]]:
        """Return what each living node offers, by its id."""
        status, content = self.ask("/api/v0/nodes?detail=1", token or self.token())
        assert status == 200
        found = content["data"]["result"]["result"]
        return {node["node_id"]: node["resources_total"] for node in found if node["state"] == "ALIVE"}

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Have the project's settings in this process: what the lab starts here is in this project."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            yield

    def remove(self) -> None:
        """Remove containers, network, token and image, whether they are there or not."""
        for command in (
            ["docker", "compose", "down", "--volumes", "--timeout", "5"],
            ["docker", "image", "rm", self.image],
        ):
            subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True)


@contextlib.contextmanager
def own_project(name: str) -> Iterator[Compose]:
    """Yield a compose project with an image that has just been built, and remove all of it in the end."""
    require_engine()
    compose = Compose(name)
    try:
        compose.run("docker", "compose", "build", "ray-head")
        yield compose
    finally:
        compose.remove()


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds, and fail where it does not within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def require_engine() -> None:
    """Skip where no engine answers, unless it is required."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if shutil.which("docker") is None or subprocess.run(command, capture_output=True).returncode != 0:
            if os.environ.get("LAB_REQUIRE_DOCKER"):
                pytest.fail(f"`{' '.join(command)}` fails, and LAB_REQUIRE_DOCKER is set")
            pytest.skip(f"`{' '.join(command)}` fails: no Docker engine with compose answers")
