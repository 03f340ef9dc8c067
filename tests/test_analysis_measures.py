"""Tests of lab.analysis.measures and usage: one hand-computed trial, and what is missing."""

import pandas as pd
import pytest
from synthetic import CORES, frame, node_id, synthetic_run

from lab.analysis.measures import KEPT, measures
from lab.analysis.usage import usage
from lab.data.records import NodeFacts, NodeWindow, Sample, TaskRecord, Trial

DURATION = 4.0


def trial(**changes):
    """Return a trial of two workers on two nodes, 4 seconds long."""
    values = {
        "trial_id": "000-1",
        "slot": 0,
        "attempt": 1,
        "block": 0,
        "mode": "search",
        "arm": "experiment",
        "engine": "ray",
        "schedule": "dynamic",
        "cluster": "address",
        "nodes": 2,
        "workers_per_node": 1,
        "workers": 2,
        "status": "ok",
        "started_at": "2026-01-01T00:00:00+00:00",
        "startup_seconds": 1.0,
        "duration_seconds": DURATION,
        "tasks": 2,
        "failed_attempts": 1,
        "units": 20,
        "digest": "d",
        "task_cpu_seconds": 6.0,
        "driver_cpu_seconds": 0.4,
        "system_cpu_seconds": 0.8,
        "sampler_cpu_seconds": 0.04,
    }
    return Trial(**{**values, **changes})


def task(index, node, begin, end, **changes):
    """Return a successful attempt that was submitted at 0 and answered 0.5 s after its end."""
    values = {
        "trial_id": "000-1",
        "task": index,
        "attempt": 1,
        "warmup": False,
        "node_id": node_id(node),
        "worker": node,
        "submitted_seconds": 0.0,
        "started_seconds": begin,
        "finished_seconds": end,
        "received_seconds": end + 0.5,
        "cpu_seconds": 1.0,
        "status": "ok",
    }
    return TaskRecord(**{**values, **changes})


def sample(node, at, **changes):
    """Return a sample of a node."""
    return Sample(trial_id="000-1", node_id=node_id(node), at_seconds=at, **changes)


def node(number, cores=2.0):
    """Return the facts of a node of 1000 bytes."""
    return NodeFacts(
        node_id=node_id(number),
        session=1,
        cluster="address",
        holds_workers=True,
        host_id=f"h{number}",
        cores=2,
        quota_cores=cores,
        cpu_source="host",
        memory_bytes=1000,
        gpus=0,
        cluster_start_seconds=1.0,
    )


LOST = task(1, 1, 0.5, 1.5, status="failed", finished_seconds=None, started_seconds=None)
TASKS = [
    task(0, 0, -9.0, 9.0, warmup=True),
    task(0, 0, 0.5, 3.5),
    task(1, 1, 1.5, 2.5, attempt=2),
    LOST,
]
SAMPLES = [
    sample(0, 1.0, cpu_cores=2.0, memory_bytes=400, lab_memory_bytes=100, object_store_bytes=10),
    sample(0, 4.0, cpu_cores=1.0, memory_bytes=200, lab_memory_bytes=300, object_store_bytes=10),
    sample(1, 2.0, cpu_cores=1.0, memory_bytes=300, lab_memory_bytes=200, object_store_bytes=30),
    sample(1, 4.0, cpu_cores=0.0, memory_bytes=300, lab_memory_bytes=50, object_store_bytes=0),
]


def window(number, **changes):
    """Return the window of a node with one worker, its counters read at 0 and 4 s."""
    values = {"node_id": node_id(number), "workers": 1, "status": "ok", "throttled_seconds": 1.0}
    values |= {"began_seconds": 0.0, "ended_seconds": DURATION}
    return NodeWindow(trial_id="000-1", **{**values, **changes})


WINDOWS = [window(0), window(1, throttled_seconds=3.0)]


def measured(trials=None, tasks=TASKS, samples=SAMPLES, windows=WINDOWS, nodes=None):
    """Return the measures of these records."""
    return measures(
        frame(Trial, [trial()] if trials is None else trials),
        frame(TaskRecord, tasks),
        frame(Sample, samples),
        frame(NodeWindow, windows),
        frame(NodeFacts, [node(0), node(1)] if nodes is None else nodes),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("throughput", 20 / DURATION),
        ("tasks_per_second", 2 / DURATION),
        ("node_efficiency", (3.0 + 1.0) / (2 * DURATION)),
        ("cpu_efficiency", 6.0 / (4.0 * DURATION)),
        ("driver_cpu_cores", 0.1),
        ("system_cpu_cores", 0.2),
        ("sampler_cpu_cores", 0.01),
        ("attempts", 3),
        ("failed_attempts", 1),
        ("error_rate", 1 / 3),
        ("wait_p50_seconds", 1.0),
        ("run_p50_seconds", 2.0),
        ("run_p99_seconds", 1.0 + 0.99 * 2.0),
        ("latency_p50_seconds", (4.0 + 3.0) / 2),
        ("queue_mean", (4.0 + 3.0 + 2.0) / DURATION),
        ("queue_max", 3),
        ("cpu_percent", (1 * 100 + 3 * 50 + 2 * 50 + 2 * 0) / 8),
        ("memory_percent", (40 + 20 + 30 + 30) / 4),
        ("lab_memory_bytes", 350),
        ("object_store_bytes", 40),
        ("cpu_seconds_per_unit", 6.0 / 20),
        ("throttled_percent", (25 + 75) / 2),
    ],
)
def test_one_trial_by_hand(name, value):
    """Every measure of a trial of two tasks, one lost attempt and a warm-up is what paper and pencil give."""
    assert measured().loc["000-1", name] == pytest.approx(value)


