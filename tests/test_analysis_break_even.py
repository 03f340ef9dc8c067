"""Break-even and the comparison of engines: planted costs, lengths, memory and differences are found."""

import math

import pandas as pd
import pytest
from timed import COSTS, LENGTHS, WORKERS, break_even_run, failing, measured, race_run

from lab.analysis import break_even, ray_ways
from lab.analysis.break_even import Crossing, batch_size, crossing, speed_ratios
from lab.analysis.engines import against, largest_work
from lab.analysis.intervals import Estimate, unpaired_ratio
from lab.analysis.noise import CopyComparison, copy_comparisons, told_apart
from lab.published import images_claims as report_b_verdicts
from lab.published.report_b import time_ratios
from lab.published.single_node_claims import Verdict, unequal_digests

IMAGES = {"mode": "images", "planned_tasks": 50, "transfer": "seed"}


@pytest.fixture(scope="module")
def spun() -> pd.DataFrame:
    """Return the measures of a run over task lengths; not to be changed."""
    return measured(break_even_run(noise=0.01))


@pytest.fixture(scope="module")
def raced() -> pd.DataFrame:
    """Return the measures of a race between engines; not to be changed."""
    return measured(race_run())


def curve(*ratios: float, width: float = 0.0) -> dict[float, Estimate]:
    """Return a curve of ratios at 1, 2, 4 and so on, with intervals of that half-width."""
    return {2.0**place: Estimate(5, one, one - width, one + width) for place, one in enumerate(ratios)}


def verdict_on(claim: str, found: tuple[Verdict, ...]) -> Verdict:
    """Return the verdict whose claim holds these words."""
    return next(one for one in found if claim in one.claim)


# --- what a task costs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [name for name in COSTS if name not in ("serial", "ray")])
def test_a_planted_cost_is_found(spun: pd.DataFrame, engine: str) -> None:
    """The cost of an unbatched call is recovered within 10 %, and its interval is near it."""
    found = break_even.cost(spun, engine, "none")
    assert found.value == pytest.approx(COSTS[engine], rel=0.1)
    assert found.n == 5
    assert found.low is not None
    assert found.low < 1.05 * COSTS[engine]


def test_equal_batches_share_the_cost(spun: pd.DataFrame) -> None:
    """With 125 tasks a call, a task costs a 125th of a call."""
    found = break_even.cost(spun, "dask", "equal")
    assert found.value == pytest.approx(COSTS["dask"] / 125, rel=0.15)


def test_a_plain_loop_costs_nothing(spun: pd.DataFrame) -> None:
    """The loop is the length of the work: beyond it there is nothing, at any length that has a cost."""
    found = break_even.overhead_curve(spun, "serial", "equal")
    assert all(one.value == pytest.approx(0, abs=1e-12) for one in found.values())
    assert tuple(found) == tuple(one for one in LENGTHS if one <= break_even.TOLD_SECONDS)


def test_without_a_loop_a_cost_is_not_known(spun: pd.DataFrame) -> None:
    """A block that lacks the loop cannot say what is work and what is cost."""
    rows = spun[spun["engine"] != "serial"]
    assert break_even.cost(rows, "pool", "none").value is None
    assert speed_ratios(rows, {"engine": "pool", "batching": "none"}, break_even.SERIAL) == {}


def test_a_batch_is_the_smallest_that_is_cheap_enough() -> None:
    """600 µs are 5 % of 120 tasks of 100 µs; what costs nothing needs no batch."""
    assert batch_size(600e-6) == 120
    assert batch_size(601e-6) == 121
    assert batch_size(0.0) == batch_size(-1e-6) == 1


# --- break-even -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "engine", ["processes", "pool", "futures", "joblib", "ray_tasks", "ray_pool", "dask"]
)
def test_a_planted_break_even_length_is_found(spun: pd.DataFrame, engine: str) -> None:
    """An engine of cost c breaks even at c / (workers - 1), within 6 %; the interval holds it or nearly."""
    ratios = speed_ratios(spun, {"engine": engine, "batching": "none"}, break_even.SERIAL)
    found = crossing(ratios)
    assert found is not None
    planted = COSTS[engine] / (WORKERS - 1)
    assert found.place == "within"
    assert found.value == pytest.approx(planted, rel=0.06)
    assert found.low is not None
    assert found.high is not None
    assert 0.97 * found.low < planted < 1.03 * found.high


