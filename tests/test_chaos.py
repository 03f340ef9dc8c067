"""Runs that are killed and gone on with: no row may be lost or doubled. A seeded few of `make chaos`."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from chaos import ITEMS, KEYS, PLAN, PROCESSES, counted, places, struck_run

from lab.data.ledger import write_environment
from lab.data.records import SCHEMA_VERSION, Kills
from lab.data.table import Table
from lab.report import validation
from lab.report.book import Book

FACTS: dict[str, Any] = {"kind": "lab run", "cluster": "embedded", "kills": 3, "resumes": 3, "rows_lost": 0}
NOTHING = {"rows_lost": 0, "rows_doubled": 0, "units_not_once": 0, "failures_untold": 0}


def found(row: Kills) -> dict[str, int]:
    """Return what must not be, as a row tells it."""
    return {name: getattr(row, name) for name in NOTHING}


def test_make_chaos_kills_a_hundred_runs_and_all_they_stand_on() -> None:
    """The process of the run is killed 100 times; every other kind has its turn."""
    assert sum(many for kind, _, many in PLAN if kind in PROCESSES) == 100
    assert {kind for kind, *_ in PLAN} == set(_choices("kind"))
    assert {cluster for _, cluster, _ in PLAN} == set(_choices("cluster"))


def _choices(name: str) -> tuple[str, ...]:
    choices: tuple[str, ...] = Kills.__dataclass_fields__[name].metadata["choices"]
    return choices


@pytest.mark.ray
@pytest.mark.parametrize(("kind", "most"), [("lab run", 2), ("raylet", 1)])
def test_what_is_killed_is_gone_on_with(kind: str, most: int) -> None:
    """The same command goes on; in the end every unit is there once, and each failure with its reason.

    A Ray that has ended under its run ends the run, and does not fail one trial after another.
    """
    with places(1, "embedded") as there:
        row = struck_run(kind, dataclasses.replace(there["embedded"], repeats=2), most)
    assert found(row) == NOTHING
    assert (row.kills, row.resumes) == (most, most)
    assert row.units == row.trials * ITEMS
    assert row.failures <= 2 * most


# --- what is counted --------------------------------------------------------------------------------------


def lines_of(changes: dict[str, Any] | None = None) -> dict[str, list[str]]:
    """Return the lines of a run of one slot, whose first attempt was interrupted; `changes` replace rows."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in KEYS}
    told = {"error_kind": "Killed", "error_message": "the process ended"}
    rows["trials.csv"] = [
        {"trial_id": "000-1", "slot": 0, "status": "interrupted", **told},
        {"trial_id": "000-2", "slot": 0, "status": "ok", "error_kind": "", "error_message": ""},
    ]
    one = {
        "attempt": 1,
        "warmup": "false",
        "worker": 0,
        "status": "ok",
        "error_kind": "",
        "error_message": "",
    }
    rows["tasks.csv"] = [{"trial_id": "000-2", "task": item, **one} for item in range(ITEMS)]
    rows |= changes or {}
    heads = {name: list(content[0]) if content else list(KEYS[name]) for name, content in rows.items()}
    return {
        name: [",".join(heads[name]), *(",".join(map(str, row.values())) for row in content)]
        for name, content in rows.items()
    }


def test_a_run_that_was_gone_on_with_has_every_unit_once() -> None:
    """An interrupted attempt is a failure with its reason; the attempt after it has the units."""
    row = counted(lines_of(), 1, duration_seconds=1.0, **FACTS)
    assert found(row) == NOTHING
    assert (row.units, row.rows, row.failures) == (ITEMS, ITEMS + 2, 1)


def test_what_must_not_be_is_counted() -> None:
    """A row that is there twice, a unit and a slot that are not, and a failure without a reason."""
    lines = lines_of()
    lines["tasks.csv"][-1] = lines["tasks.csv"][-2]
    lines["trials.csv"][1] = "000-1,0,interrupted,,"
    row = counted(lines, 2, duration_seconds=1.0, **FACTS)
    assert row.rows_doubled == 1
    # one item has two rows, one has none, and the second slot has no trial
    assert row.units_not_once == 2 + ITEMS
    assert row.failures_untold == 1


# --- what the page says -----------------------------------------------------------------------------------


def write_kills(data: Path, *rows: Kills) -> None:
    """Write a run of kills that has ended."""
    moment = "2026-01-01T00:00:00.000+00:00"
    folder = data / "kills" / "one"
    session = {"started_at": moment, "finished_at": moment}
    write_environment(
        folder,
        {"schema_version": SCHEMA_VERSION, "experiment": "kills", "planned_trials": 3, "sessions": [session]},
    )
    table = Table(folder / "kills.csv", Kills)
    table.extend(rows)
    table.close()


def test_the_page_counts_what_was_killed_and_what_was_lost(tmp_path: Path) -> None:
    """Rows of one kind are added up; what is lost is told first, with how often at most it may be."""
    assert "`make chaos` makes one" in validation.kills(Book(tmp_path)).text
    row = counted(lines_of(), 1, duration_seconds=1.0, **FACTS)
    write_kills(tmp_path, row, row)
    text = validation.kills(Book(tmp_path)).text
    assert "6 kills" in text
    assert "no row was lost or doubled" in text
    assert "lab run" in text
