"""Tests of lab.comparison: the plan, and whole runs that compare engines, with their faults."""

import dataclasses
import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import BREAK_EVEN, VERSUS, tiny_break_even, tiny_versus

from lab.comparison import run as comparison
from lab.comparison import turn
from lab.comparison.plan import Turn, break_even_plan, turns_of, versus_plan
from lab.comparison.run import break_even, judged, ray_vs_multiprocessing, timings_of
from lab.comparison.turn import Assignment, Tally
from lab.comparison.work import prepare
from lab.data.engines import ENGINES
from lab.data.records import Timing
from lab.data.store import Timings
from lab.engines import Completion
from lab.errors import DataError, EngineError, ParameterError
from lab.measure.bare import bare
from lab.measure.task import measured
from lab.workloads import Outcome
from lab.workloads.spin import Spin, spin

# --- the plan -------------------------------------------------------------------------------------------


def test_a_block_has_every_piece_on_every_engine_once():
    """Images by every transfer and in every number, and the search, on each engine; the copy is once more."""
    plan = versus_plan(tiny_versus(engines=["serial", "pool", "ray"], repeats=2))
    assert [one.slot for one in plan] == list(range(len(plan)))
    for block in (0, 1):
        found = Counter((one.turn, one.piece) for one in plan if one.block == block)
        assert set(found.values()) == {1}
        assert Counter(turn for turn, _ in found) == dict.fromkeys(
            [
                Turn("experiment", "serial", 1),
                Turn("experiment", "pool", 2),
                Turn("experiment", "ray", 2),
                Turn("copy", "ray", 2),
            ],
            2 * 3 + 1,
        )
    assert {one.piece.batching for one in plan if one.turn.engine == "ray"} == {"own"}
    assert {one.piece.batching for one in plan if one.turn.engine != "ray"} == {"none"}


def test_an_engine_has_one_turn_in_a_block():
    """An engine's pieces stand together, so that it is started once; the order is that of the seed."""
    plan = versus_plan(tiny_versus(engines=list(ENGINES), repeats=3))
    turns = [(one.block, one.turn) for one in plan]
    changes = [turn for turn, before in zip(turns, [None, *turns], strict=False) if turn != before]
    assert len(changes) == len(set(changes)) == 3 * (len(ENGINES) + 1)
    assert versus_plan(tiny_versus(engines=list(ENGINES), repeats=3)) == plan
    assert versus_plan(tiny_versus(engines=list(ENGINES), repeats=3, seed=8)) != plan
    assert len({tuple(turn for block, turn in changes if block == one) for one in range(3)}) == 3


def test_each_number_of_workers_has_its_turn():
    """The plain loop has one worker; the A/A arm copies the most workers."""
    turns = turns_of(tiny_versus(engines=["serial", "pool"], workers=[1, 2]))
    assert [(one.arm, one.engine, one.workers) for one in turns] == [
        ("experiment", "serial", 1),
        ("experiment", "pool", 1),
        ("experiment", "pool", 2),
        ("copy", "pool", 2),
    ]


def test_spins_fill_the_window():
    """Batched or by its own batches an engine does the window's tasks, singly no more than it may call."""
    plan = break_even_plan(tiny_break_even(engines=["serial", "pool", "ray"]))
    short = {
        (one.turn.engine, one.piece.batching): (one.piece.tasks, one.piece.batch)
        for one in plan
        if one.turn.arm == "experiment" and one.piece.task_seconds == 1e-5
    }
    assert short == {
        ("serial", "equal"): (2000, 2000),
        ("pool", "equal"): (2000, 250),
        ("pool", "none"): (10, 1),
        ("ray", "own"): (2000, None),
    }


def test_long_spins_are_at_least_two_a_worker():
    """A task that is longer than the window is there twice a worker, and has no batches to be in."""
    plan = break_even_plan(tiny_break_even(engines=["pool"], task_seconds=[1.0]))
    assert {(one.piece.tasks, one.piece.batching) for one in plan} == {(4, "none")}


