"""Tests of the notebooks, run as a reader runs them: through papermill, with a kernel and a real Ray."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from fakes import TINY

from lab import paths
from lab.data.store import read_run

pytestmark = pytest.mark.ray

NOTEBOOK = paths.ROOT / "notebooks" / "single_node.ipynb"
SMALL = TINY | {"repeats": 1, "modes": ["find", "search"], "schedules": ["dynamic", "static"], "workers": [2]}
TRIALS = 2 * (1 + 1 + 2 + 1)


def papermill(folder, parameters, *arguments, notebook=NOTEBOOK):
    """Return a started papermill whose data goes to a folder."""
    command = [sys.executable, "-m", "papermill", str(notebook), str(folder / "out.ipynb")]
    for name, value in parameters.items():
        command += ["-y", json.dumps({name: value})]
    return subprocess.Popen(
        [*command, *arguments, "--no-progress-bar", "--log-level", "WARNING"],
        cwd=paths.ROOT,
        env=os.environ | {"LAB_DATA": str(folder / "data"), "JUPYTER_PREFER_ENV_PATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of the one run that the tests of this module look at."""
    folder = tmp_path_factory.mktemp("notebook")
    with papermill(folder, SMALL) as process:
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]
    return folder


@pytest.fixture(scope="module")
def run(folder):
    """Return the run, read back."""
    return read_run(folder / "data" / "single_node" / "tiny")


def test_the_notebook_runs_to_its_end(run, folder):
    """Every slot of the plan ends well, and the executed notebook shows the rows."""
    assert run.complete
    assert len(run.trials) == TRIALS
    assert set(run.trials["status"]) == {"ok"}, run.trials["error_message"].dropna().tolist()
    cells = nbformat.read(folder / "out.ipynb", as_version=4).cells
    assert any("trial_id" in str(output) for cell in cells for output in cell.get("outputs", ()))


def test_all_engines_find_the_same(run):
    """One digest for each mode, over loop, processes and Ray under both schedules."""
    assert set(run.trials["engine"]) == {"serial", "processes", "ray"}
    assert (run.trials.groupby("mode")["digest"].nunique() == 1).all()
    assert (run.trials.groupby("mode")["units"].nunique() == 1).all()


def test_every_task_is_there_once(run):
    """Each trial has one warm-up row for each worker, and one good row for each task."""
    for trial in run.trials.itertuples():
        own = run.tasks[run.tasks["trial_id"] == trial.trial_id]
        assert own["warmup"].sum() == trial.workers
        assert sorted(own.loc[~own["warmup"], "task"]) == list(range(5))
    assert set(run.tasks["node_id"]) == set(run.nodes["node_id"]) == set(run.samples["node_id"])


def test_times_are_of_the_window(run):
    """Within each trial: submitted, started, finished, received, and the last received is the duration."""
    tasks = run.tasks[~run.tasks["warmup"]]
    order = ["submitted_seconds", "started_seconds", "finished_seconds", "received_seconds"]
    assert (tasks[order].diff(axis=1).iloc[:, 1:] >= -1e-6).all(axis=None)
    last = tasks.groupby("trial_id")["received_seconds"].max()
    durations = run.trials.set_index("trial_id")["duration_seconds"]
    assert (last - durations).abs().max() < 1e-5
    assert set(run.samples["trial_id"]) == set(run.trials["trial_id"])


def test_rows_of_tasks_are_no_longer_than_was_reckoned(folder):
    """ROW_BYTES, by which the disk is checked before, is an upper bound of a row's mean size."""
    from lab.experiment.run import ROW_BYTES

    path = folder / "data" / "single_node" / "tiny" / "tasks.csv"
    assert path.stat().st_size / len(path.read_text().splitlines()) < ROW_BYTES


def test_the_notebook_run_again_does_nothing(folder, run):
    """The same run again, with its list of workers given by -p, which papermill hands over as text."""
    before = {path: path.read_bytes() for path in run.directory.iterdir()}
    with papermill(folder, {**SMALL, "workers": None}, "-p", "workers", "[2]") as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    assert {path: path.read_bytes() for path in run.directory.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "worker", "[1,2]"), "unknown parameter worker; did you mean workers?"),
    ],
)
def test_bad_parameters_stop_the_notebook_before_any_work(tmp_path, arguments, words):
    """Papermill only warns of an unknown parameter: the notebook refuses it, in words, and writes nothing."""
    with papermill(tmp_path, {}, *arguments) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"ParameterError: {words}" in errors
    assert not (tmp_path / "data").exists()


def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path):
    """Ctrl-C in the middle: files are readable, the cut trial has its row, no process is left behind."""
    slow = SMALL | {"modes": ["find"], "find_bits": [2048], "find_tasks": [100], "run_id": "cut"}
    trials = tmp_path / "data" / "single_node" / "cut" / "trials.csv"
    with papermill(tmp_path, slow) as process:
        deadline = time.monotonic() + 120
        while not (trials.exists() and trials.read_text().count("\n") > 1) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode != 0
    cut = read_run(trials.parent)
    assert not cut.complete
    assert "ok" in set(cut.trials["status"])
    assert set(cut.tasks["trial_id"]) <= set(cut.trials["trial_id"])
    deadline = time.monotonic() + 60
    while (left := processes_of(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


JOB = """
items = ["one", "two", "three"]
def work(item):
    return len(item)
"""


def test_own_work_runs_in_its_notebook(tmp_path):
    """A file of one's own, named by -p as the README has it, is measured on Ray and beside it."""
    (tmp_path / "my_job.py").write_text(JOB)
    named = {"work": f"{tmp_path / 'my_job.py'}:work", "items": f"{tmp_path / 'my_job.py'}:items"}
    parameters = named | {"repeats": 1, "engines": ["ray", "serial"], "run_id": "mine"}
    with papermill(
        tmp_path, parameters, "-p", "workers", "[1]", notebook=NOTEBOOK.with_name("own.ipynb")
    ) as process:
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]
    run = read_run(tmp_path / "data" / "own" / "mine")
    assert run.complete
    assert set(run.trials["engine"]) == {"ray", "serial"}
    assert set(run.trials["units"]) == {3}


def processes_of(folder):
    """Return the processes whose data would go to a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("LAB_DATA") == str(folder / "data"):
                found.append(process)
    return found
