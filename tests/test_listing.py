"""Which folders are runs, in what order they come, and which of them a page shows: every case."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import synthetic_run
from written import write_run

from lab.data.listing import Listed, all_listed
from lab.report.page import page

Frames = tuple[pd.DataFrame, ...]


@pytest.fixture(scope="module")
def small() -> Frames:
    """Return the frames of a small honest run; not to be changed."""
    return synthetic_run(workers=(1,), blocks=1, modes=("search",))


def start(day: int) -> str:
    """Return a moment on a day of a month."""
    return f"2026-01-{day:02d}T00:00:00.000+00:00"


def lines(data: Path) -> dict[str, Listed]:
    """Return the lines of the experiment's runs by name, newest first."""
    return {one.run_id: one for one in all_listed(data, "single_node")}


def shown(data: Path) -> str | None:
    """Return the run that the page shows."""
    found = page("single_node", data, data / "no-pins.yaml").study
    return None if found is None else found.run.run_id


def change(folder: Path, **facts: Any) -> None:
    """Set facts of a run's environment."""
    path = folder / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def test_the_newest_is_the_one_that_began_last(tmp_path: Path, small: Frames) -> None:
    """Neither names nor the zone in which a start is written decide, but the moment."""
    write_run(tmp_path / "single_node" / "b", small, start(3))
    write_run(tmp_path / "single_node" / "a", small, "2026-01-02T23:30:00.000-02:00")
    write_run(tmp_path / "single_node" / "c", small, start(1))
    assert list(lines(tmp_path)) == ["a", "b", "c"]
    assert shown(tmp_path) == "a"
    assert all_listed(tmp_path, "other") == ()


def test_what_is_no_run_is_passed_over(tmp_path: Path, small: Frames) -> None:
    """Files, hidden folders, links to nothing, stray folders and runs that never began are not listed."""
    run = write_run(tmp_path / "single_node" / "run", small)
    folder = tmp_path / "single_node"
    write_run(folder / ".hidden", small, start(9))
    (folder / "notes.txt").write_text("a file")
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "stray").mkdir()
    (folder / "stray" / "notes.txt").write_text("nothing of the lab's")
    (folder / "empty").mkdir()
    (folder / "empty" / "trials.csv").write_text((run / "trials.csv").read_text().splitlines()[0] + "\n")
    assert list(lines(tmp_path)) == ["run"]


def test_a_link_to_a_run_elsewhere_is_a_run(tmp_path: Path, small: Frames) -> None:
    """A folder on another disk counts under the name of the link."""
    write_run(tmp_path / "elsewhere" / "single_node" / "run", small)
    (tmp_path / "data" / "single_node").mkdir(parents=True)
    (tmp_path / "data" / "single_node" / "run").symlink_to(tmp_path / "elsewhere" / "single_node" / "run")
    assert shown(tmp_path / "data") == "run"


@pytest.mark.parametrize("original", [True, False])
def test_copies_count_once(tmp_path: Path, small: Frames, original: bool) -> None:
    """Of folders and links with one run id and start, that of the run's own name is the run, or the first."""
    folder = tmp_path / "single_node"
    for name in ("a copy", "run", "z"):
        write_run(folder / name, small, run_id="run")
    (folder / "link").symlink_to(folder / "z")
    if not original:
        (folder / "run").rename(tmp_path / "gone")
    run = "run" if original else "a copy"
    found = lines(tmp_path)
    assert found.pop(run).state == "complete"
    assert {one.state for one in found.values()} == {"copy"}
    assert {one.reason for one in found.values()} == {f"it is a copy of {run}"}
    assert shown(tmp_path) == run


def test_two_runs_of_one_id_are_two_runs(tmp_path: Path, small: Frames) -> None:
    """Runs of two people that began at different moments are no copies, whatever their ids."""
    write_run(tmp_path / "single_node" / "mine", small, start(1), run_id="run")
    write_run(tmp_path / "single_node" / "yours", small, start(2), run_id="run")
    assert [one.state for one in lines(tmp_path).values()] == ["complete", "complete"]