# --- the work and its tally -----------------------------------------------------------------------------


def tally_of(payloads, call=bare) -> Tally:
    """Return a tally of spins."""
    tally = Tally()
    for task, payload in enumerate(payloads):
        tally.completed(Completion(task, 1, 0, None, 0.0, 0.0, call(spin)(payload)))
    return tally


def test_the_loop_comes_to_the_digest_of_many_tasks():
    """One call of three loops and three calls of one have equal digests and units; other work has not."""
    together, apart = tally_of([Spin(50, 3)]).result(1), tally_of([Spin(50)] * 3).result(3)
    assert together == apart
    assert together["task_cpu_seconds"] is None
    assert tally_of([Spin(51)] * 3).result(3)["digest"] != apart["digest"]
    assert tally_of([Spin(50)] * 2).result(2)["digest"] != apart["digest"]


def test_a_measured_tally_has_processor_time():
    """Where tasks are measured their processor times are added up."""
    assert tally_of([Spin(1000)] * 3, measured).result(3)["task_cpu_seconds"] > 0


def test_a_missing_result_names_the_failure():
    """A task without a result fails the timing, with the first failure's words."""
    tally = tally_of([Spin(10)])
    tally.completed(Completion(1, 1, 0, None, 0.0, 0.0, bare(lambda _: 1 / 0)(None)))
    with pytest.raises(
        EngineError, match=r"1 of 2 tasks have no result; .* ZeroDivisionError: division by zero"
    ):
        tally.result(2)


def test_images_of_value_and_shared_have_their_pixels_before_the_clock():
    """The random pixels are made where work is prepared, and come to the same result by each transfer."""
    parameters = tiny_versus(engines=["serial"])
    ones = [one for one in versus_plan(parameters) if one.piece.workload == "images" and one.piece.tasks == 3]
    digests = set()
    for one in ones:
        prepared = prepare(one, parameters, 1e7)
        with prepared.handed_over(None) as payloads:
            digests.add(tuple(prepared.function(payload).digest for payload in payloads))
        assert prepared.facts["data_size_mb"] == pytest.approx(0.01, rel=0.1)
    assert len(ones) == 6
    assert len(digests) == 1


# --- the rows -------------------------------------------------------------------------------------------


def timing(**changes: Any) -> Timing:
    """Return a good row."""
    given: dict[str, Any] = {
        **{"trial_id": "000-1", "slot": 0, "attempt": 1, "block": 0, "arm": "experiment", "engine": "pool"},
        **{"workers": 2, "workload": "spin", "batching": "none", "tasks": 5, "status": "ok", "digest": "a"},
        **{"framework": "multiprocessing", "num_tasks": 5, "task_seconds": 0.1},
    }
    return Timing(**(given | changes))


def test_a_result_that_differs_fails_with_both_digests():
    """The first digest of a piece of work holds for all engines; another one fails its timing."""
    known: dict[Any, str] = {}
    assert judged(timing(), known).status == "ok"
    assert judged(timing(digest="b", tasks=6), known).status == "ok"
    wrong = judged(timing(engine="ray", digest="c"), known)
    assert (wrong.status, wrong.error_kind) == ("failed", "ResultsDiffer")
    assert "digest c, where the same work came to a before" in str(wrong.error_message)
    assert judged(timing(digest="d", status="failed"), known).error_kind is None


# --- whole runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def versus(tmp_path_factory: pytest.TempPathFactory) -> Timings:
    """Return a tiny run on images and primes."""
    return ray_vs_multiprocessing(
        VERSUS | {"engines": ["serial", "pool", "ray_tasks"]}, tmp_path_factory.mktemp("data")
    )


