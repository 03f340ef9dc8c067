"""What somebody adds from outside, not one line of it in `lab/`: workload, engine, metric and experiment."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fakes import FakeCluster

import lab.experiment.own
from lab.cli import main
from lab.data.engines import TABLE
from lab.data.listing import all_listed
from lab.data.store import Run, read_run
from lab.engines.teams import ON_RAY, TEAMS
from lab.errors import DataError
from lab.experiment.sites import Here
from lab.experiment.table import function_of
from lab.report.page import page

JOB = """
items = range(30)

def squares(item):
    return item * item
"""

ENGINE = """
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

from lab.engines import Completion


class Threads:
    places, node_watches, lost_workers = (), {}, 0

    def __init__(self, pool):
        self.pool = pool

    def run(self, work, schedule, observer):
        observer.submitted(len(work.payloads))
        submitted = time.monotonic()
        for task, measured in enumerate(self.pool.map(work.call(work.function), work.payloads)):
            observer.completed(Completion(task, 1, -1, None, submitted, time.monotonic(), measured))


@contextlib.contextmanager
def team(workers, nodes):
    with ThreadPoolExecutor(workers) as pool:
        yield Threads(pool)


def no_start(workers, nodes):
    raise OSError("no licence")


@contextlib.contextmanager
def no_team(workers, nodes):
    yield "a team"


class Stops(Threads):
    def run(self, work, schedule, observer):
        raise RuntimeError("out of order")


@contextlib.contextmanager
def no_end(workers, nodes):
    with ThreadPoolExecutor(workers) as pool:
        yield Stops(pool)


none = 5
"""

EXPERIMENT = '''
import contextlib
import dataclasses

from lab.clusters.alone import Alone
from lab.experiment.parameters import Experiment, parameters_from
from lab.experiment.plan import Configuration, in_blocks
from lab.experiment.rules import Whole, parameter
from lab.experiment.run import run_plan
from lab.experiment.sites import Here
from lab.loading import prepare
from lab.measure.node import find_cgroup


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Squares(Experiment):
    """What the notebook can be told."""

    numbers: int = parameter(Whole(1, 1000), "numbers")


@contextlib.contextmanager
def site():
    yield Here(Alone(), 1.0)


def squares(namespace, data=None):
    parameters = parameters_from(Squares, namespace)
    mode, work = prepare("their_job.py:squares", parameters.numbers)
    loop = Configuration(mode, "baseline", "serial", "dynamic", "embedded", 1, 1)
    several = [dataclasses.replace(loop, arm="experiment", engine="processes", workers_per_node=workers)
               for workers in (1, 2)]
    plan = in_blocks(parameters, [[loop], several])
    sites = {"embedded": site}
    return run_plan("squares", parameters, {mode: work}, plan, data, find_cgroup(), lambda _: sites)
'''

METRIC = '''
"""The longest item beside the median one: a function of the rows, and a section that tells it."""

from lab.report.markdown import Markdown, table


def unevenness(run):
    """Return, by engine, the longest item of a trial over its median one, the mean of the trials."""
    tasks = run.tasks[~run.tasks["warmup"].astype(bool) & (run.tasks["status"] == "ok")]
    seconds = (tasks["finished_seconds"] - tasks["started_seconds"]).groupby(tasks["trial_id"])
    found = (seconds.max() / seconds.median()).rename("unevenness")
    trials = run.trials.set_index("trial_id").join(found)
    return trials[trials["status"] == "ok"].groupby("engine")["unevenness"].mean()


def section(study):
    rows = [(engine, f"{value:.1f}") for engine, value in unevenness(study.run).items()]
    return Markdown(table(("engine", "longest over median"), rows))
'''

SQUARES = {
    "numbers": 30,
    "run_id": "theirs",
    "profile": "custom",
    "seed": 1,
    "repeats": 2,
    "sample_seconds": 0.2,
    "deadline_seconds": 60.0,
    "stall_seconds": 30.0,
    "object_store_megabytes": 80,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder with all that somebody adds; what it brought into this process is forgotten after."""
    files = {"their_job": JOB, "their_engine": ENGINE, "their_experiment": EXPERIMENT, "their_metric": METRIC}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    tables: list[Any] = [TABLE, TEAMS, ON_RAY]
    before = [table.copy() for table in tables]
    yield tmp_path
    for table, one in zip(tables, before, strict=True):
        table.clear()
        table.update(one)
    for name in files:
        sys.modules.pop(name, None)


Lab = Callable[..., SimpleNamespace]


