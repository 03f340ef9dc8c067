"""Two versions measured in turns: which block comes when, how the other is got, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from written import write_run

from lab import paths
from lab.cli import main
from lab.clusters.embedded import OLDEST_RAY, PINNED_RAY, in_range
from lab.data.store import read_run
from lab.errors import ClusterError, LabError, ParameterError, WorkError
from lab.experiment import against, side, versions
from lab.experiment.against import in_turns, order, run_ids
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import parameters_from

WORK = "def work(item):\n    return item + {}\n"
SEEN = {"works": {"work": {"unit": "items", "items_digest": "1", "digest": "2"}}, "plan": [{"engine": "ray"}]}


def git(folder: Path, *words: str) -> str:
    """Run git in a folder as somebody."""
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with the work in a folder, which was changed since; the test is in its root."""
    root = tmp_path / "project"
    (root / "jobs").mkdir(parents=True)
    (root / "jobs" / "my_job.py").write_text(WORK.format(1))
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    (root / "jobs" / "my_job.py").write_text(WORK.format(2))
    (root / "items.txt").write_text("one\ntwo\n")
    monkeypatch.chdir(root)
    return root


def own(**changes: Any) -> Own:
    """Return parameters of own work that is compared with HEAD."""
    given = {"work": "jobs/my_job.py:work", "items": 4, "against": "HEAD", "repeats": 2}
    return parameters_from(Own, given | changes)


class Sides:
    """Stands in for the processes of both sides: keeps what each was asked, and writes a block's trials."""

    def __init__(self, data: Path, stops_at: tuple[int, str] | None = None) -> None:
        self.data, self.stops_at = data, stops_at
        self.asked: list[Mapping[str, Any]] = []
        self.blocks: list[tuple[int, str]] = []

    def attend(self, request: Mapping[str, Any], version: Any, answer: Path, quiet: bool) -> None:  # noqa: ARG002
        """Answer what a side saw; of a block that is to be run, have its trial."""
        self.asked.append(request)
        role, block = request["side"]["against"]["role"], request["side"]["last_block"]
        if not request["dry_run"]:
            if (block, role) == self.stops_at:
                self.stops_at = None
                raise KeyboardInterrupt
            self.blocks.append((block, role))
            self.write(request["given"]["run_id"], request["side"]["against"], block)
        answer.write_text(json.dumps(SEEN))

    def write(self, run_id: str, pair: Mapping[str, str], block: int) -> None:
        """Have a run with a trial in every block so far."""
        folder = self.data / "own" / run_id
        for path in folder.glob("*"):
            path.unlink()
        if folder.exists():
            folder.rmdir()
        trials = pd.DataFrame([trial(one) for one in range(block + 1)])
        write_run(folder, [trials], against=pair, planned_trials=2)


def trial(block: int) -> dict[str, Any]:
    """Return the row of the one trial of a block."""
    from synthetic import own_run

    row: dict[str, Any] = own_run(engines=("ray",), workers=(1,), blocks=1)[0].iloc[0].to_dict()
    return row | {"trial_id": f"00{block}-1", "slot": block, "block": block}


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Return what stands in for the processes."""
    made = Sides(tmp_path / "data")
    monkeypatch.setattr(against, "_attend", made.attend)
    return made


# --- the order ---


@pytest.mark.parametrize("seed", range(6))
def test_blocks_take_turns(seed: int) -> None:
    """Each block is of both sides, one right after the other, and who begins changes from block to block."""
    found = order(seed, 6)
    assert [block for block, _ in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    firsts = [role for _, role in found[::2]]
    assert all({found[at][1], found[at + 1][1]} == {"A", "B"} for at in range(0, 12, 2))
    assert firsts in (["A", "B"] * 3, ["B", "A"] * 3)
    assert {order(one, 1)[0][1] for one in range(20)} == {"A", "B"}


@pytest.mark.usefixtures("repository")
def test_both_sides_are_asked_before_either_is_measured(sides: Sides) -> None:
    """Two runs with one plan and seed that name each other; only the folder of the code differs."""
    run = in_turns(own(), {}, sides.data)
    assert run is not None
    assert [one["dry_run"] for one in sides.asked] == [True, True, False, False, False, False]
    assert sides.blocks == order(own().seed, 2)
    other_run = read_run(sides.data / "own" / f"{run.run_id}-against")
    assert run.environment["against"] == {"run_id": other_run.run_id, "role": "A"}
    assert other_run.environment["against"] == {"run_id": run.run_id, "role": "B"}
    here, there = ({**one["given"]} for one in sides.asked[2:4])
    assert {here.pop("run_id"), there.pop("run_id")} == {run.run_id, other_run.run_id}
    assert here == there


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("named", ["A", "B"])
def test_either_run_goes_on_with_both(
    sides: Sides,
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After Ctrl-C in the middle, the rest of both is measured, whichever of the two is named."""
    whole = order(own().seed, 2)
    sides.stops_at = whole[3]
    with pytest.raises(KeyboardInterrupt) as stop:
        in_turns(own(), {}, sides.data)
    assert "to go on with both: lab resume " in capsys.readouterr().err
    assert stop.value.__notes__
    first = next(one["given"]["run_id"] for one in sides.asked if one["given"]["run_id"])
    names = run_ids(sides.data / "own", own(run_id=first))
    found = in_turns(own(run_id=names[named]), {}, sides.data)  # type: ignore[index]
    assert found is not None
    assert found.run_id == names["A"]
    assert sides.blocks == whole


