"""Small examples that every cluster must do: tasks, and a job by command, over HTTP and from Python."""

import dataclasses
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.check.lines import Line
from lab.clusters.addresses import JOBS, Head
from lab.clusters.by_command import RAY
from lab.clusters.jobs import ENDED
from lab.errors import ClusterError

TASKS = """
import ray

ray.init(address="auto")


@ray.remote
def square(number):
    return number * number


@ray.remote
def add(one, other):
    return one + other


print("squares", ray.get([square.remote(number) for number in range(4)]))
print("additions", ray.get([add.remote(1, 2), add.remote(3, 4), add.remote(5, 6)]))
"""
CLIENT = """
import sys
from ray.job_submission import JobSubmissionClient

client, (action, name, *entrypoint) = JobSubmissionClient(), sys.argv[1:]
if action == "submit":
    client.submit_job(entrypoint=entrypoint[0], submission_id=name)
else:
    call = {"status": client.get_job_status, "logs": client.get_job_logs, "stop": client.stop_job}[action]
    print(str(call(name)))
"""
BEGUN = "the job has begun"
ENDLESS = f"echo {BEGUN}; sleep 600"
COMMAND_SECONDS, CHANGE_SECONDS = 60.0, 60.0
STATUS = re.compile(r"\b(pending|running|stopped|succeeded|failed)\b", re.IGNORECASE)
"""`ray job status` says of a job that has ended, that it was stopped, succeeded or failed."""

Ask = Callable[..., str]
"""Takes submit, status, logs or stop, the job's name and, for the first, its command; returns the answer."""


def examples(head: Head) -> Iterator[Line]:
    """Yield a line for each example on the cluster of a jobs server."""
    environment = os.environ | {
        "RAY_API_SERVER_ADDRESS": head.address,
        "RAY_ADDRESS": head.address,
        "RAY_AUTH_MODE": "token" if head.token else "disabled",
        "RAY_AUTH_TOKEN": head.token or "",
    }
    with tempfile.TemporaryDirectory() as folder:
        here = _Shell(Path(folder), environment)
        yield from _tasks(here)
        ways: Sequence[tuple[str, Ask]] = (
            ("by command", here.by_command),
            ("over HTTP", lambda *asked: _over_http(head, *asked)),
            ("from Python", here.from_python),
        )
        for name, ask in ways:
            yield job_line(name, ask)


@dataclasses.dataclass(frozen=True, slots=True)
class _Shell:
    """A folder to run commands in that find the cluster."""

    folder: Path
    environment: dict[str, str] = dataclasses.field(repr=False)

    def run(self, *command: str | Path) -> str:
        """Return what a command says; raises `ClusterError` where it fails or does not end."""
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ClusterError(f"`{' '.join(map(str, command[1:3]))}` did not end") from None
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
            raise ClusterError(f"`{' '.join(map(str, command[1:3]))}` failed: {last}")
        # `ray job` tells some things on one and some on the other
        return done.stdout + done.stderr

    def by_command(self, action: str, name: str, *entrypoint: str) -> str:
        """Ask by `ray job`."""
        if action == "submit":
            submit = ["--no-wait", "--submission-id", name, "--", "sh", "-c", entrypoint[0]]
            return self.run(RAY, "job", "submit", *submit)
        return self.run(RAY, "job", action, name)

    def from_python(self, *asked: str) -> str:
        """Ask by Ray's own client, in a process apart: it would fix this one's authentication."""
        return self.run(sys.executable, "-c", CLIENT, *asked)


def _over_http(head: Head, action: str, name: str, *entrypoint: str) -> str:
    if action == "submit":
        body = {"entrypoint": entrypoint[0], "submission_id": name}
        return str(head.ask("POST", JOBS, body, COMMAND_SECONDS))
    if action == "stop":
        return str(head.ask("POST", f"{JOBS}{name}/stop"))
    path = f"{JOBS}{name}/logs" if action == "logs" else f"{JOBS}{name}"
    return str(head.ask("GET", path)[action])


def _tasks(here: _Shell) -> Iterator[Line]:
    """Run tasks in a job, and look at what they return."""
    (here.folder / "tasks.py").write_text(TASKS)
    try:
        said = here.run(RAY, "job", "submit", "--working-dir", ".", "--", "python", "tasks.py")
    except ClusterError as error:
        said = str(error)
    for name, wanted in (("squares", "[0, 1, 4, 9]"), ("additions", "[3, 7, 11]")):
        if f"{name} {wanted}" in said:
            yield Line(name, "good", f"{wanted} by tasks")
        else:
            yield Line(name, "bad", f"tasks did not return {wanted}: {said.strip()[-200:]}", "ray job list")


def job_line(way: str, ask: Ask) -> Line:
    """Submit a job without an end, ask for its status and its logs, and stop it."""
    name, began = f"check_{secrets.token_hex(6)}", time.monotonic()
    try:
        ask("submit", name, ENDLESS)
        _until(lambda: BEGUN in ask("logs", name).splitlines(), "its log does not show that it began")
        if (status := _status(ask, name)) != "RUNNING":
            raise ClusterError(f"its status is {status}, not RUNNING")
        ask("stop", name)
        _until(lambda: _status(ask, name) in ENDED, "it did not stop")
    except ClusterError as error:
        return Line(f"job {way}", "bad", f"{error}", f"ray job stop {name}")
    told = f"submitted, status, logs and stopped in {time.monotonic() - began:.0f} s"
    return Line(f"job {way}", "good", told)


def _status(ask: Ask, name: str) -> str:
    said = ask("status", name)
    found = STATUS.search(said)
    return found[0].upper() if found is not None else said.strip()[-100:]


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + CHANGE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise ClusterError(otherwise)
        time.sleep(0.3)
