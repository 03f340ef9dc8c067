"""The client of the Jobs API, with a head that does as it is told and with a real one."""

import asyncio
import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from containers import CORES, Compose, until

from lab.clusters import jobs
from lab.clusters.addresses import token_from_environment
from lab.clusters.compose import ComposeCluster, compose
from lab.clusters.embedded import PINNED_RAY
from lab.clusters.jobs import Jobs
from lab.clusters.wire import Message, Sender
from lab.data.records import Sample
from lab.errors import ClusterError, DataError

TOKEN = "0123abcd"


def sample(number: int) -> Sample:
    """Return a row of samples.csv with a number that has no short form."""
    return Sample(trial_id="000-1", node_id="0123456789ab", at_seconds=number / 7)


def log(rows: int, end: bool = True) -> str:
    """Return what a job prints that sends so many rows."""
    out = StringIO()
    out.write("Running entrypoint for job\n")
    sender = Sender(out)
    for number in range(rows):
        sender.append(sample(number))
    if end:
        sender.end()
    return out.getvalue()


def rows(count: int) -> list[Message]:
    """Return the messages of so many rows."""
    return [Message("samples.csv", sample(number)) for number in range(count)]


def tails() -> list[threading.Thread]:
    """Return the threads that read a log."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("tail of")]


# --- a head that does as it is told ---------------------------------------------------------------------


@dataclass
class FakeHead:
    """Ray's jobs server as far as the client needs it, with one job."""

    version: Any = field(default_factory=lambda: {"ray_version": PINNED_RAY})
    listed: list[dict[str, Any]] = field(default_factory=list)
    tails: list[str] = field(default_factory=list)
    """What each connection to the tail is sent before it ends; later ones are refused."""
    log: str = ""
    status: str = "RUNNING"
    holds: bool = False
    """Whether the tail stays open after what it was told."""
    deaf: threading.Event = field(default_factory=threading.Event)
    """Set: requests are taken and never answered."""
    packages: dict[str, bytes] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    address: str = ""

    def application(self) -> web.Application:
        """Return the server's routes."""
        application = web.Application(middlewares=[self.guard()])
        application.router.add_get("/api/version", self.tell_version)
        application.router.add_get("/api/jobs/", self.list_jobs)
        application.router.add_post("/api/jobs/", self.submit)
        application.router.add_put("/api/packages/gcs/{package}", self.keep)
        application.router.add_get("/api/jobs/{name}", self.tell_status)
        application.router.add_get("/api/jobs/{name}/logs", self.tell_log)
        application.router.add_get("/api/jobs/{name}/logs/tail", self.tail)
        application.router.add_post("/api/jobs/{name}/stop", self.stop)
        return application

    def guard(self) -> Any:
        """Return what asks for the token, as Ray does."""

        @web.middleware
        async def guard(request: web.Request, handler: Any) -> Any:
            while self.deaf.is_set():
                await asyncio.sleep(0.1)
            given = request.headers.get("Authorization")
            if given != f"Bearer {TOKEN}":
                return web.Response(status=401 if given is None else 403)
            return await handler(request)

        return guard

    async def tell_version(self, _: web.Request) -> web.Response:
        """Answer with a version, or with a page."""
        if isinstance(self.version, str):
            return web.Response(text=self.version)
        return web.json_response(self.version)

    async def list_jobs(self, _: web.Request) -> web.Response:
        """List the jobs of others, and a driver without a name."""
        driver = {"submission_id": None, "status": "RUNNING", "metadata": {"lab_run": "of a driver"}}
        return web.json_response([driver, *self.listed])

    async def keep(self, request: web.Request) -> web.Response:
        """Keep an archive of files."""
        self.packages[request.match_info["package"]] = await request.read()
        return web.Response()

    async def submit(self, request: web.Request) -> web.Response:
        """Take a job."""
        self.submitted.append(await request.json())
        return web.json_response({"submission_id": self.submitted[-1]["submission_id"]})

    async def tell_status(self, _: web.Request) -> web.Response:
        """Tell the status of the one job."""
        return web.json_response({"status": self.status})

    async def tell_log(self, _: web.Request) -> web.Response:
        """Tell the whole log."""
        return web.json_response({"logs": self.log})

    async def tail(self, request: web.Request) -> web.StreamResponse:
        """Send what this connection is to be sent; refuse once nothing is left."""
        if not self.tails:
            return web.Response(status=404)
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        await stream.send_str(self.tails.pop(0))
        while self.holds:
            await asyncio.sleep(0.1)
        return stream

    async def stop(self, request: web.Request) -> web.Response:
        """End a job."""
        self.stopped.append(request.match_info["name"])
        self.status = "STOPPED"
        for job in self.listed:
            if job["submission_id"] == request.match_info["name"]:
                job["status"] = "STOPPED"
        return web.json_response({"stopped": True})

    def client(self, **options: Any) -> Jobs:
        """Return a client that knows the token."""
        return Jobs(self.address, options.pop("token", TOKEN), **options)


