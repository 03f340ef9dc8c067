"""Tests of lab.experiment.run: what a notebook calls, what it refuses, how it goes on when cut short."""

import dataclasses
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter, namedtuple
from pathlib import Path

import pytest
from fakes import TINY, FakeEngines, FakeTeam, fake_embedded, tiny

import lab.experiment.run
import lab.experiment.sites
from lab import paths
from lab.clusters import embedded
from lab.data.store import read_run
from lab.engines.teams import TEAMS
from lab.errors import ClusterError, DataError, LabError, ParameterError
from lab.experiment.examples import works_of
from lab.experiment.facts import new_run_id
from lab.experiment.parameters import SingleNode
from lab.experiment.plan import single_node_plan
from lab.experiment.run import check_disk, check_memory, single_node
from lab.measure import environment

TESTS = Path(__file__).parent
TRIALS = 32
SMALL = {"workers": [2], "modes": ["search"], "schedules": ["dynamic"]}
"""Changes that leave 8 trials: two blocks of loop, processes, Ray and its copy."""


def stand_in(patch, engines, cluster=fake_embedded):
    """Replace Ray, the engines and the digest of the source, which other people change meanwhile."""
    patch.setattr(lab.experiment.sites, "embedded", cluster)
    patch.setattr(lab.experiment.facts, "code_facts", lambda: {"version": "0", "digest": "same"})
    for name in ("serial", "processes", "ray"):
        patch.setitem(TEAMS, name, engines.table[name])


@pytest.fixture
def engines(monkeypatch):
    """Return fake engines that stand in for all."""
    fakes = FakeEngines()
    stand_in(monkeypatch, fakes)
    return fakes


def no_cluster(*_):
    """Fail the test where a cluster is asked for."""
    raise AssertionError("no cluster should be started")


def contents(folder):
    """Return the bytes of every file under a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_whole(run, trials):
    """Every slot has exactly one ended trial, every good trial exactly one good row for each of its tasks."""
    ended = run.trials[run.trials["status"] != "interrupted"]
    assert Counter(ended["slot"]) == Counter(range(trials))
    assert run.complete
    good = run.tasks[(run.tasks["status"] == "ok") & ~run.tasks["warmup"]]
    for trial in run.trials[run.trials["status"] == "ok"].itertuples():
        own = good[good["trial_id"] == trial.trial_id]
        assert Counter(own["task"]) == Counter(range(5))
        assert own["units"].sum() == trial.units


# --- a run ---


def test_a_run_does_the_plan(engines, tmp_path, capsys):
    """Every slot of the plan is run once, in its order, and lands in the ledger; the digests agree."""
    run = single_node(TINY, tmp_path)
    check_whole(run, TRIALS)
    plan = single_node_plan(tiny(), cores=int(environment.usable_cores(lab.experiment.run.find_cgroup())))
    first_of_turns = {one.turn: one.configuration for one in reversed(plan)}
    assert [line for line in engines.transcript if "starts" in line] == [
        f"{one.engine} starts {one.workers}" for _, one in sorted(first_of_turns.items())
    ]
    assert set(run.trials["status"]) == {"ok"}
    assert (run.trials.groupby("mode")["digest"].nunique() == 1).all()
    assert run.directory == tmp_path / "single_node" / "tiny"
    printed = capsys.readouterr()
    assert f"{TRIALS} of {TRIALS} trials to do" in printed.out
    assert f"{TRIALS}/{TRIALS}" in printed.err


def test_a_lost_worker_ends_its_team(engines, monkeypatch, tmp_path):
    """After a trial that lost a worker the next one on as many workers gets new ones."""
    few = {"repeats": 1, "modes": ["search"], "workers": [2]}
    single_node(TINY | few | {"run_id": "whole"}, tmp_path)
    starts = engines.transcript.count("ray starts 2")

    class Losing(FakeTeam):
        lost_workers = 1

    losing = FakeEngines("ray", team=Losing)
    engines.table["ray"] = losing.table["ray"]
    stand_in(monkeypatch, engines)
    single_node(TINY | few, tmp_path)
    assert starts == 2, "one for both schedules, one for the copy"
    assert losing.transcript.count("ray starts 2") == 3


def test_a_run_tells_its_circumstances(engines, tmp_path):  # noqa: ARG001
    """The environment file holds the plan's size, parameters, versions, and the two ends of the session."""
    run = single_node(TINY | SMALL, tmp_path)
    assert run.environment["planned_trials"] == len(run.trials) == 8
    assert run.environment["parameters"]["workers"] == [2]
    assert set(run.environment["parameters"]) == {field.name for field in dataclasses.fields(SingleNode)}
    assert run.environment["versions"]["ray"] == embedded.PINNED_RAY
    (session,) = run.environment["sessions"]
    assert session["started_at"] < session["finished_at"]
    assert list(run.nodes["session"]) == [1]


