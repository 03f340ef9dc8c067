"""Runs on a real compose cluster: sizes, and what happens when workers, nodes or the head fail midway."""

import functools
import hashlib
import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from containers import CORES, Compose
from containers import NODES as MOST
from fakes import NODES

from lab import paths, run
from lab.data.reading import read_table
from lab.data.store import Run, read_run
from lab.errors import ClusterError
from lab.experiment.examples import works_of
from lab.experiment.parameters import MultiNode, parameters_from
from lab.experiment.run import multi_node
from lab.validation.containers import node_ids

pytestmark = pytest.mark.docker

SWEEP: dict[str, Any] = NODES | {
    "cluster": "compose",
    "address": "",
    "node_cores": CORES,
    "nodes": [1, 2, 3, 4, 5],
    "workers_per_node": [1],
    "repeats": 1,
    "modes": ["search"],
    "search_bits": 256,
    "search_width": 1024,
    "search_tasks": 40,
    "deadline_seconds": 400.0,
    "may_scale": True,
    "wait_seconds": 180.0,
}
LONG = SWEEP | {"nodes": [2], "seed": 1, "search_bits": 250, "search_width": 8_192, "search_tasks": 480}
"""One size and its copy of some 10 s each, then the baseline of one worker; such numbers go without vectors.

A row arrives up to 2 s after its task, and what a test then does to the cluster has to meet the same trial,
also on a machine that is slow or stalls for seconds.
"""
RUN_SECONDS = 480.0
"""For a run to end, on a slow machine too."""
GONE = "worker was lost|did not all start|could not reserve"
"""What a trial says whose only node is taken away, depending on how far it is."""


@pytest.fixture(autouse=True)
def cluster(compose_cluster: Compose) -> Iterator[None]:
    """Have this process in the project of the shared cluster, all of whose nodes are there."""
    with compose_cluster.entered():
        yield