@pytest.fixture
def head() -> Iterator[FakeHead]:
    """Yield a head that serves from a thread."""
    fake = FakeHead()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(fake.application(), shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    fake.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield fake
    fake.deaf.clear()
    fake.holds = False
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def received(client: Jobs, run_id: str = "mine") -> list[Message]:
    """Run a job and return all messages."""
    found: list[Message] = []
    client.run({"rows": 1}, run_id, found.append)
    return found


# --- the check ------------------------------------------------------------------------------------------


def test_a_head_that_is_well_passes(head: FakeHead) -> None:
    """Right address, token and version with nobody else there: the check passes and changes nothing."""
    head.listed = [{"submission_id": "a", "status": "SUCCEEDED", "metadata": {"lab_run": "mine"}}]
    head.client().check("mine")
    assert head.submitted == head.stopped == []


@pytest.mark.parametrize(
    ("token", "why"),
    [(None, "wants a token"), ("wrong", "refuses this token")],
)
def test_a_missing_and_a_wrong_token_are_told(head: FakeHead, token: str | None, why: str) -> None:
    """Without a token, and with a wrong one, the user learns where the token is and where it belongs."""
    with pytest.raises(ClusterError, match=f"{why}.*make docker-token.*RAY_AUTH_TOKEN") as caught:
        head.client(token=token).check("mine")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", "line\n"])
def test_an_impossible_token_is_told(token: str) -> None:
    """What cannot be a token is refused before anyone is asked."""
    with pytest.raises(ClusterError, match="the token is empty or holds a space"):
        Jobs("127.0.0.1:8265", token)


@pytest.mark.parametrize("version", ["<html>Welcome</html>", {"version": "4"}, [1]])
def test_another_server_is_told(head: FakeHead, version: Any) -> None:
    """A server that does not tell Ray's version is not taken for Ray."""
    head.version = version
    with pytest.raises(ClusterError, match=r"is not Ray's jobs server.*port 8265"):
        head.client().check("mine")


def test_another_version_is_told(head: FakeHead) -> None:
    """A cluster with another Ray is refused, both versions named."""
    head.version = {"ray_version": "2.9.3"}
    with pytest.raises(ClusterError, match=f"runs Ray 2.9.3.*measures Ray {PINNED_RAY}"):
        head.client().check("mine")


def test_another_run_under_way_is_told(head: FakeHead, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of another run is left alone, and the command that ends it is named."""
    monkeypatch.setattr(jobs, "STOP_SECONDS", 0.5)
    head.listed = [{"submission_id": "lab_9", "status": "RUNNING", "metadata": {"lab_run": "other"}}]
    with pytest.raises(ClusterError, match=r"lab_9 of the lab \(run other\).*ray job stop lab_9"):
        head.client().check("mine")
    assert head.stopped == []


def test_an_orphan_of_the_same_run_is_ended(head: FakeHead) -> None:
    """A job that an earlier client of this run left behind is stopped; jobs of others are not."""
    head.listed = [
        {"submission_id": "lab_9", "status": "RUNNING", "metadata": {"lab_run": "mine"}},
        {"submission_id": "theirs", "status": "RUNNING", "metadata": None},
    ]
    head.client().check("mine")
    assert head.stopped == ["lab_9"]


# --- the run --------------------------------------------------------------------------------------------


def test_a_job_is_submitted_with_its_request(head: FakeHead, tmp_path: Path) -> None:
    """The request is a file of the working folder, beside those of the work; the metadata tell the run."""
    head.tails = [log(0)]
    (tmp_path / "my_job.py").write_text("x = 1")
    (tmp_path / ".env").write_text("secret")
    asked = {"say": 'it\'s "fine" $HOME'}
    head.client(entrypoint="cat").run(asked, "mine", lambda _: None, tmp_path, {"OMP_NUM_THREADS": "1"})
    (job,) = head.submitted
    (package,) = head.packages
    with zipfile.ZipFile(io.BytesIO(head.packages[package])) as files:
        assert sorted(files.namelist()) == ["lab_request.json", "my_job.py"]
        assert json.loads(files.read("lab_request.json")) == asked
    assert job["entrypoint"] == "cat lab_request.json"
    assert job["runtime_env"] == {
        "working_dir": f"gcs://{package}",
        "env_vars": {"OMP_NUM_THREADS": "1"},
    }
    assert job["metadata"] == {"lab_run": "mine"}
    assert head.stopped == []


def test_a_whole_tail_gives_every_message(head: FakeHead) -> None:
    """What the tail brings is handed over in order, and no thread is left."""
    head.tails, head.holds = [log(200)], True
    assert received(head.client()) == rows(200)
    assert tails() == []


def test_a_tail_that_breaks_is_taken_up_again(head: FakeHead) -> None:
    """Where the tail ends early, in the middle of a line too, the rest comes once and nothing twice."""
    whole = log(30)
    head.tails = [whole[:1000], whole[:2000], whole]
    assert received(head.client()) == rows(30)
    assert head.tails == []


def test_where_the_tail_loses_lines_the_log_completes_them(head: FakeHead) -> None:
    """A tail that leaves lines out is noticed, and the whole log brings what lacks."""
    whole = log(30)
    lines = whole.splitlines(keepends=True)
    head.tails, head.log, head.status = ["".join(lines[:10] + lines[12:])], whole, "SUCCEEDED"
    assert received(head.client()) == rows(30)


def test_without_a_tail_the_log_is_enough(head: FakeHead) -> None:
    """Where something between refuses the tail's connection, rows come from the log as it grows."""
    whole = log(30)
    head.log = whole[:1500]
    timer = threading.Timer(1.0, lambda: setattr(head, "log", whole))
    timer.start()
    assert received(head.client()) == rows(30)
    timer.join()


def test_a_job_that_ends_without_an_end_is_told(head: FakeHead) -> None:
    """A job that failed halfway gives its rows, then an error with its status and last words."""
    head.log = log(3, end=False) + "Traceback (most recent call last):\nValueError: no luck\n"
    head.tails, head.status = [head.log], "FAILED"
    found: list[Message] = []
    with pytest.raises(ClusterError, match=r"is FAILED(.|\n)*rows so far are kept(.|\n)*ValueError: no luck"):
        head.client().run({}, "mine", found.append)
    assert found == rows(3)


def test_lost_lines_are_counted_in_the_error(head: FakeHead) -> None:
    """Where the log itself lacks lines, the error says how many."""
    lines = log(30).splitlines(keepends=True)
    head.log, head.status = "".join(lines[:10] + lines[12:]), "SUCCEEDED"
    with pytest.raises(
        ClusterError, match=r"is SUCCEEDED and has not told all of its rows, and 2 of its lines"
    ):
        received(head.client())


def test_a_head_without_the_lab_is_told(head: FakeHead) -> None:
    """Where Python on the head does not know the lab, the error says how to install it."""
    head.log, head.status = "/opt/lab/bin/python: No module named lab.experiment.job\n", "FAILED"
    with pytest.raises(ClusterError, match="The lab is not installed on the head: make docker-build"):
        received(head.client())


def test_a_head_short_of_memory_is_told(head: FakeHead) -> None:
    """Where Ray ended the job for want of memory, the error says whose, and what to do."""
    head.log, head.status = "Ray killed 1 worker(s) based on the killing policy\n", "FAILED"
    with pytest.raises(ClusterError, match=r"short of memory: give it more \(compose: LAB_HEAD_MEMORY"):
        received(head.client())


def test_a_job_that_falls_silent_is_told_and_stopped(head: FakeHead) -> None:
    """A job that beats no more, while the head calls it running, is given up in time and stopped."""
    head.log = log(3, end=False)
    head.tails, head.holds = [head.log], True
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"has said nothing for .* calls it RUNNING"):
        received(head.client(silence_seconds=1.0))
    assert 1.0 < time.monotonic() - began < 60
    assert head.stopped == [head.submitted[0]["submission_id"]]
    assert tails() == []


def test_old_lines_are_no_sign_of_life(head: FakeHead) -> None:
    """A silent job whose tail breaks again and again, and is read anew, does not keep the client waiting."""
    head.log = log(3, end=False)
    head.tails = [head.log] * 100
    with pytest.raises(ClusterError, match="has said nothing"):
        received(head.client(silence_seconds=2.0))
    assert head.tails


def test_the_first_line_may_take_longer(head: FakeHead) -> None:
    """Until a job's first line the time of silence does not count: it is still starting."""
    head.log = "Running entrypoint for job\n"
    timer = threading.Timer(3.0, lambda: setattr(head, "log", log(1)))
    timer.start()
    assert received(head.client(silence_seconds=0.5)) == rows(1)
    timer.join()


def test_a_head_that_answers_no_more_is_told(head: FakeHead) -> None:
    """A head that takes requests and does not answer, as a stopped one, is given up within 30 s."""
    head.log = log(3, end=False)
    head.tails, head.holds = [head.log], True
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"is lost: the head at .* does not answer .*rows so far are kept"):
        head.client(silence_seconds=1.0).run({}, "mine", lambda _: head.deaf.set())
    assert time.monotonic() - began < 30
    assert tails() == []


