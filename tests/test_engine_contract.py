"""Tests of the engines that are compared: one contract for all, on the real libraries."""

import contextlib
import os
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from fakes import (
    Collector,
    Unreadable,
    comes_true,
    die_always,
    die_once,
    exit_on_three,
    fail_on_three,
    sleep_long,
    square,
)

from lab.clusters.embedded import embedded
from lab.data.engines import ENGINES
from lab.engines import Work, dask_cluster, members
from lab.engines.mapped import UNKNOWN_WORKER
from lab.engines.teams import ON_RAY, TEAMS
from lab.errors import EngineError
from lab.measure.bare import bare
from lab.measure.task import Outcome, measured

WORKERS, CPUS = 2, 3


def marked(names):
    """Return engines as parameters, those on Ray with their mark."""
    return [pytest.param(name, marks=[pytest.mark.ray] * (name in ON_RAY)) for name in names]


PARALLEL = [name for name in TEAMS if name != "serial"]
NEW = [name for name in PARALLEL if name not in ("processes", "ray")]
"""Those that hand a library the whole work; the others have tests of their own beside."""
ONE_WORKER_IN_THE_DRIVER = ("serial", "joblib")


@pytest.fixture(scope="module")
def cluster():
    """Yield one Ray for all tests of this module, whose workers can import the tests' modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        )
        with embedded(CPUS, 80, 0) as cluster:
            yield cluster


@pytest.fixture
def start(request):
    """Return a function that starts a team which the test ends."""

    def start_one(engine, workers=WORKERS):
        if engine in ON_RAY:
            request.getfixturevalue("cluster")
        return TEAMS[engine](1 if engine == "serial" else workers, 1)

    return start_one


@pytest.fixture(scope="module", params=marked(TEAMS))
def team(request):
    """Yield one team of each engine, one after the other: no two are up at a time."""
    if request.param in ON_RAY:
        request.getfixturevalue("cluster")
    with TEAMS[request.param](1 if request.param == "serial" else WORKERS, 1) as team:
        yield request.param, team


def run(team, function, payloads, seconds=60.0, **options):
    """Run some work and return what the observer was told."""
    collector = Collector()
    team.run(Work(function, tuple(payloads), time.monotonic() + seconds, **options), "dynamic", collector)
    return collector


def niceness(_):
    """Return the worker's niceness in place of the units, and its process id."""
    time.sleep(0.02)
    return Outcome(os.nice(0), f"{os.getpid():016x}")


def descendants():
    """Return the processes that were started from here, but for those that Python keeps until its end."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "resource_tracker" not in " ".join(process.cmdline()):
                found.add(process)
    return found


# --- starts and ends ---


@pytest.mark.parametrize("engine", marked(NEW))
def test_one_worker_is_one_worker(start, engine):
    """A team of one does the work in one process; joblib's is the driver itself."""
    with start(engine, 1) as team:
        told = run(team, niceness, range(6), batch=2)
        pids = {int(one.measurement.outcome.digest, 16) for one in told.completions}
        assert pids == ({place.pid for place in team.places} or {os.getpid()})
        assert (pids == {os.getpid()}) is (engine in ONE_WORKER_IN_THE_DRIVER)


@pytest.mark.parametrize("engine", marked(NEW))
def test_the_deadline_is_an_engine_error_and_nothing_is_left(start, engine):
    """Work that takes too long raises EngineError, and its busy workers end with the team."""
    if engine in ON_RAY:
        start(engine)  # Ray itself stays
    before = descendants()
    with (
        start(engine) as team,
        pytest.raises(EngineError, match="the deadline passed with 6 of 6 tasks open"),
    ):
        run(team, sleep_long, range(6), seconds=0.2)
    assert_ended(before, engine)


def assert_ended(before, engine):
    """Fail where a process is left that the engine started; Ray may have its next worker ready."""
    _, alive = psutil.wait_procs(descendants() - before, timeout=0 if engine in ON_RAY else 5)
    names = []
    for one in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            names.append(one.name())
    assert [name for name in names if engine not in ON_RAY or name not in IDLE] == []


