"""Tests of lab.experiment.job: what runs on the head of a remote cluster, and what it tells the client."""

import base64
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fakes import LOCAL, comes_true, tiny_nodes

from lab.clusters.local import local
from lab.clusters.package import packed
from lab.clusters.wire import Message, Receiver, Sender
from lab.data.records import NodeFacts, TaskRecord, Trial
from lab.experiment import job
from lab.experiment.examples import works_of
from lab.experiment.plan import multi_node_plan
from lab.experiment.session import Assignment
from lab.experiment.sites import folder_of, request_for
from lab.measure.environment import versions


def request(**changes: Any) -> str:
    """Return a request for the whole plan of the tiny parameters, as a client makes it."""
    parameters = tiny_nodes(nodes=[1], repeats=1, modes="search")
    works = works_of(parameters)
    to_do = [Assignment(one, 1) for one in multi_node_plan(parameters)]
    whole = request_for("multi_node", parameters, works, to_do, {}, "local", 0.5)
    whole = dataclasses.replace(whole, files=base64.b64encode(packed(folder_of(works))).decode())
    return json.dumps(dataclasses.asdict(dataclasses.replace(whole, **changes)))


def carry_out(text: str, **environment: str) -> tuple[Receiver, list[Message]]:
    """Run the job as Ray would, with the request in a file, and return what its log tells."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "request.json").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "lab.experiment.job", "request.json"],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=folder,
            env=os.environ | environment,
        )
    assert done.returncode == 0, done.stderr
    receiver = Receiver()
    return receiver, list(receiver.feed_text(done.stdout))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": "feedfacefeedface"}, "than this machine (feedfacefeedface): install the same on its nodes"),
        ({"versions": versions() | {"gmpy2": "1.0"}}, "this machine 1.0: install the same versions on both"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict[str, Any], words: str) -> None:
    """Other code or other packages: told in words before Ray is asked, nothing runs."""
    receiver, messages = carry_out(request(**changes))
    assert receiver.complete
    (told,) = messages
    assert told.kind == "refused"
    assert words in told.content["message"]


def test_the_job_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a trial takes, beats tell the client that the job is there, and end with it."""
    monkeypatch.setattr(job, "BEAT_SECONDS", 0.02)
    out = StringIO()
    with job._heartbeat(Sender(out)):
        assert comes_true(lambda: out.getvalue().count("beat") >= 3)
    beats = out.getvalue().count("beat")
    time.sleep(0.1)
    assert out.getvalue().count("beat") == beats


@pytest.mark.ray
def test_a_job_sends_what_a_run_would_write() -> None:
    """On a cluster that is there: every trial, its tasks, and the facts of each node, once, in order."""
    with local(1, 1, LOCAL["object_store_megabytes"]):
        import ray

        address = ray.get_runtime_context().gcs_address
        receiver, messages = carry_out(request(), RAY_ADDRESS=address)
    assert receiver.complete
    assert [one.content for one in messages if one.kind == "refused"] == []
    records = [one.content for one in messages]
    trials = [one for one in records if isinstance(one, Trial)]
    assert [one.status for one in trials] == ["ok", "ok"], trials
    assert [one.content["slot"] for one in messages if one.kind == "slot"] == [one.slot for one in trials]
    tasks = [one for one in records if isinstance(one, TaskRecord) and not one.warmup]
    assert len(tasks) == 2 * 5
    facts = [one for one in records if isinstance(one, NodeFacts)]
    assert sorted(one.holds_workers for one in facts) == [False, True]
    assert {one.cluster_start_seconds for one in facts} == {0.5}
