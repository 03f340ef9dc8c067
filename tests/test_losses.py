"""Tests of the loss account: planted losses are found, all adds up, what is broken is named."""

import dataclasses
import itertools
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from planted import changed, joined, single_run, throttled_run
from synthetic import multi_node_run, synthetic_run

from lab import paths
from lab.analysis.doubts import examine
from lab.analysis.idle import idle_core_seconds
from lab.analysis.intervals import mean_estimate
from lab.analysis.losses import PARTS, TERMS, WORK, account, account_of, loss_estimates, shares
from lab.data.store import Run
from lab.figures.losses import FILLS, Bar, stacked
from lab.figures.style import INK
from lab.report import losses as report
from lab.report.caveats import doubts
from lab.report.study import Study
from lab.synthetic.losses import POINT, SCENARIOS, planted_run, truth
from lab.synthetic.runs import CLOCK_UNCERTAINTY_SECONDS, WINDOW_SECONDS, Node, node_id, task

TRIAL = "000-1"


def found_in(run: Run) -> pd.Series:
    """Return the shares of the run's first trial."""
    return shares(account(run).trials).loc[TRIAL]


# --- planted losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_planted_loss_is_found(scenario: str) -> None:
    """Every planted loss is recovered within one point of the core time, and the files raise no doubt."""
    nodes = SCENARIOS[scenario]
    run = planted_run(nodes)
    found = found_in(run)
    for term, share in truth(nodes).items():
        assert found[term] == pytest.approx(share, abs=POINT), term
    assert doubts(run) == ()


def part(most: float) -> st.SearchStrategy[float]:
    """Return shares from 0 to `most`."""
    return st.floats(0, most, allow_subnormal=False)


NODES = st.builds(
    Node,
    cores=st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 4.0]),
    workers=st.integers(1, 6),
    startup=part(0.15),
    gaps=part(0.15),
    stall=part(0.15),
    tail=part(0.15),
    waiting=part(0.2),
    slower=st.floats(-0.3, 0.3),
    tasks=st.integers(2, 12),
)


@settings(max_examples=60)
@given(nodes=st.lists(NODES, min_size=1, max_size=4), seed=st.integers(0, 2**16))
def test_planted_losses_are_found_in_any_mixture(nodes: list[Node], seed: int) -> None:
    """Whatever is planted together, every term is within one point, on every node and in all."""
    # one worker on one node would be its own comparison
    assume(len(nodes) > 1 or nodes[0].workers > 1)
    made = account(planted_run(nodes, seed=seed))
    mine = made.nodes[made.nodes["trial_id"] == TRIAL].set_index("node_id")
    for number, node in enumerate(nodes):
        row = shares(mine.loc[[node_id(number)]]).iloc[0]
        for term, share in truth([node]).items():
            assert row[term] == pytest.approx(share, abs=POINT), (term, node)
    total = shares(made.trials).loc[TRIAL]
    for term, share in truth(nodes).items():
        assert total[term] == pytest.approx(share, abs=POINT), term
    assert total[list(TERMS)].sum() == pytest.approx(1, abs=1e-9)


@given(
    spans=st.lists(
        st.tuples(st.integers(0, 3), st.floats(-1, 11), st.floats(-1, 11), st.floats(0, 12)), max_size=12
    ),
    cores=st.sampled_from([0.25, 1.0, 2.0, 8.0]),
)
@settings(max_examples=100)
def test_the_terms_add_up_for_any_rows(spans: list[tuple[int, float, float, float]], cores: float) -> None:
    """Even for overlapping and impossible rows the terms add up to all core time, before they are doubted."""
    rows = [
        task(TRIAL, index, began, ended, cpu, worker=worker)
        for index, (worker, began, ended, cpu) in enumerate(spans)
    ]
    examined = examine(single_run(rows, cores=cores, workers=4))
    undoubted = dataclasses.replace(examined, doubts=())
    total = account_of(undoubted).trials.iloc[0]
    assert total["available"] == pytest.approx(cores * WINDOW_SECONDS)
    parts = [WORK, *(term for term in TERMS if term not in ("useful", "slower"))]
    assert total[parts].sum() == pytest.approx(total["available"], rel=1e-9)
    for term in ("waiting", "gaps", "startup", "tail", "unused"):
        assert total[term] >= -1e-9


