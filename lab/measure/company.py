"""Whether other runs of this lab are measured on this machine: they would disturb each other."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

PLACE = Path("/tmp/ray-scaling-lab.lock")
"""Held by every run of the machine, of all users and clones: none of them writes to it."""


@contextlib.contextmanager
def company(place: Path = PLACE) -> Iterator[Callable[[], bool | None]]:
    """Be known as a run while the body lasts; yields what tells whether there is another, None if unknown."""
    handle = _opened(place)
    if handle is not None:
        _share(handle)
    try:
        yield lambda: None if handle is None else _others(handle)
    finally:
        if handle is not None:
            os.close(handle)


def _others(handle: int) -> bool:
    """Ask for the lock alone, which whoever else holds it prevents; then share it again."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        _share(handle)
    return False


def _share(handle: int) -> None:
    # nobody is waited for: while another asks, it is known to be there
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _opened(place: Path) -> int | None:
    """Return the open file, made for everybody if it is not there; None where there is no such place.

    A file of somebody else in a folder for all may be opened, but not be made anew: so that is tried last.
    """
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        with contextlib.suppress(OSError):
            return os.open(place, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
    return None
