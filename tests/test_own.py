"""One's own work as an experiment: what is run in which order, what a run keeps of it, and going on."""

import contextlib
import dataclasses
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCluster, FakeEngines, FakeTeam
from works import count, square

import lab.experiment.own
import lab.experiment.sites
from lab import Workload
from lab.api import run
from lab.cli.outcome import tell
from lab.data.store import Run, read_run
from lab.errors import DataError, LabError, ParameterError, WorkError
from lab.experiment.apart import environment, main_apart, nothing_left
from lab.experiment.own import own
from lab.experiment.sites import Here
from lab.experiment.trial import Setting
from lab.report.own import own_page
from lab.report.study import Study


class CallingTeam(FakeTeam):
    """Runs the work as its call says, in order, and keeps a transcript."""

    def run(self, work: Any, schedule: str, observer: Any) -> None:
        """Run the tasks one after another, dealt out in turn."""
        self.transcript.append(f"{self.engine} x{self.workers}: {len(work.payloads)}, {schedule}")
        for task, payload in enumerate(work.payloads):
            observer.submitted(1)
            submitted = time.monotonic()
            measurement = work.call(work.function)(payload)
            observer.completed(
                lab.engines.Completion(
                    task, 1, task % self.workers, None, submitted, time.monotonic(), measurement
                )
            )


