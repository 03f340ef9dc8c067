"""One trial as a file that Perfetto and Chrome open: what `lab trace` writes.

The format is that of the Chrome trace viewer, "Trace Event Format" by Google: a node is a process, a worker a
thread, an attempt at a task a complete event, a failure an instant event as well; the readings of a node and
the queue are counters. Times are microseconds since the trial's window began.
"""

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.analysis.lanes import FAILED, STATES, UNKNOWN, Lane, Span
from lab.analysis.timeline import NodeLanes, Timeline, timeline
from lab.analysis.trials import sound
from lab.data.store import Run
from lab.errors import DataError

Event = dict[str, Any]

DRIVER = 1
"""The number of the driver's process, which has the queue; the nodes come after it."""

FIRST_WORKER = 1000
"""The number of the thread of worker 0, above those of all processes: equal numbers mean a main thread."""

COUNTERS = {
    "cpu_cores": ("CPU", "cores", 1.0),
    "throttled_share": ("held back by the quota", "seconds per second", 1.0),
    "memory_bytes": ("memory", "MiB", 2.0**-20),
}
"""The counters of a node: column of its readings -> name, unit and scale."""


def trace(run: Run, trial_id: str) -> dict[str, Any]:
    """Return a trial in the trace event format, its events in order of time."""
    found = timeline(run, trial_id)
    names = [_named("process_name", DRIVER, 0, "driver"), _sorted("process", DRIVER, 0, 0)]
    events: list[Event] = []
    for place, node in enumerate(found.nodes, start=1):
        process = DRIVER + place
        names += _names(node, process, place)
        events += _counters(node, process)
        for lane in node.lanes:
            events += _attempts(lane, process)
    events += _queue(found)
    return {
        "traceEvents": [*names, *sorted(events, key=lambda event: float(event["ts"]))],
        "displayTimeUnit": "ms",
        "otherData": {
            "experiment": str(run.environment.get("experiment", "")),
            "run_id": run.run_id,
            "trial_id": trial_id,
            "status": found.status,
            "window_seconds": found.seconds,
        },
    }


def write(found: dict[str, Any], path: Path) -> None:
    """Write a trace as JSON, gzipped where the file's name ends in .gz; raises `DataError` if it cannot."""
    content = json.dumps(found, allow_nan=False, separators=(",", ":")).encode()
    try:
        # without a time of its own, equal traces are equal files
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}): name another file with -o") from error


def typical_trial(run: Run) -> str:
    """Return the trial of median duration among those of the largest size that ended well, on Ray if any did.

    The largest has most nodes, and of these most workers. Raises `DataError` where no trial ended well.
    """
    ended = sound(run.trials).dropna(subset=["duration_seconds"])
    if ended.empty:
        raise DataError(
            f"no trial of {run.directory} ended well: name the one to look at with --trial, as in trials.csv"
        )
    ray = ended["engine"] == "ray"
    ended = ended[ray] if ray.any() else ended
    sizes = ended[["nodes", "workers"]].apply(tuple, axis="columns")
    largest = ended[sizes == max(sizes)].sort_values("duration_seconds")
    return str(largest["trial_id"].iloc[(len(largest) - 1) // 2])


def _names(node: NodeLanes, process: int, place: int) -> Iterator[Event]:
    lost = ", lost" if node.lost is not None else ""
    yield _named("process_name", process, 0, f"{node.name} ({node.short_id}{lost})")
    yield _sorted("process", process, 0, place)
    for lane in node.lanes:
        thread = FIRST_WORKER + lane.worker
        yield _named("thread_name", process, thread, f"worker {lane.worker}")
        yield _sorted("thread", process, thread, lane.worker)


def _named(what: str, process: int, thread: int, name: str) -> Event:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


def _sorted(what: str, process: int, thread: int, place: int) -> Event:
    index = {"sort_index": place}
    return {"name": f"{what}_sort_index", "ph": "M", "pid": process, "tid": thread, "args": index}


def _attempts(lane: Lane, process: int) -> Iterator[Event]:
    """Yield what a worker did: its attempts at tasks, and the time of which nothing is known."""
    where = {"pid": process, "tid": FIRST_WORKER + lane.worker}
    for span in lane.spans:
        times = {"ts": _microseconds(span.begin), "dur": _microseconds(span.end) - _microseconds(span.begin)}
        if span.attempts:
            yield {**_titled(span), "ph": "X", **times, **where, "args": _facts(span)}
        elif span.state == UNKNOWN:
            about = {"why": STATES[UNKNOWN]}
            yield {"name": "not known", "cat": "unknown", "ph": "X", **times, **where, "args": about}
        if span.state == FAILED:
            at = {"ts": _microseconds(span.end), "s": "t"}
            failure = {"name": f"failed: task {span.task}", "cat": "failure", "ph": "i"}
            yield {**failure, **at, **where, "args": _facts(span)}


def _titled(span: Span) -> Event:
    again = f", attempt {span.attempt}" if (span.attempt or 1) > 1 else ""
    return {"name": f"task {span.task}{again}", "cat": "failed" if span.failed else "task"}


def _facts(span: Span) -> Event:
    return {
        "task": span.task,
        "attempt": span.attempt,
        "cpu_seconds": span.cpu_seconds,
        "status": "failed" if span.failed else "ok",
        "error": span.error,
    }


def _counters(node: NodeLanes, process: int) -> Iterator[Event]:
    """Yield a node's counters: one holds from its event on, and a rate is that since the last reading."""
    instants = node.readings["at_seconds"].tolist()
    for column, (name, unit, scale) in COUNTERS.items():
        since = instants if column == "memory_bytes" else [0.0, *instants[:-1]]
        for at, value in zip(since, node.readings[column].tolist(), strict=True):
            if math.isfinite(value):
                yield _counter(name, process, at, {unit: value * scale})


def _queue(found: Timeline) -> Iterator[Event]:
    for at, length in zip(found.queue["at_seconds"].tolist(), found.queue["length"].tolist(), strict=True):
        yield _counter("queue", DRIVER, at, {"tasks": int(length)})


def _counter(name: str, process: int, at: float, values: Event) -> Event:
    return {"name": name, "ph": "C", "ts": _microseconds(at), "pid": process, "tid": 0, "args": values}


def _microseconds(seconds: float) -> int:
    # a node's clock may be off the driver's by less than a millisecond: nothing is before the window
    return max(0, round(seconds * 1e6))