@pytest.mark.usefixtures("repository")
def test_a_dry_run_measures_nothing(sides: Sides) -> None:
    """Both sides say what they would do, and no run is begun."""
    assert in_turns(own(), {}, sides.data, dry_run=True) is None
    assert sides.blocks == []
    assert not (sides.data / "own").exists()


# --- versions ---


def test_the_code_at_a_commit_runs_from_the_same_folder(repository: Path, tmp_path: Path) -> None:
    """HEAD is the work without its changes, told as a commit; a file of items is that of here."""
    given = {"work": "jobs/my_job.py:work", "items": "items.txt"}
    found = versions.other("HEAD", given, tmp_path)
    assert found.told == git(repository, "rev-parse", "HEAD")
    assert (found.folder / "jobs" / "my_job.py").read_text() == WORK.format(1)
    assert (found.folder / "items.txt").read_text() == "one\ntwo\n"
    assert (found.named, found.root) == ({}, repository)
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_whole_path_leads_to_the_other_code_too(repository: Path, tmp_path: Path) -> None:
    """Where the work is named from the root of the disk, the other side has it in its own tree."""
    found = versions.other("HEAD", {"work": f"{repository}/jobs/my_job.py:work"}, tmp_path)
    place, _, name = found.named["work"].rpartition(":")
    assert (Path(place).read_text(), name) == (WORK.format(1), "work")


def test_the_lab_at_a_commit_measures_the_work_of_here(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side's process finds the lab of that commit first, and its environment tells the commit."""
    (repository / versions.SIDE).parent.mkdir(parents=True)
    (repository / versions.SIDE).touch()
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "second")
    (repository / "jobs" / "my_job.py").write_text(WORK.format(3))
    monkeypatch.setattr(paths, "ROOT", repository)
    found = versions.other("lab@HEAD", {"work": "jobs/my_job.py:work", "items": 3}, tmp_path)
    commit = git(repository, "rev-parse", "HEAD")
    assert (found.told, found.session["commit"]) == (f"lab@{commit}", commit)
    assert found.variables["PYTHONPATH"].startswith(str(tmp_path / "code"))
    assert (found.folder / "jobs" / "my_job.py").read_text() == WORK.format(3)
    with pytest.raises(ParameterError, match=r"the lab at HEAD~1 .* is too old: it has no --against yet"):
        versions.other("lab@HEAD~1", {"work": "jobs/my_job.py:work"}, tmp_path)


def test_an_image_is_a_tag_of_the_lab_s(tmp_path: Path) -> None:
    """The compose project of the other side has the image of that tag."""
    found = versions.other("image=ray-scaling-lab:old", {}, tmp_path)
    assert found.variables["LAB_IMAGE_TAG"] == "old"


def test_another_ray_comes_with_all_else_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv gets the version, a folder of its own, and every package here as a constraint, but for Ray."""
    asked: list[str] = []

    def carried_out(command: list[str], _seconds: float) -> subprocess.CompletedProcess[str]:
        asked.extend(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(versions, "_carried_out", carried_out)
    found = versions.other("ray==2.59.0", {}, tmp_path)
    assert asked[-1] == "ray[default]==2.59.0"
    assert str(tmp_path / "ray") in found.variables["PYTHONPATH"]
    kept = (tmp_path / "constraints.txt").read_text().splitlines()
    assert any(one.startswith("numpy==") for one in kept)
    assert not any(one.startswith("ray==") for one in kept)


def test_the_range_of_ray() -> None:
    """Both ends and what lies between, releases only."""
    assert all(map(in_range, (OLDEST_RAY, "2.59.1", PINNED_RAY)))
    assert not any(map(in_range, ("2.54.9", "2.61.0", "2.60.0rc1", "2.60", "")))


def test_packages_of_the_repository_are_those_of_the_commit(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of it on Python's path, as a link installs one, has its twin before it in the other side."""
    monkeypatch.syspath_prepend(repository / "jobs")
    found = versions.other("HEAD", {"work": "jobs/my_job.py:work"}, tmp_path)
    lab, twin, *_ = found.variables["PYTHONPATH"].split(":")
    assert (Path(lab), Path(twin)) == (paths.ROOT, tmp_path / "code" / "jobs")