@pytest.fixture
def transcript(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what engines are asked for, none of which is real, on a cluster that is not there."""
    fakes = FakeEngines("serial", "processes", "ray", "pool", team=CallingTeam)

    @contextlib.contextmanager
    def site(_: Any, spare_cpus: int = 0) -> Iterator[Here]:
        fakes.transcript.append(f"site, {spare_cpus} spare")
        yield Here(FakeCluster(), 1.0)  # type: ignore[arg-type]
        fakes.transcript.append("site ends")

    def setting(*given: Any) -> Setting:
        return Setting(*given, engines=fakes.table)

    monkeypatch.setattr(lab.experiment.own, "embedded_site", site)
    monkeypatch.setattr(lab.experiment.sites, "Setting", setting)
    return fakes.transcript


ROOTS = Workload(square, range(5), name="squares", unit="roots", units=count, words="Numbers, squared.")

Measured = Callable[..., Run]


@pytest.fixture
def measured(tmp_path: Path) -> Measured:
    """Return a function that runs own work and returns the run."""

    def measure(work: Any = square, items: Any = 4, **parameters: Any) -> Run:
        found = run(work, items, data=tmp_path, **{"workers": [1, 2], "repeats": 1} | parameters)
        assert isinstance(found, Run)
        return found

    return measure


def test_the_plan_is_carried_out_in_its_order(transcript: list[str], measured: Measured) -> None:
    """Every engine with each number of workers, first warm, then in the window, and a copy, in one site."""
    found = measured(repeats=2, seed=3)
    assert transcript[0] == "site, 0 spare"
    assert transcript[-1] == "site ends"
    starts = [one for one in transcript if "starts" in one]
    a_block = [
        "serial starts 1",
        *(f"{engine} starts {workers}" for engine in ("processes", "ray") for workers in (1, 2)),
    ]
    for block in (starts[:6], starts[6:]):
        extra = list(block)
        for one in a_block:
            extra.remove(one)
        assert extra == ["ray starts 2"]
    at = transcript.index("ray starts 2")
    assert transcript[at : at + 4] == ["ray starts 2", "ray x2: 2, static", "ray x2: 4, dynamic", "ray ends"]
    assert list(found.trials["status"]) == ["ok"] * 12
    assert dict(found.trials["arm"].value_counts()) == {"baseline": 6, "experiment": 4, "copy": 2}


@pytest.mark.usefixtures("transcript")
def test_what_a_run_keeps_of_the_work(measured: Measured) -> None:
    """The environment file tells unit, words and source, and number, size and digests of items and code."""
    facts = measured(ROOTS, None).environment["works"]["squares"]
    assert {name: facts[name] for name in ("unit", "words", "same_results", "items")} == {
        "unit": "roots",
        "words": "Numbers, squared.",
        "same_results": True,
        "items": 5,
    }
    assert facts["source"] == "works:square"
    assert len(facts["digest"]) == len(facts["items_digest"]) == 16
    assert facts["items_bytes"] > 0


@pytest.mark.usefixtures("transcript")
def test_units_are_counted(measured: Measured) -> None:
    """What `units` makes of the results adds up to the trial's units; mode is the name of the work."""
    trials = measured(ROOTS, None, unit="ones").trials
    assert set(trials["units"]) == {0 + 1 + 4 + 9 + 16}
    assert set(trials["mode"]) == {"squares"}


def test_a_dry_run_writes_nothing(
    transcript: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few items are tried, what would be done is told, and there is no run and no site."""
    assert run(square, 100, data=tmp_path / "data", dry_run=True, workers=[1, 2]) is None
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("square: 100 items, about ")
    assert told[1] == "18 trials: processes, ray, serial, up to 2 workers, 3 blocks"
    assert told[2].startswith("this takes about ")
    assert transcript == []
    assert not (tmp_path / "data").exists()


def test_a_run_goes_on(transcript: list[str], measured: Measured, tmp_path: Path) -> None:
    """The same call with the same run id does what is left, and refuses other items or another function."""
    measured(run_id="mine")
    folder = tmp_path / "own" / "mine"
    rows = (folder / "trials.csv").read_text().splitlines(keepends=True)
    (folder / "trials.csv").write_text("".join(rows[:-2]))
    transcript.clear()
    trials = measured(run_id="mine").trials
    assert list(trials["status"]) == ["ok"] * 4 + ["interrupted"] * 2 + ["ok"] * 2
    assert list(trials["slot"]) == [0, 1, 2, 3, 4, 5, 4, 5]
    assert sum("starts" in one for one in transcript) == 2
    with pytest.raises(
        DataError, match=r"was begun with other parameters: \{'items': 4\} there, \{'items': 5\} now"
    ):
        measured(items=5, run_id="mine")
    with pytest.raises(DataError, match="was begun with other works"):
        measured(ROOTS, 4, run_id="mine")


@pytest.mark.usefixtures("transcript")
def test_a_notebook_hands_over_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`own` takes the namespace of a notebook: text alone, and where the file is."""
    (tmp_path / "the_job.py").write_text("items = 'ab'\ndef work(item): return item * 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = {"work": "the_job.py:work", "items": "the_job.py:items", "workers": [1], "repeats": 1, "_mine": 3}
    found = own(names, tmp_path / "data")
    assert read_run(found.directory).environment["works"]["work"]["source"] == "the_job.py:work"
    assert found.environment["parameters"]["items"] == "the_job.py:items"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"work": ""}, "work is empty: name the function, as in my_job.py:work"),
        ({"nodes": [1, 2]}, "nodes is [1, 2], and an embedded Ray is one node: add --cluster local"),
        ({"engines": ["ray", "pool"], "cluster": "local"}, "engines is ['ray', 'pool'], and on a cluster"),
        ({"workers": [0]}, "workers is [0]: accepted is a list"),
        ({"cluster": "address"}, "cluster is 'address' and address '': cluster 'address' needs the address"),
        ({"workres": [1]}, "unknown parameter workres; did you mean workers?"),
    ],
    ids=str,
)  # fmt: skip
def test_parameters_that_cannot_be_right(parameters: dict[str, Any], told: str) -> None:
    """Nothing is imported or tried where a parameter is wrong."""
    with pytest.raises(ParameterError) as error:
        run(**{"work": "nowhere.py:work", "items": 3} | parameters)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("engines", [["ray", "processes", "serial"], ["pool"]])
