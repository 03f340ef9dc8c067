"""The lines between a job and its client: whatever happens to them, each message comes once or is missed."""

import io
import random
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.clusters.wire import Message, Receiver, Sender
from lab.data.records import Sample, TaskRecord
from lab.errors import DataError


def sample(at_seconds: float, memory_bytes: int | None = None) -> Sample:
    """Return a row of samples.csv."""
    return Sample(trial_id="000-1", node_id="0123456789ab", at_seconds=at_seconds, memory_bytes=memory_bytes)


ROWS = st.builds(sample, st.floats(allow_nan=False), st.none() | st.integers())
FACTS = st.dictionaries(st.text(), st.none() | st.booleans() | st.floats(allow_nan=False) | st.text())
CONTENTS = st.lists(ROWS | FACTS, max_size=8)


def stream(contents: list[Any]) -> str:
    """Return what a sender writes: rows and facts, a beat after each, and the end."""
    out = io.StringIO()
    sender = Sender(out)
    for content in contents:
        if isinstance(content, Sample):
            sender.append(content)
        else:
            sender.tell("news", **content)
        sender.beat()
    sender.end()
    return out.getvalue()


def messages(contents: list[Any]) -> list[Message]:
    """Return what a receiver makes of it."""
    return [Message("samples.csv" if isinstance(one, Sample) else "news", one) for one in contents]


def lines(contents: list[Any]) -> list[str]:
    """Return the numbered lines of a stream."""
    return [line for line in stream(contents).splitlines() if " beat " not in line]


# --- what arrives ---------------------------------------------------------------------------------------


@given(CONTENTS, st.randoms(use_true_random=False))
def test_a_stream_cut_anywhere_arrives_whole(contents: list[Any], chance: random.Random) -> None:
    """However the text is cut into pieces, each message comes out once, in order, exactly as it went in."""
    text = stream(contents)
    cuts = sorted(chance.randint(0, len(text)) for _ in range(10))
    receiver = Receiver()
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert [one for piece in pieces for one in receiver.feed_text(piece)] == messages(contents)
    assert receiver.complete
    assert receiver.missing == 0


@given(CONTENTS, st.randoms(use_true_random=False))
def test_lines_doubled_and_out_of_order_arrive_once(contents: list[Any], chance: random.Random) -> None:
    """Lines that come twice or too early neither double nor disorder the messages."""
    shuffled = lines(contents) * 2
    chance.shuffle(shuffled)
    receiver = Receiver()
    assert [one for line in shuffled for one in receiver.feed(line)] == messages(contents)
    assert receiver.complete


@given(CONTENTS, st.data())
def test_a_log_read_again_gives_each_message_once(contents: list[Any], data: st.DataObject) -> None:
    """A text that breaks off, in the middle of a line too, and is read again is no repetition."""
    text = stream(contents)
    receiver, received = Receiver(), []
    for _ in range(3):
        received += receiver.feed_text(text[: data.draw(st.integers(0, len(text)))])
        receiver.rewind()
    assert [*received, *receiver.feed_text(text)] == messages(contents)
    assert receiver.complete
    assert list(receiver.other) == []


@given(CONTENTS.filter(bool), st.data())
def test_a_lost_line_is_noticed_and_counted(contents: list[Any], data: st.DataObject) -> None:
    """Where a line lacks, no later message is given, the stream is not complete, and the line is counted."""
    sent = lines(contents)
    lost = data.draw(st.integers(0, len(contents) - 1))
    receiver = Receiver()
    received = [one for line in sent[:lost] + sent[lost + 1 :] for one in receiver.feed(line)]
    assert received == messages(contents)[:lost]
    assert not receiver.complete
    assert receiver.missing == 1
    assert list(receiver.feed(sent[lost])) == messages(contents)[lost:]
    assert receiver.complete


def test_without_its_last_line_a_stream_is_not_complete() -> None:
    """All rows alone are no complete stream: there might be more."""
    receiver = Receiver()
    for line in lines([sample(1.0), sample(2.0)])[:-1]:
        receiver.feed(line)
    assert not receiver.complete


def test_a_line_that_was_changed_is_noticed() -> None:
    """A number that is another on arrival does not agree with the digest."""
    receiver = Receiver()
    received = receiver.feed_text(stream([sample(1.5)]).replace("1.5", "1.6"))
    assert received == (Message("samples.csv", sample(1.6)),)
    assert not receiver.complete
    assert receiver.missing == 0


