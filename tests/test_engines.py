"""Tests of lab.engines: one contract for all of them, and what each does when workers are lost."""

import contextlib
import itertools
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from fakes import (
    Collector,
    Unreadable,
    die_always,
    die_once,
    exit_on_three,
    fail_on_three,
    no_outcome,
    sleep_long,
    slow_square,
    square,
)

from lab.clusters.embedded import embedded
from lab.engines import Work, processes, ray_actors, ray_dispatch, shares
from lab.engines.ray_dispatch import CALLS_IN_FLIGHT
from lab.engines.teams import TEAMS
from lab.errors import EngineError

COMBINATIONS = [
    pytest.param(engine, schedule, id=f"{engine}-{schedule}", marks=[pytest.mark.ray] * (engine == "ray"))
    for engine in ("serial", "processes", "ray")
    for schedule in ("dynamic", "static")
]
SCHEDULES = ("dynamic", "static")
PARALLEL = [pytest.param("processes"), pytest.param("ray", marks=pytest.mark.ray)]
SHARED_WORKERS, MOST_WORKERS = 2, 3


@pytest.fixture(scope="module")
def cluster():
    """Yield one Ray for all tests of this module, whose workers can import the tests' modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        with embedded(SHARED_WORKERS + MOST_WORKERS, 80, 0) as cluster:
            yield cluster


@pytest.fixture
def start(request):
    """Yield a function that starts a team for one test."""
    with contextlib.ExitStack() as teams:

        def start_one(engine, workers=SHARED_WORKERS):
            if engine == "ray":
                request.getfixturevalue("cluster")
            return teams.enter_context(TEAMS[engine](1 if engine == "serial" else workers))

        yield start_one


@pytest.fixture
def shared(request):
    """Return a function that gives an engine's team, shared by many tests: a team runs many works."""
    return lambda engine: request.getfixturevalue(f"shared_{engine}")


@pytest.fixture(scope="module")
def shared_serial():
    """Yield the loop that is shared."""
    with TEAMS["serial"](1) as team:
        yield team


@pytest.fixture(scope="module")
def shared_processes():
    """Yield the plain processes that are shared."""
    with TEAMS["processes"](SHARED_WORKERS) as team:
        yield team


@pytest.fixture(scope="module")
def shared_ray(cluster):  # noqa: ARG001  it must be there
    """Yield the Ray workers that are shared."""
    with TEAMS["ray"](SHARED_WORKERS) as team:
        yield team


def run(team, function, payloads, schedule="dynamic", seconds=60.0, task_seconds=None):
    """Run some work and return what the observer was told."""
    collector = Collector()
    work = Work(function, tuple(payloads), time.monotonic() + seconds, task_seconds)
    team.run(work, schedule, collector)
    return collector


# --- the contract ---


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_every_task_comes_back_once(shared, engine, schedule):
    """Each task has exactly one completion, with the outcome of its own payload, and none is left in hand."""
    told = run(shared(engine), square, range(100, 130), schedule)
    assert Counter(one.task for one in told.completions) == Counter(range(30))
    assert told.good() == {task: square(100 + task) for task in range(30)}
    assert told.submissions == 30
    assert {one.attempt for one in told.completions} == {1}


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_times_are_in_order(shared, engine, schedule):
    """On one host: submitted, then started, finished and received; no worker does two tasks at a time."""
    told = run(shared(engine), slow_square, range(8), schedule)
    for one in told.completions:
        measured = one.measurement
        assert one.submitted <= measured.started < measured.finished <= one.received
        assert measured.finished - measured.started >= 0.05
        assert measured.cpu_seconds >= 0
        assert measured.result_bytes > 0
    for worker in {one.worker for one in told.completions}:
        spans = sorted(
            (one.measurement.started, one.measurement.finished)
            for one in told.completions
            if one.worker == worker
        )
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize("engine", PARALLEL)
def test_a_warmup_reaches_every_worker(shared, engine):
    """As many tasks as workers under the static schedule: each worker gets one, in its own process."""
    team = shared(engine)
    assert len({place.pid for place in team.places}) == SHARED_WORKERS
    told = run(team, square, [7] * SHARED_WORKERS, "static")
    assert sorted(one.worker for one in told.completions) == list(range(SHARED_WORKERS))


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_a_team_runs_work_more_than_once(shared, engine, schedule):
    """The second work of a team begins afresh: after the warm-up comes the window."""
    team = shared(engine)
    for payloads in ([1, 2], range(20), [5]):
        assert run(team, square, payloads, schedule).good() == {
            task: square(number) for task, number in enumerate(payloads)
        }


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_no_tasks_are_no_trouble(shared, engine, schedule):
    """Work without tasks ends at once."""
    assert run(shared(engine), square, [], schedule).completions == []


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_an_exception_is_a_failed_completion(shared, engine, schedule):
    """What the workload raises fails its task alone, with kind and first line; all others are done."""
    told = run(shared(engine), fail_on_three, range(8), schedule)
    assert sorted(told.good()) == [0, 1, 2, 4, 5, 6, 7]
    (bad,) = told.failed()
    assert (bad.task, bad.measurement.error_kind) == (3, "ValueError")
    assert bad.measurement.error_message == 'three is "not" allowed,'


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_what_is_no_outcome_is_a_failed_completion(shared, engine, schedule):
    """A workload that returns something else, which cannot even travel, fails its tasks, not its worker."""
    told = run(shared(engine), no_outcome, range(4), schedule)
    assert [one.measurement.error_kind for one in told.failed()] == ["TypeError"] * 4
    assert Counter(one.task for one in told.completions) == Counter(range(4))


