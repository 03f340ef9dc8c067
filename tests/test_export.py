"""Tests of exports: each format is read by a parser of it, or by the rules that its makers document."""

import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from synthetic import multi_node_run, own_run
from timed import race_run
from written import write_run

from lab.analysis.intervals import geometric_estimate
from lab.cli import main
from lab.cli.commands.export import FORMATS
from lab.data.store import read_run
from lab.report.export import METRICS, configurations_of
from lab.report.export_asv import in_file_names
from lab.report.study import Study

pytestmark = pytest.mark.usefixtures("undrawn")

HOSTILE = 'a"b\\c\nd{}='
"""What would end a label, a string or a line, were it not escaped."""
BMF = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}
"""Bencher Metric Format, as its reference describes it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a run of somebody's own work, whose texts are hostile, and one over nodes."""
    facts = {
        "works": {"work": {"unit": HOSTILE}},
        "versions": {"ray": "../../2.60.0", "python": HOSTILE},
        "cpu_model": HOSTILE,
    }
    frames = own_run(engines=("ray", "pool", "serial"), workers=(1, 2), blocks=3)
    write_run(tmp_path / "own" / "mine", frames, **facts)
    write_run(tmp_path / "multi_node" / "over", multi_node_run(blocks=2))
    return tmp_path


