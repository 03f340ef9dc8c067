"""Tests of the runs that the repository publishes: real, clean, and as good as the lab says that it is."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest
from timed import IMAGE_BYTES, race_run
from written import write_run

from lab import paths
from lab.analysis.configurations import compare
from lab.analysis.replay import given_up, replayed_efficiency
from lab.data.store import read_run
from lab.published import report_a as reference
from lab.published import report_b
from lab.report.claims_single_node import replay_batches
from lab.report.study import Study

B_COLUMNS = ["framework", "data_size_mb", "num_tasks", "complexity", "execution_time", "memory_used"]
"""Those of report B's CSV file."""

SIMULATED = (0.99, 0.88, 0.79, 0.73, 0.68, 0.62)
"""Node efficiency over 1..6 nodes, 1 worker each, of a simulation of the reference report's batches that was
made before this lab was: equal shares, its limit of tries, no cost of scheduling."""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _published(experiment: str) -> list[Path]:
    """Return the folders of an experiment's runs that git tracks: a user's own runs are not judged here."""
    files = _git("ls-files", f"data/{experiment}/*/environment.json").splitlines()
    return [paths.ROOT / Path(file).parent for file in files]


@pytest.fixture(scope="module", params=_published("single_node"), ids=lambda folder: folder.name)
def study(request: pytest.FixtureRequest) -> Study:
    """Return a published run of the single-node experiment."""
    return Study(read_run(request.param))


def test_a_run_is_published() -> None:
    """The repository carries a run of each experiment, of the profile full."""
    runs = [read_run(folder) for folder in _published("single_node")]
    assert any(run.environment["parameters"]["profile"] == "full" for run in runs)


def test_it_is_complete_and_of_committed_code(study: Study) -> None:
    """Every trial ended well, in sessions of code that was committed without changes."""
    assert study.run.complete
    assert study.failures.empty
    assert len(set(study.run.trials.groupby("mode")["digest"].nunique())) == 1
    for session in study.run.environment["sessions"]:
        assert session["uncommitted_changes"] is False
        if _git("rev-parse", "--is-shallow-repository") == "false":
            _git("cat-file", "-e", f"{session['commit']}^{{commit}}")


def test_it_has_the_repeats_that_it_promises(study: Study) -> None:
    """The published run has five blocks or more, with 1 to 6 workers."""
    assert study.blocks >= 5
    assert set(study.run.trials["workers"]) == {1, 2, 3, 4, 5, 6}


def test_ray_keeps_up_with_plain_processes(study: Study) -> None:
    """With as many workers as cores or fewer, Ray has at least 0.97 of the plain processes' throughput."""
    for workers in range(1, study.cores + 1):
        ray = {"mode": "search", "arm": "experiment", "engine": "ray", "schedule": "dynamic"}
        plain = {"mode": "search", "engine": "processes", "workers": workers}
        ratio = compare(study.measures, "throughput", ray | {"workers": workers}, plain)
        assert ratio.value is not None
        assert ratio.value >= 0.97


def test_the_search_tasks_are_of_50_ms_or_longer(study: Study) -> None:
    """The comparison with plain processes is one of tasks of 50 ms and longer."""
    alone = study.rows("search", "plain loop")
    assert (alone["run_p50_seconds"] >= 0.05).all()


def test_the_replay_reproduces_the_reference_reports_efficiency(study: Study) -> None:
    """Recorded times in equal shares give the reference report's efficiency over 1..6 nodes within 0.03."""
    batches = replay_batches(study)
    pools = [(given_up(pool, bits, reference.MOST_TRIES), count) for bits, pool, count in batches]
    for nodes, expected in enumerate(SIMULATED, start=1):
        static = replayed_efficiency(pools, nodes, "static", repeats=1000, seed=nodes)
        assert static.value == pytest.approx(expected, abs=0.03)


def test_a_dynamic_queue_beats_equal_shares(study: Study) -> None:
    """Replayed over 6 workers, the recorded times take at most 1/1.2 of the time with a dynamic queue."""
    pools = [(pool, count) for _, pool, count in replay_batches(study)]
    dynamic, static = (
        replayed_efficiency(pools, 6, schedule, repeats=1000, seed=6).value
        for schedule in ("dynamic", "static")
    )
    assert dynamic is not None
    assert static is not None
    assert dynamic / static >= 1.2


def test_the_sampler_costs_at_most_one_per_cent_of_a_core(study: Study) -> None:
    """The samplers' processor time is at most 1 % of a core over all windows together."""
    trials = study.run.trials
    assert trials["sampler_cpu_seconds"].sum() <= 0.01 * trials["duration_seconds"].sum()


@pytest.mark.parametrize("folder", _published("ray_vs_multiprocessing"), ids=lambda folder: folder.name)
def test_a_run_of_then_is_given_in_report_b_s_columns(folder: Path) -> None:
    """The columns that the run's own file had under report B's names come back as they were."""
    then = pd.read_csv(folder / "timings.csv")
    then = then[(then["workload"] == "images") & (then["status"] == "ok")].reset_index(drop=True)
    found = report_b.in_its_columns(read_run(folder))
    pd.testing.assert_frame_equal(found, then[B_COLUMNS], check_dtype=False, rtol=1e-6)


def test_a_run_of_today_is_given_in_report_b_s_columns(tmp_path: Path) -> None:
    """Images alone, in megabytes and seconds, by framework; what the run does not know is missing."""
    folder = tmp_path / "ray_vs_multiprocessing" / "run"
    trials = race_run(blocks=1, engines=("ray", "pool"))
    trials.loc[trials["engine"] == "pool", "engine"] = "my own"
    trials.loc[3, ["status", "duration_seconds"]] = ["failed", None]
    found = report_b.in_its_columns(read_run(write_run(folder, [trials])))
    images = trials[(trials["mode"] == "images") & (trials["status"] == "ok")]
    assert list(found.columns) == B_COLUMNS
    assert found["framework"].tolist() == images["engine"].tolist()
    assert set(found["data_size_mb"]) == {IMAGE_BYTES / 1e6}
    assert found["num_tasks"].tolist() == images["planned_tasks"].tolist()
    assert found["execution_time"].tolist() == pytest.approx(images["duration_seconds"].tolist())
    assert set(found["memory_used"]) == {120.0}
    assert found["complexity"].isna().all()