IDLE = ("ray::IDLE", "python", "python3")
"""A worker that Ray has ready, and one that is not yet that far."""


@pytest.mark.parametrize("engine", marked(NEW))
def test_a_task_that_kills_its_workers_is_no_hang(start, engine):
    """Where a task kills every process that takes it, the engine gives up, and cleans up."""
    if engine in ON_RAY:
        start(engine)
    before, began = descendants(), time.monotonic()
    with start(engine) as team, pytest.raises(EngineError) as raised:
        run(team, die_always, range(97, 103), batch=2, seconds=300.0, stall_seconds=60.0)
    assert "deadline" not in str(raised.value)
    if engine in ("pool", "futures", "joblib"):
        assert "a worker process ended (signal 9: the kernel kills so where memory runs out)" in str(
            raised.value
        )
    assert time.monotonic() - began < 120
    assert_ended(before, engine)


def test_dask_is_not_waited_for_without_end(start, monkeypatch):
    """Dask does not say that it cannot start a worker again: where no task ends for long, the engine does."""
    monkeypatch.setattr(dask_cluster, "POLL_SECONDS", 0.2)
    with (
        start("dask") as team,
        pytest.raises(EngineError, match="stalled: no task ended for 1 s, with 4 of 4"),
    ):
        run(team, sleep_long, range(4), seconds=300.0, stall_seconds=1.0)


@pytest.mark.parametrize("engine", marked(NEW))
def test_a_killed_worker_is_no_hang(start, engine, tmp_path):
    """A process killed once: the work ends in an error, or is done in full where the library tries again."""
    mark = tmp_path / "mark"
    mark.touch()
    with start(engine) as team:
        payloads = [(number, str(mark)) for number in range(8)]
        if engine in ("dask", "ray_tasks"):
            assert run(team, die_once, payloads).good() == {number: square(number) for number in range(8)}
        else:
            with pytest.raises(EngineError):
                run(team, die_once, payloads)
        assert comes_true(lambda: team.lost_workers >= 1)


@pytest.mark.parametrize("engine", ["pool", "futures", "joblib"])
def test_an_idle_worker_that_is_killed_is_no_hang(start, engine):
    """A process killed between two works, with the lock of a queue in its hand: an error, and a clean end."""
    before = descendants()
    with start(engine) as team:
        for place in team.places:
            psutil.Process(place.pid).kill()
        with contextlib.suppress(EngineError):
            assert len(run(team, square, range(10), seconds=10.0).good()) == 10
    assert_ended(before, engine)


@pytest.mark.parametrize("engine", marked(NEW))
def test_a_payload_that_cannot_be_unpacked_is_an_engine_error(start, engine):
    """Where no worker can take the work, the engine says so."""
    with start(engine) as team, pytest.raises(EngineError):
        run(team, square, [Unreadable()] * 5)


# --- refusals ---