@pytest.mark.parametrize("engine", PARALLEL)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_payload_that_cannot_be_unpacked_fails_its_tasks(start, engine, schedule):
    """Where no worker can take the work, every task is failed with a reason; nothing hangs."""
    told = run(start(engine), square, [Unreadable()] * 5, schedule)
    assert Counter(one.task for one in told.failed()) == Counter(range(5))
    assert all(one.error_kind and one.error_message for one in told.failed())
    assert {one.attempt for one in told.failed()} == {1}


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_the_deadline_is_an_engine_error(start, engine, schedule):
    """Work that takes too long raises EngineError; the workers need not have ended."""
    function = slow_square if engine == "serial" else sleep_long
    with pytest.raises(EngineError, match="the deadline passed"):
        run(start(engine), function, range(6), schedule, seconds=0.2)


@pytest.mark.parametrize(("engine", "schedule"), COMBINATIONS)
def test_work_that_is_done_needs_no_deadline(start, monkeypatch, engine, schedule):
    """A deadline that passed while the last tasks were done fails nothing.

    One worker: a second, which has nothing to do, says so at once or late, and that wakes the driver too.
    """
    for module in (processes, ray_dispatch):  # looks at the deadline while it waits, after this long
        monkeypatch.setattr(module, "POLL_SECONDS", 30.0)
    assert len(run(start(engine, 1), slow_square, [1], schedule, seconds=0.01).good()) == 1


@pytest.mark.parametrize("engine", PARALLEL)
def test_the_workers_end_with_the_team(request, engine):
    """After the team no process of it is left, even if it was busy."""
    if engine == "ray":
        request.getfixturevalue("cluster")
    with TEAMS[engine](2) as team, contextlib.suppress(EngineError):
        processes = [psutil.Process(place.pid) for place in team.places]
        run(team, sleep_long, range(4), seconds=0.2)
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []


def test_a_loop_has_one_worker():
    """The serial engine refuses to pretend that it had more."""
    with pytest.raises(EngineError, match="one worker on one node, not 2 on 1"), TEAMS["serial"](2):
        pass


def test_plain_processes_are_of_one_node():
    """Plain processes refuse to pretend that they were spread over nodes."""
    with pytest.raises(EngineError, match="of one node, not 2"), TEAMS["processes"](2, 2):
        pass


@pytest.mark.ray
def test_more_nodes_than_there_are_are_refused(cluster, monkeypatch):  # noqa: ARG001
    """A team over two nodes, where one is, is an error that tells what there is, not an endless wait."""
    monkeypatch.setattr(ray_actors, "PLACED_SECONDS", 1.0)
    with pytest.raises(EngineError, match="on each of 2 nodes within 1 s: the nodes that are alive"):
        TEAMS["ray"](2, 2).__enter__()