def test_a_run_without_an_id_gets_one(engines, tmp_path):  # noqa: ARG001
    """An empty run_id becomes the time in UTC and the profile, which can be given as a run_id again."""
    run = single_node(TINY | SMALL | {"run_id": ""}, tmp_path)
    assert re.fullmatch(r"\d{8}T\d{6}Z-custom", run.run_id)
    assert run.environment["parameters"]["run_id"] == run.run_id
    assert tiny(run_id=new_run_id("full")).run_id.endswith("-full")
    again = single_node(TINY | SMALL | {"run_id": run.run_id}, tmp_path)
    assert len(again.environment["sessions"]) == 1


def test_the_data_folder_can_be_moved(engines, tmp_path, monkeypatch):  # noqa: ARG001
    """LAB_DATA, where it is set, is where a notebook's run goes; else it is the project's data folder."""
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "elsewhere"))
    assert single_node(TINY | SMALL).directory == tmp_path / "elsewhere" / "single_node" / "tiny"
    monkeypatch.delenv("LAB_DATA")
    assert paths.data_folder() == paths.DATA


def test_the_work_is_the_same_for_all_and_seeded():
    """Each mode's payloads depend on the parameters alone; another seed gives other work."""
    for mode in ("search", "find", "factor"):
        work = works_of(tiny(modes=mode))[mode].items
        assert work == works_of(tiny(modes=mode, workers=[1], repeats=9))[mode].items
        assert work != works_of(tiny(modes=mode, seed=8))[mode].items
    every = works_of(tiny(modes=["search", "find", "factor"]))
    assert {mode: len(work.items) for mode, work in every.items()} == {"search": 5, "find": 5, "factor": 4}


# --- going on ---


def test_a_complete_run_run_again_does_nothing(engines, tmp_path, monkeypatch, capsys):
    """No cluster is started, no trial is run, and no byte of the data changes."""
    single_node(TINY | SMALL, tmp_path)
    before = contents(tmp_path)
    engines.transcript.clear()
    monkeypatch.setattr(lab.experiment.sites, "embedded", no_cluster)
    capsys.readouterr()
    assert single_node(TINY | SMALL, tmp_path).complete
    assert engines.transcript == []
    assert contents(tmp_path) == before
    assert "0 of 8 trials to do" in capsys.readouterr().out


class Interrupted(FakeTeam):
    """Presses Ctrl-C in the window of the third trial."""

    windows = 0

    def run(self, work, schedule, observer):
        """Count the windows: a warm-up has as many tasks as there are workers."""
        window = len(work.payloads) == 5
        type(self).windows += window
        if not window or type(self).windows != 3:
            super().run(work, schedule, observer)
            return
        super().run(dataclasses.replace(work, payloads=work.payloads[:2]), schedule, observer)
        raise KeyboardInterrupt


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    """Ctrl-C leaves readable files and tells how to go on; the next start does the rest and the cut trial."""
    monkeypatch.setattr(Interrupted, "windows", 0)
    fakes = FakeEngines(team=Interrupted)
    stand_in(monkeypatch, fakes)
    with pytest.raises(KeyboardInterrupt):
        single_node(TINY | SMALL, tmp_path)
    assert "To go on: lab resume tiny\n" in capsys.readouterr().err
    cut = read_run(tmp_path / "single_node" / "tiny")
    assert list(cut.trials["status"]) == ["ok", "ok", "interrupted"]
    assert not cut.complete
    fakes.transcript.clear()
    run = single_node(TINY | SMALL, tmp_path)
    assert sum("starts" in line for line in fakes.transcript) == 6
    check_whole(run, 8)
    assert list(run.trials["trial_id"])[:4] == ["000-1", "001-1", "002-1", "002-2"]
    assert [one.get("finished_at") is None for one in run.environment["sessions"]] == [True, False]
    assert list(run.nodes["session"]) == [1, 2]


