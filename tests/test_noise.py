"""Tests of noise: the A/A arm and its false alarms, drift, disturbances, and what the pages say of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import CORES, docker_run, multi_node_run, synthetic_run
from written import write_run

from lab.analysis.disturbances import LIMITS, Disturbance, disturbances
from lab.analysis.drift import drift, stratified_slope
from lab.analysis.intervals import leaves_out_zero, mean_estimate, median_estimate
from lab.analysis.measures import OF_TREE, measures
from lab.analysis.noise import (
    METRICS,
    CopyComparison,
    alarms,
    copy_comparisons,
    false_alarm_rate,
    sign_flip_rate,
)
from lab.figures.lines import chart
from lab.report import disturbances as told
from lab.report import failures, noise
from lab.report.page import Page, page

Frames = list[pd.DataFrame]


@pytest.fixture(scope="module")
def frames() -> tuple[pd.DataFrame, ...]:
    """Return the frames of a small honest run; not to be changed."""
    return synthetic_run(workers=(1, 2), blocks=3)


@pytest.fixture(scope="module")
def table(frames: tuple[pd.DataFrame, ...]) -> pd.DataFrame:
    """Return its measures."""
    return measures(*frames)


def shown(folder: Path, experiment: str, frames: Sequence[pd.DataFrame]) -> Page:
    """Return the page of an experiment with this run."""
    write_run(folder / experiment / "run", frames)
    return page(experiment, folder, folder / "no-pins.yaml")


# --- intervals ---------------------------------------------------------------------------------------------


def test_the_median_s_interval_is_that_of_the_signs() -> None:
    """Of ten values the 2nd and the 9th hold the median with 97.9 %: P(at most 1 of 10 heads) is 11/1024."""
    found = median_estimate([5, 1, 9, 3, 7, 2, 10, 4, 8, 6])
    assert (found.n, found.value, found.low, found.high) == (10, 5.5, 2.0, 9.0)


def test_five_values_give_no_interval_of_the_median() -> None:
    """All five lie on one side of the median in 2/32 of cases, which is more than 5 %; of six in 2/64."""
    assert (median_estimate(range(5)).value, median_estimate(range(5)).low) == (2.0, None)
    assert (median_estimate(range(6)).low, median_estimate(range(6)).high) == (0.0, 5.0)
    assert median_estimate([]).value is None


def test_rows_leave_out_zero_where_their_interval_does() -> None:
    """The fast count agrees with the interval of each row."""
    samples = np.random.default_rng(3).normal(0.5, 1.0, (200, 4))
    one_by_one = [not (one.low <= 0 <= one.high) for one in map(mean_estimate, samples)]
    assert leaves_out_zero(samples).tolist() == one_by_one
    assert 0 < sum(one_by_one) < 200


# --- the A/A arm -------------------------------------------------------------------------------------------


def test_the_copy_differs_by_noise_alone(table: pd.DataFrame) -> None:
    """There is a comparison per mode and metric, near 1, with what it could have seen."""
    found = copy_comparisons(table)
    known = [metric for metric in METRICS if metric not in OF_TREE]
    assert [(one.mode, one.metric) for one in found] == [
        (mode, metric) for mode in ("find", "search") for metric in known
    ]
    for one in found:
        assert one.ratio.n == 3
        assert one.ratio.value == pytest.approx(1.0, abs=0.1)
    throughput = found[0]
    assert throughput.detectable_ratio is not None
    assert throughput.detectable_ratio > 1


def test_without_a_copy_there_is_no_comparison(table: pd.DataFrame) -> None:
    """A run without the A/A arm says nothing of it."""
    assert copy_comparisons(table[table["arm"] != "copy"]) == ()


def test_one_block_has_no_spread(table: pd.DataFrame) -> None:
    """With one block there is a ratio and nothing else."""
    for one in copy_comparisons(table[table["block"] == 0]):
        assert (one.ratio.n, one.ratio.low, one.detectable_ratio, one.false_alarms) == (1, None, None, None)


def test_a_value_that_was_not_measured_is_no_pair(table: pd.DataFrame) -> None:
    """Memory known of one side and an efficiency of 0 have no ratio; what is not known at all is left out."""
    bare = table.assign(lab_memory_bytes=np.nan, cpu_efficiency=0.0, startup_seconds=np.nan)
    bare.loc[bare["arm"] == "copy", "lab_memory_bytes"] = 1.0
    n = {one.metric: one.ratio.n for one in copy_comparisons(bare)}
    assert (n["lab_memory_bytes"], n["cpu_efficiency"], n["throughput"]) == (0, 0, 3)
    assert "startup_seconds" not in n


def test_starts_that_modes_share_are_compared_once(table: pd.DataFrame) -> None:
    """Where both modes have the starts of one engine, their ratio counts once; all else is as before."""
    shared = table.assign(startup_seconds=1.0 + table["block"] + 0.1 * (table["arm"] == "copy"))
    found = copy_comparisons(shared)
    assert [one.mode for one in found if one.metric == "startup_seconds"] == ["find"]
    others = [one for one in copy_comparisons(table) if one.metric != "startup_seconds"]
    assert [one for one in found if one.metric != "startup_seconds"] == others


@pytest.mark.parametrize(
    ("logs", "rate"),
    [
        # of 16 patterns that begin with a plus, all plus alone leaves out 0
        ([0.1] * 5, 1 / 16),
        # one block does it all: t is 1 whatever the signs
        ([0.3, 0.0, 0.0, 0.0, 0.0], 0.0),
        # of two equal pairs ++ has no spread at all
        ([0.1, 0.1], 1 / 2),
        ([0.1, 0.2], 0.0),
        ([0.0, 0.0, 0.0], 0.0),
    ],
)
def test_the_false_alarm_rate_by_hand(logs: list[float], rate: float) -> None:
    """The rate is the part of all patterns of signs in which the interval leaves out 0."""
    assert sign_flip_rate(logs) == pytest.approx(rate)


def test_too_few_pairs_raise_no_alarm_rate() -> None:
    """One pair has no interval, so that it has no false alarms either."""
    assert sign_flip_rate([0.1]) is None
    assert sign_flip_rate([]) is None


@pytest.mark.parametrize("n", [5, 10])
def test_the_false_alarm_rate_is_free_of_bias(n: int) -> None:
    """On normal noise its mean over 600 comparisons is the 5 % that the interval promises, to one point."""
    noise = np.random.default_rng(n).normal(0, 0.02, (600, n))
    rates = [sign_flip_rate(tuple(one)) for one in noise]
    assert np.mean(rates) == pytest.approx(0.05, abs=0.01)


def test_many_pairs_are_sampled() -> None:
    """Beyond twelve pairs a seeded sample of patterns stands for all: the same in every build, about 5 %."""
    logs = np.random.default_rng(1).normal(0, 1, 40).tolist()
    assert sign_flip_rate(logs) == sign_flip_rate(logs)
    assert sign_flip_rate(logs) == pytest.approx(0.05, abs=0.015)


def comparison(*logs: float) -> CopyComparison:
    """Return a comparison with these log ratios."""
    return CopyComparison("search", "throughput", logs)


def test_a_group_of_comparisons_counts_once() -> None:
    """Comparisons of the same trials are averaged first; the interval is cut to 0 and 1."""
    equal, single = comparison(*[0.1] * 5), comparison(0.3, 0.0, 0.0, 0.0, 0.0)
    found = false_alarm_rate([[equal, equal, single, single], [single], [comparison(0.1)]])
    assert (found.n, found.value, found.low) == (2, pytest.approx((1 / 32) / 2), 0.0)
    assert found.high is not None
    assert found.high <= 1


def test_alarms_are_counted_with_their_exact_interval() -> None:
    """Of three intervals one leaves out 1; a comparison of one block has none and is not counted."""
    found = alarms([comparison(0.1, 0.101, 0.102), comparison(-0.1, 0.1), comparison(0.2, -0.2, 0.1)])
    assert (found.n, found.value) == (3, pytest.approx(1 / 3))
    assert alarms([comparison(0.5)]).n == 0


# --- drift -------------------------------------------------------------------------------------------------


def test_the_slope_of_three_points_by_hand() -> None:
    """0, 1, 4 at 0, 1, 2 have the slopes 1, 2, 3: their median is 2, and three pairs give no interval."""
    found = stratified_slope([(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 4.0]))])
    assert (found.n, found.value, found.low) == (3, 2.0, None)


def test_one_group_has_theil_and_sen_s_slope() -> None:
    """For a single group value and interval are those of scipy, to one place in the ordered slopes."""
    generator = np.random.default_rng(0)
    x = np.sort(generator.uniform(0, 1, 40))
    y = 0.3 * x + generator.normal(0, 0.1, 40)
    found, known = stratified_slope([(x, y)]), stats.theilslopes(y, x)
    assert found.value == pytest.approx(known.slope)
    assert found.low == pytest.approx(known.low_slope, abs=0.005)
    assert found.high == pytest.approx(known.high_slope, abs=0.005)


def test_points_at_one_time_have_no_slope() -> None:
    """Where no two points differ in time, nothing is known; without points likewise."""
    assert stratified_slope([(np.zeros(3), np.arange(3.0))]).value is None
    assert stratified_slope([]).value is None


def test_the_slope_s_interval_covers_the_truth() -> None:
    """Over 400 made-up runs of 8 configurations and 5 blocks it holds the true slope in 95 %, to 3 points."""
    generator = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        groups = []
        for _ in range(8):
            hours = np.arange(5) + generator.uniform(0, 1, 5)
            groups.append((hours, generator.normal() - 0.02 * hours + generator.normal(0, 0.01, 5)))
        found = stratified_slope(groups)
        covered += found.low <= -0.02 <= found.high
    assert covered / 400 == pytest.approx(0.95, abs=0.03)


def drifting(frames: Sequence[pd.DataFrame], per_hour: float) -> Frames:
    """Return the frames with windows that get longer by so much an hour."""
    trials = frames[0].copy()
    began = pd.to_datetime(trials["started_at"])
    hours = (began - began.min()).dt.total_seconds() / 3600
    trials["duration_seconds"] *= (1 + per_hour) ** hours
    return [trials, *frames[1:]]


def test_a_planted_drift_is_found() -> None:
    """10 % an hour more time is 9 % less throughput: it lies in the interval, and no drift does not."""
    frames = drifting(synthetic_run(workers=(1, 2, 4), blocks=5, modes=("search",)), 0.1)
    found = drift(measures(*frames), frames[0]).slope
    assert found.low < 1 / 1.1 - 1 < found.high < 0


def test_a_run_of_moments_has_no_drift_in_an_hour(frames: Frames) -> None:
    """Trials a few microseconds apart differ by factors that no hour makes true: their drift is not told."""
    trials, *others = frames
    began = pd.to_datetime(trials["started_at"], utc=True, format="ISO8601")
    soon = began.min() + (began - began.min()) / 1e7
    trials = trials.assign(started_at=soon.map(pd.Timestamp.isoformat))
    found = drift(measures(trials, *others), trials).slope
    assert found.n > 1
    assert (found.value, found.low, found.high) == (None, None, None)


def test_a_single_disturbed_trial_is_no_drift(frames: tuple[pd.DataFrame, ...]) -> None:
    """A trial of half the throughput moves the slope by less than half of its interval."""
    before = drift(measures(*frames), frames[0]).slope
    trials = frames[0].copy()
    trials.loc[len(trials) - 1, "duration_seconds"] *= 2
    after = drift(measures(trials, *frames[1:]), trials).slope
    assert abs(after.value - before.value) < (before.high - before.low) / 2


def test_one_block_shows_no_drift(tmp_path: Path) -> None:
    """With one trial of each configuration there is nothing to compare, and no section."""
    made = shown(tmp_path, "single_node", synthetic_run(workers=(1, 2), blocks=1))
    assert made.study is not None
    assert drift(made.study.measures, made.study.run.trials).trials.empty
    assert noise.drift(made.study).text == ""


def test_the_page_says_whether_the_machine_drifted(tmp_path: Path) -> None:
    """A drift beyond its interval is said in bold with its way; another is none that could be told."""
    frames = synthetic_run(workers=(1, 2, 4), blocks=5, modes=("search",))
    still = shown(tmp_path / "still", "single_node", frames).show(noise.drift).text
    moved = shown(tmp_path / "moved", "single_node", drifting(frames, 0.1)).show(noise.drift).text
    assert "No drift that these trials could tell: throughput changed by" in still
    assert "**The machine drifted**: throughput fell by 8.6 % per hour" in moved
    assert "minutes since the run began" in moved
    assert "<svg" in moved


def test_the_figure_of_drift_speaks_and_stays_the_same(frames: tuple[pd.DataFrame, ...]) -> None:
    """Equal data give equal bytes, and a screen reader hears range and slope."""
    found = drift(measures(*frames), frames[0])
    svg = chart("Drift", [noise._panel(found)])
    assert svg == chart("Drift", [noise._panel(found)])
    assert "search: " in svg
    assert "drift: " in svg


# --- disturbances ------------------------------------------------------------------------------------------


def disturbed(frames: Sequence[pd.DataFrame], others: pd.Series | None = None) -> dict[str, Disturbance]:
    """Return the disturbances of frames by their kind."""
    trials, _, _, windows, nodes = frames
    none = pd.Series(dtype=float)
    return {one.kind: one for one in disturbances(trials, windows, nodes, none if others is None else others)}


def test_a_quiet_machine_is_beyond_no_limit(frames: tuple[pd.DataFrame, ...]) -> None:
    """Every kind has its limit; the made-up machine is within all, and its clock rate is not known."""
    found = disturbed(frames)
    assert list(found) == list(LIMITS)
    assert all(one.beyond.empty for one in found.values())
    assert found["clock"].amounts.empty
    assert len(found["stolen"].amounts) == len(frames[0])


def test_steal_is_a_part_of_the_host_s_core_time(frames: tuple[pd.DataFrame, ...]) -> None:
    """A tenth of a core stolen on a host of four is 2.5 % of its core time: beyond the limit."""
    windows = frames[3].copy()
    one = windows["trial_id"] == "000-1"
    windows.loc[one, "steal_seconds"] = 0.1 * windows.loc[one, "ended_seconds"]
    found = disturbed([*frames[:3], windows, frames[4]])["stolen"]
    assert found.amounts["000-1"] == pytest.approx(0.1 / CORES)
    assert found.beyond.index.tolist() == ["000-1"]


def test_only_the_load_before_the_first_trial_counts(frames: tuple[pd.DataFrame, ...]) -> None:
    """Before later trials the load is the lab's own: 6 on 4 cores before the first is 1.5 for each."""
    trials = frames[0].copy()
    trials["load_before"] = 9.0
    trials.loc[0, "load_before"] = 6.0
    found = disturbed([trials, *frames[1:]])["load"]
    assert found.amounts.to_dict() == {"000-1": pytest.approx(1.5)}
    assert len(found.beyond) == 1