def test_work_that_uses_ray_itself(engines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other engines it is refused by their names; on Ray alone it gets a CPU to spare."""
    found = lab.experiment.own.Pilot(0.01, 1, (), 0, uses_ray=True)
    monkeypatch.setattr(lab.experiment.own, "pilot", lambda *_, **__: found)
    with pytest.raises(
        WorkError, match=rf"square uses Ray itself .*which {', '.join(engines).removeprefix('ray, ')}"
    ):
        run(square, 3, engines=engines, dry_run=True)
    assert run(square, 3, engines=["ray"], dry_run=True) is None


def test_items_may_take_half_of_what_a_stall_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot waits no longer than a trial would: half of `stall_seconds`, or the deadline."""
    limits: list[float] = []

    def tried(_: str, __: Any, limit_seconds: float, with_ray: bool) -> Any:  # noqa: ARG001
        limits.append(limit_seconds)
        raise WorkError("enough")

    monkeypatch.setattr(lab.experiment.own, "pilot", tried)
    for more in ({}, {"stall_seconds": 400}, {"stall_seconds": 400, "deadline_seconds": 100}):
        with pytest.raises(LabError, match="enough"):
            run(square, 3, **more)
    assert limits == [60.0, 200.0, 100.0]


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are set while a run lasts, and back after it, whether they were there or not."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with environment({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}):
        assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("1", "1")
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_the_main_module_is_as_it_was() -> None:
    """While a run lasts no process that is started finds the script, and after it all is as before."""
    import __main__

    before = vars(__main__).get("__file__"), __main__.__spec__
    with main_apart():
        assert "__file__" not in vars(__main__)
        assert __main__.__spec__ is None
    assert (vars(__main__).get("__file__"), __main__.__spec__) == before


def test_what_was_started_before_a_run_lives_on() -> None:
    """Only what was started within is ended: a process, and one that it left behind."""
    import subprocess

    import psutil

    mine = subprocess.Popen(["sleep", "287"])
    try:
        with nothing_left():
            subprocess.run(["sh", "-c", "sleep 288 & sleep 289 &"], check=True)
        asleep = {tuple(one.info["cmdline"] or ())[1:] for one in psutil.process_iter(["name", "cmdline"])
                  if one.info["name"] == "sleep"}  # fmt: skip
        assert ("287",) in asleep
        assert not {("288",), ("289",)} & asleep
    finally:
        mine.kill()
        mine.wait()


@pytest.mark.ray
def test_own_work_on_every_engine(tmp_path: Path) -> None:
    """Every engine of the table runs the same work to one digest, and a set-up runs once in each worker."""
    engines = [
        "ray",
        "ray_tasks",
        "ray_actor_pool",
        "ray_pool",
        "processes",
        "pool",
        "futures",
        "joblib",
        "serial",
    ]
    found = run(square, 20, data=tmp_path, engines=engines, workers=[2], repeats=1, object_store_megabytes=80)
    assert isinstance(found, Run)
    assert dict(zip(found.trials["engine"], found.trials["status"], strict=True)) == dict.fromkeys(
        engines, "ok"
    )
    assert found.trials["digest"].nunique() == 1
    assert not dataclasses.is_dataclass(found.trials)


@pytest.mark.usefixtures("transcript")
def test_engines_that_are_told_their_batches_are_measured_with_each(
    measured: Measured, capsys: pytest.CaptureFixture[str]
) -> None:
    """One item a call and equal batches are configurations of their own, in rows, words and on the page."""
    found = measured(ROOTS, 40, engines=["serial", "pool", "ray"], workers=[2], repeats=2,
                     batchings=["none", "equal"])  # fmt: skip
    trials = found.trials[found.trials["arm"] != "copy"]
    kinds = trials[["engine", "batching", "batch"]].astype(object).drop_duplicates()
    assert set(kinds.where(kinds.notna(), None).itertuples(index=False, name=None)) == {
        ("serial", None, None), ("ray", None, None), ("pool", "none", 1), ("pool", "equal", 5),
    }  # fmt: skip
    tell(found)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("squares  pool")]
    assert [re.split(r"\s\s+", line)[1] for line in lines] == ["pool", "pool, equal batches"]
    study = Study(found)
    assert study.series("squares") == (
        "Ray, dynamic", "multiprocessing.Pool", "multiprocessing.Pool, equal batches", "plain loop"
    )  # fmt: skip
    levels = study.levels("squares", "throughput")
    assert {one.n for points in levels.values() for one in points.values()} == {2}
    text = own_page(found.directory.parent.parent).works().text
    assert "multiprocessing.Pool, equal batches" in text


def test_work_that_grows_is_done_whole(transcript: list[str], measured: Measured) -> None:
    """A weak sweep does the items once for each worker, says so of itself, and units and digests agree."""
    found = measured(ROOTS, None, engines=["ray", "serial"], scaling="weak")
    assert {"ray x2: 10, dynamic", "ray x1: 5, dynamic", "serial x1: 5, static"} <= set(transcript)
    assert found.environment["parameters"]["scaling"] == "weak"
    assert found.environment["works"]["squares"]["items"] == 5
    good = found.trials[found.trials["status"] == "ok"]
    assert dict(zip(good["workers"], good["units"], strict=True)) == {1: 30, 2: 60}
    assert good.groupby("planned_tasks")["digest"].nunique().tolist() == [1, 1]