@pytest.mark.parametrize("engine", PARALLEL)
def test_a_stall_ends_the_work(request, engine):
    """Where no task ends for so long as is allowed, the work is given up, long before its deadline."""
    if engine == "ray":
        request.getfixturevalue("cluster")
    with TEAMS[engine](2) as team:
        work = Work(sleep_long, tuple(range(4)), time.monotonic() + 500, stall_seconds=1.0)
        with pytest.raises(EngineError, match="stalled: no task ended for 1 s, with 4 of 4 tasks open"):
            team.run(work, "dynamic", Collector())


@pytest.mark.parametrize("engine", PARALLEL)
def test_lost_workers_are_counted(shared, request, engine, tmp_path):  # noqa: ARG001
    """A team tells how many of its workers are gone."""
    if engine == "ray":
        request.getfixturevalue("cluster")
    mark = tmp_path / "mark"
    mark.touch()
    with TEAMS[engine](2) as team:
        assert team.lost_workers == 0
        run(team, die_once, [(number, str(mark)) for number in range(8)])
        assert team.lost_workers == 1


def test_shares_are_equal_and_whole():
    """The static schedule deals every task out once, and no worker has two more than another."""
    for tasks, workers in ((0, 3), (2, 3), (10, 3), (12, 3)):
        dealt = shares(tasks, workers)
        assert sorted(itertools.chain(*dealt)) == list(range(tasks))
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


# --- schedules ---


@pytest.mark.parametrize("engine", PARALLEL)
def test_static_keeps_to_the_shares(shared, engine):
    """Task i is done by worker i mod W, whatever the others are doing."""
    told = run(shared(engine), slow_square, range(10), "static")
    assert {one.task: one.worker for one in told.completions} == {task: task % 2 for task in range(10)}


@pytest.mark.parametrize("engine", PARALLEL)
def test_dynamic_lets_the_free_worker_go_on(shared, engine):
    """While one worker sits on a long task, the other does the rest."""
    told = run(shared(engine), one_long_then_short, [20, *[0] * 30])
    (long,) = (one for one in told.completions if one.task == 0)
    others = [one for one in told.completions if one.worker != long.worker]
    assert len(others) >= 20


def one_long_then_short(repeats):
    """Sleep 50 ms more often or less."""
    for _ in range(repeats):
        slow_square(1)
    return square(repeats)


@pytest.mark.timed
@pytest.mark.ray
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("task_seconds", [None, 0.01])
def test_ray_keeps_the_window_bounded(shared, schedule, task_seconds):
    """No worker ever has more than CALLS_IN_FLIGHT calls in hand; a pilot is of single tasks."""
    told = run(shared("ray"), short_nap, range(120), schedule, task_seconds=task_seconds)
    calls = {(one.worker, one.submitted, one.received) for one in told.completions}
    for worker in (0, 1):
        events = sorted(
            event
            for owner, submitted, received in calls
            if owner == worker
            for event in ((submitted, 1), (received, -1))
        )
        in_flight = most = 0
        for _, change in events:
            in_flight += change
            most = max(most, in_flight)
        assert most == CALLS_IN_FLIGHT
    sizes = [
        sum((one.worker, one.submitted, one.received) == call for one in told.completions)
        for call in sorted(calls, key=lambda call: call[1])
    ]
    assert (sizes[:2] == [1, 1]) is (task_seconds is None)
    assert max(sizes) > 2


def short_nap(number):
    """Take 2 ms."""
    time.sleep(0.002)
    return square(number)


# --- lost workers ---