def test_an_error_of_the_receiver_stops_the_job(head: FakeHead) -> None:
    """Where a row cannot be kept, the job is stopped, no later row is handed over, and the error stays."""
    found: list[Message] = []
    errors = [DataError("the disk is full")]

    def keep(message: Message) -> None:
        if len(found) == 2 and errors:
            raise errors.pop()
        found.append(message)

    head.tails, head.log, head.holds = [log(30, end=False)], log(40), True
    with pytest.raises(DataError, match="the disk is full"):
        head.client().run({}, "mine", keep)
    assert found == rows(2)
    assert head.stopped == [head.submitted[0]["submission_id"]]
    assert tails() == []


def test_an_interrupt_stops_the_job_and_takes_its_last_rows(head: FakeHead) -> None:
    """After Ctrl-C the job is stopped, what it still wrote is received, and the interrupt goes on."""
    head.tails, head.log, head.holds = [log(3, end=False)], log(5, end=False), True
    found: list[Message] = []
    with interrupt_after(1.0), pytest.raises(KeyboardInterrupt):
        head.client().run({}, "mine", found.append)
    assert found == rows(5)
    assert head.stopped == [head.submitted[0]["submission_id"]]
    assert tails() == []


def test_it_runs_where_an_event_loop_runs_already(head: FakeHead) -> None:
    """In a notebook's kernel, whose main thread runs an event loop, a job runs as elsewhere."""
    head.tails = [log(5)]

    async def cell() -> list[Message]:
        return received(head.client())

    assert asyncio.run(cell()) == rows(5)


