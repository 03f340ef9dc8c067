"""From parameters to timings of engines: what runs when, in seeded, blocked random order. Pure.

Within a block each engine has its turn, in shuffled order, and within its turn all its pieces of work,
shuffled too: an engine is started once for its turn.
"""

import dataclasses
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from lab.experiment.parameters import BreakEven, Comparison, RayVersusMultiprocessing

Item = TypeVar("Item")

SERIAL, OWN = "serial", "ray"
"""The plain loop, and the engine that chooses its batches itself: this lab's dispatch on Ray."""

CALLS_PER_WORKER = 4
"""Equal batches are a worker's share cut in so many: what `multiprocessing.Pool.map` does by itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """An engine with so many workers, which is started once in a block; the copy is started once more."""

    arm: str
    engine: str
    workers: int


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A piece of work and how it is handed out; fields as in `lab.data.records.Timing`."""

    workload: str
    tasks: int
    transfer: str | None = None
    task_seconds: float | None = None
    batching: str = "none"
    batch: int | None = 1


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedTiming:
    """A piece of work on an engine, in its place of the plan."""

    slot: int
    block: int
    turn: Turn
    piece: Piece


Plan = tuple[PlannedTiming, ...]


def versus_plan(parameters: RayVersusMultiprocessing) -> Plan:
    """Return images by every transfer and in every number, and the search for primes, on every engine."""

    def pieces(turn: Turn) -> list[Piece]:
        own = turn.engine == OWN
        how: dict[str, Any] = {"batching": "own" if own else "none", "batch": None if own else 1}
        images = [
            Piece("images", tasks, transfer, None, **how)
            for transfer in parameters.transfers
            for tasks in parameters.image_tasks
        ]
        search = [Piece("search", parameters.search_tasks, None, None, **how)]
        wanted = {"images": images, "search": search}
        return [piece for workload in parameters.workloads for piece in wanted[workload]]

    return _in_blocks(parameters, pieces)


def break_even_plan(parameters: BreakEven) -> Plan:
    """Return tasks of every length on every engine, one a call and in equal batches.

    A window has as many tasks as fill `window_seconds` of one core, at least two for each worker. Without
    batches it has at most `most_calls`, since a call may cost a hundred times as much as its task.
    """

    def pieces(turn: Turn) -> list[Piece]:
        return [piece for length in parameters.task_seconds for piece in _spins(turn, length, parameters)]

    return _in_blocks(parameters, pieces)


def _spins(turn: Turn, length: float, parameters: BreakEven) -> list[Piece]:
    """Return the windows of one length: in batches, and one by one. The loop has neither, it is one batch."""
    tasks = max(2 * max(parameters.workers), round(parameters.window_seconds / length))
    calls = min(tasks, parameters.most_calls)
    if turn.engine == SERIAL:
        return [Piece("spin", tasks, None, length, "equal", tasks)]
    if turn.engine == OWN:
        return [Piece("spin", tasks, None, length, "own", None)]
    batch = -(-tasks // (CALLS_PER_WORKER * turn.workers))
    batched = [Piece("spin", tasks, None, length, "equal", batch)] if batch > 1 else []
    return [*batched, Piece("spin", calls, None, length, "none", 1)]


def turns_of(parameters: Comparison) -> tuple[Turn, ...]:
    """Return the turns of a block: the loop has one worker; the A/A arm copies the last engine, at its most.

    The last engine is this lab's dispatch on Ray, where it takes part.
    """
    turns = [
        Turn("experiment", engine, workers)
        for engine in parameters.engines
        for workers in ((1,) if engine == SERIAL else parameters.workers)
    ]
    copied = max(turns, key=lambda one: (one.engine == OWN, one.workers))
    return (*turns, dataclasses.replace(copied, arm="copy"))


def shuffled(seeded: random.Random, items: Iterable[Item]) -> list[Item]:
    """Return the items in a random order."""
    listed = list(items)
    seeded.shuffle(listed)
    return listed


def _in_blocks(parameters: Comparison, pieces: Callable[[Turn], Sequence[Piece]]) -> Plan:
    """Return every piece on every engine once per block; the seed shuffles turns, and pieces within them."""
    seeded = random.Random(parameters.seed)
    every = [
        (block, turn, piece)
        for block in range(parameters.repeats)
        for turn in shuffled(seeded, turns_of(parameters))
        for piece in shuffled(seeded, pieces(turn))
    ]
    return tuple(PlannedTiming(slot, *one) for slot, one in enumerate(every))
