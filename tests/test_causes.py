"""Tests of the causes: planted ones are found and no others, noise is none, and the unknown stays so."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from planted import changed, joined

from lab.analysis.causes import NAMES, Cause, causes, main
from lab.analysis.losses import TERMS, account, share_estimate, shares
from lab.analysis.measures import measures
from lab.data.store import Run
from lab.synthetic.losses import POINT, planted_run, truth
from lab.synthetic.runs import WINDOW_SECONDS, Node

PLANTED: Mapping[str, tuple[tuple[Node, ...], set[str]]] = {
    "nothing": ((Node(), Node()), {"cores"}),
    "a stall": ((Node(), Node(stall=0.4)), set()),
    "a slow node": ((Node(), Node(slower=0.4)), {"slow_node"}),
    "slower everywhere": ((Node(slower=0.3), Node(slower=0.3)), {"slower"}),
    "a cold start": ((Node(startup=0.25), Node(startup=0.1)), {"startup"}),
    "waiting": ((Node(waiting=0.3), Node(waiting=0.3)), {"waiting"}),
    "gaps": ((Node(gaps=0.2), Node(gaps=0.2)), {"short"}),
    "a long tail": ((Node(), Node(tail=0.4)), {"tail"}),
    "cores without workers": ((Node(cores=2.0), Node(cores=1.5)), {"unused"}),
    "threads": ((Node(cores=2.0, upkeep_cores=0.9),) * 2, {"threads", "unused"}),
    "more workers than cores": ((Node(cores=0.25, workers=3), Node(cores=2.0, workers=6)), {"cores"}),
    "a slow node that ends last": ((Node(tail=0.3), Node(slower=0.4)), {"slow_node"}),
    "a slow node that ends first": ((Node(), Node(slower=0.4, tail=0.3)), {"slow_node", "tail"}),
    "several at once": (
        (Node(cores=0.25, workers=3, stall=0.1, gaps=0.1, tail=0.1, startup=0.05),) * 3,
        {"short", "tail", "startup"},
    ),
}
"""Clusters with planted causes, and the names that have to come out."""

GAPS = (Node(gaps=0.2),) * 2
WAITING = (Node(waiting=0.3),) * 2


def found_in(run: Run) -> dict[str, Cause]:
    """Return the causes of the run's largest configuration by name."""
    made = account(run)
    rows = measures(run.trials, run.tasks, run.samples, run.windows, run.nodes)
    largest = made.trials[made.trials["workers"] == made.trials["workers"].max()]
    return {cause.name: cause for cause in causes(run, made, rows, largest.index)}


def named(run: Run) -> set[str]:
    """Return the names of the causes that hold."""
    return {cause.name for cause in main(tuple(found_in(run).values())).causes}


def with_windows(run: Run, **values: Any) -> Run:
    """Return the run with other values in all rows of windows.csv."""
    return changed(run, "windows", pd.Series(True, run.windows.index), **values)


def on_machines(run: Run, cpu_seconds: float, delay_seconds: float | None) -> Run:
    """Return the run on whole machines that used so much, where workers waited so long for a processor."""
    used = run.windows["workers_cpu_seconds"].where(run.windows["workers_cpu_seconds"] > 9, cpu_seconds)
    busy = with_windows(run, cpu_seconds=used, workers_delay_seconds=delay_seconds, steal_seconds=0.0)
    nodes = run.nodes.assign(cpu_source="host", cores=1, host_id=run.nodes["node_id"])
    return dataclasses.replace(busy, nodes=nodes)


# --- planted causes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", PLANTED)
def test_a_planted_cause_is_found_and_no_other(scenario: str) -> None:
    """With 1 % noise of a trial, five blocks name what was planted, in each of two runs, and nothing else."""
    nodes, expected = PLANTED[scenario]
    for seed in range(2):
        assert named(planted_run(nodes, blocks=5, seed=seed, noise=0.01)) == expected, seed


