"""The items of own work: what they may be, and what is said where they cannot be used."""

import dataclasses
import itertools
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lab.items
from lab.errors import WorkError
from lab.items import MOST_ITEMS, Copied, items_of, sizes


def nothing(named: str) -> Any:
    """Stands for the search of a name: there is none."""
    raise AssertionError(f"nobody is to look for {named}")


def taken(items: Any, memory_bytes: int | None = None) -> list[Any]:
    """Return all items."""
    return list(items_of(items, nothing, memory_bytes))


def refused(items: Any, memory_bytes: int | None = None) -> str:
    """Return why items are refused: one line, that ends like a sentence of this lab."""
    with pytest.raises(WorkError) as error:
        sizes(items_of(items, nothing, memory_bytes), memory_bytes)
    told = str(error.value)
    assert "\n" not in told
    return told


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (3, [0, 1, 2]),
        (" 3 ", [0, 1, 2]),
        (np.int64(3), [0, 1, 2]),
        ([5, "a"], [5, "a"]),
        ((5,), [5]),
        ({7}, [7]),
        ({"a": 1, "b": 2}, ["a", "b"]),
        (range(2, 4), [2, 3]),
        ((one for one in "ab"), ["a", "b"]),
        (lambda: iter([1, 2]), [1, 2]),
        (np.arange(2), [0, 1]),
        (pd.Series([4, 5]), [4, 5]),
        (map(str, [1, 2]), ["1", "2"]),
        (itertools.islice(itertools.count(), 2), [0, 1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_gives_one_after_another(items: Any, expected: list[Any]) -> None:
    """A number, a list, a set, a generator, a function, an array: each gives its items, in order."""
    assert taken(items) == expected


def test_lines_that_arrive_are_items() -> None:
    """What reads lines, such as standard input, gives an item for each, until it ends."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "w") as stream:
            for line in ("one\n", "two\n"):
                stream.write(line)
                stream.flush()
                time.sleep(0.05)

    threading.Thread(target=write).start()
    with os.fdopen(reading) as lines:
        assert taken(lines) == ["one\n", "two\n"]


def test_files_of_items(tmp_path: Path) -> None:
    """A value of JSON a line, or a line as it is; empty lines are none."""
    (tmp_path / "my items [1].jsonl").write_text('{"a": 1}\n\n[2]\n')
    (tmp_path / "items.txt").write_text("one\ntwo words\n\n")
    assert taken(str(tmp_path / "my items [1].jsonl")) == [{"a": 1}, [2]]
    assert taken(str(tmp_path / "items.txt")) == ["one", "two words"]


def test_names_are_looked_for() -> None:
    """Any other text is the name of a list or a function."""
    assert list(items_of("my_job.py:items", lambda named: [named])) == ["my_job.py:items"]


@pytest.mark.parametrize("items", [None, [], (), True, range(0)], ids=repr)
def test_no_items(items: Any) -> None:
    """Without items nothing is run: the message tells the four ways to give some."""
    told = refused(items)
    assert told == "there are no items: give a list, a file (items.jsonl), my_job.py:items, or their number"


@pytest.mark.parametrize("items", [iter(()), lambda: [], np.zeros(0), {}], ids=["iterator", "function", "array", "dict"])  # fmt: skip  # noqa: E501
def test_items_that_turn_out_empty(items: Any) -> None:
    """What gives nothing is told of."""
    assert "empty: at least one item is needed" in refused(items)


@pytest.mark.parametrize("items", [0, -1, MOST_ITEMS + 1, "0"])
def test_numbers_out_of_range(items: Any) -> None:
    """The accepted range stands in the message."""
    assert refused(items) == f"items is {int(items)}: from 1 to 1,000,000 are accepted"


def test_items_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless iterator is refused after the most that are accepted, with two ways out."""
    monkeypatch.setattr(lab.items, "MOST_ITEMS", 1000)
    told = refused(itertools.count())
    assert told == (
        "items does not end, or has more than 1,000 items: take some of them "
        "(itertools.islice(items, 1000)), or put several into one"
    )


def test_items_that_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items that are slow to come are refused with how many came."""
    monkeypatch.setattr(lab.items, "ITEMS_SECONDS", 0.05)
    told = refused(time.sleep(0.01) or one for one in range(1000))
    assert "items in 0 s and did not end: make fewer, or do what takes so long in the work itself" in told


def test_more_items_than_fit_the_memory() -> None:
    """Items are counted as they come, so that the refusal comes before the memory is full."""
    made = []

    def large() -> Iterator[bytes]:
        for _ in range(1000):
            made.append(1)
            yield bytes(1_000_000)

    told = refused(large(), memory_bytes=20_000_000)
    assert len(made) < 10
    assert told.startswith("the items take 0.01 GB or more, and 0.0 GB may be used for all: ")
    assert told.endswith("have items say what to load (a name, a seed), and load it in the work")


def test_items_that_are_large_within() -> None:
    """A list of arrays counts with what it holds, once it is pickled."""
    assert "may be used for all" in refused([[np.zeros(1_000_000)]] * 2, memory_bytes=20_000_000)


def test_items_that_raise() -> None:
    """The message tells which item was the next, and what was raised."""

    def some() -> Iterator[int]:
        yield 1
        raise OSError("no such bucket\nand more")

    assert refused(some()) == "items failed at item 1: OSError: no such bucket"
    assert refused(lambda: 1 / 0) == "items failed: ZeroDivisionError: division by zero"


def test_a_function_of_items_takes_none() -> None:
    """A function with arguments is not called."""
    assert refused(lambda count: count) == "items needs arguments: a function that makes items takes none"


@pytest.mark.parametrize(("items", "kind"), [(5.5, "float"), (object(), "object"), (lambda: 7, "int")])
def test_what_is_no_list(items: Any, kind: str) -> None:
    """What cannot be gone through is named by its type."""
    assert refused(items) == f"items is of type {kind}: a list or another iterable is needed"


def test_a_frame_is_no_list_of_rows() -> None:
    """A frame gives the names of its columns: what is meant has to be said."""
    told = refused(pd.DataFrame({"a": [1, 2]}))
    assert told.startswith("items is a DataFrame, which is no list of its rows: give frame.to_dict")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", None, "there is no file a.txt of items here"),
        ("a.jsonl", "1\n{x}\n", "a.jsonl, line 2 is no JSON ("),
        ("a.txt", " \n", "a.txt holds no items: it needs a line for each"),
        ("a.txt", b"\xff\xfe", "a.txt cannot be read: "),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: str | bytes | None, told: str) -> None:
    """The file and the line are named, and never the folder."""
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = refused(str(tmp_path / name))
    assert found.startswith(told)
    assert str(tmp_path) not in found


@dataclasses.dataclass
class Holder:
    """An item that holds something."""

    name: str
    inner: Any = None


@pytest.mark.parametrize(
    ("item", "culprit"),
    [
        (lambda: 1, "it is of type function"),
        (Holder("a", threading.Lock()), "it.inner is the culprit, of type lock"),
        (
            [1, {"deep": Holder("a", (2, threading.Lock()))}],
            "it[1]['deep'].inner[1] is the culprit, of type lock",
        ),
    ],
    ids=["itself", "attribute", "deep"],
)
def test_items_that_cannot_be_pickled(item: Any, culprit: str) -> None:
    """The item, and the attribute of it that cannot travel, are named, with what to do."""
    told = refused([0, item])
    assert told.startswith(f"item 1 cannot be pickled, so it cannot be sent to a worker: {culprit} (")
    assert told.endswith("Open what it holds in the work instead, or in set_up")


def test_items_of_a_class_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that no worker can import is named; a text with the word is none of it."""
    main = ModuleType("__main__")
    kind = type("Shape", (), {"__module__": "__main__"})
    vars(main)["Shape"] = kind
    monkeypatch.setitem(sys.modules, "__main__", main)
    told = refused(["__main__", "Shape", {"a": kind()}])
    assert told == (
        "item 2 is of class Shape, or holds one, of the script or notebook itself, which no worker imports: "
        "put the class into a file of its own, and import it from there"
    )


def test_size_and_digest_of_all_items() -> None:
    """Equal items have one digest and their pickled size; others another digest."""
    one, same, other = (sizes(items, None) for items in ([1, {"a", "b"}], [1, {"b", "a"}], [1, {"a"}]))
    assert one == same
    assert one["items_digest"] != other["items_digest"]
    assert one["items_bytes"] == len(pickle.dumps(1, 5)) + len(pickle.dumps({"a", "b"}, 5))


def test_a_hundred_thousand_items_take_a_moment() -> None:
    """Many tiny items are listed and counted within seconds."""
    began = time.process_time()
    assert len(taken(range(100_000))) == 100_000
    sizes(range(100_000), 10**9)
    assert time.process_time() - began < 10


def test_copied_items_stay_as_they_are() -> None:
    """Work that changes what it is called with changes a copy, each time, of one item or of a batch."""
    items = [[1], [2], [3]]
    copied = Copied(items)
    change: Callable[[list[int]], None] = list.clear
    for one in (copied[0], *copied[1:], *copied, *pickle.loads(pickle.dumps(copied))):
        change(one)
    assert items == [[1], [2], [3]]
    assert len(copied) == 3
