"""Factoring on a real Ray: one number over two workers, and a worker that is lost meanwhile."""

import dataclasses
import json
from math import prod
from pathlib import Path
from typing import Any

import pytest
from fakes import tiny_factoring

from lab.cli import main
from lab.engines import Completion
from lab.errors import ParameterError
from lab.experiment.factoring import factoring
from lab.invariants import claims
from lab.report.hunts import verdicts
from lab.report.page import page

pytestmark = pytest.mark.ray

NUMBER = 2**24 - 3, 2**61 - 1, 2**127 - 1
"""Primes: one that curves find, and two for the sieve."""


def test_a_number_is_split_on_ray(capsys: pytest.CaptureFixture[str]) -> None:
    """A number too large for this process is split by two workers, with progress and a certificate."""
    assert main(["factor", str(prod(NUMBER)), "--workers", "2", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [int(one["prime"]) for one in found["factors"]] == sorted(NUMBER)
    assert "has 212 bits: on cluster embedded, 1 x 2 workers" in said.err
    assert {one["B1"] for one in found["discoveries"] if "B1" in one}
    assert "factor " in said.err


class Kept:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.open, self.ended = 0, list[Completion]()

    def submitted(self, tasks: int) -> None:
        """Count, a call that was cancelled down again."""
        self.open += tasks

    def completed(self, completion: Completion) -> None:
        """Keep it."""
        self.open -= 1
        self.ended.append(completion)


def test_a_lost_worker_costs_attempts_and_no_result() -> None:
    """With one of two workers killed after the second number, all numbers come to their primes anyway."""
    from lab.clusters.embedded import embedded
    from lab.engines import Work, ray_actors
    from lab.experiment.examples import example, made
    from lab.factoring.splitting import Splitting
    from lab.loading import prepare

    numbers = made("splitting.py:products", 220, 40, 4, 3)
    items: list[Any] = [("begin", one) for one in numbers]
    _, work = prepare(example("splitting.py:step"), items, units=example("splitting.py:is_split"))
    steps, seen = Splitting(items, seed=1, lose_after=2), Kept()
    with embedded(2, 100, 0), ray_actors.team(2) as team:
        asked = Work(work.function, items, float("inf"), call=work.call, steps=lambda _: steps)
        team.run(asked, "dynamic", seen)
        assert team.lost_workers == 1
    assert [prod(one.primes) for one in steps.numbers] == list(numbers)
    assert [len(one.primes) for one in steps.numbers] == [2] * 4
    assert seen.open == 0
    lost = [one for one in seen.ended if one.measurement is None]
    assert {one.error_kind for one in lost} == {"ActorDiedError"}
    done = {one.task for one in seen.ended if one.measurement is not None}
    assert {0, 1, 2, 3} <= done


def test_the_experiment_measures_and_loses_nothing(tmp_path: Path) -> None:
    """Every work ends well on one and two workers, and hunts with a loss come to the same primes."""
    run = factoring(dataclasses.asdict(tiny_factoring()), tmp_path)
    assert run.complete
    assert set(run.trials["status"]) == {"ok"}, run.trials["error_message"].dropna().tolist()
    hunts = run.trials[run.trials["mode"].isin(["hunt", "lost"])]
    assert hunts["digest"].nunique() == 1
    assert set(hunts["units"]) == {4}
    assert set(run.trials.loc[run.trials["mode"] == "lost", "lost_workers"]) == {1}
    assert all(claims(run))
    told = page("factoring", tmp_path).show(verdicts).text
    assert "After a factor is found every worker is soon on new work" in told
    assert "0 of 1 trial (to " in told
    assert "had a number with other primes or none, of 4 numbers in all" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"numbers": ["2**61-1"]}, "numbers has 2**61-1, which is prime"),
        ({"numbers": ["0"]}, "is 0, which every number divides"),
        ({"numbers": ["10**400+1"]}, "at most 288 are begun"),
        ({"nodes": [1, 2]}, "an embedded Ray is one node"),
        ({"workers": [1]}, "works has 'lost', which takes two workers"),
        ({"hunt_factor_bits": 200}, "products need 8 <= factor_bits <= bits / 2"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_work(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """Each kind of bad parameter gets its sentence, and nothing is written."""
    with pytest.raises(ParameterError) as told:
        factoring(dataclasses.asdict(tiny_factoring()) | changes, tmp_path)
    assert words in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_ones_own_are_hunted_in(tmp_path: Path) -> None:
    """Expressions take the place of the lab's numbers, and somebody's factors are compared with no theory."""
    asked = tiny_factoring(
        numbers=["2**128+1", "(2**40+15)*(2**61-1)*(2**89-1)"], works=["hunt"], workers=[1]
    )
    run = factoring(dataclasses.asdict(asked), tmp_path)
    assert set(run.trials["status"]) == {"ok"}
    assert set(run.trials["units"]) == {2}
    assert "theory" not in page("factoring", tmp_path).show(verdicts).text