def test_a_crossing_outside_of_the_lengths_is_said() -> None:
    """Above 1 everywhere is below the shortest length; not above it at the longest is beyond."""
    assert crossing(curve(1.5, 1.8)) == Crossing("below", None, 0.0, 0.0, 5)
    assert crossing(curve(0.2, 0.8)) == Crossing("beyond", None, math.inf, math.inf, 5)
    assert crossing({}) is None


def test_the_ends_of_a_crossing_are_where_the_ratio_may_be_one() -> None:
    """A wide interval of the ratio makes a wide one of the length, open where a bound never crosses."""
    found = crossing(curve(0.8, 1.2, 1.6, width=0.1))
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 1 < found.low < (found.value or 0) < found.high < 2
    wide = crossing(curve(0.8, 1.2, 1.6, width=0.7))
    assert (wide.low, wide.high) == (0.0, math.inf) if wide else False


def test_one_block_crosses_without_an_interval() -> None:
    """Break-even is found, and its uncertainty is not known."""
    rows = measured(break_even_run(blocks=1, noise=0.0))
    found = crossing(speed_ratios(rows, {"engine": "pool", "batching": "none"}, break_even.SERIAL))
    assert found is not None
    assert (found.low, found.high, found.n) == (None, None, 1)
    assert found.value == pytest.approx(60e-6, rel=0.01)


# --- ways to use Ray --------------------------------------------------------------------------------------


def test_the_dispatch_is_judged_against_the_best(spun: pd.DataFrame) -> None:
    """Where batches are cheaper than the dispatch it does not hold; where work dominates it is equal."""
    found = {one.task_seconds: one for one in ray_ways.beside_best(spun)}
    assert min(found) == 1e-4
    assert found[1e-4].best[1] == "equal"
    assert found[1e-4].outcome.startswith("does not hold")
    assert found[1e-2].outcome in ("equal within 5 %", "holds")


def test_a_faster_dispatch_holds() -> None:
    """With costs of others twentyfold, it is at least as fast, and 3 times as fast as plain tasks."""
    costs = {name: 20 * one for name, one in COSTS.items()} | {"ray": 1e-6}
    rows = measured(break_even_run(costs=costs))
    assert ray_ways.beside_best(rows)[0].outcome == "holds"
    assert ray_ways.three_times(rows).outcome == "holds"


def test_less_than_three_times_does_not_hold() -> None:
    """Plain tasks that cost 60 µs are less than 3 times slower at 100 µs."""
    rows = measured(break_even_run(costs={**COSTS, "ray_tasks": 60e-6}))
    assert ray_ways.three_times(rows).outcome == "does not hold"
    assert ray_ways.three_times(rows[rows["engine"] != "ray"]).outcome == "not decided"


def test_costs_repeat_or_not(spun: pd.DataFrame) -> None:
    """Another run with the same costs agrees; one where a cost is half as large does not."""
    ways = [(name, "none") for name in ("pool", "futures", "ray_tasks")]
    same = ray_ways.repeats(spun, measured(break_even_run(seed=9)), ways)
    assert [one.outcome for one in same] == ["holds"] * 3
    assert [one.ratio.level for one in same] == [pytest.approx(1 - 0.05 / 3)] * 3
    verdict = ray_ways.repeats_verdict(same)
    assert verdict.outcome == "holds"
    assert "Of 3 ways to run tasks, 3 cost the same" in verdict.evidence
    assert "all together hold with 95 %" in verdict.evidence
    other = measured(break_even_run(seed=9, costs={**COSTS, "pool": 30e-6}))
    changed = ray_ways.repeats(spun, other, ways)
    assert [one.outcome for one in changed] == ["does not hold", "holds", "holds"]
    assert changed[0].ratio.value == pytest.approx(2.0, rel=0.1)
    assert ray_ways.repeats_verdict(changed).outcome == "does not hold"
    assert ray_ways.repeats_verdict(()).outcome == "not decided"


def test_unpaired_ratios_are_welch_s() -> None:
    """The interval is that of Welch's t test on logarithms, and that of the inverse is its inverse."""
    found = unpaired_ratio([2.0, 2.2, 2.1], [1.0, 1.1, 0.9, 1.05])
    back = unpaired_ratio([1.0, 1.1, 0.9, 1.05], [2.0, 2.2, 2.1])
    assert found.n == 3
    assert found.value == pytest.approx(2.0784, rel=1e-3)
    assert found.low == pytest.approx(1 / (back.high or 0))
    assert unpaired_ratio([2.0], [1.0]) == Estimate(1, 2.0, None, None)
    assert unpaired_ratio([], [1.0]).value is None


