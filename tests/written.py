"""Runs on disk for tests of what reads them: frames written as the CSV files and environment of a run."""

import csv
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from lab.data.records import FILES, SCHEMA_VERSION, columns

PARAMETERS: dict[str, Any] = {
    "profile": "quick",
    "seed": 1,
    "search_bits": 512,
    "search_tasks": 48,
    "find_bits": [512, 1024],
    "find_tasks": [34, 14],
    "factor_bits": 96,
    "factor_tasks": 48,
}
OF_ONE = {"docker": {"margin_percent": 5.0}}
"""Parameters of one experiment alone."""


def write_run(
    directory: Path,
    frames: Sequence[pd.DataFrame],
    started_at: str = "2026-01-01T00:00:00.000+00:00",
    cpu_model: str = "Made-up processor",
    **changes: Any,
) -> Path:
    """Write frames in the order of their files as a run, files without a frame empty.

    `changes` replace facts of the environment.
    """
    directory.mkdir(parents=True)
    known = ("multi_node", "docker", "own", "ray_vs_multiprocessing", "break_even", "factoring")
    experiment = directory.parent.name if directory.parent.name in known else "single_node"
    for (name, record), given in zip_longest(FILES.items(), frames):
        frame = pd.DataFrame(columns=[one.name for one in columns(record)]) if given is None else given
        with (directory / name).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["schema_version", *frame.columns])
            for row in frame.astype(object).itertuples(index=False):
                writer.writerow([SCHEMA_VERSION, *map(_field, row)])
    environment = {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment,
        "run_id": directory.name,
        "planned_trials": len(frames[0]),
        "parameters": PARAMETERS | OF_ONE.get(experiment, {}),
        "code": {"version": "0.1.0", "digest": "0" * 16},
        "versions": {"python": "3.11.0", "ray": "2.60.0"},
        "machine": {"cpu_model": cpu_model, "cores": 4, "quota_cores": 4.0, "hypervisor": True},
        "sessions": [{"started_at": started_at, "commit": None, "uncommitted_changes": None}],
        **changes,
    }
    (directory / "environment.json").write_text(json.dumps(environment))
    return directory


def _field(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
