"""Hunts read from rows: times, effort, waste and changes by hand, and the theory beside published numbers."""

from math import log2
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import multi_node_run
from written import write_run

from lab.analysis.curve_theory import SUYAMA, chance
from lab.analysis.hunts import changes, efforts, hunted, steps_of, wasted
from lab.report import hunts
from lab.report.page import page

pytestmark = pytest.mark.usefixtures("undrawn")

PUBLISHED = ((20, 11_000, 74), (25, 50_000, 221), (30, 250_000, 453), (35, 1_000_000, 984))
"""Digits, B1 and expected curves: table 1 of GMP-ECM's README, without Brent and Suyama's extension."""

STEPS = (
    # task, worker, started, finished, step
    (4, 0, 0.0, 0.1, "0 begin"),
    (5, 0, 0.1, 1.1, "0 curves 11000 10"),
    (6, 1, 0.2, 2.2, "0 curves 11000 20 found"),
    (7, 0, 1.1, 2.5, "0 curves 11000 14 late"),
    (0, 1, 2.3, 2.4, "0 finish"),
    (8, 1, 2.4, 3.4, "1 curves 50000 5"),
    (9, 0, 2.6, 4.6, "1 curves 50000 10 found"),
    (1, 0, 4.7, 4.8, "1 finish"),
)


FACTS: dict[str, Any] = {"planned_trials": 1, "parameters": {"hunt_factor_bits": 60}}


def frames(mode: str = "hunt", lost: int = 0) -> list[pd.DataFrame]:
    """Return a run of one trial with two workers and the steps above."""
    made = [one.copy() for one in multi_node_run(nodes=(1,), workers_per_node=(2,), blocks=1)]
    trial = made[0][(made[0]["arm"] == "experiment") & (made[0]["schedule"] == "dynamic")].head(1)
    trial = trial.assign(
        mode=mode, planned_tasks=2, tasks=2, units=2, lost_workers=lost, failed_attempts=lost
    )
    row = made[1][made[1]["trial_id"] == trial["trial_id"].iloc[0]].iloc[-1].to_dict()
    rows: list[dict[str, Any]] = []
    for task, worker, started, finished, step in STEPS:
        times = {"submitted_seconds": started, "started_seconds": started, "finished_seconds": finished}
        one = {"task": task, "worker": worker, "received_seconds": finished, "step": step, "attempt": 1}
        units = int("found" in step or "finish" in step)
        rows.append(row | times | one | {"cpu_seconds": finished - started, "units": units, "warmup": False})
    ended = trial.assign(duration_seconds=4.8, task_cpu_seconds=8.0)
    others = [one[one["trial_id"] == row["trial_id"]] for one in made[2:4]]
    return [ended, pd.DataFrame(rows), *others, made[4]]


def steps(mode: str = "hunt") -> pd.DataFrame:
    """Return the steps of the run above."""
    trials, tasks, *_ = frames(mode)
    return steps_of(trials, tasks)


@pytest.mark.parametrize(("digits", "bound", "curves"), PUBLISHED)
def test_the_theory_is_that_of_gmp_ecm(digits: int, bound: int, curves: int) -> None:
    """The expected numbers of curves are those that GMP-ECM's authors publish, within 5 %."""
    bits = (digits - 0.5) * log2(10) + 0.5
    assert 1 / chance(bits, bound, SUYAMA) == pytest.approx(curves, rel=0.05)


def test_another_bound_has_no_chance_that_is_known() -> None:
    """Of a bound whose B2 is not known there is no number."""
    assert chance(80, 12_345) != chance(80, 12_345)
    assert chance(700, 2_000) == 0


def test_times_and_waste_are_those_worked_out_by_hand() -> None:
    """From the first curve to the end; what came too late is 1.4 of 7.4 seconds."""
    found = hunted(steps()).set_index("item")
    assert found.loc[0, "seconds"] == pytest.approx(2.3)
    (waste,) = wasted(steps()).to_dict("records")
    assert waste["part"] == pytest.approx(1.4 / 7.4)


def test_changes_are_from_the_find_to_needed_work() -> None:
    """After the find at 2.2 s worker 1 begins again at 2.3 and worker 0, which was late, at 2.6."""
    found = changes(steps())
    first = found[found["item"] == 0].set_index("worker")
    assert first.loc[1, "seconds"] == pytest.approx(0.1)
    assert first.loc[0, "seconds"] == pytest.approx(0.4)
    assert first.loc[0, "curve_seconds"] == pytest.approx(0.1)


def test_the_effort_adds_up_chances_until_the_find() -> None:
    """Thirty curves of the first number count, and not those that came too late."""
    found = efforts(steps(), 60)
    assert found[0] == pytest.approx(30 * chance(60, 11_000))
    assert found[1] == pytest.approx(15 * chance(60, 50_000))
    assert efforts(steps("lost"), 60).empty


def test_the_page_has_its_sections(tmp_path: Path) -> None:
    """Figures, tables and verdicts of a run; rows of steps are no results, and contradict no claim."""
    write_run(
        tmp_path / "factoring" / "mine", frames(), planned_trials=1, parameters={"hunt_factor_bits": 60}
    )
    shown = page("factoring", tmp_path)
    assert shown.study is not None
    told = shown.show(hunts.verdicts).text
    assert "The first factor takes the effort of theory" in told
    assert "n = 2 numbers" in told
    assert "A number takes 2.3 s with 2 workers, " in shown.show(hunts.times).text
    effort = shown.show(hunts.first_factor).text
    assert "theory: exponential" in effort
    assert "The first factor takes the effort of theory: not decided, " in effort
    assert "| hunt | 1 | 2 | 7.40 | 18.9 % | 100 ms | 400 ms | 0 of 8 |" in shown.show(hunts.costs).text


@pytest.mark.parametrize(("digest", "bad"), [("", 0), ("other", 1)])
def test_a_lost_worker_is_judged(tmp_path: Path, digest: str, bad: int) -> None:
    """A trial that lost a worker came to the primes of the hunts or not: one case of all its numbers."""
    hunt, lost = frames(), frames("lost", lost=1)
    lost = [one.assign(**{"trial_id": "900-1"} if "trial_id" in one else {}) for one in lost]
    lost[0] = lost[0].assign(slot=900, **{"digest": digest} if digest else {})
    both = [pd.concat(pair, ignore_index=True) for pair in zip(hunt[:4], lost[:4], strict=True)]
    write_run(tmp_path / "factoring" / "mine", [*both, hunt[4]], planned_trials=2)
    told = page("factoring", tmp_path).show(hunts.verdicts).text
    assert "A worker that dies in the middle costs no number" in told
    assert f"{bad} of 1 trial (to " in told
    assert "of 2 numbers in all; steps done again: 1" in told


def test_a_lost_worker_is_not_judged_alone(tmp_path: Path) -> None:
    """Without a hunt that lost nobody there are no primes to compare with."""
    write_run(tmp_path / "factoring" / "mine", frames("lost", lost=1), planned_trials=1)
    assert "A worker that dies" not in page("factoring", tmp_path).show(hunts.verdicts).text


def test_without_a_run_nothing_is_claimed(tmp_path: Path) -> None:
    """A page without a run says how to make one."""
    assert "make report EXPERIMENT=factoring" in page("factoring", tmp_path).show(hunts.verdicts).text