def test_a_tail_promises_less_where_its_tasks_had_the_machine_for_themselves() -> None:
    """Tasks that took 30 % less while another worker idled take all of it once none does; the most stays."""
    run = planted_run((Node(), Node(tail=0.4)), blocks=5)
    ends = run.tasks.groupby(["trial_id", "worker"])["finished_seconds"].max().groupby("trial_id").min()
    in_tail = run.tasks["finished_seconds"] > run.tasks["trial_id"].map(ends)
    faster = changed(run, "tasks", in_tail, cpu_seconds=run.tasks["cpu_seconds"] * 0.7)
    plain, crowded = (found_in(one)["tail"].gain for one in (run, faster))
    assert plain is not None
    assert crowded is not None
    assert (plain.value, plain.high) == pytest.approx((1.25, 1.25), abs=2 * POINT)
    assert crowded.low == pytest.approx(1 / (1 - 0.2 + 0.5 * 0.4 * 0.3), abs=2 * POINT)
    assert crowded.high == pytest.approx(plain.high, abs=POINT)


def test_tasks_that_were_pushed_aside_have_neighbours() -> None:
    """Tasks that were ready and had no processor, which others used, lost it to them and did not wait."""
    run = on_machines(planted_run(WAITING, blocks=5), cpu_seconds=10.0, delay_seconds=3.0)
    found = found_in(run)
    assert named(run) == {"neighbours"}
    assert found["neighbours"].share.value == pytest.approx(0.3, abs=POINT)
    assert found["neighbours"].facts["others"] == pytest.approx(0.3, abs=POINT)


def test_tasks_that_slept_wait_though_others_work() -> None:
    """Where no task was ready without a processor, others took nothing, however much they used."""
    run = on_machines(planted_run(WAITING, blocks=5), cpu_seconds=10.0, delay_seconds=0.0)
    assert named(run) == {"waiting"}


def test_without_the_kernels_count_nobody_is_blamed() -> None:
    """Where it is not known whether tasks slept or were pushed aside, neither is named."""
    found = found_in(on_machines(planted_run(WAITING, blocks=5), cpu_seconds=10.0, delay_seconds=None))
    assert {found[name].outcome for name in ("waiting", "neighbours")} == {"not decided"}


def test_containers_have_neighbours_on_their_machine() -> None:
    """What a machine used beyond what its nodes count is somebody else's, but for what a cluster needs."""
    run = with_windows(planted_run(WAITING, blocks=5), workers_delay_seconds=3.0, steal_seconds=0.0)
    ours = run.windows.groupby("trial_id")["cpu_seconds"].transform("sum")

    def beside(cores: float) -> dict[str, Cause]:
        return found_in(with_windows(run, machine_cpu_seconds=ours + cores * WINDOW_SECONDS))

    assert beside(30.0)["neighbours"].outcome == "holds"
    assert beside(30.0)["neighbours"].share.high == pytest.approx(0.3, abs=POINT)
    assert beside(32.0)["neighbours"].facts["others"] == pytest.approx(0.5, abs=POINT)
    assert beside(0.2)["neighbours"].outcome == "not decided"
    assert beside(0.0)["neighbours"].outcome == "does not hold"
    assert found_in(run)["neighbours"].share.n == 0


def test_a_driver_at_its_limit_is_named() -> None:
    """Gaps come from the driver where it uses a whole core; where it does not, the tasks alone are short."""
    run = planted_run(GAPS, blocks=5)
    every = pd.Series(True, run.trials.index)
    assert named(changed(run, "trials", every, driver_cpu_seconds=9.7)) == {"short", "driver"}
    assert found_in(run)["driver"].outcome == "does not hold"


def test_a_quota_that_throttles_spare_cores_is_named() -> None:
    """A node with more cores than workers should not be held back by its quota; one with as many may be."""
    spare = planted_run((Node(cores=2.0, waiting=0.3),) * 2, blocks=5)
    assert "throttled" in named(with_windows(spare, throttled_seconds=2.0))
    full = with_windows(planted_run(WAITING, blocks=5), throttled_seconds=2.0)
    assert found_in(full)["throttled"].outcome == "does not hold"


