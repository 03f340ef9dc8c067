"""A serial share: while one worker is in it, all others stand still. This is Amdahl's law.

A checkpoint, a stop of the world, a table that is locked while it changes: for a share of each item nothing
else runs. Two locks of the machine make it so: work holds `room` together with others, in short slices, and
the serial part holds it alone. Whoever waits for it stands at `door`, so that nobody waits for ever.

Known beforehand: a share s = 0.2 of each item is serial, so that w workers on w free cores of one machine
are 1 / (s + (1 - s) / w) times as fast as one: 1.67 with 2, 2.5 with 4, and never 5. Containers of one host
share the locks where they share a folder, as the nodes of docker-compose.yml do; else each node has its own.
`waits` is the same with waiting in place of computing, for nodes with a quota: there a node that waits for
its turn is paid back what it was throttled, and so computing bends less than the law says.
Run it: lab run examples/serial_share.py:work --items examples/serial_share.py:items --workers 1,2
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SERIAL = 0.2
STEPS = 2_000_000  # of one item, about 0.1 s of one core
SECONDS = 0.1  # of one item that waits
SLICES = 40  # of the part that is not serial
SHARED = Path("/run/ray-token/token")  # a file that all containers of docker-compose.yml may open to read

items = range(60)


def work(item: int) -> int:
    """Return a sum over all steps: a share of them together with others, the rest alone."""
    serial = round(STEPS * SERIAL)
    total = 0
    for part in range(SLICES):
        with together():
            total += steps((STEPS - serial) // SLICES, item + part)
    with alone():
        return total + serial_part(serial, item)


def waits(item: int) -> int:
    """Return the item after a wait: a share of it alone, the rest together with others."""
    for _ in range(SLICES):
        with together():
            time.sleep(SECONDS * (1 - SERIAL) / SLICES)
    with alone():
        time.sleep(SECONDS * SERIAL)
    return item


def serial_part(count: int, item: int) -> int:
    """Return the sum of the steps that nobody else works beside."""
    return steps(count, item)


def steps(count: int, start: int) -> int:
    """Return the sum of so many numbers from 0 to 6: a fixed number of additions."""
    total = 0
    for number in range(start, start + count):
        total += number % 7
    return total


@contextmanager
def together() -> Iterator[None]:
    """Enter the room with others."""
    with ExitStack() as stack:
        with locked("door", fcntl.LOCK_EX):
            stack.enter_context(locked("room", fcntl.LOCK_SH))
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Enter the room once all others have left it, and keep the door shut."""
    with locked("door", fcntl.LOCK_EX), locked("room", fcntl.LOCK_EX):
        yield


@contextmanager
def locked(name: str, how: int) -> Iterator[None]:
    """Hold a lock of this user on this machine; closing the file gives it back."""
    path = Path(tempfile.gettempdir(), f"serial_share-{os.getuid()}.{name}")
    if SHARED.exists():
        path = SHARED if name == "door" else SHARED.parent
    else:
        path.touch()
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)
