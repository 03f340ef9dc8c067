"""A command of somebody's own: run as it is, read while it runs, ended in time, and judged by its end."""

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import psutil

from lab.errors import EngineError

UNITS = re.compile(rb"^lab: units=(\d{1,18})[ \t\r]*$", re.MULTILINE)
"""A line of its standard output that tells how much was done; several add up."""
TRACEBACK = b"Traceback (most recent call last):"
PIECE_BYTES, KEPT_BYTES = 1 << 16, 4000
END_SECONDS = 10.0
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Command:
    """The words of a command line; `folder` None is the working folder of the process that runs it."""

    words: tuple[str, ...]
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended well: when, on the monotonic clock, and its units; None where it told none."""

    started: float
    finished: float
    units: int | None


class _Reader:
    """Reads what a command prints as it comes, and keeps of it the units, the last words, and a traceback."""

    def __init__(self, stream: IO[bytes], units: bool) -> None:
        self._stream, self._units = stream, units
        self.told: list[int] = []
        self.last, self.failed = b"", False
        self.thread = threading.Thread(target=self._read, name="output", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        rest = b""
        # read1: what has come, without waiting until a piece is full
        while piece := self._stream.read1(PIECE_BYTES):  # type: ignore[attr-defined]
            whole, _, rest = (rest + piece).rpartition(b"\n")
            self._take(whole + b"\n" if whole else b"")
            rest = rest[-PIECE_BYTES:]
        self._take(rest)

    def _take(self, text: bytes) -> None:
        if self._units:
            self.told += map(int, UNITS.findall(text))
        self.failed = self.failed or TRACEBACK in text
        self.last = (self.last + text)[-KEPT_BYTES:]


def attend(command: Command, variables: Mapping[str, str], seconds: float) -> Ended:
    """Run a command to its end, at most so long; raises `EngineError` where it does not end well.

    That is: it is not found, takes longer, ends with another status than 0, or prints a traceback and tells
    no units, since scripts catch errors, and Ray prints those of tasks. What it started and left running in
    its session is ended.
    """
    started = time.monotonic()
    try:
        process = psutil.Popen(
            command.words,
            cwd=command.folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(
            f"{command.words[0]} cannot be started ({error.strerror}): install it where the command runs"
        ) from error
    out, err = _Reader(process.stdout, True), _Reader(process.stderr, False)
    try:
        status = process.wait(seconds)
        finished = time.monotonic()
    except psutil.TimeoutExpired:
        raise EngineError(
            f"the command had not ended after {seconds:.0f} s (deadline_seconds), and was killed; "
            f"{_said(out, err)}"
        ) from None
    finally:
        _end(process)
        for one in (out, err):
            one.thread.join(END_SECONDS)
    _judge(status, out, err)
    return Ended(started, finished, sum(out.told) if out.told else None)


def _judge(status: int, out: _Reader, err: _Reader) -> None:
    """Raise `EngineError` unless the command has ended well."""
    if status < 0:
        memory = " (the kernel kills so where memory runs out)" if status == -9 else ""
        raise EngineError(f"the command was ended by signal {-status}{memory}; {_said(out, err)}")
    if status:
        raise EngineError(f"the command ended with status {status}; {_said(out, err)}")
    if (out.failed or err.failed) and not out.told:
        raise EngineError(
            "the command printed a traceback and ended with status 0: whether its work was done is unknown; "
            "have it end with another status after an error, or tell what it did: lab: units=123; "
            f"{_said(out, err)}"
        )


def _said(out: _Reader, err: _Reader) -> str:
    """Return the last line of what was said to either stream, errors first."""
    for one in (err, out):
        lines = one.last.decode(errors="replace").strip().splitlines()
        if lines:
            return f"its last line: {lines[-1][-SHOWN:]}"
    return "it printed nothing"


def _end(process: psutil.Popen) -> None:
    """End a command with all that it has started, or that is still in its session."""
    left = [one for one in psutil.process_iter() if _in_session(one.pid, process.pid)]
    with contextlib.suppress(psutil.Error):
        left += process.children(recursive=True)
    for one in left:
        with contextlib.suppress(psutil.Error):
            one.kill()
    with contextlib.suppress(psutil.Error):
        process.wait(END_SECONDS)


def _in_session(pid: int, session: int) -> bool:
    with contextlib.suppress(OSError):
        return os.getsid(pid) == session
    return False
