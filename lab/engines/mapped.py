"""What the engines have in common that hand a library the whole work at once, as its users do.

Such a library has one schedule, its own, so these engines ignore the one that is asked for. It does not say
which worker ran a task either: every completion is of `UNKNOWN_WORKER`. Where the library returns all results
together they were all received then, and a task is seen to end only when all have.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from lab.engines import Observer, Work
from lab.engines.carried import Home, Task
from lab.errors import EngineError, LabError
from lab.measure.task import first_line

UNKNOWN_WORKER = -1
"""A number that no worker has."""


def task_of(work: Work) -> Task:
    """Return the function of one payload that the workers run."""
    return Task(work.call, work.function)


def seconds_left(work: Work) -> float:
    """Return how long the work may still take."""
    return max(0.0, work.deadline - time.monotonic())


def report(
    observer: Observer,
    work: Work,
    submitted: float,
    came: Iterable[Any],
    node_id: str | None = None,
) -> None:
    """Tell the observer of tasks that came home just now, in the order of their numbers."""
    received, results = time.monotonic(), list(came)
    attempts = ((task, 1) for task in range(len(results)))
    with Home(work, observer) as home:
        home.take(attempts, results, UNKNOWN_WORKER, node_id, submitted, received)


def late(work: Work, open_tasks: int) -> EngineError:
    """Return the error of work whose deadline passed."""
    return EngineError(f"the deadline passed with {open_tasks} of {len(work.payloads)} tasks open")


@contextlib.contextmanager
def told_of(engine: str) -> Iterator[None]:
    """Turn what the library raises into an `EngineError`: that a payload cannot be unpacked, or the like.

    A task that calls exit does so in the driver too, where joblib brings its exception home.
    """
    try:
        yield
    except LabError:
        raise
    except (Exception, SystemExit) as error:
        raise EngineError(
            f"engine {engine} gave the work up: {type(error).__name__}: {first_line(error)}"
        ) from error


@contextlib.contextmanager
def needed(engine: str, package: str) -> Iterator[None]:
    """Turn a failed import into an `EngineError` that names the command which helps."""
    try:
        yield
    except ImportError as error:
        raise EngineError(
            f"engine {engine} needs the package {package}, which is not installed: pip install {package}"
        ) from error


def one_node(engine: str, nodes: int) -> None:
    """Refuse more than one node."""
    if nodes != 1:
        raise EngineError(f"engine {engine} is of one node, not {nodes}")
