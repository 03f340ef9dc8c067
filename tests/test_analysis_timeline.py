"""Tests of lab.analysis.timeline: what each worker did at every moment, whatever became of the trial."""

import dataclasses
from typing import Any

import pandas as pd
import pytest
from mishaps import run_of
from synthetic import frame, multi_node_run, synthetic_run

from lab.analysis.lanes import FAILED, GONE, TAIL, TASK, UNKNOWN, WAITING, Span, spans_of
from lab.analysis.timeline import MOST_READINGS, merged, node_names, timeline
from lab.data.records import TaskRecord
from lab.errors import DataError


def attempts(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return rows of tasks.csv of worker 0; what a row leaves out is unknown, or that of a task gone well."""
    common = {"trial_id": "000-1", "attempt": 1, "warmup": False, "node_id": "a", "worker": 0, "status": "ok"}
    return frame(TaskRecord, [TaskRecord(**{**common, "submitted_seconds": 0.0, **row}) for row in rows])


def ran(task: int, started: float, finished: float, **facts: Any) -> dict[str, Any]:
    """Return what is known of an attempt that was timed."""
    times = {"started_seconds": started, "finished_seconds": finished, "received_seconds": finished}
    return {"task": task, **times, "cpu_seconds": (finished - started) / 2, **facts}


def vanished(task: int, submitted: float, received: float | None) -> dict[str, Any]:
    """Return what is known of an attempt whose worker was lost."""
    died = {"status": "failed", "error_kind": "ActorDiedError", "error_message": "it died"}
    return {"task": task, "submitted_seconds": submitted, "received_seconds": received, **died}


def told(rows: pd.DataFrame, window: float, lost: bool = False) -> list[tuple[str, float, float]]:
    """Return the state, begin and end of every span of a worker."""
    return [(span.state, span.begin, span.end) for span in spans_of(rows, window, lost)]


def test_tasks_gaps_and_tail_fill_the_window():
    """A worker waits, works, waits, works and is done, and no moment is without a state."""
    rows = attempts(ran(0, 1.0, 2.0), ran(1, 2.5, 4.0))
    expected = [(WAITING, 0, 1), (TASK, 1, 2), (WAITING, 2, 2.5), (TASK, 2.5, 4), (TAIL, 4, 5)]
    assert told(rows, 5.0) == expected
    spans = list(spans_of(rows, 5.0, False))
    assert [(span.task, span.attempt, span.cpu_seconds) for span in spans if span.attempts] == [
        (0, 1, 0.5),
        (1, 1, 0.75),
    ]


def test_a_worker_without_tasks_has_nothing_but_a_tail():
    """One that never got a task is idle for the whole window."""
    assert told(attempts(), 3.0) == [(TAIL, 0.0, 3.0)]
    assert told(attempts(), 0.0) == []


def test_a_failed_attempt_with_times_is_where_it_was():
    """An attempt whose body raised has its times, and its error in words."""
    rows = attempts(ran(3, 0.0, 1.0, status="failed", error_kind="ValueError", error_message="a | b"))
    span = next(spans_of(rows, 1.0, False))
    assert (span.state, span.begin, span.end, span.failed) == (FAILED, 0.0, 1.0, 1)
    assert span.error == "ValueError: a | b"


def test_of_a_lost_worker_the_rest_is_not_known():
    """Until the driver knew, nothing is known; each of its attempts is there; then it is gone."""
    rows = attempts(ran(0, 0.0, 1.0), vanished(1, 0.5, 3.0), vanished(2, 0.5, 3.0))
    expected = [(TASK, 0, 1), (UNKNOWN, 1, 3), (FAILED, 3, 3), (FAILED, 3, 3), (GONE, 3, 4)]
    assert told(rows, 4.0, lost=True) == expected
    assert told(rows, 4.0, lost=False)[-1] == (TAIL, 3, 4)


def test_an_attempt_without_any_time_is_still_there():
    """Where even the driver's time is missing, the failed attempt stands where it was handed over."""
    assert told(attempts(vanished(0, 0.5, None)), 1.0)[:2] == [(WAITING, 0, 0.5), (FAILED, 0.5, 0.5)]


def test_unequal_clocks_make_no_overlap():
    """A start before the window or before the last end, and an end after the window, are cut."""
    rows = attempts(ran(0, -0.1, 1.0), ran(1, 0.9, 2.0), ran(2, 2.0, 3.2))
    assert told(rows, 3.0) == [(TASK, 0, 1), (TASK, 1, 2), (TASK, 2, 3)]


def test_all_workers_of_all_nodes_are_there():
    """A trial of 4 nodes with 2 workers each has 8 lanes, whose tasks are those of the trial."""
    run = run_of(multi_node_run(blocks=1))
    trial = run.trials[(run.trials["nodes"] == 4) & (run.trials["workers_per_node"] == 2)].iloc[0]
    found = timeline(run, trial["trial_id"])
    assert [node.name for node in found.nodes] == ["head", "node 1", "node 2", "node 3", "node 4"]
    assert [len(node.lanes) for node in found.nodes] == [0, 2, 2, 2, 2]
    assert [lane.worker for lane in found.lanes] == list(range(8))
    assert sum(span.attempts for lane in found.lanes for span in lane.spans) == trial["tasks"]
    for lane in found.lanes:
        assert sum(span.seconds for span in lane.spans) == pytest.approx(found.seconds)
    in_tasks = sum(span.in_tasks_seconds for lane in found.lanes for span in lane.spans)
    rows = run.tasks[(run.tasks["trial_id"] == trial["trial_id"]) & ~run.tasks["warmup"]]
    assert in_tasks == pytest.approx((rows["finished_seconds"] - rows["started_seconds"]).sum())
    assert found.queue["length"].iloc[-1] == 0


def test_a_node_keeps_its_name_in_all_trials():
    """Nodes are numbered in the order of nodes.csv, each kind of cluster for itself."""
    run = run_of(multi_node_run(blocks=1))
    names = node_names(run)
    for trial in run.trials["trial_id"]:
        assert all(names[node.node_id] == node.name for node in timeline(run, trial).nodes)


def test_what_a_node_read_is_per_second_since_the_last():
    """Throttled seconds are told per second since the reading before; an unknown is not a number."""
    frames = list(multi_node_run(nodes=(1,), workers_per_node=(1,), blocks=1))
    trial = str(frames[0]["trial_id"].iloc[0])
    mine = (frames[2]["trial_id"] == trial) & (frames[2]["node_id"] != "0" * 12)
    frames[2].loc[mine, "throttled_seconds"] = 0.5
    frames[2].loc[frames[2].index[mine][1], ["cpu_cores", "memory_bytes"]] = None
    (node,) = (one for one in timeline(run_of(frames), trial).nodes if one.lanes)
    assert node.readings["throttled_share"].iloc[:2].tolist() == pytest.approx([0.5, 0.5])
    assert node.readings["cpu_cores"].isna().tolist()[:3] == [False, True, False]
    assert node.quota_cores == 0.25


def test_a_lost_node_says_why():
    """A node that did not answer after the window has its reason, or that there is none."""
    frames = list(multi_node_run(nodes=(2,), workers_per_node=(1,), blocks=1))
    frames[3].loc[frames[3]["workers"] > 0, ["status", "error_message"]] = ["lost", None]
    nodes = timeline(run_of(frames), str(frames[0]["trial_id"].iloc[-1])).nodes
    assert {node.lost for node in nodes if node.lanes} == {"no reason was recorded"}


def test_a_node_that_no_file_lists_is_shown_all_the_same():
    """A worker on a node without facts has its lane; nothing is known of that node's cores."""
    frames = list(multi_node_run(nodes=(1,), workers_per_node=(1,), blocks=1))
    run = run_of([*frames[:4], frames[4].iloc[:0]])
    node = next(node for node in timeline(run, str(run.trials["trial_id"].iloc[0])).nodes if node.lanes)
    assert (node.name, node.quota_cores, node.memory_bytes) == ("unlisted node", None, None)


def test_a_trial_that_was_cut_short_has_what_was_written():
    """Without a duration the window ends with what the rows tell of; without rows there is none."""
    frames = [one.copy() for one in synthetic_run(workers=(2,), blocks=1, modes=("search",))]
    frames[0]["duration_seconds"] = None
    frames[0]["status"] = "interrupted"
    trial = str(frames[0]["trial_id"].iloc[0])
    found = timeline(run_of(frames), trial)
    assert found.seconds >= frames[1].loc[frames[1]["trial_id"] == trial, "received_seconds"].max()
    empty = timeline(run_of([frames[0], *(one.iloc[:0] for one in frames[1:4]), frames[4]]), trial)
    assert (empty.seconds, empty.nodes, len(empty.queue)) == (0.0, (), 0)


def test_the_queue_of_a_failed_trial_is_that_which_was_sampled():
    """What was never completed has no row among the tasks, but the driver counted it."""
    frames = [one.copy() for one in synthetic_run(workers=(1,), blocks=1, modes=("search",))]
    frames[0]["status"] = "failed"
    frames[2]["queue_length"] = 7
    found = timeline(run_of(frames), str(frames[0]["trial_id"].iloc[0]))
    assert set(found.queue["length"]) == {7}


def test_an_unknown_trial_is_refused_with_some_that_there_are():
    """The message names the run, the trial and the first of those that it has."""
    run = run_of(synthetic_run(workers=(1, 2), blocks=2))
    with pytest.raises(
        DataError, match=r"made-up has no trial '9\|x'; there are: 000-1, 001-1, .* and \d+ more"
    ):
        timeline(run, "9|x")


@pytest.mark.parametrize("most", [10, 40, 200, 1000])
def test_many_spans_become_few_and_nothing_is_lost(most):
    """Neighbours become one: no more spans than asked for, or four a worker, and all sums stay."""
    run = run_of(multi_node_run(nodes=(2,), workers_per_node=(3,), blocks=1))
    whole = timeline(run, str(run.trials["trial_id"].iloc[-1]))
    found = merged(whole, most)
    workers = len(whole.lanes)
    assert sum(len(lane.spans) for lane in found.lanes) <= max(most, 4 * workers)
    assert (found.merged_seconds > 0) == (sum(len(lane.spans) for lane in whole.lanes) > most)
    for before, after in zip(whole.lanes, found.lanes, strict=True):
        for fact in ("seconds", "attempts", "failed", "in_tasks_seconds"):
            sums = [sum(getattr(span, fact) for span in lane.spans) for lane in (before, after)]
            assert sums[0] == pytest.approx(sums[1]), fact
        assert after.spans[-1] == before.spans[-1]


def test_failures_stay_failures_when_spans_become_one():
    """A failed attempt shows through whatever it is drawn together with, with its error."""
    spans = tuple(
        spans_of(attempts(ran(0, 0, 1), vanished(1, 0, 2), vanished(2, 0, 2), ran(3, 2, 3)), 9.0, False)
    )
    run = run_of(synthetic_run(workers=(1,), blocks=1))
    whole = timeline(run, "000-1")
    node = whole.nodes[0]
    lane = dataclasses.replace(node.lanes[0], spans=spans)
    odd = dataclasses.replace(whole, seconds=9.0, nodes=(dataclasses.replace(node, lanes=(lane,)),))
    kept = merged(odd, 100).lanes[0].spans
    assert [span.failed for span in kept] == [0, 0, 2, 0, 0]
    assert kept[2] == Span(FAILED, 2.0, 2.0, attempts=2, failed=2, error="ActorDiedError: it died")
    (all_in_one, tail) = merged(odd, 1).lanes[0].spans
    assert (all_in_one.state, all_in_one.attempts, all_in_one.failed) == (FAILED, 4, 2)
    assert (all_in_one.cpu_seconds, tail.state) == (None, TAIL)


def test_many_readings_become_means():
    """A long trial has no more readings than the page can carry, and its mean use of the node stays."""
    frames = list(multi_node_run(nodes=(1,), workers_per_node=(1,), blocks=1))
    trial = str(frames[0]["trial_id"].iloc[0])
    one = frames[2][(frames[2]["trial_id"] == trial) & (frames[2]["node_id"] != "0" * 12)].iloc[[0]]
    many = pd.concat([one] * 1001, ignore_index=True)
    many["at_seconds"] = [0.1 * (place + 1) for place in range(1001)]
    many["cpu_cores"] = [float(place % 2) for place in range(1001)]
    frames[2] = many
    (node,) = (node for node in merged(timeline(run_of(frames), trial), 100).nodes if len(node.readings))
    assert 100 < len(node.readings) <= MOST_READINGS
    assert node.readings["cpu_cores"].mean() == pytest.approx(0.5, abs=0.01)
    assert node.readings["at_seconds"].iloc[-1] == pytest.approx(100.1)
