"""One shared resource that serves one caller at a time: a licence, a database, a disk.

Known beforehand: the resource takes t = 20 ms for each result, so that one machine gives at most 1 / t = 50
results a second, however many workers it has: the curve rises with the workers up to there, and is flat
from there on. Containers of one host share the resource where they share a file, as the nodes of
docker-compose.yml do; else each node has its own, and n nodes give at most n * 50.
Run it: lab run examples/shared_lock.py:work --items examples/shared_lock.py:items --workers 1,2,4
"""

import fcntl
import os
import tempfile
import time
from pathlib import Path

SERVICE_SECONDS = 0.02
STEPS = 250_000  # of one item before it needs the resource, about 10 ms of one core

SHARED = Path("/run/ray-token/token")  # a file that all containers of docker-compose.yml may open to read

items = range(200)


def work(item: int) -> int:
    """Return a sum, after a visit to the shared resource."""
    total = 0
    for number in range(item, item + STEPS):
        total += number % 7
    path = SHARED
    if not path.exists():
        path = Path(tempfile.gettempdir(), f"shared_lock-{os.getuid()}.lock")
        path.touch()
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed
        use_resource()
    return total


def use_resource() -> None:
    """Take the time that the resource takes, without the processor."""
    time.sleep(SERVICE_SECONDS)
