"""Factoring as an experiment: curves, whole numbers, and hunts that the first factor found ends."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.clusters.embedded import check_ray_version
from lab.data.store import Run
from lab.errors import ParameterError
from lab.experiment.examples import example, made
from lab.experiment.factoring_parameters import Factoring
from lab.experiment.parameters import parameters_from
from lab.experiment.plan import factoring_plan
from lab.experiment.profiles import with_true_profile
from lab.experiment.run import Sites, check_memory, run_plan
from lab.experiment.session import Works
from lab.experiment.sites import address_site, compose_site, embedded_site, local_site
from lab.factoring.expression import number_of
from lab.factoring.levels import LARGEST
from lab.factoring.splitting import Splitting, refuse_large
from lab.finding import find
from lab.loading import prepare
from lab.measure.node import find_cgroup, usable_memory_bytes
from lab.workload import Prepared

WORDS = {
    "curves": "Curves of the elliptic curve method on a prime, which none of them splits.",
    "numbers": "Half random numbers, half products of two primes of equal size, each as one task.",
    "hunt": "One number after another, each split by all workers until its factors are prime.",
    "lost": "A hunt in which a worker is killed once half of the numbers are done.",
}
MOST_BITS = 4096
"""Of the lab's own numbers to hunt in: their small factor is known to be within reach."""


def factoring(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Run the experiment on factoring; rows, resume and errors as in `lab.experiment.run.single_node`."""
    check_ray_version()
    parameters = with_true_profile("factoring", parameters_from(Factoring, namespace))
    cgroup = find_cgroup()
    if parameters.cluster in ("embedded", "local"):
        nodes, workers = max(parameters.nodes), max(parameters.workers)
        memory = usable_memory_bytes(cgroup)
        check_memory(nodes * workers, nodes, parameters.object_store_megabytes, memory)

    def sites(run_id: str) -> Sites:
        return {
            "embedded": partial(embedded_site, parameters),
            "local": partial(local_site, parameters),
            "compose": partial(compose_site, parameters, run_id),
            "address": partial(address_site, parameters, run_id),
        }

    plan = factoring_plan(parameters)
    return run_plan("factoring", parameters, works_of(parameters), plan, data, cgroup, sites)


def works_of(parameters: Factoring) -> Works:
    """Return the seeded work of every mode; raises `ParameterError` for a number that cannot be split."""
    makers = {"curves": _curves, "numbers": _numbers, "hunt": _hunt, "lost": _lost}
    return {mode: makers[mode](parameters) for mode in parameters.works}


def _curves(parameters: Factoring) -> Prepared:
    if not made("splitting.py:has_curves"):
        raise ParameterError(
            f"works has 'curves': {find(example('curves.py:MISSING'))[1]}; or leave 'curves' out of works"
        )
    target = made("primes.py:Target", parameters.curve_bits, parameters.seed, 0)
    items = made(
        "curves.py:curve_items",
        made("primes.py:find", target),
        parameters.curve_bound,
        parameters.curve_count,
        parameters.seed,
    )
    _, found = prepare(example("curves.py:curve"), items, unit="curves", words=WORDS["curves"])
    return found


def _numbers(parameters: Factoring) -> Prepared:
    bits, count = parameters.number_bits, parameters.number_count
    items = made("splitting.py:random_numbers", bits, count - count // 2, parameters.seed)
    if count > 1:
        items += made("splitting.py:products", bits, bits // 2, count // 2, parameters.seed)
    _, found = prepare(example("splitting.py:split"), items, unit="numbers", words=WORDS["numbers"])
    return found


def _hunt(parameters: Factoring, mode: str = "hunt", lose_after: int = 0) -> Prepared:
    numbers, most_bits = _given(parameters), MOST_BITS
    if not numbers:
        sizes = parameters.hunt_bits, parameters.hunt_factor_bits, parameters.hunt_count
        numbers = made("splitting.py:products", *sizes, parameters.seed)
    items = [("begin", one) for one in numbers]
    units = example("splitting.py:is_split")
    _, found = prepare(example("splitting.py:step"), items, unit="numbers", units=units, words=WORDS[mode])
    steps = partial(Splitting, seed=parameters.seed, most_bits=most_bits, lose_after=lose_after)
    return dataclasses.replace(found, steps=steps)


def _lost(parameters: Factoring) -> Prepared:
    count = len(parameters.numbers) or parameters.hunt_count
    return _hunt(parameters, "lost", max(1, count // 2))


def _given(parameters: Factoring) -> Sequence[int]:
    """Return the numbers that somebody gave, each of which can be split within the limit."""
    numbers = [number_of(text) for text in parameters.numbers]
    for text, number in zip(parameters.numbers, numbers, strict=True):
        primes, composites, *_ = made("splitting.py:step", ("begin", number))
        if not composites and len(primes) == 1:
            raise ParameterError(f"numbers has {text}, which is prime: there is nothing to split")
        for one in composites:
            refuse_large(one, LARGEST)
    return numbers
