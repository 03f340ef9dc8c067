"""The seeded work of the experiments with primes: searching ranges, finding primes, factoring semiprimes."""

from collections.abc import Sequence
from typing import Any

from lab.errors import ParameterError
from lab.experiment.parameters import Primes, RayVersusMultiprocessing
from lab.measure.task import measure_task
from lab.workload import Prepared
from lab.workloads import WORKLOADS
from lab.workloads.factoring import factor_tasks
from lab.workloads.primes import default_width, find_tasks, search_tasks


def works_of(parameters: Primes) -> dict[str, Prepared]:
    """Return the seeded work of every mode: the same for every configuration."""
    return {mode: _prepared(mode, _items_of(mode, parameters)) for mode in parameters.modes}


def _prepared(mode: str, items: Sequence[Any]) -> Prepared:
    work = WORKLOADS[mode]
    facts = {"unit": work.unit, "words": work.guarantee, "same_results": True, "items": len(items)}
    return Prepared(work.function, items, measure_task, facts)


def _items_of(mode: str, parameters: Primes) -> tuple[Any, ...]:
    seed = parameters.seed
    if mode == "search":
        return search_payloads(parameters)
    if mode == "factor":
        return factor_tasks(parameters.factor_bits, parameters.factor_tasks, seed)
    sizes = zip(parameters.find_bits, parameters.find_tasks, strict=True)
    return tuple(target for bits, count in sizes for target in find_tasks(bits, count, seed))


def search_payloads(parameters: Primes | RayVersusMultiprocessing) -> tuple[Any, ...]:
    """Return the ranges to search; raises `ParameterError` where the parameters do not go together."""
    width = parameters.search_width or default_width(parameters.search_bits)
    try:
        return search_tasks(parameters.search_bits, width, parameters.search_tasks, parameters.seed)
    except ParameterError as error:
        raise ParameterError(
            f"search_bits, search_width and search_tasks do not go together: {error}"
        ) from None