@given(
    gaps=st.lists(st.lists(st.floats(0, 2), min_size=2, max_size=8), min_size=2, max_size=5),
    cores=st.sampled_from([0.25, 1.0, 1.5, 2.0, 3.0]),
)
@settings(max_examples=60)
def test_idle_workers_cost_what_the_definition_says(gaps: list[list[float]], cores: float) -> None:
    """The cost of idle time is that of stepping through all instants, one by one."""
    rows = []
    for worker, steps in enumerate(gaps):
        ends = np.cumsum(steps) / 2
        rows += [
            task(TRIAL, 100 * worker + index, float(begin), float(end), 0.1, worker=worker)
            for index, (begin, end) in enumerate(zip(ends[:-1:2], ends[1::2], strict=False))
        ]
    run = single_run(rows, cores=cores, workers=len(gaps))
    examined = examine(run)
    idle = idle_core_seconds(examined.attempts, examined.places)
    expected = stepped(run.tasks, len(gaps), cores)
    assert (idle.startup[0], idle.gaps[0], idle.tail[0]) == pytest.approx(expected, abs=1e-6)


def stepped(tasks: pd.DataFrame, workers: int, cores: float) -> tuple[float, float, float]:
    """Return the cost of start-up, gaps and tail in core-seconds, from one instant to the next."""
    edges = sorted({0.0, WINDOW_SECONDS, *tasks["started_seconds"], *tasks["finished_seconds"]})
    lost = {"startup": 0.0, "gaps": 0.0, "tail": 0.0}
    for begin, end in itertools.pairwise(edges):
        middle = (begin + end) / 2
        states = [state(tasks[tasks["worker"] == worker], middle) for worker in range(workers)]
        busy = states.count("busy")
        for one in states:
            if one != "busy":
                idle = min(cores, workers) - min(cores, busy)
                lost[one] += idle / (workers - busy) * (end - begin)
    return lost["startup"], lost["gaps"], lost["tail"]


def state(mine: pd.DataFrame, at: float) -> str:
    """Return what a worker did at an instant."""
    if ((mine["started_seconds"] <= at) & (at < mine["finished_seconds"])).any():
        return "busy"
    if mine.empty or (mine["finished_seconds"] <= at).all():
        return "tail"
    return "startup" if (mine["started_seconds"] > at).all() else "gaps"


# --- cores that are shared, quotas, and who took part -----------------------------------------------------


def test_a_worker_that_stands_still_while_others_use_its_cores_loses_nothing() -> None:
    """Of 3 workers on a quarter of a core one may rest: the other two use all of it."""
    rows = [
        task(TRIAL, 0, 0.0, 10.0, 1.0, worker=0),
        task(TRIAL, 1, 0.0, 10.0, 1.0, worker=1),
        task(TRIAL, 2, 0.0, 2.0, 0.2, worker=2),
        task(TRIAL, 3, 7.0, 10.0, 0.3, worker=2),
    ]
    found = found_in(single_run(rows, cores=0.25, workers=3))
    assert found[WORK] == pytest.approx(1)
    assert found["gaps"] == pytest.approx(0)


def test_short_gaps_under_a_quota_are_caught_up() -> None:
    """5 ms between tasks of 16 ms cost nothing where a quarter of a core is paid out every 0.1 s."""
    run, throttled = throttled_run(cores=0.25, task_cpu=0.016, upkeep=0.0, ray_cores=0.0, idle=0.005)
    found = found_in(run)
    wall = (run.tasks["finished_seconds"] - run.tasks["started_seconds"]).sum()
    assert wall / run.trials["duration_seconds"].iloc[0] < 0.95
    assert throttled > 0.5
    assert found[WORK] == pytest.approx(1, abs=POINT)
    assert found["gaps"] == pytest.approx(0, abs=POINT)
    assert found["residual"] == pytest.approx(0, abs=POINT)


