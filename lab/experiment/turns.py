"""Engines that each have a process of their own in every block: it starts one, runs its trials, and ends it.

A process of its own keeps what one engine imports, starts and holds in memory out of the next one's numbers.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import psutil
from tqdm import tqdm

from lab.clusters.alone import Alone
from lab.clusters.embedded import embedded
from lab.data.records import NodeFacts, Trial
from lab.engines import Team
from lab.engines.teams import ON_RAY, TEAMS
from lab.experiment.apart import end
from lab.experiment.session import Assignment, Works, run_slots
from lab.experiment.setting import SETTINGS, Kept, Setting
from lab.experiment.sites import THREAD_VARIABLES, Job, settings_of
from lab.experiment.trial import unmeasured

ONE_THREAD = dict.fromkeys(THREAD_VARIABLES, "1")
"""Libraries with threads of their own get one, everywhere: Ray gives its workers that by itself."""

START_SECONDS = 180.0
"""On top of a window's own deadline: what an engine may take to start, warm up and end."""

END_SECONDS = 5.0
"""What a process that sends no more rows may take to be gone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """What the process of an engine is asked to do."""

    assignments: Sequence[Assignment]
    works: Works
    digests: Mapping[str, str]
    settings: Mapping[str, float]
    object_store_megabytes: int


class InTurns:
    """A site whose engines take turns, each in a process of its own, with its own Ray where it needs one."""

    facts: Mapping[str, str] = {}

    def __init__(self, object_store_megabytes: int) -> None:
        self._megabytes, self._told = object_store_megabytes, set[str]()
        self._nodes = set[str]()

    def carry_out(self, job: Job) -> None:
        """Run the trials; where a process dies its trial has failed, and another process does the rest."""
        for _, ones in groupby(job.assignments, key=lambda one: one.planned.turn):
            left = list(ones)
            while left:
                left = self._turn(job, left)

    def _turn(self, job: Job, ones: list[Assignment]) -> list[Assignment]:
        """Have one process run trials, and take its rows; returns what is left."""
        wanted = {one.planned.configuration.work for one in ones}
        works = {name: work for name, work in job.works.items() if name in wanted}
        settings = settings_of(job.parameters)
        turn = Turn(ones, works, job.ledger.digests(), settings, self._megabytes)
        patience = 2 * settings["deadline_seconds"] + START_SECONDS
        left, open_trial = list(ones), True
        with _process(turn) as (process, rows):
            while left and (message := _next(rows, patience)) is not None:
                if isinstance(message, int):
                    job.started(left[0])
                    open_trial = True
                    continue
                if isinstance(message[0], NodeFacts):
                    # every process tells of the same machine
                    message = [one for one in message if one.node_id not in self._nodes]
                    self._nodes |= {one.node_id for one in message}
                if not message:
                    continue
                job.ledger.extend(message)
                if isinstance(message[0], Trial):
                    job.ledger.sync()
                    self._tell(message[0])
                    left.pop(0)
                    open_trial = False
            process.join(END_SECONDS if left else START_SECONDS)
            told = _why(process.exitcode, patience)
        if left and open_trial:
            lost = left.pop(0)
            facts = {"status": "failed", "error_kind": "EngineError"}
            trial = unmeasured(lost.planned, lost.attempt, told, **facts)
            job.ledger.append(trial)
            self._tell(trial)
        return left

    def _tell(self, trial: Trial) -> None:
        """Say once why trials of an engine fail: its other rows, and the other engines, go on."""
        said = f"{trial.engine} failed: {trial.error_kind}: {trial.error_message}"
        if trial.status != "ok" and said not in self._told:
            self._told.add(said)
            tqdm.write(said, file=sys.stderr)


@contextlib.contextmanager
def _process(turn: Turn) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a turn's process; yields it, and the connection that it sends its rows through."""
    context = multiprocessing.get_context("spawn")
    rows, its = context.Pipe(duplex=False)
    process = context.Process(target=take, args=(its, turn))
    process.start()
    its.close()
    try:
        yield process, rows
    finally:
        if process.pid is not None and psutil.pid_exists(process.pid):
            end(psutil.Process(process.pid))
        process.join()
        rows.close()


def _next(connection: Connection, seconds: float) -> int | Sequence[Any] | None:
    """Return what comes next; None where the process is gone, or sends nothing for so long."""
    try:
        message: int | Sequence[Any] | None = connection.recv() if connection.poll(seconds) else None
    except (EOFError, ConnectionResetError):
        return None
    return message


def _why(exitcode: int | None, seconds: float) -> str:
    if exitcode is None:
        return f"its process sent nothing for {seconds:.0f} s"
    if exitcode < 0:
        memory = " (the kernel kills so where memory runs out)" if exitcode == -9 else ""
        return f"its process was killed by signal {-exitcode}{memory}"
    return f"its process ended with exit code {exitcode}"


# --- in the process of the turn ---------------------------------------------------------------------------


class Pipe:
    """Sends rows to the process that has the ledger, in lists, and the slot of a trial that begins."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, record: Any) -> None:
        """Send one row."""
        self._connection.send([record])

    def extend(self, records: Sequence[Any]) -> None:
        """Send several rows of one kind."""
        self._connection.send(list(records))

    def sync(self) -> None:
        """Have nothing to do: what was sent is on its way."""

    def begins(self, slot: int) -> None:
        """Tell that a trial begins."""
        self._connection.send(slot)


def take(connection: Connection, turn: Turn) -> None:
    """Start the engine, run its trials, and send their rows; an engine that failed is started anew."""
    os.environ.update(ONE_THREAD)
    engine, pipe = turn.assignments[0].planned.configuration.engine, Pipe(connection)

    @contextlib.contextmanager
    def started(workers: int, nodes: int) -> Iterator[Team]:
        with contextlib.ExitStack() as stack:
            if engine in ON_RAY:
                stack.enter_context(embedded(workers, turn.object_store_megabytes, 0))
            yield stack.enter_context(TEAMS[engine](workers, nodes))

    def told(ones: Sequence[Assignment]) -> Iterable[Assignment]:
        for one in ones:
            pipe.begins(one.planned.slot)
            yield one

    kept = Kept(started)
    try:
        sample, deadline, stall, wait = (turn.settings[name] for name in SETTINGS)
        setting = Setting(pipe, Alone(), sample, deadline, stall, wait, kept=kept)
        run_slots(turn.assignments, turn.works, dict(turn.digests), setting, told)
    finally:
        kept.end()