def test_a_quota_is_planned_where_workers_want_all_of_it() -> None:
    """A worker on a quarter of a core is held back as planned; one that has four cores is not."""
    planned = disturbed(multi_node_run(nodes=(1,), workers_per_node=(1,), blocks=1))["throttled"]
    assert len(planned.amounts) > 0
    assert planned.amounts.eq(0).all()
    spare = disturbed(docker_run(nodes=(1,), workers_per_node=(1,), blocks=1, quota=4.0))["throttled"]
    contained = spare.amounts[spare.amounts > 0]
    assert contained.tolist() == pytest.approx([0.6] * len(contained))
    assert len(spare.beyond) == len(contained) == 2


def test_a_clock_rate_off_its_median_is_found(frames: tuple[pd.DataFrame, ...]) -> None:
    """One window at 1800 MHz among others at 2000 is 10 % off."""
    windows = frames[3].copy()
    windows["cpu_megahertz"] = 2000.0
    windows.loc[windows["trial_id"] == "003-1", "cpu_megahertz"] = 1800.0
    found = disturbed([*frames[:3], windows, frames[4]])["clock"]
    assert found.beyond.to_dict() == {"003-1": pytest.approx(0.1)}


def test_an_interrupted_trial_disturbs_nothing(frames: tuple[pd.DataFrame, ...]) -> None:
    """What a trial that was run again suffered does not count."""
    trials, windows = frames[0].copy(), frames[3].copy()
    trials.loc[1, "status"] = "interrupted"
    windows.loc[windows["trial_id"] == "001-1", "steal_seconds"] = 100.0
    assert disturbed([trials, *frames[1:3], windows, frames[4]])["stolen"].beyond.empty


