"""What surrounds a run on one machine: limits, settings of the environment, other runs, names of runs."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab import paths
from lab.clusters.embedded import SETTINGS, connected
from lab.clusters.surroundings import FEWEST_FILES, changing, check_surroundings, limited
from lab.data.ledger import Ledger
from lab.errors import ClusterError
from lab.experiment.facts import in_words, new_folder
from lab.experiment.parameters import SingleNode, parameters_from
from lab.experiment.profiles import notebook_parameters
from lab.experiment.run import single_node
from lab.measure.company import company
from lab.measure.task import first_line

TINY = {
    "workers": [1],
    "repeats": 1,
    "search_tasks": 2,
    "modes": ["search"],
    "schedules": ["dynamic"],
    "profile": "quick",
}


def python(code: str, **environment: str) -> str:
    """Return what a Python of its own says, with other variables of the environment."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(paths.ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=170,
    )
    return done.stdout + done.stderr


# --- limits -----------------------------------------------------------------------------------------------


def test_a_temporary_folder_of_a_long_path_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's sockets would not fit: the message says what to choose, and no folder of a run is left."""
    long = tmp_path / ("x" * 110)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with pytest.raises(ClusterError, match="choose a shorter TMPDIR"):
        single_node(notebook_parameters("single_node") | TINY, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setenv("RAY_TMPDIR", "/gone")
    with pytest.raises(ClusterError, match="not there or not writable"):
        check_surroundings()


def test_few_open_files_are_refused_with_the_command() -> None:
    """A hard limit too low for Ray is refused; a soft one alone is raised."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, {}))\n"
    check = "from lab.clusters.surroundings import check_surroundings; check_surroundings()\n"
    assert f"raise it (ulimit -n {FEWEST_FILES})" in python(limit.format(64) + check)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    told = "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    assert python(limit.format(hard) + check + told).strip() == str(FEWEST_FILES)


def test_a_wait_ends_with_a_sentence_whatever_catches_errors_on_the_way() -> None:
    """The limit breaks through code that catches every Exception, and leaves no alarm behind."""
    before = signal.getsignal(signal.SIGALRM)

    @limited(0.2, "too long")
    def connect() -> None:
        while True:
            # as Ray does
            with contextlib.suppress(Exception):
                time.sleep(20)

    with pytest.raises(ClusterError, match="too long"):
        connect()
    assert signal.getsignal(signal.SIGALRM) is before
    with limited(20, "too long"):
        pass


# --- settings ---------------------------------------------------------------------------------------------


def test_settings_that_change_a_measurement_are_recorded_by_name() -> None:
    """Names of settings are kept, never a value; those that the lab sets itself are not among them."""
    given = {
        "RAY_PROFILING": "1",
        "OMP_NUM_THREADS": "3",
        "http_proxy": "http://me:secret@proxy",
        "RAY_AUTH_TOKEN": "secret",
        "HOME": "/home/me",
        **SETTINGS,
    }
    assert changing(given, SETTINGS) == ["OMP_NUM_THREADS", "RAY_PROFILING", "http_proxy"]


def test_no_address_of_a_node_is_in_a_message() -> None:
    """What Ray says of a node that is low on memory is kept without the node's address."""
    error = RuntimeError("Memory on the node (IP: 10.0.0.7, ID: 99f4) was 2 GB used\nmore")
    assert first_line(error) == "Memory on the node was 2 GB used"


STARTED = """
from lab.clusters.embedded import embedded
from lab.engines.ray_actors import team
from lab.errors import LabError
try:
    with embedded(1, 80, 0), team(1):
        print("started")
except LabError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.ray
def test_a_proxy_keeps_no_ray_from_starting() -> None:
    """A proxy that Ray was told to use for its own talk is not used: it would never answer."""
    told = python(STARTED, http_proxy="http://127.0.0.1:9", RAY_grpc_enable_http_proxy="1")
    assert told.splitlines()[-1] == "started"


@pytest.mark.ray
def test_other_cpus_than_asked_for_are_refused() -> None:
    """A variable that has Ray count other CPUs is named, with what to do."""
    told = python(STARTED, RAY_OVERRIDE_RESOURCES='{"CPU": 2}')
    assert "Ray counts 2 CPUs where 1 were asked for" in told
    assert "unset RAY_OVERRIDE_RESOURCES" in told


KILLED = (
    """
import os
import signal
from lab.engines import ray_actors
class Killed(ray_actors.Worker):
    def identity(self):
        os.kill(os.getpid(), signal.SIGKILL)
ray_actors.Worker = Killed
"""
    + STARTED
)


@pytest.mark.ray
def test_a_worker_that_ends_at_its_start_is_told_of() -> None:
    """The message has the seconds that were waited and what ended the worker, not a limit of no concern.

    The worker is killed as the kernel kills one that is out of memory: whether Ray's own memory monitor
    acts depends on the machine.
    """
    told = python(KILLED)
    assert "1 Ray workers did not all start, in " in told
    assert "one of them ended (ActorDiedError: " in told
    assert "120 s" not in told


# --- other runs -------------------------------------------------------------------------------------------


def test_runs_know_of_each_other(tmp_path: Path) -> None:
    """Whoever runs beside another is told, at the start and at the end, whichever came first."""
    place = tmp_path / "lock"
    with company(place) as first:
        assert first() is False
        with company(place) as second:
            assert second() is True
            assert first() is True
        assert first() is False
    with company(tmp_path / "no" / "such" / "folder") as alone:
        assert alone() is None


@pytest.mark.ray
def test_a_run_beside_another_says_so_at_its_start_and_in_its_data(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two runs of one machine disturb each other: the second says it, and both say it in environment.json."""
    with company():
        run = single_node(notebook_parameters("single_node") | TINY, tmp_path)
    told = capfd.readouterr()
    assert "Another run of this lab is measured on this machine" in told.err
    assert "parameters: run_id" in told.out
    (session,) = run.environment["sessions"]
    assert (session["other_runs_at_start"], session["other_runs_at_end"]) == (True, True)
    assert run.environment["settings"] == changing(os.environ, SETTINGS)


def test_a_run_of_another_user_is_known(tmp_path: Path) -> None:
    """The file of another user can be held without a right to write to it."""
    place = tmp_path / "lock"
    place.touch(mode=0o444)
    with company(place) as first, company(place) as second:
        assert (first(), second()) == (True, True)


def test_runs_that_begin_in_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    """No two runs get one folder, however fast they begin."""
    folders = {new_folder(tmp_path / "single_node", "quick") for _ in range(5)}
    assert len(folders) == 5
    assert all(one.is_dir() for one in folders)


def test_a_run_that_never_began_leaves_no_folder(tmp_path: Path) -> None:
    """A cluster that does not start leaves nothing; rows without an environment are never removed."""
    facts = {"parameters": {}, "session": {}}
    with Ledger(tmp_path / "single_node" / "a", facts):
        pass
    assert not (tmp_path / "single_node" / "a").exists()


def test_parameters_are_shown_as_they_were_understood() -> None:
    """What YAML made of a number is seen before the run begins: 010 is 8."""
    told = in_words(
        parameters_from(
            SingleNode,
            {**notebook_parameters("single_node"), **TINY, "workers": [8], "deadline_seconds": 5400},
        )
    )
    assert told.startswith("parameters: ")
    assert "workers [8]" in told
    assert "deadline_seconds 5400.0" in told


@pytest.mark.parametrize(("failures", "starts"), [(1, 2), (2, 2)])
def test_a_ray_that_was_too_slow_is_started_once_more(
    monkeypatch: pytest.MonkeyPatch, failures: int, starts: int
) -> None:
    """On a busy machine a raylet may end itself; a second time is an error, and so is any other reason."""
    import ray

    asked: list[dict[str, Any]] = []

    def begin(**options: Any) -> None:
        asked.append(options)
        if len(asked) <= failures:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", begin)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with contextlib.ExitStack() as stack:
        if failures == starts:
            stack.enter_context(pytest.raises(ClusterError, match="did not start: The current node"))
        stack.enter_context(connected(address="local"))
    assert len(asked) == starts
    asked.clear()
    monkeypatch.setattr(ray, "init", lambda **_: asked.append({}) or 1 / 0)
    with pytest.raises(ClusterError, match="did not start: division"), connected(address="local"):
        pass
    assert len(asked) == 1
