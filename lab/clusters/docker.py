"""Docker as this lab asks for it: commands with an end, and failures in words."""

import shutil
import subprocess
from collections.abc import Mapping

from lab import paths
from lab.errors import ClusterError

ASK_SECONDS = 60.0
"""For Docker to answer a question."""


def ask(
    command: list[str], seconds: float = ASK_SECONDS, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker, whether it succeeds or not; raises `ClusterError` where it does not end."""
    try:
        return subprocess.run(
            command, cwd=paths.ROOT, env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"`{' '.join(command)}` did not end within {seconds:.0f} s: look whether Docker is well"
        ) from None


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last lines of what a command said about its failure."""
    return "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])


def check_docker() -> None:
    """Raise `ClusterError` where there is no Docker engine with compose."""
    engine_cores()
    compose_command()


def engine_cores() -> int:
    """Return how many cores the Docker engine has."""
    if shutil.which("docker") is None:
        raise ClusterError("there is no `docker` on this machine: install Docker Engine or Docker Desktop")
    done = ask(["docker", "info", "--format", "{{.NCPU}}"])
    if "permission denied" in done.stderr:
        raise ClusterError(
            f"Docker does not let this user in: {said(done)}. Add the user to the group `docker` "
            "(sudo usermod -aG docker $USER) and log in again"
        )
    # Docker before version 23 prints 0 where no engine answers
    if done.returncode != 0 or done.stdout.strip() in ("", "0"):
        raise ClusterError(
            f"no Docker engine answers: {said(done)}. Start it: Docker Desktop, or "
            "`sudo systemctl start docker`"
        )
    return int(done.stdout)


def compose_command() -> tuple[str, ...]:
    """Return how compose is called; raises `ClusterError` where it is not there."""
    if ask(["docker", "compose", "version"]).returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose") is not None:
        return ("docker-compose",)
    raise ClusterError("Docker is here without compose: install its plugin, `docker compose`")
