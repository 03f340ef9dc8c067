"""Tests of lab.experiment.comparisons and turns: the plan, and whole runs that compare engines."""

import dataclasses
import multiprocessing
import os
import pickle
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fakes import BREAK_EVEN, VERSUS, die_once, tiny_break_even, tiny_versus

from lab.data.engines import ENGINES
from lab.data.records import FILES, Trial
from lab.data.store import Run
from lab.errors import DataError, ParameterError
from lab.experiment import comparisons
from lab.experiment.comparisons import (
    break_even,
    break_even_plan,
    break_even_works,
    ray_vs_multiprocessing,
    versus_plan,
    versus_works,
)
from lab.experiment.examples import made
from lab.experiment.plan import Configuration
from lab.experiment.session import Assignment
from lab.experiment.sites import Job
from lab.experiment.turns import InTurns
from lab.measure.task import measured

# --- the plan -------------------------------------------------------------------------------------------


def test_a_block_has_every_piece_on_every_engine_once():
    """Images by every transfer and in every number, and the search, on each engine; the copy is once more."""
    plan = versus_plan(tiny_versus(engines=["serial", "pool", "ray"], repeats=2))
    assert [one.slot for one in plan] == list(range(len(plan)))
    for block in (0, 1):
        found = Counter(one.configuration for one in plan if one.block == block)
        assert set(found.values()) == {1}
        assert Counter(map(turn_of, found)) == dict.fromkeys(
            [
                ("experiment", "serial", 1),
                ("experiment", "pool", 2),
                ("experiment", "ray", 2),
                ("copy", "ray", 2),
            ],
            2 * 3 + 1,
        )
    for one in plan:
        ours = one.configuration.engine == "ray"
        assert (one.configuration.batching, one.configuration.batch) == (
            ("own", None) if ours else ("none", 1)
        )


def turn_of(one: Configuration) -> tuple[str, str, int]:
    """Return what an engine is started once for in a block."""
    return one.arm, one.engine, one.workers


def test_an_engine_has_one_turn_in_a_block():
    """An engine's pieces stand together, so that it is started once; the order is that of the seed."""
    plan = versus_plan(tiny_versus(engines=list(ENGINES), repeats=3))
    turns = [(one.block, turn_of(one.configuration)) for one in plan]
    changes = [turn for turn, before in zip(turns, [None, *turns], strict=False) if turn != before]
    assert len(changes) == len(set(changes)) == 3 * (len(ENGINES) + 1)
    assert versus_plan(tiny_versus(engines=list(ENGINES), repeats=3)) == plan
    assert versus_plan(tiny_versus(engines=list(ENGINES), repeats=3, seed=8)) != plan
    assert len({tuple(turn for block, turn in changes if block == one) for one in range(3)}) == 3


def test_each_number_of_workers_has_its_turn():
    """The plain loop has one worker; the A/A arm copies the most workers."""
    plan = versus_plan(tiny_versus(engines=["serial", "pool"], workers=[1, 2]))
    assert {turn_of(one.configuration) for one in plan} == {
        ("experiment", "serial", 1),
        ("experiment", "pool", 1),
        ("experiment", "pool", 2),
        ("copy", "pool", 2),
    }


def test_spins_fill_the_window():
    """Batched or by its own batches an engine does the window's tasks, singly no more than it may call."""
    plan = break_even_plan(tiny_break_even(engines=["serial", "pool", "ray"]))
    ones = [one.configuration for one in plan if one.configuration.arm == "experiment"]
    short = {(one.engine, one.batching): (one.tasks, one.batch) for one in ones if one.task_seconds == 1e-5}
    assert short == {
        ("serial", "equal"): (2000, 2000),
        ("pool", "equal"): (2000, 250),
        ("pool", "none"): (10, 1),
        ("ray", "own"): (2000, None),
    }


def test_long_spins_are_at_least_two_a_worker():
    """A task that is longer than the window is there twice a worker, and has no batches to be in."""
    plan = break_even_plan(tiny_break_even(engines=["pool"], task_seconds=[1.0]))
    assert {(one.configuration.tasks, one.configuration.batching) for one in plan} == {(4, "none")}


