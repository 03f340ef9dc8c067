"""Bare calls, which time nothing, and batches that are measured: what a loop by hand would come to."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from fakes import Collector, fail_on_three, square

from lab.engines import Completion, Work
from lab.engines.carried import Task, run_batch
from lab.engines.serial import team
from lab.engines.teams import TEAMS
from lab.errors import EngineError
from lab.loading import prepare
from lab.measure.bare import Bare, Raised, bare
from lab.measure.task import Measurement, Outcome, measured
from lab.workload import bare_body

JOB = """
import os, sys
def work(item):
    if item == 3:
        raise ValueError("three is not allowed")
    if item == 4:
        sys.exit("four")
    return {"item": item, "square": item * item}
def odd(result):
    return result["item"] % 2
def unpicklable(item):
    return (lambda: item) if item == 1 else item
"""


@pytest.fixture
def job(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the name of a file of work, in the working folder."""
    (tmp_path / "bare_job.py").write_text(JOB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "bare_job.py"
    sys.modules.pop("bare_job", None)


def run(engine: str, function: Any, payloads: Any, seconds: float = 60.0, **options: Any) -> Collector:
    """Return what the observer of an engine was told."""
    collector = Collector()
    with TEAMS[engine](1 if engine == "serial" else 2, 1) as workers:
        work = Work(function, tuple(payloads), time.monotonic() + seconds, **options)
        workers.run(work, "dynamic", collector)
    return collector


@pytest.mark.parametrize("engine", ["serial", "processes", "pool", "futures", "joblib"])
def test_bare_work_of_ones_own_comes_to_what_measured_work_does(job: str, engine: str) -> None:
    """Units, digests and errors are equal for each item; times are none, and no result is kept."""
    _, prepared = prepare(f"{job}:work", list(range(9)), units=f"{job}:odd")
    told = [
        run(engine, prepared.function, prepared.items, batch=4, call=call)
        for call in (prepared.call, bare_body)
    ]
    timed, plain = ({one.task: one.measurement for one in every.completions} for every in told)
    assert sorted(timed) == sorted(plain) == list(range(9))
    for task, one in plain.items():
        assert one is not None
        other = timed[task]
        assert other is not None
        assert (one.outcome, one.error_kind, one.error_message) == (
            other.outcome, other.error_kind, other.error_message,
        )  # fmt: skip
        assert one.started != one.started  # NaN
        assert one.result is other.result is None
    assert [plain[3].error_message, plain[4].error_kind] == ["three is not allowed", "SystemExit"]  # type: ignore[union-attr]
    assert [plain[one].outcome.units for one in (1, 2)] == [1, 0]  # type: ignore[union-attr]


def test_the_plain_loop_reports_when_all_is_done() -> None:
    """Nothing is told while the loop runs, and all was received when it ended."""
    heard: list[int] = []

    class Watching(Collector):
        def completed(self, completion: Completion) -> None:
            heard.append(len(done))
            super().completed(completion)

    done: list[int] = []

    def work(item: int) -> Outcome:
        done.append(item)
        return square(item)

    observer = Watching()
    with team(1) as loop:
        loop.run(Work(work, range(1000), time.monotonic() + 60, call=bare), "dynamic", observer)
    assert done == list(range(1000))
    assert heard == [1000] * 1000
    assert len({one.received for one in observer.completions}) == 1
    assert observer.good() == {task: square(task) for task in range(1000)}


def test_the_plain_loop_keeps_to_its_deadline() -> None:
    """It looks at the clock now and then, and tells of what was done until then."""
    collector, done = Collector(), list[int]()

    def work(item: int) -> Outcome:
        time.sleep(0.02)
        done.append(item)
        return square(item)

    with team(1) as loop, pytest.raises(EngineError, match=r"the deadline passed after \d+ of 1000 tasks"):
        loop.run(Work(work, range(1000), time.monotonic() + 0.3, call=bare), "dynamic", collector)
    assert 0 < len(done) < 1000
    assert sorted(collector.good()) == done


def test_a_bare_loop_costs_next_to_nothing() -> None:
    """Beside the loop that one would write by hand it takes less than a microsecond more an item."""
    items, seconds = range(20000), dict.fromkeys(("by hand", "bare"), 1e9)
    loop = bare.loop(abs)
    for _ in range(7):
        for name, call in (("by hand", lambda: [abs(item) for item in items]), ("bare", lambda: loop(items))):
            began = time.thread_time()
            assert len(call()) == 20000
            seconds[name] = min(seconds[name], time.thread_time() - began)
    assert (seconds["bare"] - seconds["by hand"]) / 20000 < 1e-6


def test_errors_in_a_bare_loop_stand_in_their_places() -> None:
    """An item that raises, or leaves Python, leaves the others be; Ctrl-C is no result."""
    function: Callable[[Any], Any] = lambda item: 1 / item  # noqa: E731
    assert bare.loop(function)([1, 0, 2]) == [1.0, Raised("ZeroDivisionError", "division by zero"), 0.5]
    assert bare.guarded(exit)(3) == Raised("SystemExit", "3")

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    for call in (bare.guarded(stop), lambda item: bare.loop(stop)([item])):
        with pytest.raises(KeyboardInterrupt):
            call(1)


def test_a_copy_that_comes_back_ends(tmp_path: Any) -> None:
    """Work that forks has copies that return: each runs its own item to the end, and no further one."""
    lines = tmp_path / "lines"

    def work(item: int) -> int:
        child = os.fork()
        with lines.open("a") as file:
            file.write(f"{item}\n")
        if child:
            os.waitpid(child, 0)
        return item

    here = os.getpid()
    assert bare.loop(work)(range(5)) == list(range(5))
    assert run_batch(measured, lambda item: square(work(item)), range(5))
    assert os.getpid() == here
    assert sorted(lines.read_text().split()) == sorted("01234" * 4)


def test_a_bare_result_that_cannot_travel_is_a_failed_row(job: str) -> None:
    """Processes go on with the next item; the row names the reason."""
    _, prepared = prepare(f"{job}:unpicklable", [0, 1, 2])
    told = run("processes", prepared.function, prepared.items, call=bare_body)
    failed = [(one.task, one.measurement.error_kind) for one in told.failed() if one.measurement]
    assert [task for task, _ in failed] == [1]
    assert sorted(told.good()) == [0, 2]


def test_the_function_is_found_once_a_batch() -> None:
    """However many items a worker gets together, the call is asked once for what runs them."""
    asked: list[Any] = []

    def call(function: Any) -> Callable[[Any], Measurement]:
        asked.append(function)
        return measured(function)

    found = run_batch(call, square, range(5))
    assert len(found) == 5
    task = Task(call, square)
    for item in range(5):
        task(item)
    with team(1) as loop:
        loop.run(Work(square, range(5), time.monotonic() + 60, call=call), "dynamic", Collector())
    assert asked == [square] * 3
    plain = Bare(lambda function: asked.append(function) or function)
    run_batch(plain, square, range(5))
    assert len(asked) == 4


def as_text(result: Any) -> Outcome:
    """Return an outcome that tells a result as it is now."""
    return Outcome(1, repr(result))


def changing() -> Iterator[Callable[[int], Any]]:
    """Yield functions whose results change when the next item is run, or hold what does."""
    kept: list[int] = []
    yield lambda item: kept.append(item) or kept
    table: dict[str, int] = {}
    yield lambda item: table.update(item=item) or table
    inner: list[int] = []
    yield lambda item: inner.append(item) or (item, inner)
    other: list[int] = []
    yield lambda item: other.append(item) or {"all": other}


@pytest.mark.parametrize("function", list(changing()))
def test_results_that_still_change_are_looked_at_at_once(function: Callable[[int], Any]) -> None:
    """In a batch a result counts as it was when its item ended, as where items are run one by one."""
    texts = [one.outcome.digest for one in measured(function, as_text).batch(range(3)) if one.outcome]
    assert len(set(texts)) == 3


@pytest.mark.parametrize("function", [square, fail_on_three, lambda item: 1 / (item - 3)])
def test_a_batch_comes_to_what_its_items_come_to(function: Callable[[int], Any]) -> None:
    """Outcomes and errors are in order and equal to those of single calls; times do not overlap."""
    outcome_of = as_text
    batch = measured(function, outcome_of).batch(range(6))
    single = [measured(function, outcome_of)(item) for item in range(6)]
    assert [one[3:] for one in batch] == [one[3:] for one in single]
    for before, after in pairwise(batch):
        assert before.started <= before.finished <= after.started