def test_beats_are_heard_and_give_no_message() -> None:
    """A beat is a sign of life and nothing else; a line that is not of the wire is none."""
    out = io.StringIO()
    Sender(out).beat()
    receiver = Receiver()
    assert receiver.feed(out.getvalue()) == ()
    assert receiver.heard == 1
    assert receiver.feed("warning: all is well") == ()
    assert receiver.heard == 1


def test_what_others_print_is_kept_apart() -> None:
    """Foreign lines, and what stands before a line of the wire, are kept: the last 40 of them."""
    receiver = Receiver()
    first, end = lines([sample(1.0)])
    for number in range(50):
        assert receiver.feed(f"line {number}\n") == ()
    assert receiver.feed(f"50 % done {first}\n") == (Message("samples.csv", sample(1.0)),)
    receiver.feed('    print("@lab 1 samples.csv")')
    receiver.feed(end)
    assert receiver.complete
    assert len(receiver.other) == 40
    assert list(receiver.other)[-3:] == ["line 49", "50 % done ", '    print("@lab 1 samples.csv")']


@pytest.mark.parametrize(
    "line",
    [
        '@lab 1 samples.csv {"trial_id": "000-1", "node_',
        '@lab 1 samples.csv {"trial_id": "000-1", "node_}',
        "@lab 1",
    ],
)
def test_a_torn_line_is_refused(line: str) -> None:
    """A line that breaks off is shown, and never half a row."""
    with pytest.raises(DataError, match=r"torn: '@lab 1"):
        Receiver().feed(line)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"node_id": None}, "node_id"),
        ({"at_seconds": "soon"}, "at_seconds"),
        ({"memory_bytes": 1.5}, "memory_bytes"),
        ({"memory_bytes": True}, "memory_bytes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_row_of_another_version_is_refused(change: dict[str, Any], wrong: str) -> None:
    """A field that lacks, is unknown or has another type names the column and the way out."""
    out = io.StringIO()
    fields = {"trial_id": "000-1", "node_id": "a", "at_seconds": 1.0} | change
    Sender(out).tell("news", **{name: value for name, value in fields.items() if value is not None})
    with pytest.raises(DataError, match=rf"does not fit samples.csv \({wrong}\).*make docker-build"):
        Receiver().feed_text(out.getvalue().replace("news", "samples.csv"))


def test_a_value_that_no_column_lists_is_refused() -> None:
    """A word that is not among a column's few is a row of another version."""
    record = TaskRecord(
        trial_id="0",
        task=0,
        attempt=1,
        warmup=False,
        node_id="a",
        worker=0,
        submitted_seconds=0,
        status="odd",
    )
    out = io.StringIO()
    Sender(out).append(record)
    with pytest.raises(DataError, match=r"does not fit tasks.csv \(status\)"):
        Receiver().feed_text(out.getvalue())


# --- what is sent ---------------------------------------------------------------------------------------


class Transcript(io.StringIO):
    """A stream that keeps apart what each call wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, text: str) -> int:
        """Keep the text."""
        self.calls.append(text)
        return len(text)


def test_threads_may_send_at_once() -> None:
    """Rows and beats of eight threads are whole lines, each written by one call, and all of them arrive."""
    out = Transcript()
    sender = Sender(out)

    def send() -> None:
        for number in range(50):
            sender.append(sample(float(number)))
            sender.beat()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.end()
    assert all(call.startswith("@lab ") and call.index("\n") == len(call) - 1 for call in out.calls)
    receiver = Receiver()
    assert len(receiver.feed_text("".join(out.calls))) == 8 * 50
    assert receiver.complete


@pytest.mark.parametrize("kind", ["end", "beat", "samples.csv", "two words", ""])
def test_taken_words_are_refused(kind: str) -> None:
    """A message cannot pass for a row, a beat or the end."""
    with pytest.raises(ValueError, match="cannot be called"):
        Sender(io.StringIO()).tell(kind)


def test_the_wire_is_light() -> None:
    """The head imports the wire without pandas, numpy or Ray."""
    script = "import sys, lab.clusters.wire; print(sorted({'pandas', 'numpy', 'ray'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"
