"""What a level is of: of one run, or of the machine where several runs of one configuration were made."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import own_run
from written import write_run

from lab.cli import main
from lab.data.store import read_run
from lab.report.own import own_page
from lab.report.runs_alike import alike, configuration
from lab.report.study import Study

pytestmark = pytest.mark.usefixtures("undrawn")

WORK = {"source": "my_job.py:work", "digest": "1" * 16, "items_digest": "2" * 16, "unit": "items"}


def written(folder: Path, name: str, slower: float = 1.0, host: str = "made-up-host", **changes: Any) -> Path:
    """Write a made-up run whose windows last so many times as long as others', on a host."""
    trials, tasks, samples, windows, nodes = own_run(blocks=3)
    trials["duration_seconds"] *= slower
    work = WORK | {one: changes.pop(one) for one in WORK if one in changes}
    parameters = {"profile": "custom", "scaling": "strong", "seed": int(10 * slower), **changes}
    return write_run(
        folder / "own" / name,
        (trials, tasks, samples, windows, nodes.assign(host_id=host)),
        works={"work": work},
        parameters=parameters,
        started_at=f"2026-01-0{int(name[-1]) + 1}T00:00:00.000+00:00",
    )


def answered(data: Path, name: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what `lab answer` prints."""
    assert main(["answer", name, "--data", str(data), *options]) == 0
    return capsys.readouterr().out


def test_one_run_is_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without another run of the configuration the level is said to be of this run, and what would tell."""
    written(tmp_path, "run1")
    told = answered(tmp_path, "run1", capsys)
    assert "is of this run alone: the data hold no other run of this work" in told
    assert "is of this run" in own_page(tmp_path).works().text


def test_several_runs_are_of_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With three runs that differ, the interval between them stands beside that within, and is the wider."""
    for number, slower in enumerate((1.0, 1.1, 1.2)):
        written(tmp_path, f"run{number}", slower)
    assert "The level is of this machine: " in answered(tmp_path, "run2", capsys)
    (values,) = json.loads(answered(tmp_path, "run2", capsys, "--json"))
    for one in values["levels"]:
        within, between = one["within"], one["between"]
        assert (within["n"], between["n"]) == (3, 3)
        # run2 is the slowest of three that are 1, 1.1 and 1.2 times as slow
        assert between["value"] == pytest.approx(within["value"] * 1.2 / np.cbrt(1.1 * 1.2))
        assert between["high"] - between["low"] > within["high"] - within["low"]
    text = own_page(tmp_path).works().text
    assert "Between runs and within, items/s" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "another"},
        {"digest": "3" * 16},
        {"items_digest": "3" * 16},
        {"scaling": "weak"},
        {"threads": 2},
    ],
)
def test_other_runs_are_left_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Another machine, other code, items or parameters, or work that grows, are another configuration."""
    runs = [written(tmp_path, "run1"), written(tmp_path, "run2", **changes)]
    (tmp_path / "own" / "run3").mkdir()
    (tmp_path / "own" / "run3" / "environment.json").write_text("damaged")
    for study in (Study(read_run(one)) for one in runs):
        assert alike(study) == (study,)


def test_two_runs_that_took_turns_are_one_of_the_machine(tmp_path: Path) -> None:
    """The other version of a run that was measured in turns is no further run of it."""
    first, other = written(tmp_path, "run1"), written(tmp_path, "run2")
    for one, beside in ((first, other), (other, first)):
        path = one / "environment.json"
        environment = json.loads(path.read_text()) | {"against": {"run_id": beside.name, "role": "B"}}
        path.write_text(json.dumps(environment))
    for study in (Study(read_run(one)) for one in (first, other)):
        assert alike(study) == (study,)


def test_an_unknown_machine_is_like_no_other(tmp_path: Path) -> None:
    """A run that does not say where it was made is no run of this machine."""
    run = read_run(written(tmp_path, "run1"))
    study = Study(dataclasses.replace(run, nodes=run.nodes.head(0)))
    assert configuration(study) is None
    assert alike(study) == (study,)
