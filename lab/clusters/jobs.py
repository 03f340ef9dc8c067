"""Jobs on a cluster that this machine reaches over HTTP alone: no file system is shared, no Ray runs here.

The client speaks the Jobs REST API itself. Ray's own `JobSubmissionClient` goes where RAY_ADDRESS points
whatever address it is given, waits for ever for a head that is stopped, and fixes this process's
authentication, so that an embedded Ray no longer starts after it.
"""

import contextlib
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.clusters.addresses import JOBS, TOKEN_ADVICE, Head, check_jobs_address, check_reachable
from lab.clusters.embedded import PINNED_RAY
from lab.clusters.package import packed
from lab.clusters.tail import Tail
from lab.clusters.wire import Message, Receiver
from lab.errors import ClusterError, LabError, TokenError

SUBMIT_SECONDS = 60.0
"""A head that has just started takes its first job slowly."""
FIRST_LINE_SECONDS = 60.0
"""Time for a job to start and import; from its first line on it beats every 2 s."""
PATIENCE_SECONDS = 4.0
"""How long a head that refuses connections is asked again: a port-forward may be on its way back."""
STOP_SECONDS = 5.0
"""Ray itself gives a job 3 s between SIGTERM and SIGKILL."""
ORPHAN_SECONDS = 30.0
PACKAGES = "/api/packages/gcs/"
REQUEST_FILE = "lab_request.json"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
KEPT = "the rows so far are kept; run it again to go on"


