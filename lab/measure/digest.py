"""A digest of any result: equal for equal values, whichever process made them and however they lie."""

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Any

Feed = Callable[[bytes], None]

DEPTH = 200
"""So deep may values be nested; deeper ones, and those that hold themselves, are taken as text."""


def digest_of(value: Any) -> str:
    """Return 16 hexadecimal digits of a value.

    Arrays count by type, shape and content, frames by columns, index and content, sets and the like without
    their order; other objects by their class and what `pickle` would keep of them. NaN equals NaN, and
    -0.0 differs from 0.0.
    """
    digest = hashlib.blake2b(digest_size=8)
    _feed(value, digest.update, 0)
    return digest.hexdigest()


def _feed(value: Any, feed: Feed, depth: int) -> None:
    kind = type(value)
    plain = _PLAIN.get(kind)
    if plain is not None:
        _tagged(kind.__name__, plain(value), feed)
    elif depth > DEPTH:
        _tagged("deep", repr(kind).encode(), feed)
    elif kind in (list, tuple):
        _all(kind.__name__, value, feed, depth)
    elif kind is dict:
        _all("dict", (part for pair in value.items() for part in pair), feed, depth)
    elif kind in (set, frozenset):
        _all("set", sorted(digest_of(one) for one in value), feed, depth)
    else:
        _feed_object(value, feed, depth)


def _feed_object(value: Any, feed: Feed, depth: int) -> None:
    # no import of numpy or pandas: a value of theirs is there only where they are
    package, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if package == "numpy" and hasattr(value, "dtype"):
        _feed_array(value, feed, depth)
    elif package == "pandas" and kind.endswith(("DataFrame", "Series", "Index")):
        columns = list(value.items()) if kind == "DataFrame" else [(str(value.name), value)]
        index = [] if kind.endswith("Index") else value.index.tolist()
        parts = [(name, str(one.dtype), one.to_numpy()) for name, one in columns]
        _all(kind, [index, *parts], feed, depth)
    else:
        _all(f"{type(value).__module__}.{type(value).__qualname__}", _kept(value), feed, depth)


def _feed_array(value: Any, feed: Feed, depth: int) -> None:
    _tagged(
        "array",
        f"{value.dtype.str} {value.dtype.descr if value.dtype.names else ''} {value.shape}".encode(),
        feed,
    )
    if value.dtype.hasobject:
        _all("objects", value.ravel().tolist(), feed, depth)
    else:
        feed(value.tobytes())


def _kept(value: Any) -> Iterable[Any]:
    """Return what pickle keeps of an object besides its class: arguments, state, items."""
    reduced = value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return [reduced]
    call, arguments, *rest = reduced
    parts = [getattr(call, "__qualname__", ""), *(one for one in arguments if not isinstance(one, type))]
    # lists and dictionaries give their content as iterators
    return [*parts, *(list(one) if hasattr(one, "__next__") else one for one in rest)]


def _all(tag: str, values: Iterable[Any], feed: Feed, depth: int) -> None:
    parts = list(values)
    _tagged(tag, str(len(parts)).encode(), feed)
    for one in parts:
        _feed(one, feed, depth + 1)


def _tagged(tag: str, content: bytes, feed: Feed) -> None:
    feed(f"{tag}:{len(content)}:".encode())
    feed(content)


def _number(value: float) -> bytes:
    return struct.pack("<d", value) if value == value else b"nan"


_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"",
    bool: lambda value: b"1" if value else b"0",
    # base 16: above 4300 decimal digits Python refuses `str(number)`
    int: lambda value: f"{value:x}".encode(),
    float: _number,
    complex: lambda value: _number(value.real) + b"," + _number(value.imag),
    str: lambda value: value.encode(errors="surrogatepass"),
    bytes: bytes,
    bytearray: bytes,
    type: lambda value: f"{value.__module__}.{value.__qualname__}".encode(),
}
