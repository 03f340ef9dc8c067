"""The per-node sampler: reads the node at fixed times inside a trial's window, and knows its own cost."""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import psutil

from lab.data.records import Sample
from lab.measure.node import Reading, private_memory_bytes

SLOW_SECONDS = 1.0
"""What the object store and the processes hold costs more than the rest, so it is asked for once a second."""

SHORTEST_SHARE = 0.25
"""Of the interval: a last sample sooner after the one before is left out."""


class Sampler:
    """A thread that samples this node between `begin` and `end`.

    `read` reads the node's counters. `queue_length` and `object_store_bytes` are asked for what only the
    driver knows, where it is the driver that samples; `processes` are those whose private memory counts as
    the lab's, with what `more_bytes` tells. The samples are in `samples` after the end, their times since
    `began` on this node's clock.
    """

    def __init__(
        self,
        trial_id: str,
        node_id: str,
        read: Callable[[], Reading],
        processes: Iterable[psutil.Process],
        interval_seconds: float,
        queue_length: Callable[[], int] | None = None,
        object_store_bytes: Callable[[], int | None] | None = None,
        more_bytes: Callable[[], int] | None = None,
    ) -> None:
        self.trial_id, self.node_id, self.read = trial_id, node_id, read
        self.processes = tuple(processes)
        self.interval_seconds = interval_seconds
        self.queue_length, self.object_store_bytes = queue_length, object_store_bytes
        self.more_bytes = more_bytes
        self.samples: list[Sample] = []
        self.cpu_seconds = 0.0
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        """Begin to sample: the window starts once the node has been read."""
        self.first = self.last = self.read()
        self._last_at = self.began = time.monotonic()
        self._slow_at = float("-inf")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the last sample and end."""
        self._stop.set()
        self._thread.join()
        if error is None and self.error is not None:
            raise self.error

    def _run(self) -> None:
        cpu_before = time.thread_time()
        due = self.began
        try:
            stopped = False
            while not stopped:
                due = max(due + self.interval_seconds, time.monotonic())
                stopped = self._stop.wait(due - time.monotonic())
                self._sample(cpu_before)
        except Exception as error:  # noqa: BLE001  the trial that asked for samples is told at its end
            self.error = error
        self.cpu_seconds = time.thread_time() - cpu_before

    def _sample(self, cpu_before: float) -> None:
        now, last = time.monotonic(), self.last
        seconds = now - self._last_at
        # the clocks of processor time tick 100 times a second: over a moment they give no rate
        short = seconds < SHORTEST_SHARE * self.interval_seconds
        if short and self.samples:
            return
        reading = self.read()
        if now - self._slow_at >= SLOW_SECONDS:
            self._slow_at, self._memory = now, private_memory_bytes(self.processes)
            self._memory += 0 if self.more_bytes is None else self.more_bytes()
            self._store = None if self.object_store_bytes is None else self.object_store_bytes()
        self.samples.append(
            Sample(
                trial_id=self.trial_id,
                node_id=self.node_id,
                at_seconds=now - self.began,
                cpu_cores=None if short else (reading.cpu_seconds - last.cpu_seconds) / seconds,
                steal_cores=None if short else _rate(reading.steal_seconds, last.steal_seconds, seconds),
                throttled_seconds=_rate(reading.throttled_seconds, last.throttled_seconds, 1.0),
                memory_bytes=reading.memory_bytes,
                lab_memory_bytes=self._memory,
                object_store_bytes=self._store,
                network_received_bytes=_change(reading.network_received_bytes, last.network_received_bytes),
                network_sent_bytes=_change(reading.network_sent_bytes, last.network_sent_bytes),
                gpu_percent=reading.gpu_percent,
                gpu_memory_bytes=reading.gpu_memory_bytes,
                queue_length=None if self.queue_length is None else self.queue_length(),
                sampler_cpu_seconds=time.thread_time() - cpu_before,
            )
        )
        self.last, self._last_at = reading, now


def _rate(now: float | None, before: float | None, seconds: float) -> float | None:
    return None if now is None or before is None else (now - before) / seconds


def _change(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before
