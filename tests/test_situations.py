"""Strangers' code, as people post it: the lab measures each file as it is."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab import run
from lab.data.store import Run
from lab.errors import WorkError

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("kept_ray")]

SITUATIONS = Path(__file__).resolve().parent / "situations"
EVERY_ENGINE = ("ray", "processes", "serial")


@dataclass(frozen=True)
class Situation:
    """One file of a stranger: what is run of it, where, and how many items it has."""

    work: str
    items: str
    count: int
    engines: tuple[str, ...] = EVERY_ENGINE
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Return the first part of its path."""
        return Path(self.work.partition(":")[0]).parts[0]


ALL = (
    Situation("more_workers_no_faster.py:process_user", "more_workers_no_faster.py:users", 60),
    Situation("small_tasks.py:square", "small_tasks.py:numbers", 2000),
    Situation("large_arguments.py:total_of_store", "large_arguments.py:jobs", 30),
    Situation("unequal_tasks.py:longest_chain", "unequal_tasks.py:sizes", 80),
    Situation("shared_actor.py:crawl", "shared_actor.py:pages", 60, ("ray",)),
    Situation("blas_threads.py:fit", "blas_threads.py:seeds", 40, parameters={"threads": 0}),
    Situation("nested_task.py:count", "nested_task.py:documents", 20, ("ray",)),
    Situation("generator_of_items.py:checksum", "generator_of_items.py:read_lines", 300),
    Situation("big_result.py:render", "big_result.py:tiles", 12),
    Situation("module_beside_the_script/job.py:score", "module_beside_the_script/job.py:words", 17),
    Situation("class_method.py:Model.score", "class_method.py:texts", 60),
    Situation(
        "numpy_random_state.py:bootstrap",
        "numpy_random_state.py:rounds",
        40,
        parameters={"same_results": False},
    ),
)


@pytest.fixture(autouse=True)
def _stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder of the files, as their owner does."""
    monkeypatch.chdir(SITUATIONS)


def measure(situation: Situation, data: Path, **parameters: Any) -> Run:
    """Run every engine of a situation once, with one worker."""
    found = run(
        situation.work,
        situation.items,
        workers=[1],
        repeats=1,
        data=data,
        **{"engines": list(situation.engines), **situation.parameters, **parameters},
    )
    assert found is not None
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Return a function that gives the run of a file, which is measured but once."""

    @cache
    def found(file: str) -> Run:
        return measure(situation_of(file), tmp_path_factory.mktemp("measured"))

    return found


def test_every_file_is_measured() -> None:
    """No file of the folder is left out of the tests, and each is one situation."""
    files = {
        path.name for path in SITUATIONS.iterdir() if path.suffix == ".py" or (path / "job.py").is_file()
    }
    assert len(ALL) == len(files) == 12
    assert {situation.file for situation in ALL} == files


@pytest.mark.parametrize("situation", ALL, ids=lambda situation: situation.file)
def test_a_strangers_file_is_measured_as_it_is(situation: Situation, measured: Callable[[str], Run]) -> None:
    """Every engine does every item of the file, and comes to the same results where they can be the same."""
    found = measured(situation.file)
    trials, tasks = found.trials, found.tasks[~found.tasks["warmup"]]
    assert list(trials["error_message"].dropna()) == []
    assert set(trials["status"]) == set(tasks["status"]) == {"ok"}
    assert set(trials["engine"]) == set(situation.engines)
    assert set(tasks.groupby("trial_id").size()) == {situation.count}
    assert found.complete
    same = situation.parameters.get("same_results", True)
    assert trials["digest"].nunique() == 1 or not same


def situation_of(file: str) -> Situation:
    """Return the situation of a file."""
    return next(situation for situation in ALL if situation.file == file)


def test_large_arguments_are_told_in_bytes(measured: Callable[[str], Run]) -> None:
    """The run knows that 30 items of 8 MB are sent."""
    found = measured("large_arguments.py")
    assert 240e6 < found.environment["works"]["total_of_store"]["items_bytes"] < 250e6


def test_big_results_are_told_in_bytes(measured: Callable[[str], Run]) -> None:
    """The run knows that each result is 18 MB."""
    found = measured("big_result.py")
    ray = found.trials.loc[found.trials["engine"] == "ray", "trial_id"]
    assert found.tasks.loc[found.tasks["trial_id"].isin(ray), "result_bytes"].between(18e6, 18.1e6).all()


def test_the_longest_of_unequal_items_is_seen(measured: Callable[[str], Run]) -> None:
    """The last item takes more than a fifth of all processor time, in the rows as in truth."""
    found = measured("unequal_tasks.py")
    alone = found.trials.loc[found.trials["engine"] == "serial", "trial_id"]
    tasks = found.tasks[~found.tasks["warmup"] & found.tasks["trial_id"].isin(alone)]
    assert tasks.loc[tasks["cpu_seconds"].idxmax(), "task"] == 79
    assert tasks["cpu_seconds"].max() > 0.2 * tasks["cpu_seconds"].sum()


def test_a_generator_that_can_be_read_once_serves_every_trial(tmp_path: Path) -> None:
    """Items that a file holds as a generator are listed once: no engine finds it empty."""
    engines = "processes", "serial"
    once = Situation("generator_of_items.py:checksum", "generator_of_items.py:lines", 300, engines)
    found = measure(once, tmp_path)
    assert set(found.trials["status"]) == {"ok"}
    assert set(found.trials["tasks"]) == {300}


def test_results_that_depend_on_the_worker_are_told(tmp_path: Path) -> None:
    """A file whose results differ from engine to engine is no success until different results are allowed."""
    found = measure(situation_of("numpy_random_state.py"), tmp_path, same_results=True)
    assert "failed" in set(found.trials["status"])
    assert any("its results differ" in message for message in found.trials["error_message"].dropna())


@pytest.mark.parametrize("file", ["shared_actor.py", "nested_task.py"])
def test_work_that_uses_ray_itself_is_refused_on_other_engines(file: str, tmp_path: Path) -> None:
    """Tasks and actors of the work's own run inside the lab's Ray alone, and the message says what to do."""
    with pytest.raises(WorkError, match=r"uses Ray itself .*--engines ray"):
        measure(situation_of(file), tmp_path, engines=list(EVERY_ENGINE))


def test_a_method_of_an_instance_is_refused(tmp_path: Path) -> None:
    """A method of an instance needs more than an item, and the message says so."""
    method = Situation("class_method.py:Model.predict", "class_method.py:texts", 60)
    with pytest.raises(WorkError, match=r"Model\.predict is a method of objects, and there is no object"):
        measure(method, tmp_path)


@pytest.mark.ray
def test_a_file_that_imports_ray_is_measured_by_the_command_line(tmp_path: Path) -> None:
    """A file that imports Ray before the lab starts it is measured by `lab run`, in a process of its own."""
    situation = situation_of("nested_task.py")
    words = [
        "run",
        situation.work,
        "--items",
        situation.items,
        "--engines",
        "ray",
        "--workers",
        "1",
        "--repeats",
        "1",
    ]
    command = [sys.executable, "-m", "lab", *words, "--data", str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