class Jobs:
    """The jobs server of one cluster, and how the lab's job is called there."""

    def __init__(
        self,
        address: str,
        token: str | None,
        silence_seconds: float = 20.0,
        entrypoint: str = "python -m lab.experiment.job",
    ) -> None:
        """Remember what was given and ask nobody yet; `ClusterError` where it cannot be right."""
        if token is not None and not re.fullmatch("[!-~]+", token):
            raise TokenError(f"the token is empty or holds a space or a foreign sign; {TOKEN_ADVICE}")
        self._head = Head(check_jobs_address(address), token)
        self._silence_seconds, self._entrypoint = silence_seconds, entrypoint

    def check(self, run_id: str) -> None:
        """Raise `ClusterError` unless the run's job can be submitted; end an orphan of an earlier client."""
        check_reachable(self._head.address)
        version = self._head.ask("GET", "/api/version")
        if "ray_version" not in version:
            raise self._head.stranger("it tells no version of Ray")
        if version["ray_version"] != PINNED_RAY:
            raise ClusterError(
                f"the cluster at {self._head.address} runs Ray {version['ray_version']}, the lab measures "
                f"Ray {PINNED_RAY}: install that one there, as the lab's own image has it (make docker-build)"
            )
        orphans = [job["submission_id"] for job in self._under_way() if _run_of(job) == run_id]
        for name in orphans:
            self._head.ask("POST", f"{JOBS}{name}/stop")
        _retry(self._refuse_others, ORPHAN_SECONDS if orphans else STOP_SECONDS)

    def run(
        self,
        request: Mapping[str, Any],
        run_id: str,
        receive: Callable[[Message], None],
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run the job for a request and hand over each message once, in order, until the last has come.

        The request is sent as a file, beside those of `folder`, which is the working folder of all workers;
        `variables` are set in their environment.
        Raises `ClusterError` where the job or the head ends before that; what was received stays received.
        Whatever ends this call early, an interrupt too, stops the job.
        """
        job = _Job(self._head, self._silence_seconds, receive)
        try:
            package = packed(folder, {REQUEST_FILE: json.dumps(request).encode()})
            job.submit(f"{self._entrypoint} {REQUEST_FILE}", run_id, package, variables or {})
            job.follow()
        except BaseException:
            with contextlib.suppress(LabError):
                job.abandon()
            raise

    def _under_way(self) -> list[Any]:
        """Return the lab's jobs that have not ended."""
        jobs = self._head.ask("GET", JOBS)
        return [one for one in jobs if one["submission_id"] and one["status"] not in ENDED and _run_of(one)]

    def _refuse_others(self) -> None:
        for job in self._under_way():
            name = job["submission_id"]
            raise ClusterError(
                f"job {name} of the lab (run {_run_of(job)}) is under way on the cluster at "
                f"{self._head.address}, and two at once would disturb each other: wait for it, or end it: "
                f"ray job stop {name}"
            )


class _Job:
    """One job of the lab: what has come of it, and when it was last heard of."""

    def __init__(self, head: Head, silence_seconds: float, receive: Callable[[Message], None]) -> None:
        self._head, self._receive = head, receive
        # the name is ours, so that the job can be stopped where the answer to its submission is lost
        self._name = f"lab_{secrets.token_hex(8)}"
        self._silence_seconds = silence_seconds
        self._receiver = Receiver()
        self._heard_at, self._begun = time.monotonic(), False
        self._characters = 0
        self._delivering, self._gone = False, False

    def submit(self, entrypoint: str, run_id: str, package: bytes, variables: Mapping[str, str]) -> None:
        """Have the head keep the files, and start the job among them."""
        name = f"_ray_pkg_{hashlib.sha256(package).hexdigest()[:32]}.zip"
        self._head.upload(f"{PACKAGES}{name}", package, SUBMIT_SECONDS)
        body = {
            "entrypoint": entrypoint,
            "submission_id": self._name,
            "metadata": {"lab_run": run_id},
            "runtime_env": {"working_dir": f"gcs://{name}", "env_vars": dict(variables)},
        }
        self._head.ask("POST", JOBS, body, SUBMIT_SECONDS)
        self._heard_at = time.monotonic()

    def follow(self) -> None:
        """Receive until the last line has come; raises `ClusterError` where it cannot come any more."""
        while True:
            self._listen()
            if self._receiver.complete:
                return
            status = self._read_log()
            if self._receiver.complete:
                return
            if status in ENDED:
                raise self._ended(status)
            silence = time.monotonic() - self._heard_at
            if silence > (self._silence_seconds if self._begun else FIRST_LINE_SECONDS):
                raise ClusterError(
                    f"the job {self._name} has said nothing for {silence:.0f} s, though the head at "
                    f"{self._head.address} calls it {status}: it hangs, or its machine is overloaded; {KEPT}"
                )
            time.sleep(0.5)

    def abandon(self) -> None:
        """Stop the job and, where that leaves no gap, receive what it still had to say; raises `LabError`."""
        if self._gone:
            return
        self._ask("POST", "/stop")
        deadline = time.monotonic() + STOP_SECONDS
        while self._ask("GET")["status"] not in ENDED and time.monotonic() < deadline:
            time.sleep(0.2)
        if not self._delivering:
            self._read_log()

    def _listen(self) -> None:
        """Receive from the log's tail until that ends, breaks or falls silent."""
        self._receiver.rewind()
        began, position = time.monotonic(), 0
        with Tail(f"{self._head.address}{JOBS}{self._name}/logs/tail", self._head.headers()) as tail:
            while time.monotonic() < max(began, self._heard_at) + self._silence_seconds:
                text = tail.next(0.5)
                if text is None:
                    return
                position += len(text)
                self._take(text, position)
                if self._receiver.complete:
                    return

    def _read_log(self) -> str:
        """Receive from the whole log at once, and return the status that the job had before."""
        try:
            status, text = _retry(
                lambda: (self._ask("GET")["status"], self._ask("GET", "/logs")["logs"]), PATIENCE_SECONDS
            )
        except ClusterError as error:
            self._gone = True
            raise ClusterError(f"the job {self._name} is lost: {error}; {KEPT}") from error
        self._receiver.rewind()
        self._take(text, len(text))
        return str(status)

    def _take(self, text: str, position: int) -> None:
        """Hand over what is new in a text that reaches up to `position` of the log."""
        heard = self._receiver.heard
        self._delivering = True
        for message in self._receiver.feed_text(text):
            self._receive(message)
        self._delivering = False
        # lines that were read before are no sign of life
        if self._receiver.heard > heard and position > self._characters:
            self._heard_at, self._begun = time.monotonic(), True
        self._characters = max(self._characters, position)

    def _ask(self, method: str, what: str = "") -> Any:
        return self._head.ask(method, f"{JOBS}{self._name}{what}")

    def _ended(self, status: str) -> ClusterError:
        """Return the error for a job that is over without having told all."""
        said = "\n".join(self._receiver.other)
        lost = f", and {self._receiver.missing} of its lines are lost" if self._receiver.missing else ""
        cure = ""
        if "killing policy" in said:
            cure = (
                " Ray ended it because the head was short of memory: give it more (compose: LAB_HEAD_MEMORY) "
                "or send less, such as names of files that tasks open."
            )
        if re.search(r"No module named '?lab\b", said):
            cure = (
                " The lab is not installed on the head: make docker-build and docker-up for compose, else "
                "`pip install` this checkout into the Python of every node."
            )
        return ClusterError(
            f"the job {self._name} is {status} and has not told all of its rows{lost}.{cure} "
            f"{KEPT.capitalize()}. The last that it said:\n{said or '(nothing)'}"
        )


def _run_of(job: Mapping[str, Any]) -> str | None:
    """Return the lab's run that a job belongs to; None for jobs of others."""
    run: str | None = (job["metadata"] or {}).get("lab_run")
    return run


def _retry(action: Callable[[], Any], seconds: float) -> Any:
    """Return what the action returns, trying again for so long while it raises `ClusterError`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except ClusterError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
