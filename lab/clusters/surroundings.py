"""What surrounds a run on this machine: limits that no Ray starts under, and settings that change it."""

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from lab.errors import ClusterError

FEWEST_FILES = 1024
"""Files that a process of Ray has to be able to have open at once: one for each of its connections."""

SOCKET = "/ray/session_2026-01-31_12-00-00_123456_1234567/sockets/plasma_store"
"""The longest path of a socket that Ray makes in the folder for temporary files."""

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path, at most: the operating system's rule."""

CHANGING = ("RAY_", "OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "MALLOC_", "LD_")
"""How names of variables begin that change how Ray, numerical libraries or any process run."""

OTHER_CHANGING = (
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "pythonhashseed", "pythonmalloc"),
    *("pythondevmode", "pythontracemalloc", "pythonoptimize", "pythonasynciodebug"),
)
HARMLESS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR", "RAY_CLIENT_MODE")
"""Those that change no measurement; the last is Ray's own."""


def check_surroundings() -> None:
    """Raise `ClusterError` for limits that no Ray starts under, with the command that helps.

    A limit of open files that this process may raise itself is raised.
    """
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    too_long = len(os.fsencode(folder.rstrip("/") + SOCKET)) - LONGEST_SOCKET
    if too_long > 0:
        raise ClusterError(
            f"the folder for temporary files, TMPDIR, has a path too long for Ray's sockets by {too_long} "
            "characters: choose a shorter TMPDIR, such as TMPDIR=/tmp"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ClusterError(
            "the folder for temporary files, TMPDIR, is not there or not writable: make it, or choose "
            "another, such as TMPDIR=/tmp"
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < FEWEST_FILES:
        raise ClusterError(
            f"a process may have {hard} files open here, and Ray needs {FEWEST_FILES}: raise it "
            f"(ulimit -n {FEWEST_FILES}), in a new shell where this one may not"
        )
    if 0 <= soft < FEWEST_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_FILES, hard))


def changing(environment: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """Return the names of variables that change what is measured, but for those that the lab sets itself.

    Names only: a value may be an address, a password or a folder of somebody.
    """
    return sorted(
        name
        for name in environment
        if (name.startswith(CHANGING) or name.lower() in OTHER_CHANGING)
        and name not in own
        and name not in HARMLESS
    )


class _Late(BaseException):
    """Ends a wait from outside; no `except Exception` on the way may hold it up."""


@contextlib.contextmanager
def limited(seconds: float, told: str) -> Iterator[None]:
    """Raise `ClusterError` where the body takes longer; only the main thread can be interrupted.

    Python acts on the alarm as soon as it is back from whatever it called.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_number: int, _frame: Any) -> None:
        raise _Late

    began, before = time.monotonic(), signal.signal(signal.SIGALRM, late)
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Late:
        raise ClusterError(told) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            # an alarm that somebody else has set goes on
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)), every)
