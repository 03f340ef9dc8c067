"""Tests of two runs compared: ratios and intervals, the verdict, its power, and what is no comparison."""

import dataclasses
import json
import subprocess
import sys
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from synthetic import own_run
from written import write_run

from lab import paths
from lab.analysis.ratios import part, ratio
from lab.analysis.two_runs import ASSUMED, FEWEST, Comparison, compare, logs_of
from lab.analysis.verdicts import at_least, within
from lab.cli import main
from lab.cli.commands import compare as command
from lab.data.store import read_run
from lab.errors import DataError, ParameterError
from lab.report import comparable, compared
from lab.report.book import Book
from lab.report.newest_pair import page, pair
from lab.report.two_runs import Asked, two_runs
from lab.synthetic.pairs import LOSSES, MARGIN, made_pair, of_pairs
from lab.synthetic.sweeps import Noise

WORK = {
    "source": "my_job.py:work",
    "digest": "1" * 16,
    "items": 48,
    "items_digest": "2" * 16,
    "unit": "items",
}
DAY = "2026-01-{:02d}T00:00:00.000+00:00"


def logs(*rows: list[float]) -> pd.DataFrame:
    """Return log throughput of configurations over blocks."""
    return pd.DataFrame(rows, dtype=float)


def noise(spread: float = 0.02, level: float = 0.015, seed: int = 1) -> Noise:
    """Return noise as normal as can be: trials of that spread, and blocks with levels of theirs."""
    rng = np.random.default_rng(seed)
    shapes, levels = rng.normal(size=400), rng.normal(scale=level, size=60)
    return Noise(tuple(shapes / shapes.std()), tuple(spread * rng.gamma(9, 1 / 9, 60)), tuple(levels))


# --- ratios ------------------------------------------------------------------------------------------------


def test_pairs_are_compared_within_their_blocks() -> None:
    """Drift that hits both runs alike leaves no trace: of pairs that all differ by 10 % the ratio is 0.9."""
    first = logs([0.0, 0.5, 1.0, 1.5])
    found = compare(first, first + log(0.9), 0.03, paired=True).overall.estimate
    assert (found.n, found.value) == (4, pytest.approx(0.9))
    assert found.low == pytest.approx(0.9)
    assert found.high == pytest.approx(0.9)


def test_the_interval_of_pairs_is_student_s() -> None:
    """Log ratios 0, 0.1 and 0.2: mean 0.1, and t of 2 degrees of freedom times 0.1 over the root of 3."""
    found = compare(logs([1.0, 1.0, 1.0]), logs([1.0, 1.1, 1.2]), 0.03, paired=True).overall.estimate
    half = stats.t.ppf(0.975, 2) * 0.1 / sqrt(3)
    assert (found.low, found.high) == (pytest.approx(exp(0.1 - half)), pytest.approx(exp(0.1 + half)))


def test_runs_of_different_times_have_what_is_assumed_of_their_levels() -> None:
    """Without any noise within the runs there remains ASSUMED twice, as a normal interval has it."""
    found = compare(logs([0.0] * 4), logs([log(0.9)] * 4), 0.03).overall.estimate
    assert found.high == pytest.approx(0.9 * exp(stats.norm.ppf(0.975) * ASSUMED * sqrt(2)))


def test_welch_s_interval_where_nothing_is_assumed() -> None:
    """With a scatter of 0 the interval of two samples is that of Welch's t test."""
    one, other = [0.0, 0.1, 0.3, 0.2], [0.2, 0.9, 0.4]
    found = compare(logs(one), logs(other), 0.03, assumed=0.0).overall.estimate
    welch = stats.ttest_ind(other, one, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(exp(welch.low)), pytest.approx(exp(welch.high)))


def test_runs_of_one_kind_tell_what_runs_differ_by() -> None:
    """Four runs at 0, 1, 2 and 3 % have a variance of 5/3 %²: it takes the place of what is assumed."""
    group = [logs([0.01 * level] * 3) for level in range(4)]
    found = compare(logs([0.0] * 3), logs([0.0] * 3), 0.03, groups=[group])
    assert found.between is not None
    assert (found.between.runs, found.between.freedom) == (4, FEWEST)
    half = stats.t.ppf(0.975, 3) * sqrt(2 * 5 / 3) * 0.01
    assert found.overall.estimate.high == pytest.approx(exp(half))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3,), (2, 2)])
