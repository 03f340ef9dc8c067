"""Comparisons in a container under fixed limits: the request, the targets of make, and real containers."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from containers import ROOT, Compose, own_project
from test_compose import make

from lab.clusters.container import Limits
from lab.data.environment import ENVIRONMENT
from lab.data.store import Run, read_run
from lab.errors import ClusterError, DataError, ParameterError
from lab.experiment.contained import (
    Request,
    carry_out,
    carry_out_contained,
    check_folder,
    container_of,
    make_request,
    read_request,
)
from lab.measure.environment import commit_facts

EXPERIMENT = "ray_vs_multiprocessing"
TINY = {
    "engines": "['serial', 'pool', 'ray']",
    "workers": "[1]",
    "repeats": "1",
    "image_megabytes": "0.2",
    "image_tasks": "[4]",
    "transfers": "['seed', 'value', 'shared']",
    "search_tasks": "4",
}
LONG = {**TINY, "engines": "['serial']", "workloads": "['search']", "repeats": "10"}
"""Many short timings, to be stopped among them."""

UNCHECKED = """
import lab.experiment.comparisons as comparisons
comparisons.refuse_too_large = comparisons.check_memory = lambda *_, **__: None
from lab.experiment.contained import main
main(["carry-out"])
"""
"""The process in the container, without the checks of memory."""


# --- the request ----------------------------------------------------------------------------------------


def test_a_request_says_all_that_the_container_cannot_know(tmp_path: Path) -> None:
    """It holds checked parameters with a run id, the true profile, the commit, and the run so far."""
    request = make_request(EXPERIMENT, "quick", {}, tmp_path)
    assert request.parameters["profile"] == "quick"
    assert request.run_id.endswith("-quick")
    assert (request.session, request.files) == (commit_facts(), {})
    changed = make_request(EXPERIMENT, "quick", {"repeats": "7", "run_id": "mine"}, tmp_path)
    assert (changed.run_id, changed.parameters["profile"]) == ("mine", "custom")
    folder = tmp_path / EXPERIMENT / "mine"
    folder.mkdir(parents=True)
    for name in ("trials.csv", ENVIRONMENT, "notes.txt"):
        (folder / name).write_text(name)
    again = make_request(EXPERIMENT, "quick", {"run_id": "mine"}, tmp_path)
    assert again.files == {name: name for name in ("trials.csv", ENVIRONMENT)}
    assert read_request(json.dumps(dataclasses.asdict(again))).files == again.files


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("single_node", "quick", {}), "choose one of ray_vs_multiprocessing, break_even"),
        ((EXPERIMENT, "quik", {}), "there is no profile 'quik' of ray_vs_multiprocessing"),
        ((EXPERIMENT, "quick", {"worker": "2"}), "did you mean workers?"),
        ((EXPERIMENT, "quick", {"workers": "[0]"}), "workers is '[0]': accepted is"),
    ],
)
def test_an_impossible_request_is_refused_on_the_host(asked: tuple[Any, ...], told: str) -> None:
    """Unknown names and impossible values are told before there is a container."""
    with pytest.raises(ParameterError, match=re.escape(told)):
        make_request(*asked)


def test_other_code_and_other_text_are_refused(tmp_path: Path) -> None:
    """An image of another version measures nothing, and says what to do."""
    request = make_request("break_even", "quick", {}, tmp_path)
    with pytest.raises(ClusterError, match=r"the image holds other code .*: make build"):
        carry_out(dataclasses.replace(request, code="0" * 16), tmp_path)
    with pytest.raises(DataError, match="no request of this lab"):
        read_request("[]")
    assert list(tmp_path.iterdir()) == []


def test_the_limits_are_the_same_for_memory_swap_and_shared_memory() -> None:
    """No swap makes the memory larger, and shared memory is bounded by nothing but the memory."""
    assert Limits(0.5, "3g").options() == ["--cpus=0.5", "--memory=3g", "--memory-swap=3g", "--shm-size=3g"]


def test_a_folder_that_cannot_be_written_is_told_first(tmp_path: Path, monkeypatch: Any) -> None:
    """Rows that could not be brought home are not measured."""
    check_folder(tmp_path / "data")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match="set LAB_DATA"):
        check_folder(tmp_path / "data")


# --- the targets, with programs that do as they are told -------------------------------------------------

FAKE_PYTHON = (
    '#!/bin/sh\necho "$@" >> python-asked\ncase "$*" in *contained*) exit ${FAKE_STATUS:-0};; esac\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder whose set-up is done, with a Python that notes what it is asked."""
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    for name in (EXPERIMENT, "break_even"):
        (tmp_path / "notebooks" / f"{name}.ipynb").touch()
        (tmp_path / "notebooks" / "profiles" / f"{name}_quick.yaml").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text(FAKE_PYTHON)
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("pyvenv.cfg", ".compiled", ".installed-uv", ".installed-report"):
        (tmp_path / ".venv" / name).touch()
    return tmp_path