def test_what_was_not_read_is_not_known(tmp_path: Path, frames: tuple[pd.DataFrame, ...]) -> None:
    """Without counters the table says so, and no warning is made up."""
    windows = frames[3].assign(steal_seconds=np.nan, throttled_seconds=np.nan)
    trials = frames[0].assign(load_before=np.nan, steal_seconds=np.nan)
    made = shown(tmp_path, "single_node", [trials, *frames[1:3], windows, frames[4]])
    assert made.study is not None
    assert told.limits(made.study).count("| not known | not known |") == 4
    assert made.mention(told.warning).text == ""


def test_each_disturbance_is_named_with_number_and_limit(tmp_path: Path) -> None:
    """The block at the top has a point for each kind that was beyond its limit, and for no other."""
    frames = list(synthetic_run(workers=(1, 2), blocks=2, modes=("search",)))
    frames[3]["steal_seconds"] = 0.4 * frames[3]["ended_seconds"]
    frames[0]["load_before"] = 8.0
    text = shown(tmp_path, "single_node", frames).mention(told.warning).text
    assert text.startswith('<div class="admonition warning">')
    assert (
        "- The hypervisor gave more than 2.0 % of the host's core time to others in 16 of 16 trials" in text
    )
    assert "- The load average for each core of the host was 2.0 before the first trial (limit 1.0)." in text
    assert text.count("\n- ") == 2
    frames[3]["steal_seconds"] = 0.0
    busy_before = shown(tmp_path / "again", "single_node", frames)
    text = busy_before.mention(told.warning).text
    assert "The machine had just been busy" in text
    assert "The first trials of the run may be slow for it" in text
    assert "not quiet" not in text