def test_too_few_runs_of_one_kind_tell_nothing(sizes: tuple[int, ...]) -> None:
    """Runs of different kinds tell nothing of each other; three of one kind leave 2 degrees of freedom."""
    rng = np.random.default_rng(1)
    groups = [[logs([rng.normal()] * 3) for _ in range(size)] for size in sizes]
    assert compare(logs([0.0] * 3), logs([0.0] * 3), 0.03, groups=groups).between is None


def test_a_configuration_that_failed_once_is_left_out_of_the_whole_alone() -> None:
    """Of three configurations one lacks a trial: the mean keeps all blocks, and that one its pairs."""
    lacking = logs([0.0, 0.0, 0.0], [1.0, float("nan"), 1.0], [2.0, 2.0, 2.0])
    found = compare(lacking, lacking - 0.1, 0.03, paired=True)
    assert (found.whole, found.overall.n, [one.n for one in found.each.values()]) == (2, 3, [3, 2, 3])


def test_a_block_that_failed_is_left_out() -> None:
    """A block without any trial is no block of the mean."""
    lacking = logs([0.0, float("nan"), 0.0], [1.0, float("nan"), 1.0])
    found = compare(lacking, logs([0.0] * 3, [1.0] * 3), 0.03, paired=True)
    assert (found.whole, found.overall.n) == (2, 2)


def test_an_error_that_no_sample_tells_is_not_known() -> None:
    """One value has no spread: the ratio is known and its interval is not."""
    found = ratio(1, 0.1, [part(np.array([0.1]))], 0.95)
    assert (found.estimate.value, found.estimate.low) == (pytest.approx(exp(0.1)), None)
    assert (found.power(0.1, 0.03), found.found_from(0.8, 0.03)) == (None, None)


def test_the_copy_arm_and_bad_trials_are_no_configuration() -> None:
    """Throughput is units over seconds, of trials that ended well, without the A/A arm."""
    trials, *_ = own_run(engines=("ray",), workers=(2,), blocks=3)
    trials.loc[trials.index[trials["arm"] == "experiment"][0], "status"] = "failed"
    found = logs_of(trials)
    assert found.shape == (1, 2)


# --- the verdict -------------------------------------------------------------------------------------------


def judged(change: float, spread: float = 0.002, margin: float = 0.03, configurations: int = 3) -> Comparison:
    """Return runs that took turns for six blocks, whose ratio is `change`, with a little noise."""
    rng = np.random.default_rng(3)
    first = pd.DataFrame(rng.normal(0, spread, (configurations, 6)))
    return compare(first, first + log(change) + rng.normal(0, spread, first.shape), margin, paired=True)


@pytest.mark.parametrize(
    ("change", "spread", "word"),
    [
        (0.9, 0.002, "slower"),
        (1.1, 0.002, "faster"),
        (1.0, 0.002, "within the margin"),
        (1.03, 0.004, "not slower"),
        (0.97, 0.01, "undecided"),
    ],
)
def test_the_verdict_comes_out_in_all_its_ways(change: float, spread: float, word: str) -> None:
    """Slower, faster, within the margin, no slower at least, and not decided."""
    assert judged(change, spread).change == word


def test_one_configuration_alone_can_be_slower() -> None:
    """A change of one of ten configurations is lost in the mean, and found by its own interval."""
    rng = np.random.default_rng(5)
    first = pd.DataFrame(rng.normal(0, 0.003, (10, 6)))
    second = first + rng.normal(0, 0.003, (10, 6))
    second.loc[4] += log(0.9)
    found = compare(first, second, 0.03, paired=True)
    assert found.change == "slower"
    assert found.overall.estimate.low is not None
    assert found.overall.estimate.low > 0.97


@given(st.floats(0.8, 1.25), st.floats(0, 0.05), st.integers(0, 99))
def test_what_is_slower_differs(change: float, spread: float, seed: int) -> None:
    """Slower is never within the margin: the two claims agree."""
    rng = np.random.default_rng(seed)
    first = pd.DataFrame(rng.normal(0, spread, (2, 4)))
    found = compare(first, first + log(change) + rng.normal(0, spread, (2, 4)), 0.03, paired=True)
    if found.change == "slower":
        assert found.outcome(within(0.03)) == "does not hold"
    if found.change == "within the margin":
        assert found.outcome(within(0.03)) == "holds"
    assert (found.outcome(at_least(0.97)) == "not decided") == (found.change == "undecided")