def test_without_a_quota_the_same_gaps_are_lost() -> None:
    """On a whole core 5 ms between tasks of 16 ms are 24 % of the time, and nothing brings them back."""
    run, _ = throttled_run(cores=1.0, task_cpu=0.016, upkeep=0.0, ray_cores=0.0, idle=0.005)
    found = found_in(run)
    assert found["gaps"] == pytest.approx(5 / 21, abs=POINT)
    assert found[WORK] == pytest.approx(16 / 21, abs=POINT)


def test_the_account_says_where_a_small_container_s_time_went() -> None:
    """Ray's own processes and the workers' upkeep explain all that the tasks of a quarter of a core miss."""
    run, _ = throttled_run(cores=0.25, task_cpu=0.016, upkeep=0.0015, ray_cores=0.01, idle=0.002)
    found = found_in(run)
    upkeep = 400 * 0.0015 / (0.25 * run.trials["duration_seconds"].iloc[0])
    assert found[WORK] == pytest.approx(1 - 0.01 / 0.25 - upkeep, abs=POINT)
    assert found["waiting_ray"] + found["gaps_busy"] == pytest.approx(0.01 / 0.25 + upkeep, abs=POINT)
    assert found[["waiting_rest", "gaps_rest"]].sum() == pytest.approx(0, abs=POINT)


def test_waiting_is_split_by_the_counters() -> None:
    """Ray's and the sampler's processor time is named within the waiting, and the rest is the rest."""
    found = found_in(planted_run([Node(waiting=0.2, ray_cores=0.05, sampler_cores=0.03)]))
    assert found["waiting_ray"] == pytest.approx(0.05, abs=1e-3)
    assert found["waiting_sampler"] == pytest.approx(0.03, abs=1e-3)
    assert found["waiting_rest"] == pytest.approx(0.12, abs=1e-3)


def test_no_part_is_more_than_the_whole() -> None:
    """Counters beyond the waiting there was are cut in proportion; what is over counts as busy gaps."""
    found = found_in(planted_run([Node(waiting=0.06, gaps=0.1, ray_cores=0.08, sampler_cores=0.04)]))
    assert found["waiting_ray"] == pytest.approx(0.04, abs=2e-3)
    assert found["waiting_sampler"] == pytest.approx(0.02, abs=2e-3)
    assert found["waiting_rest"] == pytest.approx(0, abs=1e-9)
    assert found["gaps_busy"] == pytest.approx(0.06, abs=2e-3)
    assert found[["gaps_busy", "gaps_rest"]].sum() == pytest.approx(found["gaps"])


def test_what_runs_on_free_cores_is_blamed_for_nothing() -> None:
    """With 2 cores and 1 worker, Ray's half a core displaces no task: the waiting has other reasons."""
    found = found_in(planted_run([Node(cores=2.0, waiting=0.1, ray_cores=0.5)]))
    assert found["waiting"] == pytest.approx(0.05, abs=1e-3)
    assert found["waiting_ray"] == 0
    assert found["waiting_rest"] == found["waiting"]


def test_the_driver_counts_where_it_samples_the_node() -> None:
    """Without a sampler of its own, the node's share is that of the driver and its sampler."""
    run = planted_run([Node(waiting=0.2)])
    run = changed(run, "windows", run.windows["trial_id"] == TRIAL, sampler_cpu_seconds=np.nan)
    first = run.trials["trial_id"] == TRIAL
    run = changed(run, "trials", first, driver_cpu_seconds=0.4, sampler_cpu_seconds=0.1)
    assert found_in(run)["waiting_sampler"] == pytest.approx(0.5 / WINDOW_SECONDS, abs=1e-3)


def test_the_driver_is_the_worker_of_a_serial_loop() -> None:
    """A loop has no worker process: its one worker is the driver, whose other time may be in the waiting."""
    run = planted_run([Node(cores=1.0, waiting=0.2, gaps=0.1)])
    first, window = run.trials["trial_id"] == TRIAL, run.windows["trial_id"] == TRIAL
    busy = run.trials.loc[first, "task_cpu_seconds"].item() + 0.3
    run = changed(run, "trials", first, engine="serial", driver_cpu_seconds=busy, sampler_cpu_seconds=0.1)
    run = changed(run, "windows", window, workers=0, workers_cpu_seconds=0.0, sampler_cpu_seconds=np.nan)
    found = found_in(run)
    assert doubts(run) == ()
    assert found["waiting_sampler"] == pytest.approx(0.4 / WINDOW_SECONDS, abs=1e-3)
    assert found["gaps"] == pytest.approx(0.1, abs=POINT)