# --- the work -------------------------------------------------------------------------------------------


def test_images_of_value_and_shared_have_their_pixels_before_the_clock():
    """The pixels are drawn where a trial takes its items, do not travel there, and change no result."""
    works = versus_works(tiny_versus(engines=["serial"], image_tasks=[3]))
    digests = set()
    for transfer in ("seed", "value", "shared"):
        work = works[f"images, 3, {transfer}"]
        arrived = pickle.loads(pickle.dumps(work))
        assert len(pickle.dumps(work)) < 5000
        assert [one.pixels is not None for one in arrived.items] == [transfer != "seed"] * 3
        run = arrived.call(arrived.function)
        digests.add(tuple(run(one).outcome.digest for one in arrived.items))
        assert work.facts["item_bytes"] == pytest.approx(0.01e6, rel=0.1)
    assert len(digests) == 1


def test_spins_of_a_length_take_that_many_iterations():
    """The pace sets the loops; every task of a window is the same."""
    plan = break_even_plan(tiny_break_even(engines=["serial"]))
    works = break_even_works(plan, 1e7)
    assert {name: (len(one.items), set(one.items)) for name, one in works.items()} == {
        "spin, 2000, 1e-05 s": (2000, {100}),
        "spin, 20, 0.001 s": (20, {10_000}),
    }
    assert not any(one.rows for one in works.values())


# --- whole runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def versus(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a tiny run on images and primes."""
    return ray_vs_multiprocessing(
        VERSUS | {"engines": ["serial", "pool", "ray_tasks"]}, tmp_path_factory.mktemp("data")
    )


@pytest.mark.ray
def test_a_run_has_every_timing(versus: Run) -> None:
    """Every slot has a good row, and the results are the same on all engines."""
    rows = versus.trials
    assert versus.complete
    assert list(rows["status"].unique()) == ["ok"], rows["error_message"].dropna().unique()
    assert len(rows) == 4 * 7
    assert set(rows.groupby(["mode", "tasks"])["digest"].nunique()) == {1}
    assert versus.environment["sessions"][0]["finished_at"]
    assert set(versus.environment["sessions"][0]["files"]) == set(FILES)


@pytest.mark.ray
def test_rows_tell_what_was_used(versus: Run) -> None:
    """Times, processor time and memory are there; the store of Ray is, and no other engine has one."""
    rows = versus.trials
    filled = ["startup_seconds", "warmup_seconds", "duration_seconds", "cpu_seconds", "task_cpu_seconds"]
    filled += ["memory_before_bytes", "peak_memory_bytes", "driver_memory_bytes", "units"]
    assert not rows[filled].isna().any().any()
    assert (rows["peak_memory_bytes"] >= rows["memory_before_bytes"]).all()
    assert (rows["object_store_bytes"].notna() == (rows["engine"] == "ray_tasks")).all()
    alone, pool, ray = (
        rows[rows["engine"] == one]["peak_memory_bytes"] for one in ("serial", "pool", "ray_tasks")
    )
    assert alone.max() < pool.min() < ray.min()


@pytest.mark.ray
def test_tasks_of_images_have_rows_and_nodes_are_told(versus: Run) -> None:
    """Every task is a row of the one node; the bytes of an image are known, the work is named once."""
    assert len(versus.nodes) == 1
    assert set(versus.tasks["node_id"]) == {"this machine"}
    inside = versus.tasks[~versus.tasks["warmup"].astype(bool)].groupby("trial_id").size()
    assert (inside == versus.trials.set_index("trial_id")["tasks"]).all()
    images = versus.trials["mode"] == "images"
    assert (versus.trials["item_bytes"].notna() == images).all()
    assert set(versus.environment["works"]) == {"images", "search"}
    assert "items" not in versus.environment["works"]["images"]


