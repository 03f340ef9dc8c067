"""Real sweeps: what the laws of the first four sizes foretell stands beside what was measured."""

from pathlib import Path

import numpy as np
import pytest
from synthetic import synthetic_run
from written import write_run

from lab.analysis.laws import AMDAHL, CEILING, Law
from lab.analysis.sweeps import Refusal, Sweep
from lab.analysis.verdicts import judge, within
from lab.report import foretold
from lab.report.book import Book
from lab.report.decision import decide

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


def test_the_committed_runs_mislead_nobody() -> None:
    """In no published sweep does a band miss what was measured, and none is off by 5 % for certain."""
    book = Book()
    sweeps = [decide(one, one.main_mode).sweep for one in book.sweeps if book.is_published(one)]
    every = [one for sweep in sweeps if sweep.own_processors for one in foretold.foretold(sweep)[1]]
    assert len(every) >= 12
    assert "does not hold" not in {one.outcome for one in every}
    assert "does not hold" not in {judge(one.off, within(0.0)) for one in every}


def test_runs_of_four_sizes_have_nothing_to_foretell(tmp_path: Path) -> None:
    """Without a fifth size there is no table."""
    write_run(tmp_path / "single_node" / "mine", synthetic_run(workers=(1, 2), blocks=2, modes=("search",)))
    assert "|" not in foretold.real(Book(tmp_path, tmp_path / "no-pins.yaml")).text
