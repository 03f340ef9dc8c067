"""Weak scaling: work that grows with the workers is planned, recorded, fitted and told of as such, alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import multi_node_run, own_run
from written import write_run

from lab.analysis.costs import costs
from lab.analysis.extrapolation import fit
from lab.analysis.laws import GUSTAFSON, Numbers, gustafson
from lab.analysis.losses import account
from lab.analysis.sweeps import Sweep
from lab.cli import main
from lab.data.listing import all_listed
from lab.data.store import Run
from lab.errors import WorkError
from lab.experiment.own_parameters import Own
from lab.experiment.pilot import slowest_seconds
from lab.experiment.plan import own_plan
from lab.items import repeated
from lab.report import how_many
from lab.report.book import Book
from lab.report.decision import Decision, decide
from lab.report.own import own_page

pytestmark = pytest.mark.usefixtures("undrawn")

COUNTS = (1, 2, 3, 4)
WORKS = {"work": {"source": "my_job.py:work", "unit": "items"}}


def written(folder: Path, name: str, scaling: str | None, started: str = "2026-01-01") -> Path:
    """Write a made-up run of own work that says so of its scaling, or nothing, as older ones do."""
    parameters = {"profile": "custom"} | ({} if scaling is None else {"scaling": scaling})
    return write_run(
        folder / "own" / name,
        own_run(workers=COUNTS, blocks=4),
        parameters=parameters,
        works=WORKS,
        started_at=f"{started}T00:00:00.000+00:00",
    )


def shown(data: Path) -> dict[str, Decision]:
    """Return what is decided of each run that the page of own work shows."""
    return {study.run.run_id: decide(study, "work") for study, _ in own_page(data).shown}


def test_each_worker_has_all_items() -> None:
    """In a weak plan a trial has the items once for each of its workers; in a strong one it does not say."""
    asked = {"engines": ("ray", "pool", "serial"), "workers": (1, 3), "repeats": 1, "batchings": ("equal",)}
    weak, strong = (own_plan(Own(scaling=one, **asked), "work", 2, 12) for one in ("weak", "strong"))  # type: ignore[arg-type]
    assert {(one.configuration.workers, one.configuration.tasks) for one in weak} == {(1, 12), (3, 36)}
    assert {one.configuration.tasks for one in strong} == {None}
    # a quarter of a worker's share a call, which does not shrink where the work grows
    assert {one.configuration.batch for one in weak if one.configuration.engine == "pool"} == {3}
    assert slowest_seconds(weak, 12, 1.0, 8) == 12.0
    assert {one.configuration.work for one in weak} == {"work, 12", "work, 36"}


def test_nodes_count_with_their_workers() -> None:
    """On a cluster the items are there once for each worker of all nodes; the baseline has them once."""
    asked = Own(scaling="weak", cluster="local", nodes=(2, 3), workers=(2,), repeats=1)
    plan = own_plan(asked, "work", 2, 5)
    found = {(one.configuration.nodes, one.configuration.workers, one.configuration.tasks) for one in plan}
    assert found == {(1, 1, 5), (2, 4, 20), (3, 6, 30)}


def test_items_are_taken_over_and_over() -> None:
    """Items go round in their order; more than a run may have are refused with their number."""
    assert repeated("abc", 7) == list("abcabca")
    with pytest.raises(WorkError, match=r"2,000,000, and 1,000,000 are accepted"):
        repeated(range(500_000), 2_000_000)


def test_a_weak_sweep_is_never_mixed_with_a_strong_one(tmp_path: Path) -> None:
    """Of one piece of work both are shown, each by itself; what says nothing of it has fixed work."""
    written(tmp_path, "older", None, "2026-01-01")
    written(tmp_path, "weak", "weak", "2026-01-02")
    written(tmp_path, "strong", "strong", "2026-01-03")
    found = shown(tmp_path)
    # the strong one is the newer run of the same sweep as the older one
    assert set(found) == {"weak", "strong"}
    assert {name: one.sweep.work for name, one in found.items()} == {"weak": "grows", "strong": "fixed"}
    texts = {study.run.run_id: text for study, text in own_page(tmp_path).shown}
    assert "which grows with the workers (weak scaling), 4 cores</h2>" in texts["weak"]
    assert "weak scaling" not in texts["strong"]
    works = {one.run_id: one.work for one in all_listed(tmp_path)}
    assert works["weak"] == "my_job.py:work (weak scaling)"
    assert works["strong"] == works["older"] == "my_job.py:work"


def test_its_sentence_is_efficiency(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is the throughput of each worker beside that of one, in words, and in a table."""
    written(tmp_path, "weak", "weak")
    decision = shown(tmp_path)["weak"]
    rates = np.exp(np.log(decision.throughputs).mean(axis=0))
    size = decision.size
    efficiency = 100 * rates[decision.sizes.index(size)] / rates[0] / size
    assert main(["answer", "weak", "--data", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"{size} workers, with work that grows as they do (weak scaling): " in told
    assert f"an efficiency of {efficiency:.0f}" in told
    assert main(["answer", "weak", "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["scaling"] == "weak"
    assert "Scaling efficiency: relative to 1 worker, divided by workers" in own_page(tmp_path).works().text


def test_gustafsons_law_is_offered_there_alone() -> None:
    """Where the work grows, Gustafson's law is one of the laws that are fitted; else it is not."""
    sizes = np.array(COUNTS, dtype=float)
    noise = np.random.default_rng(3).normal(1.0, 0.03, (5, len(COUNTS)))
    rates: Numbers = gustafson(sizes, np.array([[10.0, 0.2]])) * noise
    for work, offered in (("grows", True), ("fixed", False)):
        found = fit(Sweep(COUNTS, rates, work))  # type: ignore[arg-type]
        assert (GUSTAFSON in [one.law for one in found.laws]) == offered  # type: ignore[union-attr]


def test_three_baselines_each_with_an_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A speed-up stands beside a plain loop, as many processes, and one worker; each has its own interval."""
    written(tmp_path, "all", "strong")
    assert main(["answer", "all", "--data", str(tmp_path), "--json"]) == 0
    beside = json.loads(capsys.readouterr().out)[0]["speed_up_over"]
    assert list(beside) == ["a plain loop", "as many plain processes", "one of them"]
    assert all(one["low"] < one["value"] < one["high"] and one["n"] == 4 for one in beside.values())
    assert "Speedup over three baselines, work" in own_page(tmp_path).works().text


def test_a_baseline_that_is_missing_names_its_option(tmp_path: Path) -> None:
    """On several nodes no loop and no processes were measured: that is said, with what would measure them."""
    write_run(tmp_path / "multi_node" / "nodes", multi_node_run(nodes=(1, 2), workers_per_node=(1,)))
    text = how_many.page(Book(tmp_path, tmp_path / "no-pins.yaml")).text
    assert (
        "Beside a plain loop and as many plain processes: not measured (on one machine `lab run ... "
        "--cluster embedded --engines ray,processes,serial` does)." in text
    )


def test_items_that_are_sent_again_count_again() -> None:
    """Where each worker has all items, as many times their bytes travel."""
    trials, tasks, samples, windows, nodes = own_run(workers=(1, 2), engines=("ray",), blocks=1)
    two = trials["workers"] == 2
    trials.loc[two, "planned_tasks"] *= 2
    works = {"work": {"items": int(trials["planned_tasks"].min()), "items_bytes": 10**9}}
    run = Run(Path("made-up"), {"works": works}, trials, tasks, samples, windows, nodes)
    found = account(run)
    moved = costs(run, found, found.trials.index).moved_bytes
    assert moved[trials.loc[two, "trial_id"]].round(-6).unique().tolist() == [2 * 10**9]
    assert moved[trials.loc[~two, "trial_id"]].round(-6).unique().tolist() == [10**9]
