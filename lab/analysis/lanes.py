"""What one worker did in a trial's window, as spans that fill it without overlap."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

WAITING, TASK, FAILED, UNKNOWN, TAIL, GONE = "waiting", "task", "failed", "unknown", "tail", "gone"
STATES = {
    WAITING: "waiting for work: before the first task and between tasks",
    TASK: "in a task",
    FAILED: "a failed attempt",
    UNKNOWN: "not known: the attempts that were handed over came back without times",
    TAIL: "after its last task, or without any",
    GONE: "the worker was lost",
}
"""What a worker may be doing, and what each state is called; they fill the window without overlap."""


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """What a worker did from `begin` to `end`, in seconds since the window began.

    A span stands for `attempts` attempts at tasks, 0 where the worker had none. It has task, attempt,
    processor time and error where it stands for one. An attempt without times is a span of no length where
    the driver knew of it.
    """

    state: str
    begin: float
    end: float
    task: int | None = None
    attempt: int | None = None
    cpu_seconds: float | None = None
    error: str | None = None
    attempts: int = 0
    failed: int = 0
    in_tasks_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Return how long it lasted."""
        return self.end - self.begin


@dataclasses.dataclass(frozen=True, slots=True)
class Lane:
    """One worker and its spans, in order of time; workers are counted from 0 over all nodes."""

    worker: int
    spans: tuple[Span, ...]


def spans_of(attempts: pd.DataFrame, window: float, lost_workers: bool) -> Iterator[Span]:
    """Yield the spans of one worker, which fill the window from 0 on.

    `attempts` are its rows of tasks.csv without warm-ups. An attempt may neither outlast the window nor begin
    before the one before has ended, as clocks that are not quite equal may have it.
    """
    at, last_known = 0.0, True
    for row in _in_order(attempts):
        known = not math.isnan(row.started_seconds) and not math.isnan(row.finished_seconds)
        begin = row.started_seconds if known else row.submitted_seconds
        end = row.finished_seconds if known else row.received_seconds
        begin = min(max(begin, at), max(window, at))
        end = begin if math.isnan(end) else min(max(end, begin), max(window, begin))
        if begin > at:
            yield Span(WAITING, at, begin)
        if not known and end > begin:
            yield Span(UNKNOWN, begin, end)
        yield _attempt(row, begin if known else end, end)
        at, last_known = end, known
    if window > at:
        yield Span(GONE if lost_workers and not last_known else TAIL, at, window)


def _in_order(attempts: pd.DataFrame) -> Iterable[Any]:
    """Return the attempts of a worker as they came: by their start, or by when the driver knew of them."""
    times = ["submitted_seconds", "started_seconds", "finished_seconds", "received_seconds"]
    numbers = attempts.astype(dict.fromkeys(times, "float64"))
    came = numbers["started_seconds"].fillna(numbers["received_seconds"])
    return numbers.assign(came=came).sort_values(["came", "task", "attempt"]).itertuples()


def _attempt(row: Any, begin: float, end: float) -> Span:
    """Return the span of one attempt."""
    failed = row.status != "ok"
    told = [str(one) for one in (row.error_kind, row.error_message) if not pd.isna(one)]
    return Span(
        FAILED if failed else TASK,
        begin,
        end,
        int(row.task),
        int(row.attempt),
        None if pd.isna(row.cpu_seconds) else float(row.cpu_seconds),
        ": ".join(told) or None,
        1,
        int(failed),
        end - begin,
    )


def joined(spans: tuple[Span, ...], length: float) -> Iterator[Span]:
    """Yield the spans of a worker, neighbours that together last no longer than `length` as one."""
    group: Span | None = None
    for span in spans:
        if group is None:
            group = span
        elif span.state not in (TAIL, GONE) and span.end - group.begin <= length:
            group = _sum(group, span)
        else:
            yield group
            group = span
    if group is not None:
        yield group


def _sum(first: Span, second: Span) -> Span:
    """Return two neighbours as one span, in the state that matters most."""
    ranks = (WAITING, TASK, UNKNOWN, FAILED)
    return Span(
        max(first.state, second.state, key=ranks.index),
        first.begin,
        second.end,
        attempts=first.attempts + second.attempts,
        failed=first.failed + second.failed,
        cpu_seconds=_added(first, second),
        error=second.error or first.error,
        in_tasks_seconds=first.in_tasks_seconds + second.in_tasks_seconds,
    )


def _added(first: Span, second: Span) -> float | None:
    """Return the processor time of all attempts of two spans; None where that of one is not known."""
    parts = [span.cpu_seconds for span in (first, second) if span.attempts]
    known = [one for one in parts if one is not None]
    return sum(known) if known and len(known) == len(parts) else None