def test_large_items_are_told_from_short_tasks() -> None:
    """Gaps in which so many bytes were moved that they take that long are theirs; a few bytes are not."""
    run = planted_run(GAPS, blocks=5)

    def of(size: float) -> dict[str, Cause]:
        tasks = run.tasks.assign(result_bytes=0)
        works = {"works": {"search": {"items_bytes": size}}}
        return found_in(dataclasses.replace(run, tasks=tasks, environment={**run.environment, **works}))

    assert of(4e10)["data"].outcome == "holds"
    assert of(4e10)["short"].outcome != "holds"
    assert (of(4e4)["data"].outcome, of(4e4)["short"].outcome) == ("does not hold", "holds")
    assert found_in(run)["data"].share.n == 0


def test_what_a_warm_worker_waits_for_its_first_items_is_their_journey() -> None:
    """A late start is that of the data where their bytes take that long, and a start-up where they do not."""
    run = planted_run((Node(startup=0.25),) * 2, blocks=5)
    run = dataclasses.replace(run, tasks=run.tasks.assign(result_bytes=0))

    def of(size: float) -> dict[str, Cause]:
        works = {"works": {"search": {"items_bytes": size}}}
        return found_in(dataclasses.replace(run, environment={**run.environment, **works}))

    assert (of(4e9)["data"].outcome, of(4e9)["startup"].outcome) == ("holds", "not decided")
    assert (of(4e4)["data"].outcome, of(4e4)["startup"].outcome) == ("does not hold", "holds")


def test_the_pace_of_cores_does_not_hide_that_they_work() -> None:
    """Where a worker alone takes a fifth less in every other block, two that are busy all the time are so."""
    run = planted_run((Node(),) * 2, blocks=5)
    alone = run.trials.loc[(run.trials["workers"] == 1) & (run.trials["block"] % 2 == 0), "trial_id"]
    fast = run.tasks["trial_id"].isin(alone)
    run = changed(run, "tasks", fast, cpu_seconds=run.tasks["cpu_seconds"] * 0.8)
    found = found_in(run)
    assert found["slower"].outcome == "not decided"
    assert found["cores"].outcome == "holds"


def test_hyperthreads_count_as_cores_at_work() -> None:
    """With more workers than physical cores slower work is what hyperthreads do, and the cores are full."""
    run = planted_run((Node(cores=2.0, workers=2, slower=0.3),), blocks=5)
    assert named(run) == {"slower"}
    machine = dataclasses.replace(run, environment={**run.environment, "machine": {"physical_cores": 1}})
    assert named(machine) == {"slower", "cores"}
    assert found_in(machine)["cores"].facts["physical_cores"] == 1


# --- sizes -----------------------------------------------------------------------------------------------


def test_what_is_said_of_a_cause_is_computed() -> None:
    """Share, core-seconds, expected gain, and the facts of each cause follow from what was planted."""
    found = found_in(planted_run((Node(gaps=0.2, tail=0.1),) * 2, blocks=5))
    tail, short = found["tail"], found["short"]
    assert tuple(found) == NAMES
    assert tail.share.value == pytest.approx(0.1, abs=0.001)
    assert tail.seconds is not None
    assert tail.seconds.value == pytest.approx(0.1 * 2 * WINDOW_SECONDS, rel=0.01)
    assert tail.gain is not None
    assert tail.gain.value == pytest.approx(1 / 0.9, rel=0.002)
    assert tail.facts["tasks_per_worker"] == 20
    # 7 s of tasks and 2 s of gaps for 20 tasks: 0.1 s a call, which is 5 % of 2 s, or of 6 tasks of 0.35 s
    assert short.facts["task_seconds"] == pytest.approx(0.35, rel=0.01)
    assert short.facts["batch"] == 6


def test_the_slow_node_is_named() -> None:
    """The node that takes longer for the same tasks is told by its name, and how much longer it takes."""
    found = found_in(planted_run((Node(), Node(slower=0.3), Node()), blocks=5))["slow_node"]
    assert found.facts["node"] == "000002"
    assert found.facts["ratio"] == pytest.approx(1 / 0.7, rel=0.01)
    assert found.share.value == pytest.approx(0.1, abs=0.002)