def deadly(mark, tasks=24, deadly_task=7):
    """Return payloads of `die_once`, of which one kills the first worker that gets it."""
    mark.touch()
    return [(number, str(mark) if number == deadly_task else "/nowhere") for number in range(tasks)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_lost_process_leaves_failed_completions(start, tmp_path, schedule):
    """A process killed in the middle: what it held is failed, the rest is done, nothing hangs."""
    told = run(start("processes"), die_once, deadly(tmp_path / "mark"), schedule)
    assert Counter(one.task for one in told.completions) == Counter(range(24))
    assert {one.error_kind for one in told.failed()} == {"WorkerLost"}
    lost = [7] if schedule == "dynamic" else list(range(7, 24, 2))
    assert [one.task for one in told.failed()] == lost


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_process_lost_between_two_works_is_noticed(start, schedule):
    """A process that died before its work came gets none, or its share is failed; nothing hangs."""
    team = start("processes")
    first = psutil.Process(team.places[0].pid)
    first.kill()
    psutil.wait_procs([first], timeout=20)
    told = run(team, square, range(10), schedule)
    assert Counter(one.task for one in told.completions) == Counter(range(10))
    assert len(told.failed()) == (0 if schedule == "dynamic" else 5)


def test_all_processes_lost_are_failed_completions(start):
    """Where every process dies, every open task is failed."""
    told = run(start("processes"), die_always, range(100, 110))
    assert sorted(one.task for one in told.failed()) == list(range(10))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_process_that_leaves_is_a_lost_one(start, schedule):
    """A workload that calls exit takes its worker along; its tasks are failed, nothing hangs."""
    told = run(start("processes"), exit_on_three, range(8), schedule)
    assert 3 in {one.task for one in told.failed()}
    assert Counter(one.task for one in told.completions) == Counter(range(8))


@pytest.mark.ray
@pytest.mark.parametrize(("schedule", "task_seconds"), [("dynamic", None), ("static", 0.02)])
def test_ray_does_the_tasks_of_a_lost_worker_again(start, tmp_path, schedule, task_seconds):
    """A worker killed under a task: every task is done exactly once, and the lost attempts are on record."""
    payloads = deadly(tmp_path / "mark")
    told = run(start("ray", MOST_WORKERS), die_once, payloads, schedule, task_seconds=task_seconds)
    assert told.good() == {number: square(number) for number in range(24)}
    lost = told.failed()
    assert 7 in {one.task for one in lost}
    assert {one.error_kind for one in lost} == {"ActorDiedError"}
    assert {one.measurement for one in lost} == {None}
    assert len({one.worker for one in lost}) == 1
    assert {one.error_message for one in lost} == {"The actor died unexpectedly before finishing this task."}
    assert told.submissions == len(told.completions) == 24 + len(lost)
    again = {one.task: one.attempt for one in told.completions if one.measurement is not None}
    assert {task for task, attempt in again.items() if attempt == 2} == {one.task for one in lost}


@pytest.mark.ray
def test_ray_without_workers_is_an_engine_error(start):
    """Where a task kills every worker that gets it, the engine gives up and says so."""
    with pytest.raises(EngineError, match="the last worker was lost with"):
        run(start("ray"), die_always, range(100, 110))


@pytest.mark.ray
def test_ray_gives_a_deadly_task_up(start, monkeypatch):
    """A task that kills its worker is tried MOST_ATTEMPTS times; where a worker is left, the rest is done."""
    monkeypatch.setattr(ray_dispatch, "MOST_ATTEMPTS", 2)
    told = run(start("ray", MOST_WORKERS), die_always, (1, 2, 100, 4, 5, 6))
    assert sorted(told.good()) == [0, 1, 3, 4, 5]
    assert [one.attempt for one in told.failed() if one.task == 2] == [1, 2]


@pytest.mark.ray
def test_ray_deals_all_tasks_out_after_a_loss(start, tmp_path):
    """A team that lost its first worker deals all tasks of the next work out to the rest."""
    team = start("ray")
    run(team, die_once, deadly(tmp_path / "mark", 2, 0), "static")
    assert sorted(run(team, square, range(10), "static").good()) == list(range(10))


@pytest.mark.ray
def test_ray_says_when_workers_do_not_start(start, monkeypatch):
    """Slots that others hold, and workers that do not answer, are errors after a while, no endless waits."""
    with monkeypatch.context() as patch:
        patch.setattr(ray_actors, "PLACED_SECONDS", 1.0)
        with pytest.raises(EngineError, match=r"could not reserve 5 CPUs on each of 1 nodes within 1 s"):
            start("ray", SHARED_WORKERS + MOST_WORKERS + 1)
    monkeypatch.setattr(ray_actors, "READY_SECONDS", 0.0)
    with pytest.raises(EngineError, match=r"1 Ray workers did not all start, in 0 s: .*GetTimeoutError"):
        start("ray", 1)
