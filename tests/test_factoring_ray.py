"""Factoring on a real Ray: one number over two workers, and a worker that is lost meanwhile."""

import json
from math import prod
from typing import Any

import pytest

from lab.cli import main
from lab.engines import Completion

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