def test_the_largest_cause_comes_first() -> None:
    """The causes that hold are in the order of their shares."""
    found = main(tuple(found_in(planted_run((Node(gaps=0.1, tail=0.2),) * 2, blocks=5)).values()))
    assert [cause.name for cause in found.causes] == ["tail", "short"]
    assert found.bound is None


def test_without_a_cause_there_is_a_bound() -> None:
    """Where no cause holds, the answer is the part of the core time that none of them exceeds."""
    every = found_in(planted_run((Node(gaps=0.02, tail=0.02, startup=0.02, waiting=0.02),) * 2, blocks=5))
    losses = main(tuple(cause for cause in every.values() if cause.name != "cores"))
    assert losses.causes == ()
    assert losses.bound == pytest.approx(0.02, abs=POINT)


def test_one_block_decides_nothing() -> None:
    """Without a second block there is no interval: no cause holds or is excluded, and there is no bound."""
    every = tuple(found_in(planted_run(GAPS)).values())
    assert {cause.outcome for cause in every} == {"not decided"}
    assert main(every).bound is None


def test_without_a_worker_alone_slower_work_is_unknown() -> None:
    """What needs the speed of one worker alone has no value, no seconds and no gain, and is not decided."""
    found = found_in(planted_run((Node(slower=0.3),) * 2, blocks=5, alone=False))
    for name in ("slower", "slow_node"):
        assert (found[name].share.n, found[name].seconds, found[name].gain) == (0, None, None)
        assert found[name].outcome == "not decided"


def test_a_failed_trial_is_in_no_share() -> None:
    """Trials that failed are left out of the blocks that count."""
    run = planted_run(GAPS, blocks=4)
    failed = changed(run, "trials", run.trials["trial_id"] == "000-1", status="failed")
    assert found_in(failed)["short"].share.n == 3


# --- the worker alone ------------------------------------------------------------------------------------


def test_noise_of_a_trial_moves_the_account_by_less_than_a_point() -> None:
    """With 2 % noise of each trial the mean of five blocks misses no planted share by a point, on average."""
    nodes = (Node(slower=0.1, gaps=0.05, tail=0.05, waiting=0.1),) * 2
    planted, missed, held = pd.Series(truth(nodes)), [], 0
    for seed in range(20):
        made = account(planted_run(nodes, blocks=5, seed=seed, noise=0.02)).trials
        largest = made[made["nodes"] == 2]
        missed.append((shares(largest)[list(TERMS)].mean() - planted[list(TERMS)]).abs())
        slower = share_estimate(largest, "slower")
        held += slower.low <= planted["slower"] <= slower.high
    assert pd.DataFrame(missed).mean().max() < POINT
    assert held >= 17


def test_the_error_of_the_worker_alone_is_in_the_interval() -> None:
    """One trial of a worker alone gives no interval; several give one as wide as they differ."""
    run = planted_run((Node(slower=0.1),) * 2, blocks=4)
    single = run.trials["trial_id"].isin(["001-1", "003-1", "005-1"])
    made = account(changed(run, "trials", single, status="failed")).trials
    assert share_estimate(made[made["nodes"] == 2], "slower").low is None
    assert share_estimate(made[made["nodes"] == 2], "gaps").low is not None
    differing = joined([planted_run((Node(slower=0.1),) * 2, seed=0, noise=noise) for noise in (0, 0.2, 0.4)])
    wide = share_estimate(account(differing).trials.query("nodes == 2"), "useful")
    assert wide.high - wide.low > 0.1


def test_nothing_is_said_of_trials_without_an_account() -> None:
    """Where no trial has a known account, all causes stand there without a value, and none is decided."""
    run = planted_run(GAPS, blocks=3)
    found = found_in(dataclasses.replace(run, windows=run.windows.head(0)))
    assert tuple(found) == NAMES
    assert {(cause.share.n, cause.outcome) for cause in found.values()} == {(0, "not decided")}