# --- useful and slower work ------------------------------------------------------------------------------


def test_useful_work_is_compared_task_by_task() -> None:
    """A node with the longer tasks is not slower for it: each task counts as long as it took alone."""
    rows = [task(TRIAL, 0, 0, 6, 6.0), task(TRIAL, 1, 0, 3, 3.0, worker=1, node_id=node_id(1))]
    alone = [task("001-1", 0, 0, 5, 5.0), task("001-1", 1, 5, 8, 3.0)]
    made = account(single_run(rows, cores=1.0, workers=1, alone=alone, nodes=2)).nodes
    mine = made[made["trial_id"] == TRIAL].set_index("node_id")
    assert mine["useful"].to_dict() == {node_id(0): 5.0, node_id(1): 3.0}
    assert mine["slower"].to_dict() == {node_id(0): 1.0, node_id(1): 0.0}


def test_the_speed_alone_is_that_of_all_blocks() -> None:
    """A worker alone that was slow in one block moves all blocks a little; one that failed is not missed."""
    run = planted_run([Node(slower=0.2)] * 2, blocks=4)
    slow = run.tasks["trial_id"] == "001-1"
    cpu_seconds = run.tasks.loc[slow, "cpu_seconds"] * 1.2
    made = shares(account(changed(run, "tasks", slow, cpu_seconds=cpu_seconds)).trials)
    assert made.loc[["000-1", "002-1", "004-1"], "useful"].tolist() == pytest.approx([0.84] * 3, abs=0.002)
    failed = account(changed(run, "trials", run.trials["trial_id"] == "001-1", status="failed")).trials
    assert failed["alone"].tolist() == ["run"] * 8
    assert shares(failed).loc["000-1", "slower"] == pytest.approx(0.2, abs=POINT)


def test_without_any_worker_alone_useful_and_slower_are_unknown() -> None:
    """Nothing is invented to compare with: the work is known, its parts are not, the rest stands."""
    run = planted_run([Node(slower=0.2, gaps=0.1)] * 2, alone=False)
    made = account(run).trials
    found = shares(made).loc[TRIAL]
    assert made.loc[TRIAL, "alone"] == "none"
    assert found[["useful", "slower"]].isna().all()
    assert found[WORK] == pytest.approx(0.9, abs=POINT)
    assert found["gaps"] == pytest.approx(0.1, abs=POINT)


def test_a_worker_alone_on_another_kind_of_cluster_is_no_comparison() -> None:
    """Containers are compared with a container, not with a plain raylet."""
    run = planted_run([Node()] * 2)
    made = account(changed(run, "trials", run.trials["trial_id"] == "001-1", cluster="local"))
    assert made.trials.loc[TRIAL, "alone"] == "none"


def test_failed_attempts_are_no_useful_work() -> None:
    """What an attempt that failed has cost is slower work: its task had to be done once more."""
    rows = [task(TRIAL, 0, 0, 4, 4.0, status="failed"), task(TRIAL, 0, 4, 8, 4.0, attempt=2)]
    alone = [task("001-1", 0, 0, 4, 4.0)]
    found = found_in(single_run(rows, cores=1.0, workers=1, alone=alone))
    assert (found["useful"], found["slower"]) == pytest.approx((0.4, 0.4))


# --- doubts ----------------------------------------------------------------------------------------------


def first_task(run: Run) -> pd.Series:
    """Return the mask of one attempt in the middle of the first trial."""
    return (run.tasks["trial_id"] == TRIAL) & ~run.tasks["warmup"].astype(bool) & (run.tasks["task"] == 5)


def of_first_trial(run: Run, table: str) -> pd.Series:
    """Return the mask of the first trial's rows on its first node."""
    rows = getattr(run, table)
    return (rows["trial_id"] == TRIAL) & (rows["node_id"] == node_id(0))