def test_neither_ray_nor_its_variables_are_used(head: FakeHead) -> None:
    """Whatever RAY_ADDRESS and RAY_AUTH_MODE say, the given address is asked, and Ray is not imported."""
    head.tails = [log(1)]
    script = (
        "import sys; from lab.clusters.jobs import Jobs; client = Jobs(*sys.argv[1:]); client.check('mine'); "
        "client.run({}, 'mine', print); assert 'ray' not in sys.modules"
    )
    other = {"RAY_ADDRESS": "http://192.0.2.1:8265", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "another"}
    command = [sys.executable, "-c", script, head.address, TOKEN]
    printed = subprocess.check_output(command, env=os.environ | other, text=True, timeout=60)
    assert "samples.csv" in printed


@contextlib.contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """Send this process what Ctrl-C sends."""
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


# --- the token ------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of a user who has no token yet."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_token_is_looked_for_in_ray_s_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable comes before the file that a variable names, and that before the file in the home."""
    assert token_from_environment() is None
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("third\n")
    assert token_from_environment() == "third"
    (home / "mine").write_text("second\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "~/mine")
    assert token_from_environment() == "second"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "first")
    assert token_from_environment() == "first"


def test_a_token_that_cannot_be_read_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file that is not there, a folder in its place, and bytes that are no text each get a reason."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "mine"))
    with pytest.raises(ClusterError, match="that RAY_AUTH_TOKEN_PATH names: there is no such file"):
        token_from_environment()
    (home / "mine").write_bytes(b"\xff\xfe")
    with pytest.raises(ClusterError, match="it is no text"):
        token_from_environment()
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    (home / ".ray" / "auth_token").mkdir(parents=True)
    with pytest.raises(ClusterError, match="Ray's own file of the token: Is a directory"):
        token_from_environment()