# --- sections ----------------------------------------------------------------------------------------------


def test_the_table_has_every_metric(tmp_path: Path, frames: tuple[pd.DataFrame, ...]) -> None:
    """Ratio, n and smallest difference of every mode and metric, and the false-alarm rate."""
    text = shown(tmp_path, "single_node", frames).show(noise.noise).text
    for mode in ("search", "find"):
        for name in (noise.NAMES[metric] for metric in METRICS if metric not in OF_TREE):
            assert f"| {mode} | {name} |" in text
    assert "detectable difference (power 0.8)" in text
    assert "swapped at random within each block, it would be" in text
    assert "n = 12)" in text


def test_a_copy_that_differs_is_named(tmp_path: Path) -> None:
    """Where the copy's window is a half longer, the page says by which metrics and of which mode."""
    frames = list(synthetic_run(workers=(1, 2), blocks=5, modes=("search",)))
    frames[0].loc[frames[0]["arm"] == "copy", "duration_seconds"] *= 1.5
    text = shown(tmp_path, "single_node", frames).show(noise.noise).text
    assert "throughput of search" in text
    assert "the interval leaves out 1: by chance, as one in twenty does, or because" in text


def test_one_block_cannot_tell_noise(tmp_path: Path) -> None:
    """With one block there are ratios, no alarms, and the sentence that says why."""
    text = shown(tmp_path, "single_node", synthetic_run(workers=(1, 2), blocks=1)).show(noise.noise).text
    assert "One block cannot tell noise from difference." in text
    assert "False alarms" not in text