# --- alarms and power --------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.0, 0.01, MARGIN])
@pytest.mark.parametrize("paired", [True, False])
def test_a_a_pairs_raise_few_alarms(margin: float, paired: bool) -> None:
    """Of 200 pairs that do not differ at most 5 % are called slower or faster."""
    rng = np.random.default_rng(11)
    pairs = [compare(*made_pair(noise(), 0.0, paired, rng), margin, paired) for _ in range(200)]
    assert sum(one.outcome(within(margin)) == "does not hold" for one in pairs) <= 10


@pytest.mark.parametrize("blocks", [3, 5])
def test_slow_downs_are_found_as_often_as_was_printed(blocks: int) -> None:
    """Of pairs with 3, 5 and 10 % planted as many are found slower as the printed power says, ± 5 points."""
    found = [one for one in of_pairs(noise(), 600, blocks) if one.loss]
    assert [one.loss for one in found] == [*LOSSES] * 2
    for one in found:
        rate, printed = float(np.mean(one.marks)), float(np.mean(one.powers))
        # 600 pairs tell a rate to 2 points at best (standard error)
        error = 2 * sqrt(printed * (1 - printed) / 600)
        assert abs(rate - printed) <= 0.05 + error, (one.paired, one.loss, rate, printed)


def test_the_slow_down_that_is_found_has_the_power_that_is_asked_for() -> None:
    """`found_from` is where `power` comes to it, with one configuration and with several."""
    for one in (judged(1.0), judged(1.0, configurations=1)):
        for power in (0.8, 0.9):
            loss = one.found_from(power)
            assert loss is not None
            assert one.power(loss) == pytest.approx(power)
    alone = judged(1.0, configurations=1)
    assert alone.found_from(0.8) == pytest.approx(alone.overall.found_from(0.8, 0.03))


# --- the command -------------------------------------------------------------------------------------------


def written(
    folder: Path, name: str, slower: float = 1.0, day: int = 1, blocks: int = 4, **changes: Any
) -> Path:
    """Write a made-up run whose windows last so many times as long, with 0.5 % of noise of its own."""
    trials, tasks, samples, windows, nodes = own_run(engines=("ray", "serial"), workers=(1, 2), blocks=blocks)
    trials["duration_seconds"] *= slower * np.exp(np.random.default_rng(day).normal(0, 0.005, len(trials)))
    trials["digest"] = changes.pop("results", "d" * 16)
    nodes["host_id"] = changes.pop("host", "made-up-host")
    work = WORK | {one: changes.pop(one) for one in WORK if one in changes}
    parameters = {"profile": "custom", "scaling": changes.pop("scaling", "strong"), "seed": day}
    facts = {"works": {"work": work}, "parameters": parameters, "started_at": DAY.format(day), **changes}
    return write_run(folder / "own" / name, (trials, tasks, samples, windows, nodes), **facts)


def turns(folder: Path, slower: float, **changes: Any) -> None:
    """Write two runs that took turns, the second so many times as slow."""
    written(folder, "a", day=1, against={"run_id": "b", "role": "B"})
    written(folder, "b", slower, day=2, against={"run_id": "a", "role": "A"}, **changes)


