"""A run in formats of others, its configurations one by one: OpenMetrics, plain JSON, Bencher's."""

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from lab.analysis.configurations import average
from lab.analysis.intervals import Estimate
from lab.analysis.two_runs import KEY
from lab.report.compared import configuration_name as name_of
from lab.report.study import Study

Files = Mapping[str, str]
"""Name -> content: the first is the run itself, what follows belongs beside it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """A column of `lab.analysis.measures`: what OpenMetrics and Bencher call it, and what it is."""

    open_metrics: str
    bencher: str
    words: str
    unit: str = ""
    bencher_scale: float = 1.0


METRICS: Mapping[str, Metric] = {
    "throughput": Metric("ray_lab_throughput", "throughput", "units of work per second"),
    "latency_p50_seconds": Metric(
        "ray_lab_latency_p50_seconds", "latency", "submission to result, median", "seconds", 1e9
    ),
    "latency_p95_seconds": Metric(
        "ray_lab_latency_p95_seconds", "latency-p95", "submission to result, 95 %", "seconds", 1e9
    ),
    "cpu_efficiency": Metric(
        "ray_lab_cpu_efficiency_ratio", "cpu-efficiency", "processor time of tasks over core time", "ratio"
    ),
    "error_rate": Metric("ray_lab_error_ratio", "error-rate", "attempts that failed, of all", "ratio"),
}
"""What is exported of each configuration, where it is known. Bencher's latency is in ns."""

TOLD = frozenset({"mode", "schedule", "nodes", "cluster", "transfer", "task_seconds"})
"""What the name of a configuration tells besides its engine and workers; its tasks where it needs them."""

ENDS = {"": "value", "_low": "low", "_high": "high"}
"""OpenMetrics has no intervals: their ends are gauges of their own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration of a run: its name, the values of KEY, and its trials that ended well."""

    name: str
    key: Mapping[str, Any]
    rows: pd.DataFrame

    def estimate(self, metric: str) -> Estimate:
        """Return the mean of a metric over blocks with its 95 % interval."""
        return average(metric, self.rows[metric].dropna().astype(float).tolist())


def configurations_of(study: Study) -> list[Configuration]:
    """Return the configurations of a run by engine and size, without the A/A arm.

    Their names are the same in all runs, whatever else these have: a site tells a series by its name.
    """
    rows = study.measures[study.measures["arm"] != "copy"]
    found = []
    for key, group in rows.groupby(KEY, dropna=False):
        values = {name: _plain(value) for name, value in zip(KEY, key, strict=True)}
        found.append(Configuration(name_of(values, TOLD), values, group))
    if len({one.name for one in found}) == len(found):
        return found
    told = {*TOLD, "planned_tasks"}
    return [dataclasses.replace(one, name=name_of(one.key, told)) for one in found]


def open_metrics(study: Study) -> Files:
    """Return the run as OpenMetrics 1.0: gauges with the moment of its end, as for `promtool tsdb`."""
    at = f"{moment(study, 'finished_at').timestamp():.3f}"
    lines = ["# TYPE ray_lab_run info", "# HELP ray_lab_run the run that all samples are of"]
    lines.append(f"ray_lab_run_info{_labels({**_facts(study), **_run(study)})} 1 {at}")
    found = configurations_of(study)
    for name, metric in METRICS.items():
        for end, field in ENDS.items():
            lines += _family(study, found, name, metric, end, field, at)
    lines += ["# TYPE ray_lab_blocks gauge", "# HELP ray_lab_blocks trials that ended well"]
    lines += [f"ray_lab_blocks{_labels(_of(study, one))} {len(one.rows)} {at}" for one in found]
    return {f"{study.run.run_id}.txt": "\n".join([*lines, "# EOF\n"])}


def _family(
    study: Study, found: list[Configuration], name: str, metric: Metric, end: str, field: str, at: str
) -> Iterator[str]:
    """Yield the lines of one family; nothing where no configuration knows it."""
    # a unit has to be the end of the name
    stem = metric.open_metrics.removesuffix(f"_{metric.unit}") if metric.unit else metric.open_metrics
    called = f"{stem}{end}{f'_{metric.unit}' * bool(metric.unit)}"
    values = [(one, getattr(one.estimate(name), field)) for one in found]
    known = [(one, value) for one, value in values if value is not None]
    if known:
        yield f"# TYPE {called} gauge"
        if metric.unit:
            yield f"# UNIT {called} {metric.unit}"
        yield f"# HELP {called} {metric.words}{', end of the 95 % interval' * bool(end)}"
    for one, value in known:
        yield f"{called}{_labels(_of(study, one))} {value!r} {at}"


def _labels(values: Mapping[str, object]) -> str:
    def escaped(value: object) -> str:
        return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in values.items() if value != "") + "}"


def _of(study: Study, one: Configuration) -> dict[str, object]:
    return {**_run(study), "unit": study.unit(str(one.key["mode"])).removesuffix("/s"), **one.key}


def _run(study: Study) -> dict[str, object]:
    return {"experiment": study.experiment, "run_id": study.run.run_id}


def _facts(study: Study) -> dict[str, object]:
    """Return what else is known of a run: commit, versions, machine."""
    versions, machine = study.run.environment.get("versions") or {}, study.machine
    return {
        "commit": study.run.environment["sessions"][0].get("commit") or "",
        "ray": versions.get("ray", ""),
        "python": versions.get("python", ""),
        "cpu_model": machine.get("cpu_model", ""),
        "cores": machine.get("cores", ""),
    }


def plain(study: Study) -> Files:
    """Return the run as JSON: its facts, and each configuration with value, interval and n of each metric."""
    found = [
        {
            "name": one.name,
            **one.key,
            "unit": study.unit(str(one.key["mode"])),
            "metrics": {name: dataclasses.asdict(one.estimate(name)) for name in METRICS},
        }
        for one in configurations_of(study)
    ]
    facts = {"started_at": study.run.environment["sessions"][0]["started_at"], **_facts(study)}
    return {f"{study.run.run_id}.json": as_json({**_run(study), **facts, "configurations": found})}


def bencher(study: Study) -> Files:
    """Return the run as Bencher Metric Format: benchmark -> measure -> value, lower_value, upper_value."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in configurations_of(study):
        for name, metric in METRICS.items():
            estimate = one.estimate(name)
            ends = {"value": estimate.value, "lower_value": estimate.low, "upper_value": estimate.high}
            known = {end: value * metric.bencher_scale for end, value in ends.items() if value is not None}
            if known:
                benchmark = f"{study.experiment}: {one.name}"
                found.setdefault(benchmark, {})[metric.bencher] = known
    return {f"{study.run.run_id}.json": as_json(found)}


def moment(study: Study, name: str) -> datetime.datetime:
    """Return when the last session of a run did that, or began where it does not say."""
    session = study.run.environment["sessions"][-1]
    return datetime.datetime.fromisoformat(session.get(name) or session["started_at"])


def _plain(value: Any) -> Any:
    return "" if pd.isna(value) else value.item() if hasattr(value, "item") else value


def as_json(content: object) -> str:
    """Return JSON as every parser reads it: without NaN."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
