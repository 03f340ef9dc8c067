"""Sentences that are bound to data: what contradicts one fails the build, what does not passes."""

import functools
from pathlib import Path

import pytest
from synthetic import synthetic_run
from written import write_run

from lab import invariants
from lab.data.store import Run, read_run
from lab.errors import ClaimError
from lab.report import proofs
from lab.report.book import Book
from lab.synthetic.changes import CONTRADICTIONS, HARMLESS, first_blocks, stopped

pytestmark = pytest.mark.usefixtures("undrawn")

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = sorted((ROOT / "data" / "own").iterdir())
EACH = -(-200 // len(FOLDERS))


@functools.cache
def committed(folder: Path) -> Run:
    """Return the first blocks of a run that is committed."""
    return first_blocks(read_run(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_contradictions_fail_and_harmless_changes_do_not(folder: Path) -> None:
    """Of 200 changes of committed data that contradict a sentence all fail; of 200 that do not, none does."""
    wrong, harmless = (stopped(committed(folder), kind, EACH) for kind in (CONTRADICTIONS, HARMLESS))
    assert {name for name, (stops, every) in wrong.items() if stops < every} == set()
    assert {name for name, (stops, _) in harmless.items() if stops} == set()
    assert sum(every for _, every in wrong.values()) == sum(every for _, every in harmless.values()) == EACH


def test_a_claim_that_sees_nothing_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how many changes stop the build; were a claim blind, that would stop it, by name."""
    run = synthetic_run(workers=(1, 2), blocks=2, modes=("search",))
    write_run(tmp_path / "single_node" / "mine", run)
    book = Book(tmp_path, tmp_path / "no-pins.yaml")
    assert (
        f"Of {proofs.CHANGES} changes of its rows that contradict a sentence, all stop the build"
        in proofs.changes(book).text
    )
    monkeypatch.setattr(invariants, "tasks_add_up", lambda _: "")
    with pytest.raises(ClaimError, match="not noticed: task_left_out, other_units and other_total"):
        proofs.changes(book)