def said(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the status of `lab compare`, and what it prints."""
    status = main(["compare", *arguments, "--data", str(folder)])
    shown = capsys.readouterr()
    return status, shown.out + shown.err


@pytest.mark.parametrize(
    ("slower", "statuses"), [(1.0, (0, 0, 0)), (1.1, (1, 1, 1)), (0.9, (0, 1, 0)), (1.031, (0, 0, 2))]
)
def test_the_status_is_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], slower: float, statuses: tuple[int, ...]
) -> None:
    """Within the margin, slower, faster and undecided end as the help's table says, for each --fail-on."""
    turns(tmp_path, slower)
    found = tuple(said(tmp_path, capsys, "a", "b", "--fail-on", one)[0] for one in command.FAIL_ON)
    assert found == statuses
    assert said(tmp_path, capsys, "a", "b")[0] == statuses[-1]


def test_what_differs_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Commit, versions, quota, parameters, seeds and the digest of the work are named where they differ."""
    versions = {"python": "3.12.1", "ray": "2.59.0"}
    session = {"started_at": DAY.format(2), "commit": "c" * 40, "uncommitted_changes": True}
    machine = {"cpu_model": "Made-up processor", "cores": 4, "quota_cores": 2.0}
    turns(tmp_path, 1.0, versions=versions, sessions=[session], machine=machine, digest="9" * 16)
    told = said(tmp_path, capsys, "a", "b")[1]
    facts = told[: told.index("configuration ")]
    for what in (
        f"commit {'c' * 12} with changes",
        "python version 3.11.0 3.12.1",
        "Ray version 2.60.0 2.59.0",
        "cores that may be used 4.0 2.0",
        f"code of the work, digest (work) {'1' * 16} {'9' * 16}",
        "parameter seed 1 2",
    ):
        assert what in " ".join(facts.split()).replace("not known ", ""), what
    assert "processor" not in facts


def test_runs_that_took_turns_need_no_assumption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs of `lab run --against` are compared in pairs, whichever is named first; others are not."""
    turns(tmp_path, 1.1, digest="9" * 16)
    assert "blocks are compared in pairs" in said(tmp_path, capsys, "a", "b")[1]
    status, told = said(tmp_path, capsys, "b", "a")
    assert (status, "Faster by more than 3 %" in told) == (0, True)
    written(tmp_path, "alone", day=3)
    assert "which is assumed" in said(tmp_path, capsys, "a", "alone")[1]


def test_other_runs_of_one_kind_take_the_place_of_the_assumption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four other runs of one kind tell what runs differ by; neither of the two counts, nor a copy of one."""
    for day in range(1, 6):
        written(tmp_path, f"run{day}", day=day)
    assert "which is assumed" in said(tmp_path, capsys, "run1", "run2")[1]
    written(tmp_path, "run6", day=6)
    assert "as 4 other runs tell" in said(tmp_path, capsys, "run1", "run2")[1]
    other = written(tmp_path / "elsewhere", "run2", day=2)
    assert "as 4 other runs tell" in said(tmp_path, capsys, "run1", str(other))[1]


def test_a_folder_from_elsewhere_is_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are named by their folders, too, wherever those lie."""
    first, second = written(tmp_path / "x", "one"), written(tmp_path / "y", "two", 1.2, day=2)
    assert said(tmp_path, capsys, str(first), str(second))[0] == 1


def test_json_has_the_verdict_and_every_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain values: change, interval of all and of each configuration, power, and what differs."""
    turns(tmp_path, 1.1)
    values = json.loads(said(tmp_path, capsys, "a", "b", "--json")[1])
    assert (values["change"], values["outcome"], values["paired"]) == ("slower", "does not hold", True)
    assert values["all"]["value"] == pytest.approx(1 / 1.1, rel=0.01)
    assert [one["name"] for one in values["configurations"]] == [
        "Ray, 1 worker",
        "Ray, 2 workers",
        "plain loop, 1 worker",
    ]
    assert [one["power"] for one in values["finds"]] == [0.8, 0.9]
    assert {"what": "parameter seed", "first": "1", "second": "2"} in values["differences"]


def test_the_summary_is_appended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markdown goes to the step summary where GitHub names one, or to --summary, and is printed on demand."""
    turns(tmp_path, 1.1)
    step, file = tmp_path / "step.md", tmp_path / "file.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    printed = said(tmp_path, capsys, "a", "b", "--markdown")[1]
    said(tmp_path, capsys, "a", "b", "--summary", str(file))
    assert step.read_text() == f"before\n{printed}"
    assert file.read_text() == printed
    assert printed.startswith("**Slower by more than 3 %: throughput is 9")


def test_a_noisy_machine_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What disturbed a run beyond its limit is told of it; of a quiet pair nothing is."""
    turns(tmp_path, 1.1)
    assert "not quiet" not in said(tmp_path, capsys, "a", "b")[1]
    trials = pd.read_csv(tmp_path / "own" / "b" / "trials.csv")
    trials.assign(load_before=40.0).to_csv(tmp_path / "own" / "b" / "trials.csv", index=False)
    told = said(tmp_path, capsys, "a", "b")[1]
    assert "The machine was not quiet: second run: the load average for each core" in told


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    """No name of a run, a unit or a version is read as Markdown or HTML."""
    bad = "<b onclick=x>|`*"
    first = written(tmp_path, "one", unit=bad, versions={"python": bad})
    second = written(tmp_path, "two", day=2, unit=bad)
    text = compared.shown(two_runs(first, second, Asked())).text
    assert "<b" not in text
    assert "`*" not in text


# --- what is no comparison ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"blocks": 1}, "the run two has one block, which has no spread"),
        ({"items_digest": "3" * 16}, "the runs did other work, items of work: 2222"),
        ({"unit": "bytes"}, "the runs did other work, unit of work: items in one and bytes"),
        ({"digest": "3" * 16}, "the function of work was changed between the runs"),
        ({"results": "e" * 16}, "the runs came to other results in work, 48 tasks"),
        ({"scaling": "weak"}, "the work of one run grows with its workers"),
        ({"experiment": "single_node"}, "the runs are of different experiments, own and single_node"),
        ({"host": "another"}, "the runs were made on different machines"),
        ({"planned_trials": 999}, "the run two is not complete: `lab resume two` goes on with it"),
        ({"schema_version": 1}, "has schema version 1, this lab reads 2"),
    ],
)
def test_each_reason_not_to_compare_has_its_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], told: str
) -> None:
    """What cannot be compared ends with status 3 and says why, in the form that asks for numbers, too."""
    written(tmp_path, "one")
    written(tmp_path, "two", day=2, **changes)
    status, words = said(tmp_path, capsys, "one", "two", "--json")
    assert (status, words.count("\n")) == (3, 1)
    assert f"not comparable: {told}" in words or told in words


def test_two_names_of_one_run_are_no_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same run twice, a copy of it, and a run that is not there are refused."""
    first = written(tmp_path, "one")
    copied = written(tmp_path / "elsewhere", "one")
    assert "one is both runs" in said(tmp_path, capsys, "one", str(first))[1]
    assert "one is a copy of one" in said(tmp_path, capsys, "one", str(copied))[1]
    assert "there is no run two" in said(tmp_path, capsys, "one", "two")[1]


def test_the_lab_s_own_checks_are_no_runs_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    """A run of `lab validate` or of kills has no trials to compare, and is not called damaged for it."""
    (checked,) = (paths.DATA / "validation").iterdir()
    (killed,) = (paths.DATA / "kills").iterdir()
    assert main(["compare", str(checked), str(killed)]) == 3
    assert f"the run {checked.name} checks the lab itself" in capsys.readouterr().err


def test_nothing_in_common_is_no_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs of other engines or sizes, and of other works, have nothing to be compared."""
    first, second = written(tmp_path, "one"), written(tmp_path, "two", day=2)
    trials = pd.read_csv(second / "trials.csv")
    trials.assign(workers=trials["workers"] + 8).to_csv(second / "trials.csv", index=False)
    assert "have no configuration in common" in said(tmp_path, capsys, "one", "two")[1]
    trials.assign(mode="other").to_csv(second / "trials.csv", index=False)
    assert "did other work: work in one and other in the other" in said(tmp_path, capsys, "one", "two")[1]
    assert first.exists()


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ("--across-machines", {"host": "another"}),
        ("--changed-work", {"digest": "3" * 16, "results": "e" * 16}),
    ],
)
def test_what_is_in_question_may_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, changes: dict[str, Any]
) -> None:
    """Another machine and changed work are compared where the question is about them."""
    written(tmp_path, "one")
    written(tmp_path, "two", 1.2, day=2, **changes)
    assert said(tmp_path, capsys, "one", "two")[0] == 3
    assert said(tmp_path, capsys, "one", "two", option)[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [["one"], ["one", "two", "--margin", "lots"], ["one", "two", "--margin", "-1"], ["a", "b", "--x"]],
)
def test_wrong_usage_is_no_verdict(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 is a verdict here: wrong usage ends with 64."""
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    assert ended.value.code == 64
    assert "usage: lab compare A B [--margin 3%]" in capsys.readouterr().err


def test_an_error_of_the_lab_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 1 is a verdict here: what the lab did not expect ends with 70, and is shown whole."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr("lab.report.two_runs.two_runs", broken)
    turns(tmp_path, 1.0)
    with pytest.raises(SystemExit) as ended:
        main(["compare", "a", "b", "--data", str(tmp_path)])
    assert ended.value.code == 70


@pytest.mark.parametrize("text", ["3%", "3", " 3 %"])
def test_the_margin_is_in_percent(text: str) -> None:
    """3% and 3 are the same margin."""
    assert command.percent(text) == 3.0


def test_a_comparison_reads_each_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of tasks, which are most of a run, are read of the two runs alone, however many lie beside."""
    folders = [written(tmp_path, f"run{day}", day=day) for day in range(1, 7)]
    seen: list[str] = []

    def counted(path: Path) -> pd.DataFrame:
        seen.append(path.name)
        return original(path)

    original = sys.modules[read_run.__module__].read_table
    monkeypatch.setattr(f"{read_run.__module__}.read_table", counted)
    two_runs(*folders[:2], Asked())
    assert seen.count("tasks.csv") == 2


def cells() -> list[str]:
    """Return the sources of the cells of code of the notebook."""
    found = json.loads((paths.ROOT / "notebooks" / "compare.ipynb").read_text())["cells"]
    return ["".join(one["source"]) for one in found if one["cell_type"] == "code"]


def test_the_notebook_compares_two_runs(tmp_path: Path) -> None:
    """Its parameters are literals with their defaults; its cells show what `lab compare` does."""
    first, second = written(tmp_path, "one"), written(tmp_path, "two", 1.2, day=2)
    namespace: dict[str, Any] = {}
    parameters, call, look = cells()
    exec(parameters, namespace)
    fields = {one.name: one.default for one in dataclasses.fields(Asked)}
    assert {name: namespace[name] for name in fields} == fields
    given = {name: namespace[name] for name in fields} | {"first": str(first), "second": str(second)}
    exec(call, given)
    exec(look.replace("shown(_two)", "_text = shown(_two).text"), given)
    assert given["_text"].startswith("**Slower by more than 3 %")


def test_the_notebook_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """An unknown parameter, and a margin that is none, are refused in words."""
    given = {"first": str(written(tmp_path, "one")), "second": "two"}
    with pytest.raises(ParameterError, match="unknown parameter margn"):
        command.compare({**given, "margn": 3})
    with pytest.raises(ParameterError, match="margin_percent is 80: accepted is a number of percent"):
        command.compare({**given, "margin_percent": 80})


def test_a_summary_that_cannot_be_written_is_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there was named wrongly, and is said to be."""
    turns(tmp_path, 1.0)
    with pytest.raises(SystemExit) as ended:
        said(tmp_path, capsys, "a", "b", "--summary", str(tmp_path / "no" / "file.md"))
    assert ended.value.code == 64
    assert "file.md cannot be written: No such file" in capsys.readouterr().err


def test_the_status_reaches_the_shell(tmp_path: Path) -> None:
    """`python -m lab compare` hands the verdict to the shell as its status."""
    turns(tmp_path, 1.1)
    asked = [sys.executable, "-m", "lab", "compare", "a", "b", "--data", str(tmp_path)]
    assert subprocess.run(asked, cwd=paths.ROOT, capture_output=True).returncode == 1


# --- the page ----------------------------------------------------------------------------------------------


def book(folder: Path, pins: str = "") -> Book:
    """Return the book of a folder of runs, with pins."""
    (folder / "pins.yaml").write_text(pins)
    return Book(folder, folder / "pins.yaml")


def test_without_a_pair_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    """No run, one run, and two that cannot be compared make no pair."""
    for number, host in enumerate(("made-up-host", "another")):
        assert "There are no two runs here that can be compared" in page(book(tmp_path)).text
        written(tmp_path, f"run{number}", day=1 + number, host=host)
    assert "--against" in page(book(tmp_path)).text


def test_the_page_shows_the_newest_pair(tmp_path: Path) -> None:
    """The newest two of one work are compared, and runs that took turns before any others."""
    for day in (1, 2, 3):
        written(tmp_path, f"run{day}", day=day)
    found = pair(book(tmp_path))
    assert found is not None
    assert [one.run.run_id for one in (found.first, found.second)] == ["run2", "run3"]
    turns(tmp_path, 1.1)
    text = page(book(tmp_path)).text
    assert text.startswith("*Your runs.*")
    assert "First `a`, second `b`." in text
    assert text.count("<figure") == 1
    assert ">Slower by more than 3 %<" in text


def test_a_figure_of_an_open_verdict_names_what_differs(tmp_path: Path) -> None:
    """Where nothing but Ray differs its version is named, however it is spelt; else the second run is."""
    turns(tmp_path, 1.0)
    found = two_runs(tmp_path / "own" / "a", tmp_path / "own" / "b", Asked(margin_percent=0.0))
    assert found.comparison.change == "undecided"
    assert compared.in_short(found) == "Whether the second run is slower is not decided"
    found = dataclasses.replace(found, differences=(comparable.Difference("Ray version", "2.59.0", "$2"),))
    assert compared.in_short(found) == r"Whether Ray \$2 is slower is not decided"


def test_the_pair_that_the_book_pins_is_shown(tmp_path: Path) -> None:
    """`compare: FIRST SECOND` in book/pins.yaml names the pair; one that is not there is an error."""
    for day in (1, 2, 3):
        written(tmp_path, f"run{day}", day=day)
    assert "First `run3`, second `run1`." in page(book(tmp_path, "compare: run3 run1")).text
    for wrong in ("run1", "run1 run9"):
        with pytest.raises(DataError, match="two complete runs belong there"):
            page(book(tmp_path, f"compare: {wrong}"))
