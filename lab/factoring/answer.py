"""A person's own number, as primes: here where that is quick, else on a cluster"""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lab.clusters.addresses import token_from_environment
from lab.clusters.attached import Cluster
from lab.clusters.compose import compose
from lab.clusters.embedded import embedded
from lab.clusters.jobs import Jobs
from lab.clusters.local import local
from lab.clusters.wire import Message
from lab.engines import Completion, Work, ray_actors
from lab.experiment.examples import example
from lab.experiment.sites import refusal
from lab.factoring.expression import number_of, shown
from lab.factoring.splitting import Discovery, Splitting, refuse_large
from lab.finding import find
from lab.loading import prepare
from lab.measure.environment import code_facts, versions
from lab.workload import Prepared

HERE_BITS = 176
"""Remainders of so many bits take this process less time than Ray takes to start."""
STORE_MEGABYTES = 200
RUN = "factor"
Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a number is to be split: the kind of cluster, its nodes, and the workers on each."""

    cluster: str = "embedded"
    address: str = ""
    nodes: int = 1
    workers: int = 1
    node_cores: float = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class Factored:
    """A number as primes, ascending and with multiplicity, and how they were found."""

    expression: str
    number: int
    primes: tuple[int, ...]
    discoveries: tuple[Discovery, ...]
    seconds: float


def factored(expression: str, place: Place, seed: int, most_bits: int, tell: Tell) -> Factored:
    """Return the prime factors of what an expression stands for; raises `LabError`.

    A prime is its own only factor. No cluster is started for what takes this process a second.
    """
    number, began = number_of(expression), time.monotonic()
    step = find(example("splitting.py:step"))[1]
    primes, composites, _, _ = step(("begin", number))
    found = [
        Discovery(one, "division" if len(primes) > 1 or composites else "") for one in dict.fromkeys(primes)
    ]
    for one in composites:
        refuse_large(one, most_bits)
    if all(one.bit_length() <= HERE_BITS for one in composites):
        for one in composites:
            new = step(("whole", one))[0]
            found += [Discovery(prime, "whole") for prime in dict.fromkeys(new)]
            primes += new
        primes = step(("finish", number, primes))[0]
    else:
        tell(f"{shown(expression)} has {number.bit_length()} bits: on {_in_words(place)}")
        primes, found = _on_cluster(number, place, seed, most_bits, tell)
    return Factored(expression, number, tuple(primes), tuple(found), time.monotonic() - began)


def _in_words(place: Place) -> str:
    return f"cluster {place.cluster}, {place.nodes} x {place.workers} workers"


def _on_cluster(
    number: int, place: Place, seed: int, most_bits: int, tell: Tell
) -> tuple[list[int], list[Discovery]]:
    wanted = {"number": number, "seed": seed, "most_bits": most_bits}
    if place.cluster in ("compose", "address"):
        return _by_job(place, wanted, tell)
    started: AbstractContextManager[Cluster] = (
        embedded(place.workers, STORE_MEGABYTES, 0)
        if place.cluster == "embedded"
        else local(place.nodes, place.workers, STORE_MEGABYTES)
    )
    _, prepared = prepare(
        example("splitting.py:step"), [("begin", number)], units=example("splitting.py:is_split")
    )
    with started:
        return split(prepared, place.nodes, place.workers, seed, most_bits, tell)


def split(
    prepared: Prepared, nodes: int, workers: int, seed: int, most_bits: int, tell: Tell
) -> tuple[list[int], list[Discovery]]:
    """Split the one number of some work on the running Ray."""
    splitting = Splitting(prepared.items, seed, most_bits, tell=tell)
    with ray_actors.team(nodes * workers, nodes) as team:
        work = Work(
            prepared.function,
            prepared.items,
            deadline=float("inf"),
            call=prepared.call,
            steps=lambda _: splitting,
        )
        team.run(work, "dynamic", Progress(tell))
    (number,) = splitting.numbers
    return number.primes, number.discoveries


class Progress:
    """Tells every few seconds how many steps have ended, and of each attempt that was lost."""

    EVERY_SECONDS = 5.0

    def __init__(self, tell: Tell) -> None:
        self._tell, self._ended, self._told_at = tell, Counter[str](), time.monotonic()

    def submitted(self, tasks: int) -> None:
        """Leave uncounted what is only under way."""

    def completed(self, completion: Completion) -> None:
        """Count a step."""
        if completion.measurement is None:
            self._tell(f"a worker was lost ({completion.error_message}): its step is done again")
        elif completion.step is not None:
            _, kind, *told = completion.step.split()
            if kind == "curves":
                self._ended[told[0]] += int(told[1])
        if self._ended and time.monotonic() - self._told_at > self.EVERY_SECONDS:
            self._told_at = time.monotonic()
            self._tell(
                ", ".join(f"{many:,} curves of B1 = {int(bound):,}" for bound, many in self._ended.items())
            )


def _by_job(place: Place, wanted: Mapping[str, Any], tell: Tell) -> tuple[list[int], list[Discovery]]:
    request = {
        **wanted,
        "nodes": place.nodes,
        "workers": place.workers,
        "code": code_facts()["digest"],
        "versions": versions(),
    }
    if place.cluster == "address":
        return _carried_out(Jobs(place.address, token_from_environment(), entrypoint=JOB), request, tell)
    with compose(place.nodes, place.node_cores, may_scale=True, wait_seconds=120.0) as found:
        return _carried_out(Jobs(found.address, found.token, entrypoint=JOB), request, tell)


JOB = "python -m lab.factoring.job"


def _carried_out(jobs: Jobs, request: Mapping[str, Any], tell: Tell) -> tuple[list[int], list[Discovery]]:
    came: list[Mapping[str, Any]] = []

    def receive(message: Message) -> None:
        if message.kind == "refused":
            raise refusal(message.content)
        if message.kind == "progress":
            tell(message.content["text"])
        else:
            came.append(message.content)

    jobs.check(RUN)
    jobs.run(request, RUN, receive, Path(example("splitting.py")).parent)
    (told,) = came
    return told["primes"], [Discovery(**one) for one in told["discoveries"]]