CHILD = """
import sys
sys.path.insert(0, {tests!r})
import pytest
from pathlib import Path
from test_run import SMALL, TINY, FakeEngines, Killed, single_node, stand_in
Killed.left = {tasks}
stand_in(pytest.MonkeyPatch(), FakeEngines(team=Killed))
single_node(TINY | SMALL, Path({data!r}))
"""


class Killed(FakeTeam):
    """Kills its whole process with SIGKILL after so many tasks."""

    left = 0

    def run(self, work, schedule, observer):
        """Count the tasks, those of warm-ups too."""
        for task in range(len(work.payloads)):
            if type(self).left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            type(self).left -= 1
            one = dataclasses.replace(work, payloads=work.payloads[task : task + 1])
            super().run(one, schedule, Renumbered(observer, task))


class Renumbered:
    """An observer in between, which gives a task its number."""

    def __init__(self, observer, task):
        self.observer, self.task, self.submitted = observer, task, observer.submitted

    def completed(self, completion):
        """Pass on."""
        self.observer.completed(completion._replace(task=self.task, worker=self.task % 2))


@pytest.mark.parametrize(
    "tasks", [0, 1, 16, 20], ids=["at the start", "in a warm-up", "in a window", "after some"]
)
def test_a_killed_run_goes_on_where_it_was(engines, tmp_path, tasks):
    """After SIGKILL only what is missing is done; the cut trial gets its row, its slot is done again."""
    script = CHILD.format(tests=str(TESTS), tasks=tasks, data=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    cut = read_run(tmp_path / "single_node" / "tiny")
    begun, ended = set(cut.tasks["trial_id"]), set(cut.trials["trial_id"])
    before = {path: content.rstrip(b"\n") for path, content in contents(tmp_path).items()}

    run = single_node(TINY | SMALL, tmp_path)
    check_whole(run, 8)
    assert sum("starts" in line for line in engines.transcript) == 8 - len(ended)
    lost = run.trials[run.trials["status"] == "interrupted"]
    assert set(lost["trial_id"]) == begun - ended
    assert set(lost["error_kind"]) <= {"Killed"}
    for trial in lost.itertuples():
        again = run.trials[run.trials["slot"] == trial.slot]
        assert list(again["attempt"]) == [1, 2]
        assert list(again["status"]) == ["interrupted", "ok"]
    after = contents(tmp_path)
    assert all(after[path].startswith(content) for path, content in before.items() if path.suffix == ".csv")


class Wrong(FakeTeam):
    """Has another result for the first task."""

    def run(self, work, schedule, observer):
        """Turn the payloads around."""
        super().run(dataclasses.replace(work, payloads=work.payloads[::-1]), schedule, observer)


def test_other_results_fail_their_trials_and_no_more(tmp_path, monkeypatch, capsys):
    """An engine whose results differ has failed trials, in a later session too; they are not done again."""
    fakes = FakeEngines()
    fakes.table["ray"] = FakeEngines("ray", team=Wrong).table["ray"]
    stand_in(monkeypatch, fakes)
    run = single_node(TINY | SMALL | {"seed": 9}, tmp_path)
    failed = run.trials[run.trials["status"] == "failed"]
    first = run.trials.iloc[0]["engine"]
    assert 0 < len(failed) < 8
    assert (failed["engine"] == "ray").all() or first == "ray"
    assert failed["error_message"].str.contains("its results differ").all()
    assert run.complete
    capsys.readouterr()
    single_node(TINY | SMALL | {"seed": 9}, tmp_path)
    assert "0 of 8 trials to do" in capsys.readouterr().out


def test_digests_hold_across_sessions(tmp_path, monkeypatch):
    """A run that goes on compares with the digests of the session before."""
    monkeypatch.setattr(Interrupted, "windows", 0)
    stand_in(monkeypatch, FakeEngines(team=Interrupted))
    with pytest.raises(KeyboardInterrupt):
        single_node(TINY | SMALL, tmp_path)
    stand_in(monkeypatch, FakeEngines(team=Wrong))
    run = single_node(TINY | SMALL, tmp_path)
    assert list(run.trials["status"]) == ["ok", "ok", "interrupted", *["failed"] * 6]


def test_going_on_with_other_parameters_is_refused(engines, tmp_path):
    """The same run_id with another seed changes nothing and names both seeds."""
    single_node(TINY | SMALL, tmp_path)
    before = contents(tmp_path)
    engines.transcript.clear()
    with pytest.raises(DataError, match=r"other parameters: \{'seed': 7\} there, \{'seed': 8\} now"):
        single_node(TINY | SMALL | {"seed": 8}, tmp_path)
    assert contents(tmp_path) == before
    assert engines.transcript == []


# --- what is refused before any work ---


@pytest.fixture
def nothing_begins(engines, tmp_path, monkeypatch):
    """Check after the test that no work was begun and nothing was written."""
    monkeypatch.setattr(lab.experiment.sites, "embedded", no_cluster)
    yield tmp_path / "data"
    assert engines.transcript == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"worker": 3}, ParameterError, "unknown parameter worker; did you mean workers"),
        ({"workers": 0}, ParameterError, "workers is 0: accepted is"),
        ({"workers": "lots"}, ParameterError, "workers is 'lots': accepted is"),
        ({"run_id": "../x"}, ParameterError, "run_id is '../x': accepted is"),
        ({"search_bits": 16, "search_tasks": 129}, ParameterError, "search_tasks do not go together: "),
        ({"object_store_megabytes": 1_048_576}, ParameterError, "choose fewer workers or a smaller object_s"),
    ],
)
def test_bad_parameters_begin_nothing(nothing_begins, changes, error, words):
    """A clear error, and no folder."""
    with pytest.raises(error, match=re.escape(words)):
        single_node(TINY | changes, nothing_begins)