@pytest.mark.parametrize("file", ["environment.json", "trials.csv", "tasks.csv"])
@pytest.mark.parametrize("newer", [True, False])
def test_a_run_of_another_version_keeps_no_other_from_being_shown(
    tmp_path: Path, small: Frames, newer: bool, file: str
) -> None:
    """The newest good run is shown; one of another schema version is listed as such, older or newer."""
    write_run(tmp_path / "single_node" / "good", small, start(5))
    other = write_run(tmp_path / "single_node" / "other", small, start(9 if newer else 1))
    if file == "environment.json":
        change(other, schema_version=1)
        moment = 1_800_000_000 if newer else 1_600_000_000
        os.utime(other / file, (moment, moment))
    else:
        path = other / file
        path.write_text(path.read_text().replace("\n2,", "\n1,"))
    assert shown(tmp_path) == "good"
    runs = {one.run_id: one for one in page("single_node", tmp_path, tmp_path / "none").runs}
    # a table beyond that of the trials is read where it is to be shown
    if newer or file != "tasks.csv":
        assert runs["other"].state == "of another version"
        assert f"{file} has schema version" in runs["other"].reason
        assert str(tmp_path) not in runs["other"].reason


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"experiment": "docker"}, "it is a run of docker: move it there"),
        ({"sessions": []}, "environment.json, sessions: [] is not a list of one object at least"),
        ({"sessions": [{"started_at": "soon"}]}, 'environment.json, sessions[0].started_at: "soon" is not'),
        ({"machine": []}, "environment.json, machine: [] is not an object"),
        ({"machine": {"cores": "2"}}, 'environment.json, machine.cores: "2" is not a whole number'),
        ({"versions": {"ray": 2}}, "environment.json, versions.ray: 2 is not text"),
        ({"planned_trials": None}, "environment.json, planned_trials: null is not a whole number"),
        ({"works": {"work": 1}}, "environment.json, works.work: 1 is not an object"),
    ],
)
def test_a_damaged_run_is_listed_with_file_and_field(
    tmp_path: Path, small: Frames, facts: dict[str, Any], told: str
) -> None:
    """What is wrong is named by file and field, without a path of this machine, and the good run is shown."""
    write_run(tmp_path / "single_node" / "good", small)
    change(write_run(tmp_path / "single_node" / "bad", small, start(9)), **facts)
    bad = lines(tmp_path)["bad"]
    assert bad.state == "damaged"
    assert bad.reason.startswith(told)
    assert shown(tmp_path) == "good"


def test_rows_without_an_environment_are_damage(tmp_path: Path, small: Frames) -> None:
    """A run whose environment file is gone is listed with that, and not passed over."""
    (write_run(tmp_path / "single_node" / "run", small) / "environment.json").unlink()
    assert lines(tmp_path)["run"].reason.startswith("environment.json is missing")


@pytest.mark.parametrize("name", ["environment.json", "trials.csv", "nodes.csv"])
@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, small: Frames, name: str, what: str) -> None:
    """A pipe, a folder or an endless device in a file's place is damage, and nobody waits for it."""
    write_run(tmp_path / "single_node" / "good", small)
    bad = write_run(tmp_path / "single_node" / "bad", small, start(9))
    (bad / name).unlink()
    {
        "pipe": lambda: os.mkfifo(bad / name),
        "folder": (bad / name).mkdir,
        "device": lambda: (bad / name).symlink_to("/dev/zero"),
    }[what]()
    chosen = page("single_node", tmp_path, tmp_path / "none")
    assert chosen.study is not None
    assert chosen.study.run.run_id == "good"
    (other,) = (one for one in chosen.runs if one.run_id == "bad")
    assert f"{name} cannot be read: {name} is no plain file" in other.reason


@pytest.mark.parametrize("items", ["my_job.py:items", 60, [1, -2.5, "three"]])
def test_items_may_be_named_counted_or_listed(tmp_path: Path, small: Frames, items: Any) -> None:
    """A run whose items were given as a text, a number or a list is one that its page shows."""
    run = write_run(tmp_path / "single_node" / "run", small)
    change(run, parameters={"items": items})
    assert shown(tmp_path) == "run"
