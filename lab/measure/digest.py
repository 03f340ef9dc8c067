"""A digest of any result: equal for equal values, whichever process made them and however they lie."""

import copyreg
import hashlib
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType
from typing import Any

DEPTH = 60
"""So deep may values be nested; what lies deeper counts by its pickle."""
MOST_FLAT = 1000
"""So many values a container may have whose bytes are made at once."""
WITHIN_ITSELF = b"within itself"
"""Stands for an object that holds itself, until its digest is known."""


def digest_of(value: Any) -> str:
    """Return 16 hexadecimal digits of a value.

    Arrays count by type, shape and content, frames by columns, index and content, dictionaries and sets
    without their order; other objects by their class and what `pickle` would keep of them. NaN equals NaN,
    and -0.0 differs from 0.0.
    """
    kind = type(value)
    plain = _PLAIN.get(kind)
    if plain is not None:
        return hashlib.blake2b(plain(value), digest_size=8).hexdigest()
    flat = _flat(kind, value)
    if flat is not None:
        return hashlib.blake2b(flat, digest_size=8).hexdigest()
    return _Digests().of(value, 0).hex()


def _flat(kind: type, value: Any) -> bytes | None:
    """Return at once what `_Digests` comes to step by step, of a small container of plain values; else None.

    It is the usual result of a short task, and takes a third of the time so.
    """
    if kind not in (dict, list, tuple) or len(value) > MOST_FLAT:
        return None
    try:
        if kind is dict:
            pairs = [_PLAIN[type(a)](a) + b"=" + _PLAIN[type(b)](b) for a, b in value.items()]
            pairs.sort()
            return b"dict" + b"".join(pairs)
        return kind.__name__.encode() + b"".join([_PLAIN[type(one)](one) for one in value])
    except KeyError:
        return None


class _Digests:
    """The digests of all that one value holds: each object is looked at once, however often it is held."""

    def __init__(self) -> None:
        # an object is kept beside its digest, so that no other one gets its id
        self._known: dict[int, tuple[Any, bytes]] = {}
        self._calls = 0

    def of(self, value: Any, depth: int) -> bytes:
        """Return the digest of a value that may hold others."""
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        self._calls += 1
        calls = self._calls
        self._known[id(value)] = value, WITHIN_ITSELF
        digest = hashlib.blake2b(digest_size=8)
        for part in self._parts(value, depth):
            digest.update(part)
        found = digest.digest()
        if calls == self._calls:
            # it holds plain values only: a million rows of a table need not be remembered
            del self._known[id(value)]
        else:
            self._known[id(value)] = value, found
        return found

    def _parts(self, value: Any, depth: int) -> Iterable[bytes]:
        kind = type(value)
        if depth > DEPTH:
            return (_tagged("deep", pickle.dumps(value, 5)),)
        if kind in (list, tuple):
            return self._in_order(kind.__name__, value, depth)
        if kind is dict:
            pairs = [self._part(key, depth) + b"=" + self._part(one, depth) for key, one in value.items()]
            return [b"dict", *sorted(pairs)]
        if kind in (set, frozenset):
            return [b"set", *sorted(self._part(one, depth) for one in value)]
        return self._in_order(*_named_parts(value), depth)

    def _in_order(self, tag: str, values: Iterable[Any], depth: int) -> Iterator[bytes]:
        yield tag.encode()
        for one in values:
            yield self._part(one, depth)

    def _part(self, value: Any, depth: int) -> bytes:
        """Return what a value adds to the digest of the one that holds it."""
        plain = _PLAIN.get(type(value))
        if plain is None:
            return self.of(value, depth + 1)
        return plain(value)


def _named_parts(value: Any) -> tuple[str, Iterable[Any]]:
    """Return a name for what a value is, and the values that it consists of."""
    # no import of numpy or pandas: a value of theirs is there only where they are
    package, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if package == "numpy" and hasattr(value, "dtype"):
        return "array", _of_array(value)
    if package == "pandas" and kind.endswith(("DataFrame", "Series", "Index")):
        columns = list(value.items()) if kind == "DataFrame" else [(str(value.name), value)]
        index = [] if kind.endswith("Index") else value.index.tolist()
        return kind, [index, *((name, str(one.dtype), one.to_numpy()) for name, one in columns)]
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return "named", [value.__module__, value.__qualname__]
    return f"{type(value).__module__}.{type(value).__qualname__}", _kept(value)


def _of_array(value: Any) -> list[Any]:
    described = f"{value.dtype.str} {value.dtype.descr if value.dtype.names else ''} {value.shape}"
    return [described, value.ravel().tolist() if value.dtype.hasobject else value.tobytes()]


def _kept(value: Any) -> list[Any]:
    """Return what pickle keeps of an object besides its class: arguments, state, items."""
    own = getattr(value, "__dict__", {})
    if isinstance(value, set | frozenset):
        return [frozenset(value), own]
    if isinstance(value, dict) and not isinstance(value, OrderedDict):
        return [dict(value), own]
    try:
        if hasattr(value, "__array__"):
            return [value.__array__()]
        reduce = copyreg.dispatch_table.get(type(value))
        reduced: Any = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(reduced, str):
            return [reduced]
        call, arguments, *rest = reduced
        parts = [getattr(call, "__qualname__", ""), *arguments]
        # lists and dictionaries give their content as iterators
        return [*parts, *(list(one) if hasattr(one, "__next__") else one for one in rest)]
    except Exception:  # noqa: BLE001  whatever a class raises: pickle may know another way
        return [pickle.dumps(value, 5)]


def _tagged(tag: str, content: bytes) -> bytes:
    return b"%b:%d:%b" % (tag.encode(), len(content), content)


def _number(value: float) -> bytes:
    return _EIGHT_BYTES(value) if value == value else b"nan"


def _of_int(value: int) -> bytes:
    # base 16: above 4300 decimal digits Python refuses `str(number)`
    digits = b"%x" % value
    return b"int:%d:%b" % (len(digits), digits)


def _of_float(value: float) -> bytes:
    return b"float:8:" + _EIGHT_BYTES(value) if value == value else b"float:3:nan"


def _of_str(value: str) -> bytes:
    content = value.encode(errors="surrogatepass")
    return b"str:%d:%b" % (len(content), content)


_EIGHT_BYTES = struct.Struct("<d").pack
_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"NoneType:0:",
    bool: lambda value: b"bool:1:1" if value else b"bool:1:0",
    int: _of_int,
    float: _of_float,
    complex: lambda value: _tagged("complex", _number(value.real) + b"," + _number(value.imag)),
    str: _of_str,
    bytes: lambda value: _tagged("bytes", value),
    bytearray: lambda value: _tagged("bytearray", bytes(value)),
    type: lambda value: _tagged("type", f"{value.__module__}.{value.__qualname__}".encode()),
}
"""What plain values add to a digest: a name, the length of the content, and the content."""
