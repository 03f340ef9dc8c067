"""Plain Python processes, one a worker: what one would write by hand without a framework.

Dynamic: all workers draw the next task's number from one shared counter, without asking the driver.
Static: each works through its own share. Results come back over one pipe for each worker.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from lab.engines import Completion, Observer, Place, Watch, Work, shares
from lab.engines.carried import Home, one_by_one
from lab.engines.members import cause
from lab.errors import EngineError, LabError
from lab.measure.bare import raised
from lab.measure.task import first_line

READY, DONE = "ready", "done"
"""What a worker says besides its measurements; any other text is why it cannot go on."""
ENDED = "its process ended"
POLL_SECONDS = 0.5
CODE_SECONDS = 1.0
READY_SECONDS = 60.0


class Processes:
    """W processes that wait for work."""

    node_watches: Mapping[str, Any] = {}

    def __init__(self, workers: Sequence[Any], connections: Sequence[Connection], counter: Any) -> None:
        self._workers, self._connections, self._counter = workers, connections, counter
        self.places = tuple(Place(None, worker.pid) for worker in workers)

    @property
    def lost_workers(self) -> int:
        """Return how many of the processes have ended."""
        return sum(not worker.is_alive() for worker in self._workers)

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Hand the whole work over at once, then collect."""
        self._counter.value = 0
        mine = shares(len(work.payloads), len(self._workers)) if schedule == "static" else None
        observer.submitted(len(work.payloads))
        submitted = time.monotonic()
        for number, connection in enumerate(self._connections):
            with contextlib.suppress(BrokenPipeError):  # the process has died: its end is seen on collecting
                share = None if mine is None else mine[number]
                connection.send((work.call, work.function, work.payloads, share))
        self._collect(work, submitted, observer)

    def _collect(self, work: Work, submitted: float, observer: Observer) -> None:
        with Home(work, observer) as home:
            open_tasks, told = self._come_home(work, submitted, home)
        for task in sorted(open_tasks):
            now = time.monotonic()
            observer.completed(Completion(task, 1, -1, None, submitted, now, None, *told))

    def _come_home(self, work: Work, submitted: float, home: Home) -> tuple[set[int], tuple[str, str]]:
        """Collect until no process is busy; return the tasks that are still open then, and why."""
        open_tasks = set(range(len(work.payloads)))
        busy: dict[Any, int] = {connection: number for number, connection in enumerate(self._connections)}
        watch, lost, refusals = Watch(work), list[Any](), list[str]()
        while busy:
            ready: list[Any] = wait(list(busy), timeout=POLL_SECONDS)
            for connection in ready:
                result = _receive(connection)
                if isinstance(result, tuple):
                    task, came = result
                    open_tasks.discard(task)
                    watch.progress()
                    home.take([(task, 1)], [came], busy[connection], None, submitted, time.monotonic())
                elif result is None or result == DONE:
                    number = busy.pop(connection)
                    lost += [] if result else [self._workers[number]]
                else:
                    refusals.append(result)
            if open_tasks:
                watch.check(len(open_tasks))
        kind = "WorkRefused" if refusals else "WorkerLost"
        return open_tasks, (kind, (*refusals, f"{ENDED}{_cause(lost)}")[0])


def _cause(lost: Sequence[Any]) -> str:
    """Return how the first of the lost processes ended."""
    for worker in lost:
        worker.join(CODE_SECONDS)
    return next((cause(one.exitcode) for one in lost if one.exitcode), "")


@contextlib.contextmanager
def team(workers: int, nodes: int = 1) -> Iterator[Processes]:
    """Start the processes and yield them once each has answered."""
    if nodes != 1:
        raise EngineError(f"engine processes is of one node, not {nodes}")
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    pipes = [context.Pipe() for _ in range(workers)]
    started = [context.Process(target=_serve, args=(child, counter)) for _, child in pipes]
    try:
        for process in started:
            process.start()
        for _, child in pipes:
            child.close()
        connections = [parent for parent, _ in pipes]
        _await_ready(connections)
        yield Processes(started, connections, counter)
    finally:
        for process in started:
            if process.pid is not None:
                process.kill()
                process.join()
        for parent, _ in pipes:
            parent.close()


def _await_ready(connections: Sequence[Connection]) -> None:
    for number, connection in enumerate(connections):
        if not connection.poll(READY_SECONDS) or _receive(connection) != READY:
            raise EngineError(
                f"process {number} of {len(connections)} did not start within {READY_SECONDS:.0f} s"
            )


def _receive(connection: Connection) -> Any:
    """Return the next message, or `None` where the process is gone."""
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        return None
    except Exception as error:
        raise EngineError(
            f"a result cannot be unpickled where it arrives: {type(error).__name__}: {first_line(error)}"
        ) from error


def _serve(connection: Connection, counter: Any) -> None:
    """Run in the worker: take the work, send a measurement a task, then say that nothing is left, or why."""
    connection.send(READY)
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            try:
                call, function, payloads, share = connection.recv()
            except (EOFError, OSError):
                return
            except Exception as error:  # noqa: BLE001  whatever the class of an item raises
                told = f"{type(error).__name__}: {first_line(error)}"
                connection.send(f"the work or its items cannot be unpickled where they arrive: {told}")
                connection.send(DONE)
                continue
            try:
                run = one_by_one(call, function)
                for task in _drawn(counter, len(payloads)) if share is None else share:
                    _send(connection, task, run(payloads[task]))
            except LabError as error:
                connection.send(str(error))
            connection.send(DONE)


def _send(connection: Connection, task: int, result: Any) -> None:
    """Send what a task came to; a result of a bare call that cannot be pickled is told as an error."""
    try:
        connection.send((task, result))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  whatever the class of a result raises
        connection.send((task, raised(error)))


def _drawn(counter: Any, tasks: int) -> Iterator[int]:
    while True:
        with counter.get_lock():
            task = counter.value
            counter.value += 1
        if task >= tasks:
            return
        yield task