def test_kept_columns_come_first():
    """A row begins with the trial's own columns, and no name comes twice."""
    table = measured()
    assert list(table.columns[: len(KEPT)]) == KEPT
    assert table.columns.is_unique
    assert table.index.name == "trial_id"


def test_only_finished_trials_have_a_row():
    """A failed or interrupted trial has no measures, whatever its tasks and samples say."""
    failed = trial(trial_id="001-1", status="failed", duration_seconds=None, units=None)
    assert measured([trial(), failed]).index.tolist() == ["000-1"]
    assert measured([trial(status="interrupted")]).empty


def test_missing_samples_are_unknown():
    """Without samples, use of processors and memory is NaN while the rest stays."""
    row = measured(samples=[]).loc["000-1"]
    unknown = ["cpu_percent", "memory_percent", "gpu_percent", "lab_memory_bytes", "object_store_bytes"]
    assert row[unknown].isna().all()
    assert row["throughput"] == 5.0


def test_missing_tasks_are_unknown():
    """Without task rows, delays, efficiency, errors and queue are NaN, never 0."""
    row = measured(tasks=TASKS[:1]).loc["000-1"]
    unknown = ["node_efficiency", "error_rate", "attempts", "wait_p50_seconds", "queue_mean", "queue_max"]
    assert row[unknown].isna().all()


def test_missing_trial_numbers_are_unknown():
    """Without units, CPU seconds or a duration, what is divided by them is NaN."""
    row = measured([trial(units=None, task_cpu_seconds=None)]).loc["000-1"]
    assert row[["throughput", "cpu_efficiency"]].isna().all()
    assert row["node_efficiency"] == 0.5
    for seconds in (None, 0.0):
        row = measured([trial(duration_seconds=seconds)]).loc["000-1"]
        assert row[["throughput", "node_efficiency", "cpu_efficiency", "queue_mean"]].isna().all()


def test_missing_times_of_a_success_are_unknown():
    """A successful task without its end leaves the work time unknown instead of smaller."""
    row = measured(tasks=[*TASKS, task(2, 0, 3.0, 3.2, finished_seconds=None)]).loc["000-1"]
    assert pd.isna(row["node_efficiency"])


def test_unknown_node_is_unknown_capacity():
    """Where nodes.csv lacks a node in use, the cores available are unknown."""
    assert pd.isna(measured(nodes=[node(0)]).loc["000-1", "cpu_efficiency"])


def test_idle_nodes_do_not_dilute():
    """A node that ran no task of the trial counts neither as capacity nor in the means of use."""
    idle = [sample(2, 4.0, cpu_cores=0.0, memory_bytes=0)]
    row = measured(samples=SAMPLES + idle, nodes=[node(0), node(1), node(2)]).loc["000-1"]
    assert row["cpu_percent"] == measured().loc["000-1", "cpu_percent"]
    assert row["cpu_efficiency"] == measured().loc["000-1", "cpu_efficiency"]


def test_memory_is_unknown_where_a_node_was_not_read():
    """A sum that lacks a node in use is not given as the whole."""
    row = measured(samples=SAMPLES[:2]).loc["000-1"]
    assert pd.isna(row["lab_memory_bytes"])
    assert row["memory_percent"] == 30.0


def test_peak_is_at_one_time():
    """Two nodes whose peaks fall at different times do not add up to both peaks."""
    in_use = pd.DataFrame(
        {"trial_id": "000-1", "node_id": [node_id(0), node_id(1)], "own_cores": 2.0, "node_memory_bytes": 9}
    )
    readings = [
        sample(number, at, lab_memory_bytes=size)
        for number, at, size in [(0, 1.0, 500), (1, 1.0, 100), (0, 2.0, 100), (1, 2.0, 500)]
    ]
    assert usage(frame(Sample, readings), in_use).loc["000-1", "lab_memory_bytes"] == 600


def test_a_sample_without_cpu_does_not_weigh():
    """The first reading, which has no last one to compare with, is left out of the mean."""
    first = [sample(0, 0.0), sample(1, 0.5)]
    row = measured(samples=[*first, sample(0, 1.0, cpu_cores=1.0), sample(1, 2.0, cpu_cores=1.0)])
    assert row.loc["000-1", "cpu_percent"] == 50.0


def test_synthetic_run_has_the_truth_that_was_built_in():
    """A made-up run of many trials gives back its CPU use, its efficiency and one row per trial."""
    run = synthetic_run(blocks=2)
    trials, table = run[0], measures(*run)
    assert table.index.tolist() == trials["trial_id"].tolist()
    expected = 95.0 * table["workers_per_node"].clip(upper=CORES) / CORES
    assert table["cpu_percent"].to_numpy() == pytest.approx(expected.to_numpy())
    assert table["node_efficiency"].between(0.5, 1.0).all()
    assert table.loc[table["engine"] != "ray", "object_store_bytes"].isna().all()