# --- a real head ----------------------------------------------------------------------------------------

JOB = """
import json, sys, time
from lab.data.records import Sample
from lab.clusters.wire import Sender
request, sender = json.load(open(sys.argv[1])), Sender(sys.stdout)
for number in range(request["rows"]):
    sender.append(Sample(trial_id="000-1", node_id="0123456789ab", at_seconds=number / 7))
    print("a line of someone else", file=sys.stderr)
for _ in range(request["beats"]):
    sender.beat()
    time.sleep(0.5)
sender.end()
"""
ENTRYPOINT = f"python -c {shlex.quote(JOB)}"


@pytest.fixture(scope="module")
def cluster(project: Compose) -> Iterator[ComposeCluster]:
    """Yield the shared cluster, whose job server the tests talk to."""
    project.mend()
    with project.entered(), compose(1, CORES, False, 120.0) as found:
        yield found


def states(cluster: ComposeCluster) -> dict[str, Sequence[str]]:
    """Return the states of the jobs of each run."""
    found: dict[str, list[str]] = {}
    for job in Jobs(cluster.address, cluster.token)._head.ask("GET", "/api/jobs/"):
        if run := (job["metadata"] or {}).get("lab_run"):
            found.setdefault(run, []).append(job["status"])
    return found


@pytest.mark.docker
def test_a_real_job_gives_every_row(cluster: ComposeCluster) -> None:
    """A thousand rows with exact numbers arrive from a container, amid the lines of others."""
    client = Jobs(cluster.address, cluster.token, entrypoint=ENTRYPOINT)
    client.check("whole")
    found: list[Message] = []
    client.run({"rows": 1000, "beats": 0}, "whole", found.append)
    assert found == rows(1000)


@pytest.mark.docker
@pytest.mark.parametrize(("token", "why"), [(None, "wants a token"), ("0" * 64, "refuses this token")])
def test_a_real_head_wants_its_token(cluster: ComposeCluster, token: str | None, why: str) -> None:
    """Ray answers as the fake head does where the token lacks or is wrong."""
    with pytest.raises(ClusterError, match=why):
        Jobs(cluster.address, token).check("mine")


@pytest.mark.docker
def test_an_interrupt_ends_a_real_job(cluster: ComposeCluster) -> None:
    """Ctrl-C ends the job on the cluster, not only here, and its rows so far are received."""
    client = Jobs(cluster.address, cluster.token, entrypoint=ENTRYPOINT)
    found: list[Message] = []

    def keep(message: Message) -> None:
        found.append(message)
        if len(found) == 3:
            timer.start()

    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        client.run({"rows": 3, "beats": 200}, "interrupted", keep)
    timer.join()
    assert found == rows(3)
    assert states(cluster)["interrupted"] == ["STOPPED"]


@pytest.mark.docker
def test_a_real_orphan_is_ended_by_its_own_run_alone(
    cluster: ComposeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a client died, another run is refused, and the same run ends the orphan and may go on."""
    monkeypatch.setattr(jobs, "STOP_SECONDS", 0.5)
    head = Jobs(cluster.address, cluster.token)._head
    body = {"entrypoint": "sleep 300", "submission_id": "lab_orphan", "metadata": {"lab_run": "orphaned"}}
    head.ask("POST", "/api/jobs/", body, 60.0)
    until(lambda: states(cluster)["orphaned"] == ["RUNNING"], 30)
    with pytest.raises(ClusterError, match="ray job stop lab_orphan"):
        Jobs(cluster.address, cluster.token).check("another")
    Jobs(cluster.address, cluster.token).check("orphaned")
    assert states(cluster)["orphaned"] == ["STOPPED"]
