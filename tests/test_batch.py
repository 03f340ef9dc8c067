"""A run by file: the request that goes out, the job that carries it out, and the log that comes back."""

import contextlib
import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest
from fakes import FakeCluster, FakeEngines

import lab.experiment.job
import lab.experiment.run
import lab.experiment.sites
from lab import paths
from lab.engines.teams import TEAMS
from lab.errors import ClusterError, DataError, ParameterError
from lab.experiment.batch import EXPERIMENT, main, make_request, take_rows
from lab.experiment.job import Request

SMALL = {
    "run_id": "mine",
    "nodes": "[1]",
    "repeats": "2",
    "schedules": "dynamic",
    "search_bits": "64",
    "search_width": "256",
    "search_tasks": "5",
}


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace Ray, the engines and the digest of the source, which other people change meanwhile."""
    monkeypatch.setattr(lab.experiment.job, "connected", lambda **_: contextlib.nullcontext())
    monkeypatch.setattr(lab.experiment.job, "Cluster", lambda *_: FakeCluster())
    for module in (lab.experiment.job, lab.experiment.facts, lab.experiment.sites):
        monkeypatch.setattr(module, "code_facts", lambda: {"version": "0", "digest": "same"})
    for name, engine in FakeEngines().table.items():
        monkeypatch.setitem(TEAMS, name, engine)


@pytest.fixture
def job(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Return what carries a request out, as a job does, and returns its log."""

    def carry_out(request: Request) -> str:
        path = tmp_path / "request.json"
        path.write_text(json.dumps(dataclasses.asdict(request)))
        capsys.readouterr()
        lab.experiment.job.main(str(path))
        return capsys.readouterr().out

    return carry_out


def test_a_log_becomes_a_run(tmp_path: Path, job) -> None:
    """Every trial of the request is in the run, good and complete; lines of others do not matter."""
    request = make_request("quick", SMALL, tmp_path)
    log = job(request)
    noise = log.replace("@lab 2 ", "(raylet) no line of the lab\n2026-11-21 INFO @lab 2 ")
    run = take_rows(request, f"Running entrypoint\n{noise}{log}Job succeeded\n", data=tmp_path)
    assert run.directory == tmp_path / EXPERIMENT / "mine"
    assert run.complete
    assert set(run.trials["status"]) == {"ok"}
    assert len(run.tasks[~run.tasks["warmup"]]) == 5 * len(run.trials)
    assert "finished_at" in run.environment["sessions"][-1]
    assert "address" not in run.environment["parameters"]


def test_a_log_without_its_end_is_refused(tmp_path: Path, job) -> None:
    """Where the job may still run nothing is written: there is no run yet."""
    request = make_request("quick", SMALL, tmp_path)
    log = job(request)
    for part in ("", log[: len(log) // 2], log[:-5], log.replace("@lab 3 ", "@lost 3 ")):
        with pytest.raises(DataError, match="--cut"):
            take_rows(request, part, data=tmp_path)
    assert not (tmp_path / EXPERIMENT / "mine" / "environment.json").exists()


def test_the_rest_of_a_cut_log_can_be_asked_for(tmp_path: Path, job) -> None:
    """The rows of a job that died are kept; the next request, for the other trials, completes the run."""
    request = make_request("quick", SMALL, tmp_path)
    log = job(request)
    middle = [found.end() for found in re.finditer(r"trials\.csv .*\n", log)][len(request.trials) // 2]
    with pytest.raises(ClusterError, match="run_id=mine"):
        take_rows(request, log[: middle + 200], cut=True, data=tmp_path)
    rest = make_request("quick", SMALL, tmp_path)
    assert 0 < len(rest.trials) < len(request.trials)
    assert rest.digests
    run = take_rows(rest, job(rest), data=tmp_path)
    assert run.complete
    with pytest.raises(DataError, match="has all of its trials"):
        make_request("quick", SMALL, tmp_path)


def test_a_log_answers_its_own_request_only(tmp_path: Path, job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is not taken for another request, nor by another version of the lab than the request's."""
    request = make_request("quick", SMALL, tmp_path)
    log = job(request)
    other = dataclasses.replace(request, trials=request.trials[:1])
    with pytest.raises(ClusterError, match="other: trials"):
        take_rows(other, log, data=tmp_path)
    monkeypatch.setattr(lab.experiment.sites, "code_facts", lambda: {"version": "0", "digest": "other"})
    with pytest.raises(DataError, match="another version of the lab"):
        take_rows(request, log, data=tmp_path)


def test_a_refusal_of_the_job_is_told(tmp_path: Path, job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the job would not measure, because the image holds other code, its reason is the error."""
    request = make_request("quick", SMALL, tmp_path)
    monkeypatch.setattr(lab.experiment.job, "code_facts", lambda: {"version": "0", "digest": "other"})
    log = job(request)
    with pytest.raises(ClusterError, match="the cluster has another version of the lab"):
        take_rows(request, log, data=tmp_path)


def test_a_request_takes_the_profile_and_the_changes(tmp_path: Path) -> None:
    """Parameters are those of notebook and profile, but for the changes; without an id the run gets one."""
    request = make_request("full", {"nodes": "[1, 3]"}, tmp_path)
    assert request.parameters["nodes"] == (1, 3)
    assert request.parameters["repeats"] == 5
    assert re.fullmatch(r"\d{8}T\d{6}Z-custom", request.parameters["run_id"])
    with pytest.raises(ParameterError, match="no profile 'fulll'"):
        make_request("fulll", {}, tmp_path)
    with pytest.raises(ParameterError, match="did you mean nodes"):
        make_request("quick", {"node": "1"}, tmp_path)


def test_the_commands_of_the_page(
    tmp_path: Path, job, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What book/kubernetes.md tells to type writes a request that the job takes, and a run from its log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    page = (paths.ROOT / "book" / "kubernetes.md").read_text()
    asking, reading = (
        shlex.split(line)[3:]
        for line in re.findall(r"^python -m lab\.experiment\.batch .+", page, flags=re.M)
    )
    assert asking.pop() == ">request.json"
    assert "nodes=[1,2,4]" in asking
    main([*asking, "run_id=mine", "search_bits=64", "search_width=256", "search_tasks=5", "repeats=1"])
    request = Request(**json.loads(capsys.readouterr().out))
    Path("job.log").write_text(job(request))
    assert reading == ["rows", "request.json", "job.log"]
    main(reading)
    assert (tmp_path / "data" / EXPERIMENT / "mine" / "environment.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["request", "quik"], "ParameterError: there is no profile 'quik'"),
        (["request", "quick", "repeats"], "ParameterError: repeats is ''"),
        (["rows", "missing.json", "job.log"], "DataError: missing.json cannot be read: No such file"),
        (["rows", "wrong.json", "job.log"], "DataError: wrong.json holds no request of this lab"),
        (["rows", "good.json", "missing.log"], "DataError: missing.log cannot be read: No such file"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """An unknown profile, an impossible value, and a file that is not there or holds something else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    Path("wrong.json").write_text('{"experiment": "multi_node"}')
    Path("good.json").write_text(json.dumps(dataclasses.asdict(make_request("quick", SMALL, tmp_path))))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert str(ended.value).startswith(words)