def test_another_ray_begins_nothing(nothing_begins, monkeypatch):
    """A Ray out of the range is refused with its version, the range, and what to do."""
    monkeypatch.setattr(embedded.importlib.metadata, "version", lambda _: "2.54.0")
    words = r"Ray 2\.54\.0 is installed, the lab measures Ray 2\.55\.0 to 2\.60\.0: run"
    with pytest.raises(ClusterError, match=words):
        single_node(TINY, nothing_begins)


def test_no_ray_begins_nothing(nothing_begins, monkeypatch):
    """Where Ray is not installed at all, that is said the same way."""

    def missing(name):
        raise embedded.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(embedded.importlib.metadata, "version", missing)
    with pytest.raises(ClusterError, match="Ray is not installed, the lab measures Ray"):
        single_node(TINY, nothing_begins)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_an_occupied_port_begins_nothing(nothing_begins, host):
    """A dashboard port that someone listens on is refused, with what to do."""
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"dashboard_port {port} cannot be used .*choose another port"):
            single_node(TINY | {"dashboard_port": port}, nothing_begins)


def test_a_free_port_is_accepted():
    """A port that nobody listens on, and 0, pass."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    embedded.check_port(port)
    embedded.check_port(0)


Disk = namedtuple("Disk", "total used free")


def test_too_little_disk_begins_nothing(nothing_begins, monkeypatch):
    """A disk without room for the rows is refused with both sizes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**12, 10**12, 5_000_000))
    with pytest.raises(DataError, match=r"has 5 MB free, this run may write 10 MB; free some space"):
        single_node(TINY, nothing_begins)


def test_a_data_folder_that_is_a_file_begins_nothing(engines, tmp_path, monkeypatch):
    """A file where data/ belongs is refused, and stays."""
    monkeypatch.setattr(lab.experiment.sites, "embedded", no_cluster)
    (tmp_path / "data").write_text("mine")
    with pytest.raises(DataError, match="a file stands where a folder belongs"):
        single_node(TINY, tmp_path / "data")
    assert (tmp_path / "data").read_text() == "mine"
    assert engines.transcript == []


def test_memory_is_checked_before():
    """As many workers pass as the memory holds beside the object store; one more does not."""
    room = 4 * lab.experiment.run.WORKER_BYTES + 2 * 200 * 10**6
    check_memory(4, 2, 200, room)
    with pytest.raises(
        ParameterError, match="up to 5 workers on 2 nodes of this machine: with 150 MB for each"
    ):
        check_memory(5, 2, 200, room)


def test_disk_is_checked_where_data_will_be(tmp_path, monkeypatch):
    """The folder need not be there yet: the nearest one that is counts."""
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or Disk(1, 0, 10**12))
    check_disk(tmp_path / "not" / "there", 1000)
    assert asked == [tmp_path]


def test_every_refusal_is_a_lab_error():
    """What the lab raises on purpose can be told from a bug by one type."""
    assert all(issubclass(one, LabError) for one in (ParameterError, DataError, ClusterError))