def exported(folder: Path, run: str, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `lab export` prints."""
    assert main(["export", run, "--format", form, "--data", str(folder)]) == 0
    return capsys.readouterr().out


def study(folder: Path, name: str = "own/mine") -> Study:
    """Return the run that was exported."""
    return Study(read_run(folder / name))


def place_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tells a configuration of these runs from others."""
    return tuple(str(values[name]) for name in ("engine", "schedule", "nodes", "workers"))


@pytest.mark.parametrize("run", ["mine", "over"])
def test_a_parser_reads_the_openmetrics(folder: Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Prometheus' own parser takes every family: value, interval and moment of each configuration."""
    found = {
        one.name: one for one in text_string_to_metric_families(exported(folder, run, "openmetrics", capsys))
    }
    mine = study(folder, "own/mine" if run == "mine" else "multi_node/over")
    made = configurations_of(mine)
    rates = {place_of(one.labels): one for one in found["ray_lab_throughput"].samples}
    assert len(rates) == len(made) == len(found["ray_lab_throughput_low"].samples)
    for one in made:
        sample = rates[place_of(one.key)]
        assert sample.value == one.estimate("throughput").value
        assert float(sample.timestamp) == 1767225600.0
    assert found["ray_lab_latency_p50_seconds"].unit == "seconds"
    assert found["ray_lab_latency_p50_low_seconds"].unit == "seconds"
    (info,) = found["ray_lab_run"].samples
    if run == "mine":
        assert (info.labels["python"], info.labels["run_id"]) == (HOSTILE, "mine")


def test_what_is_not_known_is_no_sample(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an engine that reports all results at the end no latency is known: it has none, and no 0."""
    found = {
        one.name: one
        for one in text_string_to_metric_families(exported(folder, "mine", "openmetrics", capsys))
    }
    engines = {one.labels["engine"] for one in found["ray_lab_latency_p50_seconds"].samples}
    assert "pool" not in engines
    assert "pool" in {one.labels["engine"] for one in found["ray_lab_throughput"].samples}


def test_bencher_s_format_is_as_its_reference_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Benchmark, measure, value and the ends of the interval, as numbers; latency in ns."""
    found = json.loads(exported(folder, "mine", "bencher", capsys))
    jsonschema.validate(found, BMF)
    assert all(len(name) <= 1024 for name in found)
    assert {measure for one in found.values() for measure in one} == {one.bencher for one in METRICS.values()}
    ray = next(one for one in configurations_of(study(folder)) if one.key["engine"] == "ray")
    latency = found[f"own: {ray.name}"]["latency"]["value"]
    assert latency == pytest.approx(1e9 * (ray.estimate("latency_p50_seconds").value or 0))


def test_a_configuration_has_one_name_in_every_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A site tells a series by its name: that of a configuration does not depend on what else a run has."""
    names = []
    for run, engines in (("one", ("ray",)), ("two", ("ray", "processes", "serial"))):
        write_run(tmp_path / "own" / run, own_run(engines=engines, workers=(1, 2), blocks=2))
        names.append(set(json.loads(exported(tmp_path, run, "bencher", capsys))))
    assert names[0] == {one for one in names[1] if ", Ray" in one}


def test_sizes_of_one_length_keep_their_own_names(tmp_path: Path) -> None:
    """Where configurations differ by the number of their tasks alone, it is in their names: none is lost."""
    trials = race_run(blocks=2, engines=("ray",))
    write_run(tmp_path / "ray_vs_multiprocessing" / "sizes", (trials,))
    found = configurations_of(study(tmp_path, "ray_vs_multiprocessing/sizes"))
    names = [one.name for one in found]
    assert len(set(names)) == len(names)
    assert {tasks for one in names for tasks in ("10", "30", "50") if f"planned tasks {tasks}," in one} == {
        "10",
        "30",
        "50",
    }


def test_asv_s_results_are_as_its_developers_document_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Version 2, a value for each column, parameters in the order of their product, seconds per unit."""
    found = json.loads(exported(folder, "mine", "asv", capsys))
    assert found["version"] == 2
    assert {"commit_hash", "env_name", "date", "params", "python", "requirements", "env_vars"} <= found.keys()
    ((name, values),) = found["results"].items()
    result = dict(zip(found["result_columns"], values, strict=False))
    made = configurations_of(study(folder))
    assert name == "own.work.time_per_unit"
    assert list(itertools.product(*result["params"])) == [(repr(one.name),) for one in made]
    for place, one in enumerate(made):
        samples = result["samples"][place]
        assert samples == pytest.approx((1 / one.rows["throughput"]).tolist())
        estimate = geometric_estimate([math.log(value) for value in samples], 0.99)
        assert result["result"][place] == pytest.approx(estimate.value)
        assert result["stats_ci_99_a"][place] == pytest.approx(estimate.low, rel=1e-4)
        assert result["stats_q_25"][place] <= result["stats_q_75"][place]
        assert result["stats_repeat"][place] == 3


def test_a_folder_of_asv_gets_all_three_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a results folder lie the benchmarks, the machine and the results, and no name leads out of it."""
    results = folder / "results"
    results.mkdir()
    assert main(["export", "mine", "--format", "asv", "-o", str(results), "--data", str(folder)]) == 0
    assert capsys.readouterr().out.count("written: ") == 3
    (machine,) = (one for one in results.iterdir() if one.is_dir())
    assert len(list(machine.iterdir())) == 2
    benchmarks = json.loads((results / "benchmarks.json").read_text())
    assert benchmarks.pop("version") == 2
    (written,) = (one for one in machine.iterdir() if one.name != "machine.json")
    content = json.loads(written.read_text())
    assert (
        content["params"]["machine"]
        == machine.name
        == json.loads((machine / "machine.json").read_text())["machine"]
    )
    for name, one in benchmarks.items():
        assert one["params"] == content["results"][name][1]
        assert len(one["params"]) == len(one["param_names"])


@pytest.mark.parametrize("text", ["../../etc", "a/b\\c", HOSTILE])
def test_foreign_text_is_no_path(text: str) -> None:
    """What a run says of its versions names a file in the folder, and none elsewhere."""
    assert set(in_file_names(text)) <= set("abcdefghijklmnopqrstuvwxyz.-")
    assert not in_file_names(text).startswith(".")


def test_plain_json_has_each_metric_with_its_interval(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Facts of the run, and of each configuration value, interval and n; what is not known is null."""
    found = json.loads(exported(folder, "mine", "json", capsys))
    assert (found["experiment"], found["run_id"]) == ("own", "mine")
    for one in found["configurations"]:
        assert set(one["metrics"]) == set(METRICS)
        assert one["metrics"]["throughput"]["n"] == 3
        assert (one["metrics"]["latency_p50_seconds"]["value"] is None) == (one["engine"] == "pool")


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_written(folder: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file gets what is printed without one."""
    path = folder / "new" / "file.txt"
    assert main(["export", "mine", "--format", form, "-o", str(path), "--data", str(folder)]) == 0
    assert capsys.readouterr().out == f"written: {path}\n"
    assert path.read_text() == exported(folder, "mine", form, capsys)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"planned_trials": 99}, "is not complete: `lab resume"), ({"status": "failed"}, "nothing to export")],
)
def test_what_cannot_be_exported_is_said(
    tmp_path: Path, changes: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is not complete, and one of which no trial ended well, are refused."""
    trials, *others = own_run(engines=("serial",), workers=(1,), blocks=2)
    trials["status"] = changes.pop("status", "ok")
    trials.loc[trials["status"] == "failed", "error_kind"] = "EngineError"
    write_run(tmp_path / "own" / "bad", (trials, *others), **changes)
    assert main(["export", "bad", "--data", str(tmp_path)]) == 1
    assert told in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is a file is named, with the reason."""
    (folder / "file").write_text("")
    assert main(["export", "mine", "-o", str(folder / "file" / "x.json"), "--data", str(folder)]) == 1
    assert "x.json cannot be written: " in capsys.readouterr().err
