"""Work in the driver's own process: what it changes there is put back, and it cannot end the driver."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


@contextlib.contextmanager
def put_back() -> Iterator[None]:
    """Have what work prints go nowhere, as in a worker, and keep folder, environment and signals as they are.

    `os._exit` raises `SystemExit` here, which is the end of one item: in a worker it would be the worker's.
    """
    folder, variables = os.getcwd(), dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    # typed as any: mypy takes no function for another one's name
    system: Any = os
    exits, path = os._exit, list(sys.path)
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        system._exit = _raising(exits)
        try:
            yield
        finally:
            system._exit, sys.path[:] = exits, path
            _restore(folder, variables, handlers)


def _raising(exits: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    """Return what stands for `os._exit`: copies of this process, such as `os.fork` makes, do end by it."""
    driver = os.getpid()

    def end(status: int) -> NoReturn:
        if os.getpid() != driver:
            exits(status)
        raise SystemExit(status)

    return end


def _restore(folder: str, variables: dict[str, str], handlers: dict[signal.Signals, Any]) -> None:
    with contextlib.suppress(OSError):
        os.chdir(folder)
    if os.environ != variables:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            # None: it was not set by Python, which cannot put it back
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