def test_a_module_from_here_is_no_other_version(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code at a commit that imports a package of the folder as it is would be measured against itself."""
    module = SimpleNamespace(__file__=str(repository / "helper.py"))
    side._refuse_modules_of(repository)
    monkeypatch.setitem(sys.modules, "helper", module)
    with pytest.raises(ParameterError, match="it imports helper from the folder that is here"):
        side._refuse_modules_of(repository)


# --- bad input ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repeats": 1}, "one block tells nothing of noise: give 5 or more"),
        ({"against": "ray==2.59.0", "cluster": "compose"}, "on a cluster compose Ray is that of the nodes"),
        ({"against": "lab@HEAD", "cluster": "compose"}, "have the lab of their image"),
        ({"against": "image=old"}, "only --cluster compose has an image"),
        ({"against": "-h"}, "accepted is empty, or text such as HEAD"),
    ],
)
def test_what_does_not_go_together(changes: dict[str, Any], words: str) -> None:
    """Each is refused before anything is looked at, with what to do."""
    with pytest.raises(ParameterError, match=words):
        own(**changes)


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "project has no such commit, branch or tag"),
        ("ray==2.61.0", "the lab measures Ray 2.55.0 to 2.60.0, written as in ray==2.60.0"),
        ("ray==new", "the lab measures Ray 2.55.0 to 2.60.0"),
    ],
)
def test_versions_that_there_are_not(tmp_path: Path, name: str, words: str) -> None:
    """Each is named, with those that there are or how to find them."""
    with pytest.raises(ParameterError, match=words):
        versions.other(name, {"work": "jobs/my_job.py:work"}, tmp_path)


def test_a_file_that_is_not_there_yet(repository: Path, tmp_path: Path) -> None:
    """A file that is not committed has no other version, and neither has one outside of a repository."""
    (repository / "new_job.py").write_text(WORK.format(1))
    with pytest.raises(ParameterError, match=r"new_job.py is not there at HEAD \(.*commit it, or name"):
        versions.other("HEAD", {"work": "new_job.py:work"}, tmp_path)
    with pytest.raises(
        ParameterError, match=r"no_such_job.work names no file: name it, as in my_job.py:work"
    ):
        versions.other("HEAD", {"work": "no_such_job:work"}, tmp_path)
    (tmp_path / "alone.py").write_text(WORK.format(1))
    with pytest.raises(ParameterError, match=r"alone.py lies in no git repository"):
        versions.other("HEAD", {"work": f"{tmp_path}/alone.py:work"}, tmp_path)


def test_the_folder_must_be_in_the_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From outside, the other version would not find what it reads beside it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="go to the folder of the repository project"):
        versions.other("HEAD", {"work": f"{repository}/jobs/my_job.py:work"}, tmp_path)


def test_a_ray_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What uv says is told, that nothing was measured, and what to look at; without uv, how to get it."""
    refused = subprocess.CompletedProcess([], 1, "", "error: no route\n to host")
    monkeypatch.setattr(versions, "_carried_out", lambda *_: refused)
    with pytest.raises(
        ClusterError, match=r"nothing was measured; uv says: error: no route to host Is there"
    ):
        versions.other("ray==2.58.0", {}, tmp_path)
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ClusterError, match="installed by uv, which is not here: pip install uv"):
        versions.other("ray==2.58.0", {}, tmp_path)


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"works": {"work": {"unit": "items", "items_digest": "3"}}}, "items digest {'work': '3'} there"),
        ({"works": {"other": {"unit": "items"}}}, "unit {'other': 'items'} there"),
        ({"plan": [{"engine": "pool"}]}, "name engines and sizes that both have"),
        ({"kind": "WorkError", "message": "no work"}, "B .*: no work"),
    ],
)
def test_sides_that_differ(
    sides: Sides,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    words: str,
) -> None:
    """Other items, another name or plan, or a side that cannot run, are told before any measurement."""

    def attend(request: Mapping[str, Any], _version: Any, answer: Path, quiet: bool) -> None:  # noqa: ARG001
        is_other = request["side"]["against"]["role"] == "B"
        answer.write_text(json.dumps({**SEEN, **(change if is_other else {})}))

    monkeypatch.setattr(against, "_attend", attend)
    with pytest.raises((ParameterError, WorkError), match=words):
        in_turns(own(), {}, sides.data)
    assert not sides.data.exists()


