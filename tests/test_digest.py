"""The digest of results: equal for equal values, whichever process made them."""

import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import math
import os
import pickle
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from lab.measure import digest
from lab.measure.digest import digest_of


@dataclasses.dataclass
class Point:
    """A class of a user's."""

    x: Any
    y: Any = 0


class Slotted:
    """An object without a dictionary of its attributes."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x


class Node:
    """An object that knows its neighbours."""

    def __init__(self) -> None:
        self.near: list[Node] = []


class Colour(enum.Enum):
    """Two colours."""

    RED = 1
    BLUE = 2


class Named(str):
    """A text of another class."""


Pair = collections.namedtuple("Pair", "a b")

PLAIN = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False)
    | some.complex_numbers(allow_nan=False)
    | some.text()
    | some.binary()
    | some.decimals(allow_nan=False)
    | some.datetimes()
    | some.fractions()
)
KEYS = some.integers() | some.text() | some.tuples(some.integers(), some.text())
VALUES = some.recursive(
    PLAIN,
    lambda inner: (
        some.lists(inner)
        | some.tuples(inner, inner)
        | some.dictionaries(KEYS, inner)
        | some.sets(KEYS)
        | some.frozensets(KEYS)
        | some.builds(Point, inner, inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_arrives_has_the_digest_of_what_was_sent(value: Any) -> None:
    """A value that was pickled and unpickled has the same digest."""
    assert digest_of(pickle.loads(pickle.dumps(value, 5))) == digest_of(value)


@given(VALUES, VALUES)
def test_other_values_have_other_digests(one: Any, other: Any) -> None:
    """Two values that differ by `==` have two digests."""
    if one != other:
        assert digest_of(one) != digest_of(other)


@given(some.dictionaries(KEYS, PLAIN), some.randoms())
def test_the_order_of_a_dictionary_is_nothing(value: dict[Any, Any], random: Any) -> None:
    """Dictionaries that are equal have one digest, in whichever order they were filled."""
    pairs = list(value.items())
    random.shuffle(pairs)
    assert digest_of(dict(pairs)) == digest_of(value)


@given(some.lists(some.integers(-(2**63), 2**63 - 1)), some.booleans())
def test_how_an_array_lies_in_memory_is_nothing(values: list[int], turned: bool) -> None:
    """Every second element of a longer array is the same as an array of these elements."""
    array = np.array(values, dtype=np.int64)
    spread = np.repeat(array, 2)[::2]
    assert digest_of(spread[::-1][::-1] if turned else spread) == digest_of(array)


DIFFERENT = (
    None, True, False, 0, 1, 2, -1, 10**5000, 10**5000 + 1, 0.0, -0.0, 1.0, math.inf, math.nan, 1j,
    "", "1", "a", "\ud800", b"", b"1", bytearray(b"1"),
    [], (), {}, set(), [1], (1,), {1}, {1: 1}, [[]], [[], []], [1, 2], [2, 1], [12], ["a", "b"], ["ab"],
    {"a": 1}, {"a": 2}, {1: "a"}, {"a": {"b": 1}}, {"b": {"a": 1}},
    Point(1, 2), Point(2, 1), Point([1], 2), Slotted(1), Slotted(2), Colour.RED, Colour.BLUE, Named("a"),
    Pair(1, 2), collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1),
    collections.Counter("aab"), collections.Counter("abb"), collections.deque([1, 2]),
    decimal.Decimal("1.5"), datetime.date(2026, 1, 1), datetime.timedelta(1), range(3), slice(1),
    np.int64(1), np.int32(1), np.float64(1), np.float64("nan"), np.bool_(True), np.datetime64("2026-01-01"),
    np.array([1, 2]), np.array([2, 1]), np.array([1.0, 2.0]), np.array([[1, 2]]), np.array([1, 2], ">i8"),
    np.array([1, "a"], dtype=object), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("c", "f8")]), np.zeros(0), np.zeros((0, 1)),
    pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]}), pd.DataFrame({"a": [1.0, 2.0]}),
    pd.DataFrame({"a": [1, 2]}, index=[5, 6]), pd.Series([1, 2]), pd.Series([1, 2], name="a"),
    pd.Index([1, 2]), pd.Timestamp("2026-01-01"), pd.NA, pd.MultiIndex.from_tuples([(1, 2)]),
    int, Point, len, digest_of, re.compile("a"), re.compile("b"), NotImplemented, ...,
)  # fmt: skip
"""Of each two of these the digests differ."""


def test_all_that_differs_has_digests_of_its_own() -> None:
    """Values of all kinds that are near each other, by type, order, shape, name or sign, differ in digest."""
    found: dict[str, Any] = {}
    for value in DIFFERENT:
        digest = digest_of(value)
        assert re.fullmatch("[0-9a-f]{16}", digest)
        assert digest not in found, (value, found.get(digest))
        found[digest] = value


@pytest.mark.parametrize("value", DIFFERENT, ids=lambda value: type(value).__name__)
def test_each_kind_survives_the_journey(value: Any) -> None:
    """A value of each kind keeps its digest on its way to a worker and back."""
    assert digest_of(pickle.loads(pickle.dumps(value, 5))) == digest_of(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (math.nan, -math.nan),
        ([[1, 2], [1, 2]], [[1, 2]] * 2),
        (collections.Counter("abc"), collections.Counter("cba")),
        (collections.defaultdict(list, a=[1], b=[2]), collections.defaultdict(list, b=[2], a=[1])),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [0, 1, 2]}).iloc[1:].reset_index(drop=True)),
        (np.ones((2, 3)), np.ones((3, 2)).T),
        ("a" * 1000, "".join(["a"] * 1000)),
    ],
    ids=["nan", "shared", "counter", "defaultdict", "frame", "transposed", "text"],
)  # fmt: skip
def test_equal_values_that_were_made_otherwise(one: Any, other: Any) -> None:
    """How a value came to be is nothing: what it shares, in which order it was filled, where it lies."""
    assert digest_of(one) == digest_of(other)


def test_another_library_s_array_counts_by_what_numpy_reads() -> None:
    """An object that numpy can read as an array counts by its content; one that it cannot, by its pickle."""

    class Array:
        def __init__(self, values: Any) -> None:
            self.values = values

        def __array__(self, *_: Any) -> Any:
            return np.asarray(self.values)

    assert digest_of(Array([1, 2])) == digest_of(Array([1, 2])) != digest_of(Array([2, 1]))


def test_values_that_hold_themselves_have_a_digest() -> None:
    """A list within itself, twice, and thirty objects that all know each other end, and in a moment."""
    for _ in range(2):
        one: list[Any] = [1]
        one += [one, one]
        nodes = [Node() for _ in range(30)]
        for node in nodes:
            node.near = nodes
        assert digest_of(one) == digest_of(pickle.loads(pickle.dumps(one, 5)))
        assert digest_of(nodes) == digest_of(pickle.loads(pickle.dumps(nodes, 5)))


def test_what_is_shared_is_looked_at_once() -> None:
    """A value that holds another one twice, and so on for 45 levels, has its digest in a moment."""
    deep: list[Any] = []
    for _ in range(45):
        deep = [deep, deep]
    assert digest_of(deep) == digest_of(pickle.loads(pickle.dumps(deep, 5)))


def test_what_lies_deep_counts() -> None:
    """Two chains of 150 objects that differ in the last one only have two digests."""

    def chain(last: int) -> Any:
        one: Any = last
        for _ in range(150):
            one = [one]
        return one

    assert digest_of(chain(1)) == digest_of(chain(1)) != digest_of(chain(2))


def test_an_iterator_counts_by_its_state() -> None:
    """Objects of C code are told apart by what pickle keeps of them."""
    assert digest_of(itertools.count(3)) == digest_of(itertools.count(3)) != digest_of(itertools.count(4))


SETS = """
from lab.measure.digest import digest_of
class Words(set):
    pass
value = {"a", "b", "c", "ab", ("x", "y")}
nested = {one: {one} for one in value}, {"k": [{"s", "t", "u"}]}
print(digest_of([value, frozenset(value), Words(value), nested]))
"""


def test_the_order_of_sets_in_another_process_is_nothing() -> None:
    """Sets of texts come in another order in every process, and their digests are equal."""

    def with_seed(seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", SETS], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert with_seed("1") == with_seed("2") == with_seed("77")


@pytest.mark.parametrize(
    "value",
    [
        {}, [], (), {"a": 1, "b": -2.5}, {"b": -2.5, "a": 1}, [1, True, None], (float("nan"), -0.0, b"y"),
        {1: "\ud800", "1": 16**5000, None: 2j}, [bytearray(b"z"), int, 0.0], {"deep": [1]}, [[1], [1]],
    ],
)  # fmt: skip
def test_small_results_have_the_digest_of_the_long_way(value: Any) -> None:
    """What is made at once of a flat container is what its parts come to one after another."""
    assert digest_of(value) == digest._Digests().of(value, 0).hex()
