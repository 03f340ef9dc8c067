"""Tests of the page on many machines: what is reckoned on paper follows from what was measured."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from lab import paths
from lab.analysis.costs import driver_cost
from lab.report import many_machines
from lab.report.book import Book
from lab.report.study import Study


def trials(costs: dict[int, list[float]], **changes: object) -> pd.DataFrame:
    """Return trials of Ray, a thousand tasks each: by workers, the driver's time in each block."""
    rows = [
        {"status": "ok", "engine": "ray", "nodes": 2, "workers": workers, "block": block, "tasks": 1000}
        | {"driver_cpu_seconds": seconds}
        | changes
        for workers, blocks in costs.items()
        for block, seconds in enumerate(blocks)
    ]
    return pd.DataFrame(rows)


def test_a_task_costs_the_driver_its_time_over_the_tasks() -> None:
    """The mean goes over blocks, of the most workers only."""
    found = driver_cost(trials({1: [9.0, 9.0], 4: [10.0, 30.0]}))
    assert (found.value, found.n) == (pytest.approx(0.02), 2)
    assert found.low is not None
    assert found.low < 0.02


@pytest.mark.parametrize(
    "changes", [{"status": "failed"}, {"engine": "pool"}, {"driver_cpu_seconds": None}, {"tasks": 999}]
)
def test_a_cost_that_nobody_measured_is_unknown(changes: dict[str, object]) -> None:
    """Failed trials, other engines, unknown times and few tasks tell nothing."""
    assert driver_cost(trials({1: [0.1, 0.1]}, **changes)).value is None


def test_without_runs_the_page_names_the_command(tmp_path: Path) -> None:
    """Nothing is reckoned from nothing."""
    book = Book(tmp_path)
    for section in (many_machines.driver, many_machines.rows):
        assert "`make report` makes one" in section(book).text


def test_tasks_have_to_be_longer_with_more_workers() -> None:
    """With ten times the workers a task has to be ten times as long, and rows are as many times more."""
    book = Book(paths.DATA)
    for experiment in ("break_even", "single_node", "multi_node", "docker"):
        shown = book.page(experiment)
        assert shown.study is not None
        run = dataclasses.replace(shown.study.run, trials=trials({4: [0.1, 0.1, 0.1]}))
        book.pages[experiment, False] = dataclasses.replace(shown, study=Study(run))
    text = many_machines.driver(book).text
    assert "| 1 | 8 |" in text
    assert all(one in text for one in ("800 µs", "8.00 ms", "80.0 ms", "800 ms"))


def test_what_nobody_tested_is_marked() -> None:
    """Where more is asked for than Ray's makers tested, the table says so; elsewhere it does not."""
    lines = many_machines.envelope(Book(paths.DATA)).text.splitlines()
    (nodes,) = [line for line in lines if line.startswith("| nodes |")]
    assert nodes == "| nodes | 250 | 100 | 1,000 (beyond) |"
    (actors,) = [line for line in lines if line.startswith("| actors |")]
    assert "beyond" not in actors