@pytest.mark.ray
def test_a_run_has_every_timing(versus: Timings) -> None:
    """Every slot has a good row, and the results are the same on all engines."""
    rows = versus.timings
    assert versus.complete
    assert list(rows["status"].unique()) == ["ok"], rows["error_message"].dropna().unique()
    assert len(rows) == 4 * 7
    assert set(rows.groupby(["workload", "tasks"])["digest"].nunique()) == {1}
    assert versus.environment["sessions"][0]["finished_at"]
    assert set(versus.environment["sessions"][0]["files"]) == {"timings.csv"}


@pytest.mark.ray
def test_rows_tell_what_was_used(versus: Timings) -> None:
    """Times, processor time and memory are there; the store of Ray is, and no other engine has one."""
    rows = versus.timings
    filled = ["startup_seconds", "warmup_seconds", "duration_seconds", "cpu_seconds", "task_cpu_seconds"]
    filled += ["memory_before_bytes", "peak_memory_bytes", "memory_used", "units"]
    assert not rows[filled].isna().any().any()
    assert (rows["peak_memory_bytes"] >= rows["memory_before_bytes"]).all()
    assert (rows["object_store_bytes"].notna() == (rows["engine"] == "ray_tasks")).all()
    alone, pool, ray = (
        rows[rows["engine"] == one]["peak_memory_bytes"] for one in ("serial", "pool", "ray_tasks")
    )
    assert alone.max() < pool.min() < ray.min()


@pytest.mark.ray
def test_report_b_s_columns_are_there(versus: Timings) -> None:
    """Its columns hold what ours do, under its names."""
    rows = versus.timings
    assert dict(zip(rows["engine"], rows["framework"], strict=True)) == {
        "serial": "python",
        "pool": "multiprocessing",
        "ray_tasks": "ray",
    }
    assert (rows["num_tasks"] == rows["tasks"]).all()
    assert (rows["execution_time"] == rows["duration_seconds"]).all()
    images = rows["workload"] == "images"
    assert (rows["data_size_mb"].notna() == images).all()
    assert set(rows.loc[images, "complexity"]) == {1.0}


@pytest.mark.ray
def test_break_even_runs_on_the_labs_dispatch(tmp_path: Path) -> None:
    """Spins of every length run on the loop and on Ray, and come to one digest a length and number."""
    found = break_even(BREAK_EVEN | {"engines": ["serial", "ray"]}, tmp_path)
    assert list(found.timings["status"].unique()) == ["ok"], found.timings["error_message"].dropna().unique()
    assert found.timings["task_cpu_seconds"].isna().all()
    assert set(found.timings.groupby(["task_seconds", "tasks"])["digest"].nunique()) == {1}
    assert found.environment["sessions"][0]["spin_iterations_per_second"] > 0


def test_a_run_that_was_cut_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a Ctrl-C the rows are kept; the same command does the rest, at the pace of the first session."""
    given = BREAK_EVEN | {"engines": ["serial"], "repeats": 2}
    real = comparison.timings_of

    def cut(*arguments: Any) -> Any:
        yield next(real(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "timings_of", cut)
    with pytest.raises(KeyboardInterrupt):
        break_even(given, tmp_path)
    monkeypatch.setattr(comparison, "timings_of", real)
    monkeypatch.setattr(comparison, "iterations_per_second", lambda: 1.0)
    found = break_even(given, tmp_path)
    assert found.complete
    assert len(found.timings) == 8
    assert found.timings["trial_id"].is_unique
    first, second = (one["spin_iterations_per_second"] for one in found.environment["sessions"])
    assert first == second > 1000


def test_an_engine_that_is_not_installed_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rows name the command that installs it, which is also said once; the others run."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "joblib.py").write_text("raise ModuleNotFoundError('no joblib here')\n")
    # a process that is spawned takes its parent's path along
    monkeypatch.syspath_prepend(folder)
    found = break_even(BREAK_EVEN | {"engines": ["serial", "joblib"]}, tmp_path).timings
    assert set(found[found["engine"] == "serial"]["status"]) == {"ok"}
    others = found[found["engine"] == "joblib"]
    assert set(others["status"]) == {"failed"}
    assert others["error_message"].str.contains("pip install joblib").all()
    assert capsys.readouterr().err.count("pip install joblib") == 1


def test_a_killed_turn_is_a_failed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process of a turn dies, its timing fails, and another process does the rest."""
    parameters = tiny_break_even(engines=["serial"], task_seconds=[1e-5, 1e-4])
    ones = [Assignment(one, 1) for one in break_even_plan(parameters)[:2]]
    spawn, starts = multiprocessing.get_context("spawn"), []
    real = spawn.Process

    def process(target: Any, args: Any) -> Any:
        starts.append(len(args[1]))
        return real(target=die if len(starts) == 1 else target, args=args)

    monkeypatch.setattr(type(spawn), "Process", staticmethod(process))
    rows = list(timings_of(ones, parameters, 1e7))
    assert starts == [2, 1]
    assert [one.status for one in rows] == ["failed", "ok"]
    assert "killed by signal 9 (the kernel kills so where memory runs out)" in str(rows[0].error_message)


