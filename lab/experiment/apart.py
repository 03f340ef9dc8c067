"""A run apart from the process that calls it: nothing there is changed, and nothing is left running."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
from threadpoolctl import threadpool_limits

SET_CHILD_SUBREAPER = 36
"""Of Linux's prctl: what a descendant leaves behind becomes our child, and does not get away."""
END_SECONDS = 5.0


@contextlib.contextmanager
def main_apart() -> Iterator[None]:
    """Have no process that is started import the script which called: it would start the run once more.

    `multiprocessing` and loky import the main module by its name or its file, where it has one. Functions of
    the script are sent by value, and do not need it.
    """
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have numbers of threads in this process, which workers inherit, and all as it was in the end."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        # the libraries that this process has loaded already, for the plain loop
        with threadpool_limits(int(next(iter(variables.values()))) if variables else None):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """End in the end what the work has started and left running, in whichever worker, and its descendants."""
    us = psutil.Process()
    before = {one.pid for one in us.children()}
    _take_in(True)
    try:
        yield
    finally:
        left = [one for one in us.children() if one.pid not in before and not _is_pythons(one)]
        for one in left:
            end(one)
        psutil.wait_procs(left, timeout=END_SECONDS)
        _take_in(False)


def end(process: psutil.Process) -> None:
    """Kill a process and all its descendants."""
    with contextlib.suppress(psutil.Error):
        for one in (*process.children(recursive=True), process):
            with contextlib.suppress(psutil.Error):
                one.kill()


def _is_pythons(process: psutil.Process) -> bool:
    """Tell whether it is the process that cleans up for `multiprocessing`, and ends with this one."""
    try:
        return any("resource_tracker" in part for part in process.cmdline())
    except psutil.Error:
        return False


def _take_in(orphans: bool) -> None:
    # another system has no such call, and leaves them to its first process
    with contextlib.suppress(AttributeError, OSError):
        system: Any = ctypes.CDLL(None)
        system.prctl(SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)