def docker(*arguments: str) -> str:
    """Run a docker command that must succeed."""
    done = subprocess.run(["docker", *arguments], cwd=paths.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def containers(service: str) -> list[str]:
    """Return the ids of a service's containers that run."""
    return docker("compose", "ps", "--quiet", service).split()


@functools.cache
def digest_of(call: Callable[[Any], Any], function: Any, item: Any) -> str:
    """Return what a plain loop finds for an item; a run of more tasks begins with those of fewer."""
    return str(call(function)(item).outcome.digest)


def check_once(run: Run, parameters: dict[str, Any], trial_id: str) -> None:
    """Every task of a trial has exactly one good row, and together they are what a plain loop finds."""
    good = run.tasks[
        (run.tasks["trial_id"] == trial_id) & (run.tasks["status"] == "ok") & ~run.tasks["warmup"]
    ]
    work = works_of(parameters_from(MultiNode, parameters))["search"]
    assert Counter(good["task"]) == Counter(range(len(work.items)))
    digests = [digest_of(work.call, work.function, item) for item in work.items]
    trial = run.trials.set_index("trial_id").loc[trial_id]
    assert trial["digest"] == hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


class Going:
    """A run that goes on in another thread."""

    def __init__(self, parameters: dict[str, Any], data: Path) -> None:
        self.folder = data / "multi_node" / parameters["run_id"]
        self._pool = ThreadPoolExecutor(1)
        self.future: Future[Run] = self._pool.submit(multi_node, parameters, data)

    def until_it_works(self, before: int = 0) -> str:
        """Wait until a trial has rows of its window, beyond those of before, and return its id."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if self.future.done():
                self.future.result()
            path = self.folder / "tasks.csv"
            if path.exists() and path.read_text().count(",false,") >= before + 5:
                rows = read_table(path)
                return str(rows.loc[~rows["warmup"], "trial_id"].iloc[-1])
            time.sleep(0.2)
        raise AssertionError("no task ended within four minutes")


def only(run_id: str, **changes: Any) -> dict[str, Any]:
    """Return the parameters of a long run under an id."""
    return LONG | {"run_id": run_id} | changes


def test_a_sweep_over_all_sizes(tmp_path: Path) -> None:
    """One to five nodes, without a restart in between: all end well, placed as asked, with equal results.

    Neither the cluster's token nor an address gets into the run's files.
    """
    before = containers("ray-worker")
    run = multi_node(SWEEP, tmp_path)
    assert set(run.trials["status"]) == {"ok"}, run.trials["error_message"].dropna().tolist()
    assert sorted(run.trials.loc[run.trials["arm"] == "experiment", "nodes"]) == [1, 2, 3, 4, 5]
    for trial in run.trials.itertuples():
        check_once(run, SWEEP, trial.trial_id)
        warm = run.tasks[(run.tasks["trial_id"] == trial.trial_id) & run.tasks["warmup"]]
        assert warm["node_id"].nunique() == trial.nodes == len(warm)
    assert sorted(containers("ray-worker")) == sorted(before)
    workers = run.nodes[run.nodes["holds_workers"]]
    assert len(workers) == MOST
    assert set(workers["quota_cores"]) == {CORES}
    assert set(workers["cpu_source"]) == {"cgroup"}
    assert run.nodes["host_id"].nunique() == 1
    assert run.environment["sessions"][0]["image"].startswith("sha256:")
    token = docker("compose", "exec", "-T", "ray-head", "cat", "/run/ray-token/token")
    text = "".join(path.read_text() for path in run.directory.iterdir() if path.suffix in (".csv", ".json"))
    assert token not in text
    assert not re.search(r"\b\d{1,3}(\.\d{1,3}){3}\b(?!\.)", re.sub(r'"(kernel|[\w-]+)": "[^"]*"', "", text))
    assert "address" not in json.loads((run.directory / "environment.json").read_text())["parameters"]


def test_a_cluster_that_is_there_is_reached_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the address of the jobs API and a token in the environment, the same run needs no Docker."""
    port = docker("compose", "port", "ray-head", "8265")
    wanted = SWEEP | {"cluster": "address", "address": f"http://{port}", "nodes": [1], "may_scale": False}
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(ClusterError, match="token"):
        multi_node(wanted, tmp_path)
    monkeypatch.setenv(
        "RAY_AUTH_TOKEN", docker("compose", "exec", "-T", "ray-head", "cat", "/run/ray-token/token")
    )
    # only HTTP is needed: no docker command can be found
    monkeypatch.setenv("PATH", "/nowhere")
    run = multi_node(wanted, tmp_path)
    assert set(run.trials["status"]) == {"ok"}
    assert set(run.trials["cluster"]) == {"address"}
    assert set(run.nodes["cluster"]) == {"address"}


def test_the_head_and_then_a_worker_killed_in_the_middle(tmp_path: Path) -> None:
    """Without its head a run ends well before a minute with a clear error, and the same run goes on later.

    Where it then loses a worker, it ends with every unit of work done exactly once, and the loss in its rows.
    """
    parameters = only("killed")
    going = Going(parameters, tmp_path)
    going.until_it_works()
    killed = time.monotonic()
    docker("kill", *containers("ray-head"))
    with pytest.raises(ClusterError, match="the rows so far are kept"):
        going.future.result(timeout=120)
    assert time.monotonic() - killed <= 30
    assert [thread for thread in threading.enumerate() if thread.name.startswith("tail of")] == []
    kept = read_run(going.folder)
    assert len(kept.tasks)
    assert not kept.complete
    going = Going(parameters, tmp_path)
    trial_id = going.until_it_works(before=(~kept.tasks["warmup"]).sum())
    rows = read_table(going.folder / "tasks.csv")
    hit = rows.loc[rows["trial_id"] == trial_id, "node_id"].iloc[-1]
    (victim,) = [one for one, node in node_ids(containers("ray-worker")).items() if node == hit]
    docker("kill", victim)
    run = going.future.result(timeout=RUN_SECONDS)
    assert run.complete
    assert len(run.environment["sessions"]) == 2
    assert set(run.trials["status"]) == {"interrupted", "ok"}
    assert set(run.nodes["session"]) == {1, 2}
    for trial in run.trials[run.trials["status"] == "ok"].itertuples():
        check_once(run, parameters, trial.trial_id)
    trial = run.trials.set_index("trial_id").loc[trial_id]
    assert (trial["status"], trial["lost_workers"] > 0, trial["failed_attempts"] > 0) == ("ok", True, True)
    failed = run.tasks[(run.tasks["trial_id"] == trial_id) & (run.tasks["status"] == "failed")]
    assert set(failed["node_id"]) == {hit}
    assert failed["error_kind"].str.contains("Actor").all()
    lost = run.windows[(run.windows["trial_id"] == trial_id) & (run.windows["node_id"] == hit)]
    assert list(lost["status"]) == ["lost"]


def test_a_node_that_hangs(tmp_path: Path) -> None:
    """A paused node does not hold up the run: the trial is given up after stall_seconds, and says where."""
    nodes = containers("ray-worker")
    # the baseline, which is the longest, comes first: it is this that is given up
    parameters = only("paused", seed=5, search_tasks=240, stall_seconds=4.0, wait_seconds=20.0)
    going = Going(parameters, tmp_path)
    trial_id = going.until_it_works()
    docker("pause", *nodes)
    try:
        deadline = time.monotonic() + 60
        while trial_id not in set(read_table(going.folder / "trials.csv")["trial_id"]):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        docker("unpause", *nodes)
    run = going.future.result(timeout=RUN_SECONDS)
    trial = run.trials.set_index("trial_id").loc[trial_id]
    assert trial["status"] == "failed"
    assert re.search(r"stalled: no task ended for 4 s|the last worker was lost", trial["error_message"])
    assert run.complete


def test_a_scale_down_in_the_middle(tmp_path: Path) -> None:
    """Nodes that are taken away in the middle cost attempts, and no work."""
    parameters = only("scaled", nodes=[MOST], search_tasks=900, wait_seconds=10.0)
    going = Going(parameters, tmp_path)
    trial_id = going.until_it_works()
    # a node that is given its 40 s waits for the workers of the trial, which would then lose none
    docker("compose", "up", "--detach", "--no-build", "--timeout", "1", "--scale", "ray-worker=2")
    run = going.future.result(timeout=RUN_SECONDS)
    trial = run.trials.set_index("trial_id").loc[trial_id]
    assert trial["status"] == "ok", trial["error_message"]
    assert trial["lost_workers"] > 0
    assert trial["failed_attempts"] > 0
    check_once(run, parameters, trial_id)
    # later trials find too few nodes, or one that is just being taken away: each has its row, with the reason
    for later in run.trials[run.trials["status"] == "failed"].itertuples():
        why = "5 nodes are asked for, and 2 that may hold workers are alive" if later.nodes == MOST else GONE
        assert re.search(why, later.error_message), later.error_message
    assert run.complete


def test_fewer_nodes_than_asked_for_begin_nothing(tmp_path: Path) -> None:
    """Where the run may not scale, too few nodes are an error that tells what is there and what to do."""
    there = len(containers("ray-worker"))
    wanted = only("more", nodes=[there + 1], may_scale=False)
    with pytest.raises(ClusterError, match=rf"has {there} nodes .* make docker-up NODES={there + 1}"):
        multi_node(wanted, tmp_path)
    assert not (tmp_path / "multi_node" / "more" / "environment.json").exists()


def test_a_script_runs_on_containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On one and two nodes a Ray script has as many as asked for, and all of them are watched."""
    monkeypatch.chdir(Path(__file__).parent / "scripts")
    asked: dict[str, Any] = {"nodes": [1, 2], "workers": [1], "repeats": 1, "node_cores": CORES}
    made = run(command="python auto.py", cluster="compose", data=tmp_path, run_id="auto", **asked)
    assert isinstance(made, Run)
    assert set(made.trials["status"]) == {"ok"}, made.trials["error_message"].tolist()
    assert set(made.trials["nodes"]) == {1, 2}
    assert (made.trials["units"] == 50).all()
    busy = made.windows[made.windows["workers_cpu_seconds"] > 0].groupby("trial_id")["node_id"].nunique()
    assert busy.to_dict() == made.trials.set_index("trial_id")["nodes"].to_dict()
