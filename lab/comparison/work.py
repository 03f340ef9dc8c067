"""The seeded work of the timings: what is made before the clock starts, and what is handed over after."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any

from lab.comparison.plan import SERIAL, PlannedTiming
from lab.engines import Call
from lab.experiment.parameters import Comparison, RayVersusMultiprocessing
from lab.experiment.primes import MODES, example, prepared, search_items
from lab.loading import find
from lab.measure.bare import bare
from lab.measure.task import measured
from lab.workloads.images import image_tasks, process, size_of
from lab.workloads.spin import Spin, spin
from lab.workloads.transfer import handed_over, pixels_of

Put = Callable[[Any], Any] | None
"""Puts an image into Ray's object store and returns its source; None for engines that are not on Ray."""

WARM_SECONDS = 0.01
"""A longer spin warms up nothing more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Work that is ready to be handed over: the function, a payload to warm up with, and the rest."""

    function: Any
    warm: Any
    handed_over: Callable[[Put], AbstractContextManager[Sequence[Any]]]
    """Yields the payloads; they are gone from shared memory when it ends."""
    call: Call = measured
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Columns of the row that describe the work."""


def load(workloads: Set[str]) -> None:
    """Load the modules of work that is an example."""
    if "search" in workloads:
        find(example(MODES["search"].function))


def prepare(planned: PlannedTiming, parameters: Comparison, pace: float) -> Prepared:
    """Return a piece of work, the same for every engine; `pace` is in spin iterations a second.

    Random pixels are made here, outside of the window, where the driver has to have them.
    """
    piece = planned.piece
    if piece.workload == "spin":
        return _spins(planned, pace)
    assert isinstance(parameters, RayVersusMultiprocessing)
    if piece.workload == "search":
        found = prepared("search", search_items(parameters))
        ranges = found.items
        return Prepared(found.function, ranges[0], lambda _: contextlib.nullcontext(ranges), found.call)
    tasks = image_tasks(parameters.image_megabytes, parameters.complexity, piece.tasks, parameters.seed)
    transfer = piece.transfer or "seed"
    pixels = () if transfer == "seed" else pixels_of(tasks)
    megabytes = size_of(parameters.image_megabytes).megabytes
    facts = {"data_size_mb": megabytes, "complexity": parameters.complexity}
    return Prepared(process, tasks[0], lambda put: handed_over(tasks, transfer, pixels, put), facts=facts)


def _spins(planned: PlannedTiming, pace: float) -> Prepared:
    piece = planned.piece
    iterations = max(1, round((piece.task_seconds or 0.0) * pace))
    # the loop is one call of all tasks: nothing but the work
    alone = planned.turn.engine == SERIAL
    payloads = [Spin(iterations, piece.tasks)] if alone else [Spin(iterations)] * piece.tasks
    warm = Spin(min(iterations, max(1, round(WARM_SECONDS * pace))))
    return Prepared(spin, warm, lambda _: contextlib.nullcontext(payloads), bare)
