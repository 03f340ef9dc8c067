"""Tests of lab.trace: files that keep the rules of the trace event format, and errors that say what to do."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest
from mishaps import odd_run, run_of
from synthetic import docker_run, multi_node_run, synthetic_run
from written import write_run

from lab import paths
from lab.cli import main
from lab.data.store import read_run
from lab.errors import DataError
from lab.trace import trace, typical_trial

REQUIRED = {
    "M": {"name", "ph", "pid", "tid", "args"},
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
    "i": {"name", "cat", "ph", "ts", "s", "pid", "tid", "args"},
    "C": {"name", "ph", "ts", "pid", "tid", "args"},
}
"""The keys of the kinds of events that are used: metadata, complete, instant, counter."""

Events = list[dict[str, Any]]


def of_kind(events: Iterable[dict[str, Any]], kind: str) -> Events:
    """Return the events of one phase."""
    return [event for event in events if event["ph"] == kind]


def check(found: dict[str, Any]) -> Events:
    """Assert the documented rules of the format and return the events."""
    events: Events = json.loads(json.dumps(found, allow_nan=False))["traceEvents"]
    for event in events:
        assert set(event) == REQUIRED[event["ph"]], event
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert isinstance(event["name"], str)
    timed = [event for event in events if event["ph"] != "M"]
    assert [event["ts"] for event in timed] == sorted(event["ts"] for event in timed)
    assert all(event["ts"] >= 0 for event in timed)
    assert all(event["dur"] >= 0 for event in of_kind(events, "X"))
    assert all(event["s"] in "tpg" for event in of_kind(events, "i"))
    for event in of_kind(events, "C"):
        assert all(isinstance(value, int | float) for value in event["args"].values())
    names = {(event["name"], event["pid"], event["tid"]) for event in of_kind(events, "M")}
    for event in timed:
        assert ("process_name", event["pid"], 0) in names
        assert event["ph"] == "C" or ("thread_name", event["pid"], event["tid"]) in names
    check_order_of_threads(of_kind(events, "X"))
    return events


def check_order_of_threads(events: Events) -> None:
    """Assert that no two complete events of a thread overlap: they would be drawn as one inside the other."""
    ends: dict[tuple[int, int], int] = {}
    for event in events:
        place = (event["pid"], event["tid"])
        assert event["ts"] >= ends.get(place, 0), event
        ends[place] = event["ts"] + event["dur"]


@pytest.fixture(scope="module")
def several() -> tuple[pd.DataFrame, ...]:
    """Return the frames of a run over containers; not to be changed."""
    return multi_node_run(blocks=2)


def test_a_trace_keeps_the_rules_and_has_every_task(several):
    """Every task of the trial is a complete event on the thread of its worker, with its facts."""
    run = run_of(several)
    trial = typical_trial(run)
    events = check(trace(run, trial))
    tasks = of_kind(events, "X")
    rows = several[1][(several[1]["trial_id"] == trial) & ~several[1]["warmup"]]
    assert sorted(event["args"]["task"] for event in tasks) == sorted(rows["task"])
    first = next(event for event in tasks if event["args"]["task"] == 0)
    row = rows[rows["task"] == 0].iloc[0]
    assert first["ts"] == round(row["started_seconds"] * 1e6)
    assert first["dur"] == pytest.approx((row["finished_seconds"] - row["started_seconds"]) * 1e6, abs=1)
    assert first["args"]["cpu_seconds"] == pytest.approx(row["cpu_seconds"])
    assert (first["name"], first["args"]["status"], first["args"]["error"]) == ("task 0", "ok", None)


def test_nodes_are_processes_and_workers_are_threads(several):
    """The driver, the head and 4 nodes are named processes, and each worker is a named thread of its node."""
    run = run_of(several)
    events = of_kind(trace(run, typical_trial(run))["traceEvents"], "M")
    processes = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert processes[0] == "driver"
    assert [name.split(" (")[0] for name in processes[1:]] == [
        "head",
        *(f"node {one}" for one in range(1, 5)),
    ]
    threads = {event["args"]["name"]: event["pid"] for event in events if event["name"] == "thread_name"}
    assert len(threads) == 8
    assert threads["worker 0"] == threads["worker 1"] != threads["worker 2"]


def test_processors_memory_and_queue_are_counters(several):
    """Each node has its readings as counters, and the driver the queue, which ends empty."""
    run = run_of(several)
    counters = of_kind(trace(run, typical_trial(run))["traceEvents"], "C")
    assert {event["name"] for event in counters} == {"CPU", "memory", "held back by the quota", "queue"}
    queue = [event["args"]["tasks"] for event in counters if event["name"] == "queue"]
    assert queue[-1] == 0
    assert max(queue) > 0


def test_the_typical_trial_is_of_the_largest_size(several):
    """Without a name it is the trial of median duration with most nodes and workers, and it ended well."""
    trials = several[0].set_index("trial_id")
    chosen = trials.loc[typical_trial(run_of(several))]
    assert (chosen["nodes"], chosen["workers"], chosen["status"]) == (4, 8, "ok")
    failed = [several[0].assign(status="failed"), *several[1:]]
    with pytest.raises(
        DataError, match=r"no trial of .*made-up ended well: name the one to look at with --trial"
    ):
        typical_trial(run_of(failed))


def test_failures_are_events_of_their_own():
    """Lost attempts, failed ones and a lost node are in the trace, and it still keeps the rules."""
    run, trial = odd_run()
    events = check(trace(run, trial))
    failures = of_kind(events, "i")
    assert len(failures) == 3
    assert {event["args"]["error"] for event in failures} == {
        'ActorDiedError: a "node" \\ ☠',
        "ValueError: </script>\t|",
    }
    assert [event["cat"] for event in of_kind(events, "X")].count("failed") == 3
    assert [event["cat"] for event in of_kind(events, "X")].count("unknown") == 1
    assert any('"<|>\\, lost)' in event["args"].get("name", "") for event in of_kind(events, "M"))
    assert "CPU" not in {event["name"] for event in of_kind(events, "C")}


def test_a_trial_without_tasks_is_a_trace_without_tasks():
    """A trial that failed before its window has its names and nothing else, or no more than samples."""
    frames = list(multi_node_run(nodes=(2,), workers_per_node=(1,), blocks=1))
    trials = frames[0].assign(status="failed", duration_seconds=None)
    bare = run_of([trials, *(one.iloc[:0] for one in frames[1:4]), frames[4]])
    events = check(trace(bare, str(frames[0]["trial_id"].iloc[0])))
    assert [event["name"] for event in events] == ["process_name", "process_sort_index"]


@pytest.mark.parametrize("frames", [synthetic_run(workers=(1, 2), blocks=1), docker_run(blocks=1)])
def test_every_trial_of_any_experiment_keeps_the_rules(frames):
    """Serial loops, plain processes, raylets and containers alike."""
    run = run_of(frames)
    for trial in run.trials["trial_id"]:
        assert len(of_kind(check(trace(run, trial)), "X")) == 48


def test_the_command_writes_a_file_and_says_what_opens_it(several, tmp_path, monkeypatch, capsys):
    """Without further words it writes a gzipped file to the folder that one is in, named after the trial."""
    run = write_run(tmp_path / "multi_node" / "a run", several)
    monkeypatch.chdir(tmp_path)
    assert main(["trace", str(run)]) == 0
    trial = typical_trial(read_run(run))
    path = tmp_path / f"a run-{trial}.trace.json.gz"
    found = json.loads(gzip.decompress(path.read_bytes()))
    check(found)
    assert found["otherData"] | {"window_seconds": None} == {
        "experiment": "multi_node",
        "run_id": "a run",
        "trial_id": trial,
        "status": "ok",
        "window_seconds": None,
    }
    said = capsys.readouterr().out
    assert f"{len(found['traceEvents'])} events of trial {trial}: a run-{trial}.trace.json.gz" in said
    assert "https://ui.perfetto.dev" in said


def test_plain_json_where_the_name_says_so(several, tmp_path):
    """A file of another name than .gz is plain JSON; a folder will do; one trial gives equal bytes."""
    run = write_run(tmp_path / "run", several)
    for name in ("one.json", "two.json", "one.json.gz", "two.json.gz"):
        assert main(["trace", str(run), "--trial", "003-1", "-o", str(tmp_path / name)]) == 0
    assert main(["trace", str(run), "--trial", "003-1", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "run-003-1.trace.json.gz").read_bytes() == (tmp_path / "one.json.gz").read_bytes()
    check(json.loads((tmp_path / "one.json").read_text()))
    for kind in ("json", "json.gz"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{run}", "--trial", "no such"], "has no trial 'no such'; there are: 000-1, 001-1"),
        (["{run}/nowhere"], "nowhere is not a run of this lab"),
        (["{run}/.."], "is not a run of this lab"),
        (["{run}", "-o", "{run}/none/x.json"], "cannot be written (No such file or directory): name another"),
        (["{run}", "-o", "{run}/tasks.csv/x"], "cannot be written (Not a directory): name another file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(several, tmp_path, capsys, arguments, said):
    """A wrong trial, folder or file ends the command with a message, without a traceback."""
    run = write_run(tmp_path / "run", several)
    assert main(["trace", *(one.format(run=run) for one in arguments)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("DataError: ")
    assert said in message
    assert message.count("\n") == 1


def test_it_runs_without_what_draws(several, tmp_path):
    """`lab trace` works where nothing that draws is installed: no matplotlib, and no Ray."""
    run = write_run(tmp_path / "run", several)
    blocked = "import sys; sys.modules.update(dict.fromkeys(('matplotlib', 'scipy', 'ray', 'gmpy2')));"
    script = f"{blocked} from lab.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "trace", str(run), "-o", str(tmp_path / "x.json")]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(json.loads((tmp_path / "x.json").read_text()))