# --- the race ---------------------------------------------------------------------------------------------


def test_a_planted_difference_is_found(raced: pd.DataFrame) -> None:
    """Ray takes 1 / 1.05 of the pool's time; the copy arm does not differ from it."""
    ratio = against(raced, "throughput", IMAGES)
    assert ratio.value == pytest.approx(1.05, rel=0.03)
    copies = {(one.mode, one.metric): one for one in copy_comparisons(raced)}
    assert len(copies[("images", "throughput")].log_ratios) == 5
    assert told_apart(ratio, copies[("images", "throughput")]) is True
    assert told_apart(Estimate(5, 1.01, 0.99, 1.03), None) is False
    assert told_apart(Estimate(1, 1.01, None, None), None) is None


def test_noise_as_large_as_the_difference_tells_nothing(raced: pd.DataFrame) -> None:
    """Where a copy of Ray differs from Ray by as much, an interval without 1 is no difference."""
    noisy = CopyComparison("images", "throughput", (0.08, 0.081, 0.079, 0.08))
    assert told_apart(against(raced, "throughput", IMAGES), noisy) is False


def test_the_driver_misses_what_was_planted(raced: pd.DataFrame) -> None:
    """The driver's 120 MB are 16.3 % of Ray's 700 MiB: the rest is missed."""
    mine = raced[raced["engine"] == "ray"]
    assert mine["missed_part"].tolist() == pytest.approx([1 - 120e6 / (700 * 2**20)] * len(mine))


def test_the_work_of_a_comparison_is_the_largest(raced: pd.DataFrame) -> None:
    """Images are compared with most tasks, made by workers; search as it is; other work not at all."""
    assert largest_work(raced, "images") == IMAGES
    assert largest_work(raced, "search") == {"mode": "search", "planned_tasks": 48}
    assert largest_work(raced, "spin") == {}


def test_unequal_results_are_named() -> None:
    """One wrong digest names the work that it is of."""
    rows = race_run(blocks=1)
    assert unequal_digests(rows) == []
    rows.loc[rows.index[(rows["mode"] == "search") & (rows["engine"] == "pool")], "digest"] = "other"
    assert unequal_digests(rows) == ["search, 48 tasks"]


def test_claims_of_report_b_are_judged(raced: pd.DataFrame) -> None:
    """Faster by 5 % holds; twice as fast, telling memory and less memory do not."""
    rows = raced[raced["arm"] == "experiment"]
    found = report_b_verdicts.verdicts(rows, IMAGES)
    outcomes = [one.outcome for one in found]
    assert outcomes[:2] == ["holds", "does not hold"]
    assert verdict_on("fewer core-seconds", found).outcome == "holds"
    assert verdict_on("memory of the driver", found).outcome == "does not hold"
    assert verdict_on("less memory", found).outcome == "does not hold"
    assert "n = 5 blocks" in found[0].evidence
    assert "With *Ray, batched* the ratio was" in found[0].evidence
    assert "With *Ray tasks* it was" in found[0].evidence


def test_a_growing_gap_is_told(raced: pd.DataFrame) -> None:
    """A pool that takes longer the more tasks there are falls behind."""
    rows = raced[raced["arm"] == "experiment"].copy()
    mine = (rows["engine"] == "pool") & (rows["planned_tasks"] == 50)
    rows.loc[mine, "throughput"] /= 1.2
    found = report_b_verdicts.verdicts(rows, IMAGES)
    assert verdict_on("the more tasks", found).outcome == "holds"
    assert report_b_verdicts.growth_with_tasks(rows, IMAGES)[1] == (10, 30, 50)


def test_claims_need_both_sides_and_two_blocks() -> None:
    """Without the pool, or with one block, no claim about the two can be told."""
    for trials in (failing(race_run(blocks=2), "pool"), race_run(blocks=1)):
        rows = measured(trials)
        found = report_b_verdicts.verdicts(rows[rows["arm"] == "experiment"], IMAGES)
        assert {one.outcome for one in found if "driver" not in one.claim} == {"not decided"}


def test_report_b_s_ratios_are_of_equal_counts() -> None:
    """73.7 s of two nodes over 162 s of two cores, and so on."""
    assert {tasks: round(one, 3) for tasks, one in time_ratios().items()} == {10: 0.455, 30: 0.386, 50: 0.383}