def without(run: Run, table: str, where: pd.Series) -> Run:
    """Return the run without some rows of a table."""
    return dataclasses.replace(run, **{table: getattr(run, table)[~where]})


def repeated(run: Run, table: str, where: pd.Series) -> Run:
    """Return the run with some rows of a table twice."""
    rows = getattr(run, table)
    return dataclasses.replace(run, **{table: pd.concat([rows, rows[where]], ignore_index=True)})


LATE = WINDOW_SECONDS + 3 * CLOCK_UNCERTAINTY_SECONDS

SPOILT: dict[str, tuple[Callable[[Run], Run], str]] = {
    "no window": (
        lambda run: without(run, "windows", of_first_trial(run, "windows")),
        "windows.csv has no row of it",
    ),
    "node lost": (
        lambda run: changed(run, "windows", of_first_trial(run, "windows"), status="lost"),
        "the node was lost",
    ),
    "no facts": (
        lambda run: without(run, "nodes", run.nodes["node_id"] == node_id(0)),
        "nodes.csv has no row of it",
    ),
    "ended before it began": (
        lambda run: changed(run, "tasks", first_task(run), finished_seconds=0.01),
        "attempts that ended before they began (1)",
    ),
    "began before the window": (
        lambda run: changed(run, "tasks", first_task(run), started_seconds=-3 * CLOCK_UNCERTAINTY_SECONDS),
        "attempts that began before the window (1)",
    ),
    "ended after the window": (
        lambda run: changed(run, "tasks", first_task(run), finished_seconds=LATE, received_seconds=LATE),
        "attempts that ended after the window (1)",
    ),
    "ended after its result": (
        lambda run: changed(run, "tasks", first_task(run), received_seconds=0.5),
        "attempts that ended after their result was there (1)",
    ),
    "no times": (
        lambda run: changed(run, "tasks", first_task(run), started_seconds=np.nan, finished_seconds=np.nan),
        "attempts without times or processor time (1)",
    ),
    "no processor time": (
        lambda run: changed(run, "tasks", first_task(run), cpu_seconds=np.nan),
        "attempts without times or processor time (1)",
    ),
    "repeated task": (
        lambda run: repeated(run, "tasks", first_task(run)),
        "attempts at a task that had already succeeded (1)",
    ),
    "truncated tasks": (
        lambda run: without(run, "tasks", first_task(run)),
        "tasks.csv has 39 finished tasks in its window, trials.csv 40",
    ),
    "repeated trial": (
        lambda run: repeated(run, "trials", run.trials["trial_id"] == TRIAL),
        "trials.csv has more than one row of it",
    ),
    "no duration": (
        lambda run: changed(run, "trials", run.trials["trial_id"] == TRIAL, duration_seconds=np.nan),
        "the length of its window is not known",
    ),
    "a node nobody knows of": (
        lambda run: changed(run, "trials", run.trials["trial_id"] == TRIAL, nodes=3, workers=3),
        "windows.csv has 2 workers on 2 nodes of it, trials.csv 3 on 3",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_spoils_an_account_is_named_and_makes_it_unknown(name: str) -> None:
    """A trial with broken rows has no account at all: each fault is named with its trial, none filled in."""
    spoil, text = SPOILT[name]
    run = spoil(planted_run([Node(gaps=0.1)] * 2, blocks=2))
    found = [one for one in doubts(run) if text in one]
    assert found
    assert all(one.startswith(f"Trial {TRIAL}") or name == "no facts" for one in found)
    made = account(run)
    assert made.trials.loc[TRIAL, [*TERMS, WORK, *PARTS]].isna().all()
    if name != "no facts":
        assert made.trials.loc["002-1", list(TERMS)].notna().all()


NOTED: dict[str, tuple[Callable[[Run], Run], str]] = {
    "no samples": (
        lambda run: without(run, "samples", of_first_trial(run, "samples")),
        "samples.csv has no row of it",
    ),
    "repeated sample": (
        lambda run: repeated(run, "samples", of_first_trial(run, "samples")),
        "samples.csv holds the same moment twice",
    ),
    "samples out of order": (
        lambda run: changed(
            repeated(run, "samples", of_first_trial(run, "samples")),
            "samples",
            pd.Series(np.arange(len(run.samples) + 1) == len(run.samples)),
            at_seconds=1.0,
        ),
        "a clock jumped, or rows were merged",
    ),
    "cgroup not read": (
        lambda run: changed(run, "windows", of_first_trial(run, "windows"), cpu_seconds=np.nan),
        "cpu_seconds was not read from its cgroup",
    ),
    "throttling not read": (
        lambda run: changed(run, "windows", of_first_trial(run, "windows"), throttled_seconds=np.nan),
        "throttled_seconds was not read from its cgroup",
    ),
    "overlap": (
        lambda run: changed(run, "tasks", first_task(run), started_seconds=1.0),
        "attempts that overlap the one before",
    ),
    "rows of no trial": (
        lambda run: changed(run, "trials", run.trials["trial_id"] == "003-1", trial_id="009-1"),
        "Trial 003-1: tasks.csv has",
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_spoils_nothing_is_named_all_the_same(name: str) -> None:
    """A fault that the account does not rest on is named, and the account stands and adds up."""
    note, text = NOTED[name]
    run = note(planted_run([Node(gaps=0.1)] * 2, blocks=2))
    found = [one for one in doubts(run) if text in one]
    assert len(found) == 1
    assert found[0].endswith("the account stands.")
    assert found_in(run)[list(TERMS)].sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["ray_cpu_seconds", "workers_cpu_seconds"])
def test_unread_counters_leave_the_terms_and_take_the_parts(name: str) -> None:
    """Without a counter the waiting is known, but not who took part in it."""
    run = planted_run([Node(waiting=0.1, ray_cores=0.05)] * 2)
    run = changed(run, "windows", of_first_trial(run, "windows"), **{name: np.nan})
    found = found_in(run)
    assert any(f"{name} was not read; what took part" in one for one in doubts(run))
    assert found["waiting"] == pytest.approx(0.1, abs=POINT)
    assert found[list(PARTS)].isna().all()


def test_a_lost_node_leaves_the_others_known() -> None:
    """The account of a lost node is unknown, and so is the trial's; that of the other node stands."""
    run = planted_run([Node(), Node(tail=0.3)])
    made = account(changed(run, "windows", of_first_trial(run, "windows"), status="lost"))
    mine = made.nodes[made.nodes["trial_id"] == TRIAL].set_index("node_id")
    assert np.isnan(mine.loc[node_id(0), "tail"])
    assert mine.loc[node_id(1), "tail"] == pytest.approx(3.0, abs=0.01)
    assert made.trials.loc[TRIAL, list(TERMS)].isna().all()


def test_a_clock_within_its_uncertainty_is_no_doubt() -> None:
    """A start before the window by less than the clock is known to is cut to the window."""
    run = planted_run([Node()])
    early = -0.9 * CLOCK_UNCERTAINTY_SECONDS
    run = changed(run, "tasks", (run.tasks["task"] == 0) & first_trial(run), started_seconds=early)
    run = changed(run, "tasks", (run.tasks["task"] == 0) & first_trial(run), submitted_seconds=early)
    assert doubts(run) == ()
    assert found_in(run)["startup"] == 0


def first_trial(run: Run) -> pd.Series:
    """Return the mask of the attempts in the first trial's window."""
    return (run.tasks["trial_id"] == TRIAL) & ~run.tasks["warmup"].astype(bool)


def test_overlapping_rows_are_left_as_a_residual() -> None:
    """Two attempts of one worker at once cannot both have had its core: the rest is not explained."""
    rows = [task(TRIAL, 0, 0, 10, 10.0), task(TRIAL, 1, 0, 10, 10.0)]
    found = found_in(single_run(rows, cores=1.0, workers=1))
    assert found[WORK] == pytest.approx(2)
    assert found["residual"] == pytest.approx(-1)


def test_many_nodes_with_one_fault_are_one_text() -> None:
    """A fault of a whole trial names its first nodes and counts the others."""
    run = planted_run([Node(tasks=2)] * 9)
    run = changed(run, "windows", run.windows["trial_id"] == TRIAL, throttled_seconds=np.nan)
    found = [one for one in doubts(run) if "throttled" in one]
    named = ", ".join(node_id(number) for number in range(3))
    assert found == [
        f"Trial {TRIAL}, nodes {named} and 6 more: throttled_seconds was not read from its cgroup; "
        "the account stands."
    ]


def test_an_interrupted_trial_raises_no_doubt() -> None:
    """A trial that was cut short and run again is unknown, as is to be expected."""
    run = planted_run([Node()], blocks=2)
    cut = run.trials["trial_id"] == TRIAL
    run = changed(run, "trials", cut, status="interrupted", duration_seconds=np.nan)
    assert doubts(run) == ()
    assert account(run).trials.loc[TRIAL, list(TERMS)].isna().all()


# --- means and the largest loss --------------------------------------------------------------------------


def mixed_run() -> Run:
    """Return four blocks of two nodes whose start-up grows, and whose gaps are 10 %."""
    return joined([planted_run([Node(gaps=0.1, startup=0.01 * block)] * 2) for block in range(4)])


def test_the_intervals_are_those_over_blocks() -> None:
    """The mean and interval of a term are Student's t over the shares of the sound trials."""
    made = account(mixed_run()).trials
    row = loss_estimates(made)[2, 1]["startup"]
    assert row == mean_estimate(shares(made[made["nodes"] == 2])["startup"])
    assert (row.n, row.value) == (4, pytest.approx(0.015, abs=1e-3))


@pytest.mark.parametrize("change", [{"status": "failed"}, {"lost_workers": 1}])
def test_a_trial_that_failed_or_lost_workers_is_in_no_mean(change: dict[str, object]) -> None:
    """It is accounted for by itself, and left out of the means."""
    run = mixed_run()
    made = account(changed(run, "trials", run.trials["trial_id"] == TRIAL, **change)).trials
    assert loss_estimates(made)[2, 1]["gaps"].n == 3
    assert shares(made).loc[TRIAL, "gaps"] == pytest.approx(0.1, abs=POINT)


# --- size ------------------------------------------------------------------------------------------------

MEASURE = """
import sys, time, tracemalloc
from lab.synthetic.large import large_run
from lab.analysis.losses import account

def seconds(run):
    began = time.process_time()
    account(run)
    return time.process_time() - began

cores, workers = float(sys.argv[1]), int(sys.argv[2])
small, large = (large_run(rows, 200, cores, workers) for rows in (200_000, 2_000_000))
seconds(small)
times = min(seconds(small) for _ in range(3)), min(seconds(large) for _ in range(2))
tracemalloc.start()
account(large)
print(*times, tracemalloc.get_traced_memory()[1] / (len(large.tasks) + len(large.samples)))
"""


@pytest.mark.timed
@pytest.mark.parametrize(("cores", "workers"), [(1.0, 1), (0.25, 3)])
def test_ten_times_the_rows_take_about_ten_times_as_long(cores: float, workers: int) -> None:
    """Time grows with the rows and no faster, and no row of input needs more than 200 bytes on top."""
    made = subprocess.run(
        [sys.executable, "-c", MEASURE, str(cores), str(workers)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    small, large, bytes_per_row = map(float, made.stdout.split())
    assert large < 15 * small
    assert bytes_per_row < 200


# --- figure and sections ---------------------------------------------------------------------------------


def study_of(run: Run) -> Study:
    """Return the study of a run."""
    return Study(run)


def test_the_figure_says_every_share() -> None:
    """A screen reader hears each bar's terms in percent, and what nobody lost is not drawn."""
    bars = [Bar("2 nodes × 1 worker", "80 % useful", {"useful": 0.8, "gaps": 0.2, "tail": 0.0})]
    root = ElementTree.fromstring(stacked("A title", bars, TERMS))
    said = root.findtext("{http://www.w3.org/2000/svg}desc")
    assert said == "2 nodes × 1 worker: useful work 80.0 %, gaps between tasks 20.0 %, tail 0 %."
    words = [text.strip() for text in root.itertext()]
    assert {"useful work", "gaps between tasks", "80 % useful"} <= set(words)
    assert "tail" not in words


def test_the_figure_follows_the_page() -> None:
    """Ink and patterns take the page's colour, and a pattern is found by its own id."""
    svg = stacked("A title", [Bar("one", "", {"useful": 0.5, "waiting": 0.7, "slower": -0.2})], TERMS)
    assert INK not in svg
    assert "<pattern" in svg
    assert "currentColor" in svg[svg.index("<pattern") : svg.index("</pattern>")]


def test_terms_differ_in_more_than_colour() -> None:
    """In grey the terms can still be told apart: no two share a pattern."""
    assert len({pattern for _, pattern in FILLS.values()}) == len(FILLS)
    assert set(FILLS) == {*TERMS, WORK}


def test_the_sentence_is_computed() -> None:
    """One sentence says how much was useful and what the largest loss was, with intervals and n."""
    found = report.where_the_time_went(study_of(mixed_run())).text
    assert "Of the core time of 2 nodes with 1 worker each, 88.5 % (95 % interval 86.4 to 90.6" in found
    assert "n = 4) was useful work; the largest loss was short tasks, " in found


def test_the_sentence_names_no_noise() -> None:
    """Where nothing is lost, noise of 2 % is not called a loss: the sentence says what none exceeds."""
    found = report.where_the_time_went(study_of(planted_run([Node()] * 2, blocks=5, noise=0.02))).text
    assert "no single cause of 3 % or more is certain, and none was seen above " in found


def test_the_section_shows_figure_tables_and_odd_trials() -> None:
    """The section holds the figure, the shares per configuration and node, and trials that are in no mean."""
    run = mixed_run()
    odd = run.trials["trial_id"] == TRIAL
    text = report.where_the_time_went(study_of(changed(run, "trials", odd, lost_workers=1))).text
    assert "<svg" in text
    assert "By node, 2 nodes × 1 worker, search, dynamic, cluster compose, %" in text
    assert "1 trial in no mean" in text
    assert f"| {TRIAL} | search | dynamic | 2 nodes × 1 worker | lost workers |" in text
    assert "not told apart" not in text


def test_the_section_says_what_it_could_not_split() -> None:
    """Without a worker alone, work is one part of the bar, and the page says why."""
    text = report.where_the_time_went(study_of(planted_run([Node(gaps=0.1)] * 2, alone=False))).text
    assert "useful and slower work are not told apart" in text
    assert "was work of the tasks, useful or slower" in text
    assert "with one trial of this size, no loss can be told from noise" in text
    assert "% tasks" in text


def test_there_is_no_section_without_a_known_account() -> None:
    """A run whose windows are all missing shows nothing rather than numbers, and its doubts say why."""
    run = planted_run([Node()] * 2)
    run = dataclasses.replace(run, windows=run.windows.head(0))
    assert report.where_the_time_went(study_of(run)).text == ""
    assert "windows.csv has no row of it" in report.doubts(study_of(run)).text


def test_the_page_lists_the_doubts() -> None:
    """Doubts are counted and listed, the first of many; an undoubted run says so."""
    run = planted_run([Node(tasks=2)], blocks=15)
    bad = changed(run, "windows", pd.Series(True, run.windows.index), ray_cpu_seconds=np.nan)
    text = report.doubts(study_of(bad)).text
    assert text.startswith("30 doubts about the files of this run.")
    assert text.endswith("And 10 more.")
    assert report.doubts(study_of(run)).text.startswith("No row is missing")


@pytest.mark.parametrize("make", [synthetic_run, multi_node_run])
def test_any_experiment_has_its_section(make: Callable[[], tuple[pd.DataFrame, ...]]) -> None:
    """The made-up runs of the other tests are accounted for without a doubt, whatever their experiment."""
    trials, tasks, samples, windows, nodes = make()
    run = dataclasses.replace(
        planted_run([Node()]), trials=trials, tasks=tasks, samples=samples, windows=windows, nodes=nodes
    )
    assert doubts(run) == ()
    assert "was useful work; the largest loss was" in report.where_the_time_went(study_of(run)).text
    found = shares(account(run).trials)
    assert found.loc[found["engine"] == "ray", list(TERMS)].sum(axis=1).to_numpy() == pytest.approx(1)