ASKED = 'echo "$*" >>asked'


def test_run_builds_the_image_measures_and_builds_the_book(folder: Path) -> None:
    """`make run` passes its variables on, with an image that is up to date, and ends with the book."""
    done = make(folder, ASKED, "run", "CPU_LIMIT=4", "MEMORY_LIMIT=6g", "WORKERS=[1, 2]", "RUN_ID=again")
    assert done.returncode == 0, done.stderr
    assert "compose build ray-head" in (folder / "asked").read_text().splitlines()
    command, book = (folder / "python-asked").read_text().splitlines()
    assert command == (
        "-m lab.experiment.contained run ray_vs_multiprocessing quick workers=[1, 2] run_id=again "
        "--image ray-scaling-lab:latest --cpus 4 --memory 6g"
    )
    assert book == "-m lab book"


def test_a_failed_run_builds_no_book(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the run ends badly, so does make; COMPARISON names the other comparison."""
    monkeypatch.setenv("FAKE_STATUS", "1")
    assert make(folder, ASKED, "run", "COMPARISON=break_even").returncode != 0
    (command,) = (folder / "python-asked").read_text().splitlines()
    assert "contained run break_even quick --image" in command


def test_an_unknown_profile_is_told_with_the_command(folder: Path) -> None:
    """A misspelt profile gets those that there are, and a command that would do."""
    wrong = make(folder, ASKED, "run", "PROFILE=quik").stderr
    assert "no profile 'quik' of ray_vs_multiprocessing. Choose one of: quick." in wrong
    assert "make run COMPARISON=ray_vs_multiprocessing PROFILE=quick" in wrong
    assert not (folder / "asked").exists()


def test_clean_removes_the_image_where_there_is_one(folder: Path) -> None:
    """The image of the lab goes, by its name alone; where a container uses it, it stays, which is told."""
    removes = 'case "$*" in "image rm"*) echo "a container uses it" >&2; exit $USED;; esac'
    (folder / "data").mkdir()
    done = make(folder, f"USED=0; {ASKED}; {removes}", "clean")
    assert done.returncode == 0
    assert "Removed the image ray-scaling-lab:latest" in done.stdout
    assert (folder / "asked").read_text().splitlines()[-1] == "image rm ray-scaling-lab:latest"
    shutil.rmtree(folder / "bin")
    done = make(folder, f"USED=1; {removes}", "clean")
    assert done.returncode == 0
    assert "a container uses it" in done.stderr
    assert (folder / "data").exists()


@pytest.mark.parametrize("docker", ["exit 1", "exit 127"])
def test_clean_needs_neither_docker_nor_an_image(folder: Path, docker: str) -> None:
    """Without Docker, an engine or an image `make clean` does the rest, and says nothing."""
    (folder / "_build").mkdir()
    done = make(folder, f"{ASKED}; {docker}", "clean")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "asked").read_text().splitlines() == ["image inspect ray-scaling-lab:latest"]
    assert not (folder / "_build").exists()


# --- real containers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Yield an image of this folder with a tag of its own, and remove it and what uses it in the end."""
    with own_project("contained") as project:
        yield project.image
        remove_containers_of(project)


def remove_containers_of(project: Compose) -> None:
    """Remove the containers of the project's image."""
    listed = project.run("docker", "ps", "--all", "--quiet", "--filter", f"ancestor={project.image}").split()
    subprocess.run(["docker", "rm", "--force", *listed], capture_output=True)


def started(image: str, data: Path, changes: dict[str, str], memory: str = "1500m") -> subprocess.Popen[str]:
    """Start a comparison as `make run` does; what it says comes through one pipe."""
    given = [f"{name}={value}" for name, value in changes.items()]
    limits = ["--image", image, "--cpus", "1", "--memory", memory]
    return subprocess.Popen(
        [sys.executable, "-m", "lab.experiment.contained", "run", EXPERIMENT, "quick", *given, *limits],
        cwd=ROOT,
        env={**os.environ, "LAB_DATA": str(data), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """Wait for its end, and return what it said."""
    return process.communicate(timeout=400)[0]


def await_rows(run_id: str, rows: int) -> None:
    """Wait until a run in a container has so many rows, header included."""
    name = container_of(EXPERIMENT, run_id).name
    count = ["docker", "exec", name, "wc", "-l", f"data/{EXPERIMENT}/{run_id}/trials.csv"]
    deadline = time.monotonic() + 120
    while int((subprocess.run(count, capture_output=True, text=True).stdout.split() or ["0"])[0]) < rows:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def left_behind(run_id: str) -> bool:
    """Tell whether there still is a container of a run."""
    return container_of(EXPERIMENT, run_id).state() is not None


def run_of(data: Path, run_id: str) -> Run:
    """Return a run that was brought home."""
    return read_run(data / EXPERIMENT / run_id)


@pytest.mark.docker
def test_engines_are_compared_under_the_limits(image: str, tmp_path: Path) -> None:
    """Each engine comes to the same results within one core and its memory; nothing is left behind."""
    process = started(image, tmp_path, {**TINY, "run_id": "tiny"})
    await_rows("tiny", 1)
    uids = ["docker", "top", container_of(EXPERIMENT, "tiny").name, "-eo", "pid,uid"]
    _, *processes = subprocess.run(uids, capture_output=True, text=True).stdout.splitlines()
    assert {line.split()[1] for line in processes} == {"10001"}
    told = said(process)
    assert process.returncode == 0, told
    run = run_of(tmp_path, "tiny")
    rows, machine, (session,) = run.trials, run.environment["machine"], run.environment["sessions"]
    assert run.complete
    assert set(rows["status"]) == {"ok"}, rows["error_message"].dropna().tolist()
    assert set(rows["engine"]) == {"serial", "pool", "ray"}
    assert (rows.groupby("mode")["digest"].nunique() == 1).all()
    assert (machine["quota_cores"], machine["memory_bytes"]) == (1.0, 1500 * 2**20)
    assert machine["container"] is True
    assert session.items() >= commit_facts().items()
    assert not left_behind("tiny")
    owners = {path.stat().st_uid for path in (tmp_path / EXPERIMENT).rglob("*")}
    assert owners == {os.getuid()}


@pytest.mark.docker
def test_what_does_not_fit_the_limit_is_refused(image: str, tmp_path: Path) -> None:
    """Images too large for the container's memory get the sum in words; there is no run and no container."""
    changes = {**TINY, "image_megabytes": "100", "run_id": "large", "workers": "[1, 2]"}
    process = started(image, tmp_path, changes)
    told = said(process)
    assert process.returncode != 0
    assert "Up to 2 workers share 1 core: they take turns." in told
    assert "ParameterError: " in told
    assert "1.57 GB may be used: choose fewer or smaller images" in told
    assert "Traceback" not in told
    assert "To go on" not in told
    assert list(tmp_path.rglob("*")) == []
    assert not left_behind("large")


@pytest.mark.docker
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_kept_and_gone_on_with(image: str, tmp_path: Path, number: int) -> None:
    """Ctrl-C, or a request to end, loses no row; the same command with RUN_ID does the rest."""
    run_id = f"stopped-{number}"
    process = started(image, tmp_path, {**LONG, "run_id": run_id})
    await_rows(run_id, 3)
    process.send_signal(number)
    told = said(process)
    assert process.returncode == 130
    assert f"RUN_ID={run_id}" in told
    assert not left_behind(run_id)
    first = run_of(tmp_path, run_id)
    assert len(first.trials) >= 2
    assert not first.complete
    process = started(image, tmp_path, {**LONG, "run_id": run_id})
    assert "going on with run" in said(process)
    assert process.returncode == 0
    second = run_of(tmp_path, run_id)
    assert second.complete
    assert len(second.environment["sessions"]) == 2
    assert second.trials[: len(first.trials)].equals(first.trials)


@pytest.mark.docker
def test_a_killed_host_process_loses_nothing(image: str, tmp_path: Path) -> None:
    """Where nobody was left to bring a run home, the next command with its RUN_ID does, once it is over."""
    # the process that comes too late, of a slow machine too, is to find the container at work
    changes = {**LONG, "repeats": "20", "run_id": "orphan"}
    process = started(image, tmp_path, changes)
    await_rows("orphan", 3)
    process.kill()
    process.wait()
    again = started(image, tmp_path, changes)
    assert "is under way in the container" in said(again)
    subprocess.run(["docker", "stop", container_of(EXPERIMENT, "orphan").name], capture_output=True)
    again = started(image, tmp_path, changes)
    assert "going on with run" in said(again)
    assert run_of(tmp_path, "orphan").complete
    assert not left_behind("orphan")


@pytest.mark.docker
def test_memory_that_runs_out_is_a_failed_row(image: str, tmp_path: Path) -> None:
    """Where the kernel kills a worker within the limit, its timing has failed and all others are there."""
    changes = {**TINY, "engines": "['pool']", "image_megabytes": "300", "transfers": "['seed']"}
    request = make_request(EXPERIMENT, "quick", {**changes, "repeats": "2", "run_id": "full"}, tmp_path)
    code = unchecked(request, image, "400m", tmp_path)
    rows = run_of(tmp_path, "full").trials
    images, search = (rows[rows["mode"] == one] for one in ("images", "search"))
    assert code == 0
    assert set(images["status"]) == {"failed"}
    assert set(search["status"]) == {"ok"}
    assert images["error_message"].str.contains("kill", case=False).all(), images["error_message"].tolist()
    assert not left_behind("full")


def unchecked(request: Request, image: str, memory: str, data: Path) -> int:
    """Carry a request out without a look at the memory beforehand, and return the exit code."""
    command: Sequence[str] = ("-c", UNCHECKED)
    return carry_out_contained(request, image, Limits(1.0, memory), data, command)