def die(*_: Any) -> None:
    """Die as from a lack of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_failed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker killed under a timing fails it; the engine is started anew for the rest."""
    parameters = tiny_break_even(engines=["pool"], task_seconds=[1e-3])
    ones = [Assignment(one, 1) for one in break_even_plan(parameters) if one.turn.arm == "experiment"]
    rows: list[Timing] = []
    real, calls = turn.prepare, []

    def prepared(*arguments: Any) -> Any:
        calls.append(1)
        found = real(*arguments)
        return dataclasses.replace(found, function=die_as_a_task, warm=Spin(1)) if len(calls) == 1 else found

    monkeypatch.setattr(turn, "prepare", prepared)
    turn.take(SimpleNamespace(send=rows.append), ones, parameters, 1e7)  # type: ignore[arg-type]
    assert [one.status for one in rows] == ["failed", "ok"]
    assert rows[0].error_kind == "EngineError"
    assert "signal 9" in str(rows[0].error_message)


def die_as_a_task(payload: Spin) -> Outcome:
    """Die where it is not the warm-up."""
    if payload.iterations > 1:
        die()
    return spin(payload)


# --- refused beforehand ---------------------------------------------------------------------------------


def test_images_beyond_the_memory_are_refused_with_the_sum(tmp_path: Path) -> None:
    """Before the run, with what the images would take; nothing is written."""
    given = VERSUS | {"image_megabytes": 1000, "image_tasks": [100_000], "transfers": ["value"]}
    with pytest.raises(ParameterError, match=r"100000 images .* = .* GB, and .* GB may be used"):
        ray_vs_multiprocessing(given, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"engines": ["spark"]}, "engines is .*accepted is .*'ray_pool'"),
        ({"engines": []}, "engines is"),
        ({"workloads": ["audio"]}, "workloads is .*'images', 'search'"),
        ({"transfers": ["post"]}, "transfers is .*'shared'"),
        ({"image_megabytes": 0}, "image_megabytes is 0"),
        ({"complexity": 99}, "complexity is 99"),
        ({"workers": [0]}, r"workers is \[0\]"),
        ({"search_bits": 16, "search_width": 2**26}, "search_bits, search_width and search_tasks do not go"),
        ({"object_store_megabytes": 1_000_000}, "GB"),
    ],
)
def test_wrong_parameters_are_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """Each names itself and what is accepted, before any work."""
    with pytest.raises(ParameterError, match=told):
        ray_vs_multiprocessing(VERSUS | changes, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_plan_does_not_go_on_with_a_run(tmp_path: Path) -> None:
    """A run id of other parameters is refused: measurements do not mix."""
    break_even(BREAK_EVEN | {"engines": ["serial"], "task_seconds": [1e-5]}, tmp_path)
    with pytest.raises(DataError, match="task_seconds"):
        break_even(BREAK_EVEN | {"engines": ["serial"], "task_seconds": [1e-4]}, tmp_path)
