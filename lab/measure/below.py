"""Processes that come and go below those that are known: what they have used, and what they hold."""

import contextlib
import time
from collections.abc import Iterable

import psutil

from lab.measure.node import private_memory_bytes

LOOK_SECONDS = 1.0
"""To list the processes of a machine takes some milliseconds of processor time."""


class Below:
    """The processes of a command's Ray on a node: the roots, and all that they have started."""

    def __init__(self, roots: Iterable[psutil.Process]) -> None:
        self._roots = tuple(roots)
        self._found, self._looked = self._roots, float("-inf")

    def cpu_seconds(self) -> float:
        """Return their processor time so far, in seconds, with that of those that have ended.

        A process that has ended is in the times that its parent keeps of children it has waited for.
        """
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])
        return total

    def private_bytes(self) -> int:
        """Return the memory that they share with no one, in bytes."""
        return private_memory_bytes(self._processes())

    def _processes(self) -> tuple[psutil.Process, ...]:
        """Return them as they were a second ago at most."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            found = dict.fromkeys(self._roots)
            for root in self._roots:
                with contextlib.suppress(psutil.Error):
                    found |= dict.fromkeys(root.children(recursive=True))
            self._found, self._looked = tuple(found), time.monotonic()
        return self._found