@pytest.mark.parametrize(("engine", "module"), [("joblib", "joblib"), ("dask", "distributed")])
def test_a_library_that_is_missing_is_named(monkeypatch, engine, module):
    """Before anything starts: which package, and the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    before = descendants()
    with pytest.raises(
        EngineError,
        match=f"engine {engine} needs the package {module}, which is not installed: pip install {module}",
    ):
        TEAMS[engine](2, 1).__enter__()
    assert descendants() == before


@pytest.mark.parametrize("engine", NEW)
def test_more_nodes_are_refused(engine):
    """The comparison is of one node."""
    with pytest.raises(EngineError, match=f"engine {engine} is of one node, not 2"):
        TEAMS[engine](2, 2).__enter__()


@pytest.mark.ray
@pytest.mark.parametrize("engine", sorted(ON_RAY - {"ray"}))
def test_more_workers_than_ray_has_cpus_are_refused(cluster, engine):  # noqa: ARG001  it must be there
    """An engine on Ray does not pretend to have cores that Ray has not."""
    with pytest.raises(EngineError, match=f"engine {engine} needs 4 CPUs of Ray, one a worker, and it has 3"):
        TEAMS[engine](CPUS + 1, 1).__enter__()


@pytest.mark.ray
def test_plain_tasks_keep_to_their_number_of_workers(start):
    """Ray has a CPU more than the team has workers: no more tasks than workers run at a time."""
    with start("ray_tasks") as team:
        told = run(team, short_nap, range(40))
    spans = sorted((one.measurement.started, one.measurement.finished) for one in told.completions)
    most = max(sum(begun <= at < ended for begun, ended in spans) for at, _ in spans)
    assert most == WORKERS


def short_nap(number):
    """Take 30 ms."""
    time.sleep(0.03)
    return square(number)


def test_every_engine_has_a_label():
    """A bar of the comparison is never without a name, and no two have the same."""
    assert set(ENGINES) == set(TEAMS) >= ON_RAY
    assert len(set(ENGINES.values())) == len(ENGINES)


def test_workers_that_do_not_start_are_an_engine_error(monkeypatch):
    """A worker that never answers is an error after a while, no endless wait."""
    monkeypatch.setattr(members, "READY_SECONDS", 0.0)
    with pytest.raises(EngineError, match="engine some has 0 of 2 workers up after 0 s"):
        members.find("some", 2, lambda _: [os.getpid()])


# --- what every engine does: last, since a shared team is up until the module's end ---


@pytest.mark.parametrize("call", [measured, bare])
@pytest.mark.parametrize("batch", [1, 7])
def test_all_results_are_those_of_the_plain_loop(team, call, batch):
    """Measured or not, in batches or not: each task comes back once, with the outcome of its own payload."""
    _, workers = team
    told = run(workers, square, range(100, 130), batch=batch, call=call)
    assert told.good() == {task: square(100 + task) for task in range(30)}
    assert Counter(one.task for one in told.completions) == Counter(range(30))
    assert told.submissions == 30
    assert {one.attempt for one in told.completions} == {1}
    for one in told.completions:
        times = one.measurement
        assert one.submitted <= one.received
        if call is measured:
            assert one.submitted <= times.started <= times.finished <= one.received


@pytest.mark.parametrize("payloads", [[], [5], range(3), range(15)])
def test_any_number_of_tasks_is_done(team, payloads):
    """None, one, fewer than a batch, and a last batch that is not full."""
    _, workers = team
    assert run(workers, square, payloads, batch=7).good() == {
        task: square(number) for task, number in enumerate(payloads)
    }


def test_a_failing_task_is_reported(team):
    """What the workload raises fails its task alone, not the others of its batch, and not the run.

    So does a workload that calls exit; its worker goes on.
    """
    engine, workers = team
    told = run(workers, fail_on_three, range(8), batch=4)
    assert sorted(told.good()) == [0, 1, 2, 4, 5, 6, 7]
    (bad,) = told.failed()
    assert (bad.task, bad.measurement.error_kind) == (3, "ValueError")
    if engine in NEW:
        told = run(workers, exit_on_three, range(8))
        assert [(one.task, one.measurement.error_kind) for one in told.failed()] == [(3, "SystemExit")]
        assert len(told.good()) == 7


def test_workers_are_there_and_as_nice_as_the_driver(team):
    """As many processes as workers, which do the work, at the driver's own priority."""
    engine, workers = team
    told = run(workers, niceness, range(40))
    pids = {int(one.measurement.outcome.digest, 16) for one in told.completions}
    assert {one.measurement.outcome.units for one in told.completions} == {os.nice(0)}
    expected = {os.getpid()} if engine == "serial" else {place.pid for place in workers.places}
    assert pids == expected
    assert len(pids) == (1 if engine == "serial" else WORKERS)
    assert workers.lost_workers == 0


def test_a_completion_says_what_is_known_of_its_place(team):
    """The node is known where Ray runs; the worker is a number of the team, or unknown."""
    engine, workers = team
    told = run(workers, square, range(4))
    nodes = {place.node_id for place in workers.places} or {None}
    assert {one.node_id for one in told.completions} == nodes
    assert (nodes == {None}) is (engine not in ON_RAY)
    known = {UNKNOWN_WORKER} if engine in NEW else set(range(WORKERS))
    assert {one.worker for one in told.completions} <= known
