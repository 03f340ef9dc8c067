"""A run as asv keeps its results: one file of a commit, and what tells benchmarks and machine beside it."""

import math

import numpy as np

from lab.analysis.intervals import geometric_estimate
from lab.report.export import Configuration, Files, as_json, configurations_of, moment
from lab.report.study import Study

COLUMNS = (
    *("result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"),
    *("stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples", "profile"),
)
LEVEL = 0.99


def asv(study: Study) -> Files:
    """Return the run as a result file of asv, version 2, and the benchmarks.json and machine.json beside it.

    asv takes more for worse: it gets the seconds per unit, the inverse of throughput.
    """
    results, benchmarks = {}, {}
    for mode in study.modes:
        mine = [one for one in configurations_of(study) if one.key["mode"] == mode]
        name = f"{study.experiment}.{mode}.time_per_unit"
        params = [[repr(one.name) for one in mine]]
        results[name] = _result(study, mine, params)
        benchmarks[name] = {
            **{"name": name, "code": "", "version": "1", "type": "time", "unit": "seconds"},
            **{"params": params, "param_names": ["configuration"]},
        }
    versions, session = study.run.environment.get("versions") or {}, study.run.environment["sessions"][0]
    commit, machine = str(session.get("commit") or "unknown"), _machine(study)
    environment = in_file_names(f"python{versions.get('python', '')}-ray{versions.get('ray', '')}")
    content = {
        **{"version": 2, "commit_hash": commit, "env_name": environment},
        **{"date": milliseconds(study), "params": machine, "python": str(versions.get("python", ""))},
        **{"requirements": {"ray": str(versions.get("ray", ""))}, "env_vars": {}, "durations": {}},
        **{"result_columns": list(COLUMNS), "results": results},
    }
    return {
        f"{machine['machine']}/{in_file_names(commit[:8])}-{environment}.json": as_json(content),
        "benchmarks.json": as_json({**benchmarks, "version": 2}),
        f"{machine['machine']}/machine.json": as_json({**machine, "version": 1}),
    }


def _result(study: Study, mine: list[Configuration], params: list[list[str]]) -> list[object]:
    samples = [(1 / one.rows["throughput"].dropna().astype(float)).tolist() for one in mine]
    samples = [[value for value in one if math.isfinite(value)] for one in samples]
    found = [geometric_estimate(map(math.log, one), LEVEL) for one in samples]
    low, high = ([_short(getattr(one, end)) for one in found] for end in ("low", "high"))
    quarter, rest = ([_short(_quantile(one, part)) for one in samples] for part in (0.25, 0.75))
    return [
        *([one.value for one in found], params, "1", milliseconds(study), None, low, high),
        *(quarter, rest, [1] * len(found), [one.n for one in found], samples),
    ]


def _quantile(values: list[float], part: float) -> float | None:
    return float(np.quantile(values, part)) if values else None


def _machine(study: Study) -> dict[str, str]:
    facts = study.machine
    model = str(facts.get("cpu_model", "unknown"))
    return {
        "machine": in_file_names(f"{model}-{facts.get('cores', 0)}"),
        "os": f"{facts.get('system', '')} {facts.get('kernel', '')}".strip(),
        "arch": str(facts.get("architecture", "")),
        "cpu": model,
        "num_cpu": str(facts.get("cores", "")),
        "ram": str(facts.get("memory_bytes", "")),
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def milliseconds(study: Study) -> int:
    """Return when a run began as JavaScript counts."""
    return round(1000 * moment(study, "started_at").timestamp())


def in_file_names(text: str) -> str:
    """Return foreign text as a part of the name of a file."""
    known = (one if one.isascii() and (one.isalnum() or one in ".-") else "-" for one in text)
    return "".join(known).lstrip(".")
