"""Real sweeps: what the laws of the first four sizes foretell stands beside what was measured."""

from pathlib import Path

import numpy as np
import pytest
from synthetic import synthetic_run
from written import write_run

from lab.analysis.laws import AMDAHL, CEILING, Law
from lab.analysis.sweeps import Refusal, Sweep
from lab.report import foretold
from lab.report.book import Book

pytestmark = pytest.mark.usefixtures("undrawn")

SIZES = (1, 2, 3, 4, 5, 6, 9)


def swept(law: Law, parameters: tuple[float, ...], noise: float = 0.002, last: float = 1.0) -> Sweep:
    """Return a sweep of five blocks that follows a law, its last two sizes so many times as fast."""
    rates = law.formula(np.array(SIZES, dtype=float), np.array([parameters]))
    rates = rates * np.random.default_rng(5).normal(1.0, noise, (5, len(SIZES)))
    rates[:, 5:] *= last
    return Sweep(SIZES, rates)


@pytest.mark.parametrize(("law", "parameters"), [(AMDAHL, (10.0, 0.1)), (CEILING, (10.0, 25.0))])
def test_what_follows_a_law_is_foretold(law: Law, parameters: tuple[float, ...]) -> None:
    """Of a sweep that follows a law, sizes 5 and 6 are within 5 %; 9 is too far, and left out."""
    _, found = foretold.foretold(swept(law, parameters))
    assert [(one.size, one.outcome) for one in found] == [(5, "holds"), (6, "holds")]


def test_a_fall_after_the_fourth_is_seen() -> None:
    """A size that is half as fast as foretold is farther off for certain, and its band misses."""
    _, found = foretold.foretold(swept(AMDAHL, (10.0, 0.1), last=0.5))
    assert [one.outcome for one in found] == ["holds", "does not hold"]
    assert found[1].off.value == pytest.approx(2.0, rel=0.05)


def test_noise_decides_nothing() -> None:
    """Where trials scatter by a fifth it is not decided."""
    fitted, found = foretold.foretold(swept(AMDAHL, (10.0, 0.1), noise=0.2))
    assert isinstance(fitted, Refusal) or {one.outcome for one in found} == {"not decided"}


def test_every_sweep_of_the_committed_runs_is_told() -> None:
    """Each mode and way on Ray is there; the one band that misses is named a miss, and a refusal so."""
    book = Book()
    shown = [one for study in book.sweeps if book.is_published(study) for one in foretold.sweeps(study)]
    named = [(one.mode, one.series) for one in shown]
    assert {("find", "Ray, static"), ("search", "Ray, static"), ("search", "2 workers each")} <= set(named)
    every = [foretold.foretold(one.sweep)[1] for one in shown]
    told = {name: {one.band for one in found} for name, found in zip(named, every, strict=True)}
    assert told.pop(("find", "Ray, dynamic")) == {"meets it", "misses"}
    assert told.pop(("find", "Ray, static")) == {"refused"}
    assert set.union(*told.values()) == {"meets it"}
    text = foretold.real(book).text
    assert "find, Ray, static: 2 cores" in text
    assert "| misses |" in text
    assert "| refused |" in text
    assert "measured: 1." in text


def test_runs_of_four_sizes_have_nothing_to_foretell(tmp_path: Path) -> None:
    """Without a fifth size there is no table."""
    write_run(tmp_path / "single_node" / "mine", synthetic_run(workers=(1, 2), blocks=2, modes=("search",)))
    assert "|" not in foretold.real(Book(tmp_path, tmp_path / "no-pins.yaml")).text
