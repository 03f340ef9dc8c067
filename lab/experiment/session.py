"""A session: trials one after another on a cluster that is there, in this process or in a job on a head."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from lab.errors import ParameterError
from lab.experiment.parameters import Docker, MultiNode, Nodes, Primes, RayVersusMultiprocessing
from lab.experiment.plan import Plan, PlannedTrial, docker_plan, multi_node_plan
from lab.experiment.trial import Setting, run_trial
from lab.workloads import WORKLOADS
from lab.workloads.factoring import factor_tasks
from lab.workloads.primes import default_width, find_tasks, search_tasks

Payloads = Mapping[str, tuple[Any, ...]]

REMOTE: Mapping[str, tuple[type[Nodes], Callable[[Any], Plan]]] = {
    "multi_node": (MultiNode, multi_node_plan),
    "docker": (Docker, docker_plan),
}
"""The experiments that a job may carry out, with their parameters and plan."""


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """A planned trial, and the number of the attempt at it."""

    planned: PlannedTrial
    attempt: int


def payloads_of(parameters: Primes) -> dict[str, tuple[Any, ...]]:
    """Return the seeded work of every mode: the same for every configuration."""
    return {mode: _payloads_of(mode, parameters) for mode in parameters.modes}


def _payloads_of(mode: str, parameters: Primes) -> tuple[Any, ...]:
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


def run_slots(
    assignments: Sequence[Assignment],
    payloads: Payloads,
    digests: MutableMapping[str, str],
    setting: Setting,
    progress: Callable[[Sequence[Assignment]], Iterable[Assignment]],
) -> None:
    """Run the trials in order; all trials of a mode must come to one digest, which `digests` keeps."""
    for one in progress(assignments):
        mode = one.planned.configuration.mode
        trial = run_trial(
            one.planned, one.attempt, WORKLOADS[mode].function, payloads[mode], digests.get(mode), setting
        )
        if trial.status == "ok" and trial.digest is not None:
            digests.setdefault(mode, trial.digest)