@pytest.fixture
def lab_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    """Return a function that measures their job by the command, without Ray: status, errors and the run."""
    import contextlib

    @contextlib.contextmanager
    def site(*_: Any) -> Iterator[Here]:
        yield Here(FakeCluster(), 1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(lab.experiment.own, "embedded_site", site)

    def run(engines: str) -> SimpleNamespace:
        given = ["--engines", engines, "--workers", "1,2", "--repeats", "2", "--data", "data"]
        status = main(["run", "their_job.py:squares", "--items", "their_job.py:items", *given])
        runs = [one.directory for one in all_listed(folder / "data")]
        return SimpleNamespace(
            status=status, err=capsys.readouterr().err, run=read_run(runs[0]) if runs else None
        )

    return run


def test_an_engine_of_ones_own(lab_run: Lab, folder: Path) -> None:
    """A file with a function `team` runs the work beside the loop, to one digest, under its own name."""
    found = lab_run("their_engine.py:team,serial")
    assert found.status == 0, found.err
    trials = found.run.trials
    assert dict(trials["engine"].value_counts()) == {"their_engine.py:team": 6, "serial": 2}
    assert set(trials["status"]) == {"ok"}, list(trials["error_message"])
    assert trials["digest"].nunique() == 1
    assert found.run.environment["parameters"]["engines"] == ["their_engine.py:team", "serial"]
    assert str(folder) not in (found.run.directory / "environment.json").read_text()


def test_an_engine_of_ones_own_is_on_the_page(lab_run: Lab, folder: Path) -> None:
    """The page of own work has a row of it in its table by that name, also where nobody knows the file."""
    from lab.report.own import own_page

    lab_run("their_engine.py:team,serial")
    TABLE.pop("their_engine.py:team")
    text = own_page(folder / "data").works().text
    assert "their_engine.py:team" in text
    assert "squares" in text


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("nowhere.py:team", "WorkError: there is no file nowhere.py: you are in "),
        ("their_engine.py:taem", "WorkError: their_engine.py has no 'taem'; did you mean team?"),
        ("their_engine.py:none", "WorkError: their_engine.py:none is no engine: a function team"),
    ],
)  # fmt: skip
def test_what_is_no_engine_is_refused(lab_run: Lab, engine: str, told: str) -> None:
    """One sentence before anything runs."""
    found = lab_run(f"{engine},serial")
    assert found.status != 0
    assert told in found.err
    assert found.run is None


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("no_start", "engine their_engine.py:no_start gave the work up: OSError: no licence"),
        ("no_team", "what their_engine.py:no_team yields has no places, node_watches, lost_workers, run"),
        ("no_end", "engine their_engine.py:no_end gave the work up: RuntimeError: out of order"),
    ],
)  # fmt: skip
def test_an_engine_that_raises_fails_its_own_trials(lab_run: Lab, engine: str, told: str) -> None:
    """Its trials have failed rows that say why, and the other engine's are good."""
    found = lab_run(f"their_engine.py:{engine},serial")
    assert found.status == 0, found.err
    trials = found.run.trials
    assert dict(trials.groupby("engine")["status"].unique().map(set)) == {
        "serial": {"ok"},
        f"their_engine.py:{engine}": {"failed"},
    }
    failed = trials[trials["engine"] != "serial"]
    assert failed["error_message"].str.startswith(told).all(), list(failed["error_message"])


@pytest.fixture
def experiment(folder: Path) -> ModuleType:
    """Return the module of their experiment."""
    assert folder.exists()
    return importlib.import_module("their_experiment")


def test_an_experiment_of_ones_own(experiment: ModuleType, folder: Path) -> None:
    """Parameters, plan and site of their own make a run that is listed and read like any other."""
    found = experiment.squares(SQUARES, folder / "data")
    assert isinstance(found, Run)
    assert list(found.trials["status"]) == ["ok"] * 6
    assert found.trials["digest"].nunique() == 1
    (listed,) = all_listed(folder / "data")
    assert (listed.experiment, listed.run_id, listed.state, listed.trials) == (
        "squares",
        "theirs",
        "complete",
        6,
    )
    assert read_run(listed.directory).environment["parameters"]["numbers"] == 30


def test_an_experiment_of_ones_own_goes_on(experiment: ModuleType, folder: Path) -> None:
    """Called again with the run's id it does what is missing; `lab resume` says that this is the way."""
    place = experiment.squares(SQUARES, folder / "data").directory / "trials.csv"
    rows = place.read_text().splitlines(keepends=True)
    place.write_text("".join(rows[:-2]))
    trials = experiment.squares(SQUARES, folder / "data").trials
    assert list(trials["slot"]) == [0, 1, 2, 3, 4, 5, 4, 5]
    assert list(trials["status"]) == ["ok"] * 4 + ["interrupted"] * 2 + ["ok"] * 2
    with pytest.raises(
        DataError, match="one of your own goes on where its function is called again with run_id"
    ):
        function_of("squares")


def test_a_metric_of_ones_own(experiment: ModuleType, folder: Path) -> None:
    """A function of a run's rows is a metric, and one of a study a section that a page shows."""
    found = experiment.squares(SQUARES, folder / "data")
    metric = importlib.import_module("their_metric")
    assert (metric.unevenness(found) >= 1).all()
    shown = page("squares", folder / "data").show(metric.section).text
    assert "longest over median" in shown
    assert "processes" in shown
