"""What a job on the cluster tells the client: numbered lines on its standard output, and nothing else.

    @lab <number> <kind> <json>

The number counts from 1; a beat, which only keeps the stream alive, has 0. The kind is the name of a file
of `lab.data.records.FILES` for a row of it, any other word for a message with facts, and `end` for the last
line, which tells how many lines there were and their digest. So the reader of a log that was cut off, or read
twice, knows what it has had and what it lacks. The head imports this module: it must stay light.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from lab.data.records import FILES, Column, columns
from lab.errors import DataError

MARK = "@lab "
LINE = re.compile(r"@lab (\d+) ([A-Za-z_.]+) (\{.*\})")
WORD = re.compile(r"[A-Za-z_]+")
OTHER_LINES = 40
"""How many of the last lines that are not of the wire a receiver keeps: a traceback fits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One thing told: a record under the name of its file, or facts under any other word."""

    kind: str
    content: Any


class Sender:
    """Writes records and messages to a stream as a ledger writes rows to files; any thread may use it."""

    def __init__(self, stream: TextIO) -> None:
        """Begin a stream at line 1."""
        self._stream, self._lock = stream, threading.Lock()
        self._count, self._digest = 0, hashlib.sha256()
        self._files = {record: name for name, record in FILES.items()}

    def append(self, record: Any) -> None:
        """Send one row."""
        self._number(self._files[type(record)], _known(record))

    def extend(self, records: Sequence[Any]) -> None:
        """Send several rows."""
        for one in records:
            self.append(one)

    def sync(self) -> None:
        """Have everything on its way."""
        with self._lock:
            self._stream.flush()

    def tell(self, kind: str, /, **facts: Any) -> None:
        """Send facts, which JSON must be able to hold, under a word that is not taken."""
        if not WORD.fullmatch(kind) or kind in ("beat", "end"):
            raise ValueError(f"a message cannot be called {kind!r}: take one word other than beat and end")
        self._number(kind, facts)

    def beat(self) -> None:
        """Show that the job is alive."""
        with self._lock:
            self._write(_line(0, "beat", {}))

    def end(self) -> None:
        """Send the last line, by which the receiver knows that it has everything."""
        with self._lock:
            end = {"count": self._count, "digest": self._digest.hexdigest()}
            self._write(_line(self._count + 1, "end", end))

    def _number(self, kind: str, content: Mapping[str, Any]) -> None:
        with self._lock:
            line = _line(self._count + 1, kind, content)
            self._write(line)
            self._count += 1
            self._digest.update(line.encode())

    def _write(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()


class Receiver:
    """Puts together what a sender sent, however often and in whatever pieces it arrives."""

    def __init__(self) -> None:
        """Wait for line 1."""
        self.complete = False
        """True once the last line has come, and agrees with all those before it."""
        self.heard = 0
        """How many lines of the wire have been fed, beats and repetitions included: a sign of life."""
        self.other: collections.deque[str] = collections.deque(maxlen=OTHER_LINES)
        """The last lines that are not of the wire."""
        self._next, self._digest = 1, hashlib.sha256()
        self._ahead: dict[int, tuple[str, str, str]] = {}
        self._piece = ""

    @property
    def missing(self) -> int:
        """How many lines lack before the last one that is known of; 0 beside a wrong digest is damage."""
        return max(self._ahead) + 1 - self._next - len(self._ahead) if self._ahead else 0

    def rewind(self) -> None:
        """Expect the text from its very beginning again, as of a log that is read once more."""
        self._piece = ""
        self.other.clear()

    def feed_text(self, text: str) -> tuple[Message, ...]:
        """Take a piece of text, cut anywhere, and return the messages that are now whole and in order."""
        *lines, self._piece = (self._piece + text).split("\n")
        return tuple(message for line in lines for message in self.feed(line))

    def feed(self, line: str) -> tuple[Message, ...]:
        """Take a whole line and return the messages that are now in order; `DataError` for a torn one."""
        start = line.find(MARK)
        found = LINE.fullmatch(line.rstrip("\r\n"), max(start, 0))
        if found is None:
            if start == 0:
                raise DataError(f"a line of the job's output is torn: {_shown(line)}; run it again")
            self.other.append(line.rstrip())
            return ()
        if line[:start].strip():
            self.other.append(line[:start])
        self.heard += 1
        number = int(found[1])
        if number >= self._next:
            self._ahead.setdefault(number, (found[0], found[2], found[3]))
        return self._in_order()

    def _in_order(self) -> tuple[Message, ...]:
        messages = []
        while self._next in self._ahead:
            line, kind, text = self._ahead.pop(self._next)
            content = _content(line, text)
            if kind == "end":
                self.complete = content == {"count": self._next - 1, "digest": self._digest.hexdigest()}
            else:
                messages.append(Message(kind, _record(kind, content) if kind in FILES else content))
                self._digest.update(f"{line}\n".encode())
            self._next += 1
        return tuple(messages)


def _line(number: int, kind: str, content: Mapping[str, Any]) -> str:
    return f"{MARK}{number} {kind} {json.dumps(content)}\n"


def _known(record: Any) -> dict[str, Any]:
    """Return the fields of a record that are known."""
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {name: value for name, value in values.items() if value is not None}


def _content(line: str, text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text)
    except ValueError:
        raise DataError(f"a line of the job's output is torn: {_shown(line)}; run it again") from None
    return content


def _record(kind: str, content: Mapping[str, Any]) -> Any:
    """Return the record that the content is of; `DataError` where a value does not fit its column."""
    table = _columns(kind)
    wrong = [name for name, value in content.items() if name not in table or not _fits(value, table[name])]
    wrong += [name for name, found in table.items() if not found.optional and name not in content]
    if wrong:
        raise DataError(
            f"a row that the job sent does not fit {kind} ({', '.join(wrong)}): the lab on the cluster is "
            "another version than here; install the same, for compose: make docker-build"
        )
    return FILES[kind](**content)


@functools.cache
def _columns(kind: str) -> dict[str, Column]:
    return {found.name: found for found in columns(FILES[kind])}


def _fits(value: Any, found: Column) -> bool:
    kinds = (int, float) if found.kind is float else (found.kind,)
    return type(value) in kinds and (not found.choices or value in found.choices)


def _shown(line: str) -> str:
    return repr(line if len(line) <= 100 else line[:100] + "...")