def test_no_copy_leaves_the_disturbances(tmp_path: Path) -> None:
    """A run without an A/A arm still shows what disturbed it."""
    trials, *others = synthetic_run(workers=(1, 2), blocks=2)
    kept = trials[trials["arm"] != "copy"].assign(slot=lambda some: range(len(some)))
    rows = [one[one["trial_id"].isin(kept["trial_id"])] for one in others[:3]]
    text = shown(tmp_path, "single_node", [kept, *rows, others[3]]).show(noise.noise).text
    assert "copy / experiment" not in text
    assert "| disturbance | median trial |" in text


# --- error rates -------------------------------------------------------------------------------------------


def with_failures(frames: Sequence[pd.DataFrame], many: int) -> Frames:
    """Return the frames with so many attempts of one configuration that failed and were made again."""
    trials, tasks = frames[0], frames[1]
    chosen = (trials["nodes"] == 2) & (trials["workers_per_node"] == 1) & (trials["arm"] == "experiment")
    mine = tasks[(tasks["trial_id"] == trials.loc[chosen, "trial_id"].iloc[0]) & ~tasks["warmup"]]
    again = mine.head(many).assign(attempt=2, status="failed", error_kind="WorkerCrashed", units=None)
    return [trials, pd.concat([tasks, again], ignore_index=True), *frames[2:]]