@pytest.mark.ray
def test_break_even_runs_on_the_labs_dispatch(tmp_path: Path) -> None:
    """Spins of every length run on the loop and on Ray, and come to one digest a length and number."""
    found = break_even(BREAK_EVEN | {"engines": ["serial", "ray"]}, tmp_path)
    assert list(found.trials["status"].unique()) == ["ok"], found.trials["error_message"].dropna().unique()
    assert found.trials["task_cpu_seconds"].isna().all()
    assert set(found.trials.groupby(["task_seconds", "tasks"])["digest"].nunique()) == {1}
    assert found.environment["sessions"][0]["spin_iterations_per_second"] > 0


def test_a_run_that_was_cut_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a Ctrl-C the rows are kept; the same command does the rest, at the pace of the first session."""
    given = BREAK_EVEN | {"engines": ["serial"], "repeats": 2}
    real, calls = InTurns._turn, []

    def cut(self: InTurns, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(InTurns, "_turn", cut)
    with pytest.raises(KeyboardInterrupt):
        break_even(given, tmp_path)
    monkeypatch.setattr(InTurns, "_turn", real)
    monkeypatch.setattr(comparisons, "made", lambda named, *given: 1.0 if not given else made(named, *given))
    found = break_even(given, tmp_path)
    assert found.complete
    assert len(found.trials) == 8
    assert found.trials["trial_id"].is_unique
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
    found = break_even(BREAK_EVEN | {"engines": ["serial", "joblib"]}, tmp_path).trials
    assert set(found[found["engine"] == "serial"]["status"]) == {"ok"}
    others = found[found["engine"] == "joblib"]
    assert set(others["status"]) == {"failed"}
    assert others["error_message"].str.contains("pip install joblib").all()
    assert capsys.readouterr().err.count("pip install joblib") == 1


class Rows:
    """Stands for a ledger that keeps rows in memory."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def append(self, record: Any) -> None:
        """Keep a trial."""
        self.extend([record])

    def extend(self, records: Any) -> None:
        """Keep trials."""
        self.trials += [one for one in records if isinstance(one, Trial)]

    def sync(self) -> None:
        """Have nothing to do."""

    def digests(self) -> dict[str, str]:
        """Know of no results."""
        return {}


def rows_of(parameters: Any, arm: str = "experiment", **changes: Any) -> list[Trial]:
    """Return the trials of one arm, with changed work."""
    plan = break_even_plan(parameters)
    ones = [Assignment(one, 1) for one in plan if one.configuration.arm == arm]
    works = break_even_works(plan, 1e7)
    works = {name: dataclasses.replace(work, **changes) for name, work in works.items()}
    rows, begun = Rows(), list[Assignment]()
    job = Job("break_even", parameters, works, ones, rows, begun.append)  # type: ignore[arg-type]
    InTurns(80).carry_out(job)
    assert begun == ones or len(begun) < len(ones)
    return rows.trials


def test_a_killed_turn_is_a_failed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process of a turn dies, its trial fails, and another process does the rest."""
    spawn, starts = multiprocessing.get_context("spawn"), []
    real = spawn.Process

    def process(target: Any, args: Any) -> Any:
        starts.append(len(args[1].assignments))
        return real(target=die if len(starts) == 1 else target, args=args)

    monkeypatch.setattr(type(spawn), "Process", staticmethod(process))
    rows = rows_of(tiny_break_even(engines=["serial"], task_seconds=[1e-5, 1e-4]))
    assert starts == [2, 1]
    assert [one.status for one in rows] == ["failed", "ok"]
    assert "killed by signal 9 (the kernel kills so where memory runs out)" in str(rows[0].error_message)


def die(*_: Any) -> None:
    """Die as from a lack of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_failed_row(tmp_path: Path) -> None:
    """A worker killed under a trial fails it; the engine is started anew for the rest."""
    mark = tmp_path / "mark"
    mark.touch()
    items = [(1, "nothing"), *[(number, str(mark)) for number in range(2, 10)]]
    rows = rows_of(
        tiny_break_even(engines=["pool"], task_seconds=[1e-3]),
        function=die_once,
        items=items,
        call=measured,
        same_results=False,
    )
    assert [one.status for one in rows] == ["failed", "ok"]
    assert rows[0].error_kind == "EngineError"
    assert "signal 9" in str(rows[0].error_message)


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