@pytest.mark.usefixtures("repository")
def test_a_side_that_dies_is_said_to(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that ends without an answer is no good one."""
    monkeypatch.setattr(against, "_attend", lambda *_, **__: None)
    with pytest.raises(LabError, match=r"the process of A .as it is. ended by itself"):
        in_turns(own(), {}, tmp_path)


@pytest.mark.usefixtures("repository")
def test_a_first_block_that_cannot_run_leaves_nothing(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first block fails, as on a machine on which Ray does not start, no run is there."""

    def failing(request: Mapping[str, Any], version: Any, answer: Path, quiet: bool) -> None:
        sides.attend({**request, "dry_run": True}, version, answer, quiet)
        if not request["dry_run"]:
            answer.write_text(json.dumps({"kind": "ClusterError", "message": "Ray did not start"}))

    monkeypatch.setattr(against, "_attend", failing)
    with pytest.raises(ClusterError, match="Ray did not start"):
        in_turns(own(), {}, sides.data)
    assert list((sides.data / "own").iterdir()) == []


@pytest.mark.usefixtures("repository")
def test_what_has_no_name_cannot_be_compared(tmp_path: Path) -> None:
    """A function that was given itself, and a run that was begun alone, are refused."""
    with pytest.raises(ParameterError, match=r"work was given itself: another process finds it by name only"):
        in_turns(own(), {"work": lambda item: item}, tmp_path)
    write_run(tmp_path / "own" / "alone", [pd.DataFrame([trial(0)])])
    with pytest.raises(ParameterError, match="the run alone was begun without --against"):
        run_ids(tmp_path / "own", own(run_id="alone"))


# --- for real ---


@pytest.mark.usefixtures("repository")
@pytest.mark.ray
def test_uncommitted_changes_are_measured_beside_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--against HEAD` makes two complete runs of one plan, whose code differs and whose items do not."""
    command = ["run", "jobs/my_job.py:work", "--items", "3", "--against", "HEAD", "--repeats", "2"]
    options = ["--engines", "serial", "--data", str(tmp_path / "data")]
    assert main([*command, *options]) == 0
    told = capsys.readouterr().out
    here, there = (read_run(one) for one in sorted((tmp_path / "data" / "own").iterdir()))
    assert f"lab compare {there.run_id} {here.run_id}" in told
    assert [one.environment["against"]["role"] for one in (here, there)] == ["A", "B"]
    assert all(one.complete and len(one.environment["sessions"]) == 2 for one in (here, there))
    works = [one.environment["works"]["work"] for one in (here, there)]
    assert works[0]["digest"] != works[1]["digest"]
    assert works[0]["items_digest"] == works[1]["items_digest"]
    plans = [one.trials[["slot", "block", "engine", "workers"]] for one in (here, there)]
    assert plans[0].equals(plans[1])
    assert set(here.trials["digest"]) != set(there.trials["digest"])


def stopped_by(end: Callable[[subprocess.Popen[str]], None], tmp_path: Path, repository: Path) -> int:
    """Return how the process of a side ends that is stopped while it tries the work."""
    (repository / "slow_job.py").write_text("import time\n\ndef work(item):\n    time.sleep(60)\n")
    request = {
        "given": {"work": "slow_job.py:work", "items": 3, "engines": ["serial"], "against": "HEAD"},
        "objects": {},
        "data": str(tmp_path / "data"),
        "dry_run": True,
        "not_from": "",
        "side": {"against": {"run_id": "", "role": "A"}, "session": {}, "last_block": 0},
    }
    command = [sys.executable, "-P", "-m", "lab.experiment.side", str(tmp_path / "answer")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        end(process)
        return process.wait(timeout=50)


def test_a_side_stops_with_what_began_it(repository: Path, tmp_path: Path) -> None:
    """Where the pipe from its coordinator ends, by a Ctrl-C or a kill, a side ends, and answers nothing."""

    def close(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        process.stdin.close()

    assert stopped_by(close, tmp_path, repository) == 130
    assert not (tmp_path / "answer").exists()