def test_nothing_failed_is_a_sentence_with_its_bound(tmp_path: Path) -> None:
    """0 of 96 attempts in the smallest configuration have the exact upper end 1 - 0.025^(1/96): 3.8 %."""
    frames = multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=2, schedules=("dynamic",))
    text = shown(tmp_path, "multi_node", frames).show(failures.errors).text
    assert "0 of 288 attempts at a task failed: 0 % (0 % to 1.3 %)" in text
    assert "In a single configuration, of 96 attempts or more" in text
    assert f"ends at {100 * (1 - 0.025 ** (1 / 96)):.1f} % at most." in text
    assert "<svg" not in text


def test_failed_attempts_are_drawn_with_exact_intervals(tmp_path: Path) -> None:
    """Six of 102 attempts are a point at 5.9 % in the figure of their mode, and the kind is listed."""
    frames = multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=2, schedules=("dynamic",))
    text = shown(tmp_path, "multi_node", with_failures(frames, 6)).show(failures.errors).text
    assert "By kind: `WorkerCrashed` 6." in text
    assert "1 worker each: 0 at 1, 5.88 at 2." in text
    assert "exact (Clopper–Pearson) 95 % intervals" in text


def test_all_failed_attempts_are_drawn(tmp_path: Path) -> None:
    """A run in which every attempt failed has the rate 100 %, and its figure."""
    frames = list(multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=1, schedules=("dynamic",)))
    frames[1] = frames[1].assign(status="failed", error_kind="ValueError", units=None)
    frames[0] = frames[0].assign(
        status="failed", digest=None, units=pd.NA, tasks=pd.NA, duration_seconds=np.nan
    )
    text = shown(tmp_path, "multi_node", frames).show(failures.errors).text
    assert "attempts at a task failed: 100 %" in text
    assert "100 at 1, 100 at 2." in text


def test_a_single_node_s_errors_are_drawn_over_workers(tmp_path: Path) -> None:
    """The series of the single-node page, plain processes among them, have their own points."""
    frames = list(synthetic_run(workers=(1, 2), blocks=1, modes=("search",)))
    trial = frames[0].loc[(frames[0]["engine"] == "processes") & (frames[0]["workers"] == 2), "trial_id"]
    mine = frames[1][(frames[1]["trial_id"] == trial.iloc[0]) & ~frames[1]["warmup"]].head(2)
    again = mine.assign(attempt=2, status="failed", error_kind=None, units=None)
    frames[1] = pd.concat([frames[1], again], ignore_index=True)
    text = shown(tmp_path, "single_node", frames).show(failures.errors).text
    assert "plain processes: 0 at 1, 4.00 at 2." in text
    assert "By kind: `no kind was recorded` 2." in text
