"""What all trials of a session share: where rows go, the nodes, how long to wait, and how workers start."""

import contextlib
import dataclasses
import time
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from lab.data.records import NodeFacts, NodeWindow, Sample
from lab.engines import Team
from lab.engines.teams import COMMAND, TEAMS, Engine
from lab.errors import EngineError, LabError


class Sink(Protocol):
    """Where rows go: a run's ledger, or what brings them to the process that has it."""

    def append(self, record: Any) -> None:
        """Take one row."""

    def extend(self, records: Sequence[Any]) -> None:
        """Take several rows of one kind."""

    def sync(self) -> None:
        """Bring all rows to where they are safe."""


class Seen(Protocol):
    """What was seen of the nodes in one window."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return columns of the trial's row."""

    @property
    def samples(self) -> Iterable[Sample]:
        """Return the samples of all nodes."""

    @property
    def windows(self) -> Iterable[NodeWindow]:
        """Return a row for each node in use."""


class Nodes(Protocol):
    """The nodes that trials run on: a Ray cluster, or this machine without one."""

    def need(self, nodes: int, seconds: float) -> None:
        """Wait until there are so many; raises `ClusterError` where they do not come."""

    def take_new(self) -> tuple[NodeFacts, ...]:
        """Return the facts of the nodes that are new since the last call."""

    def node_of(self, node_id: str | None) -> str:
        """Return the node that a worker is on, as in nodes.csv; None is the driver's own."""

    def synchronize(self, team: Team) -> None:
        """Measure all nodes' clocks against the driver's."""

    def offset_seconds(self, node_id: str) -> float:
        """Return a node's clock minus the driver's."""

    def begin(
        self,
        trial_id: str,
        team: Team,
        interval_seconds: float,
        watch_ray: bool,
        queue_length: Callable[[], int],
    ) -> float:
        """Have the nodes watched; returns when, on the driver's clock."""

    def end(self) -> Seen:
        """End the watching."""


class Kept:
    """A team that stays up from trial to trial, and is started anew after one that failed or lost a worker.

    Where it does not start, all of its trials fail by that, without another try.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._stack = engine, contextlib.ExitStack()
        self._started: tuple[Team, float] | None = None
        self._broken: EngineError | None = None

    @contextlib.contextmanager
    def start(self, workers: int, nodes: int) -> Iterator[tuple[Team, float]]:
        """Yield the team, and the seconds that its start took, with that of what it needs."""
        if self._broken is not None:
            raise self._broken
        if self._started is None:
            asked = time.monotonic()
            try:
                team = self._stack.enter_context(self._engine(workers, nodes))
            except LabError as error:
                self._broken = EngineError(str(error))
                raise self._broken from error
            self._started = team, time.monotonic() - asked
        try:
            yield self._started
        except BaseException:
            self.end()
            raise
        if self._started is not None and self._started[0].lost_workers:
            self.end()

    def end(self) -> None:
        """End the team."""
        self._started = None
        self._stack.close()


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What all trials of a session share; `kept` is set where one team serves all of them.

    `after_failure` is called when a trial has failed; it raises what ends the run where that is no fault.
    """

    sink: Sink
    cluster: Nodes
    sample_seconds: float
    deadline_seconds: float
    stall_seconds: float
    wait_seconds: float
    engines: Mapping[str, Engine] = dataclasses.field(default_factory=lambda: ChainMap(dict(COMMAND), TEAMS))
    kept: Kept | None = None
    after_failure: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def start(self, engine: str, workers: int, nodes: int) -> Iterator[tuple[Team, float]]:
        """Have workers: yields the team, and the seconds from asking for it to all workers' answers."""
        if self.kept is not None:
            with self.kept.start(workers, nodes) as started:
                yield started
            return
        asked = time.monotonic()
        with self.engines[engine](workers, nodes) as team:
            yield team, time.monotonic() - asked


SETTINGS = ("sample_seconds", "deadline_seconds", "stall_seconds", "wait_seconds")
"""The numbers of a setting, in order, as a request to another machine names them."""
