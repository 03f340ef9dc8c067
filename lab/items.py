"""The items of own work: listed before the run, with digest and size, or refused in words.

They come from a list, an iterable, a function that gives one, a file with a line for each, or their number.
"""

import inspect
import itertools
import json
import operator
import pickle
import pickletools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from lab.errors import LabError, WorkError
from lab.measure.digest import digest_of
from lab.measure.task import first_line

MOST_ITEMS = 1_000_000
ITEMS_SECONDS = 120.0
"""How long the items may take to be made."""
LARGEST_PART = 0.25
"""Of the memory, for the items: the driver has them, and messages on their way carry them once more."""


class Copied(Sequence[Any]):
    """Items of which each is copied when it is taken: for work that changes what it is called with."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return pickle.loads(pickle.dumps(self._items[index], 5))


def repeated(items: Sequence[Any], count: int) -> Sequence[Any]:
    """Return so many items: all of them in order, over and over; raises `WorkError` for too many."""
    if count > MOST_ITEMS:
        raise WorkError(
            f"{len(items):,} items for each worker are {count:,}, and {MOST_ITEMS:,} are accepted: "
            "give fewer, or fewer workers"
        )
    return list(itertools.islice(itertools.cycle(items), count))


def items_of(items: Any, find: Callable[[str], Any], memory_bytes: int | None = None) -> Sequence[Any]:
    """Return all items; `find` returns what `my_job.py:items` names, and N stands for 0 to N - 1."""
    if isinstance(items, bool) or items is None or (isinstance(items, Sequence) and not items):
        raise WorkError(
            "there are no items: give a list, a file (items.jsonl), my_job.py:items, or their number"
        )
    if hasattr(items, "__index__") and not hasattr(items, "__len__"):
        return _counted(operator.index(items))
    if isinstance(items, str) and items.strip().isdecimal():
        return _counted(int(items))
    told = items if isinstance(items, str) else "items"
    if isinstance(items, str):
        path = Path(items).expanduser()
        if path.suffix in (".jsonl", ".txt") or path.is_file():
            return _of_file(path)
        items = find(items)
    return _taken(_iterator(items, told), told, memory_bytes)


def _iterator(items: Any, told: str) -> Iterator[Any]:
    """Return what gives the items one by one."""
    if callable(items):
        items = _called(items, told)
    if type(items).__module__.partition(".")[0] == "pandas" and hasattr(items, "columns"):
        raise WorkError(
            f"{told} is a {type(items).__name__}, which is no list of its rows: give "
            'frame.to_dict("records"), or a list of smaller frames'
        )
    try:
        return iter(items)
    except TypeError:
        raise WorkError(f"{told} is {kind_of(items)}: a list or another iterable is needed") from None


def _counted(count: int) -> Sequence[int]:
    if not 0 < count <= MOST_ITEMS:
        raise WorkError(f"items is {count}: from 1 to {MOST_ITEMS:,} are accepted")
    return list(range(count))


def _of_file(path: Path) -> Sequence[Any]:
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        raise WorkError(f"there is no file {path.name} of items here") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkError(f"{path.name} cannot be read: {first_line(error)}") from error
    if not lines:
        raise WorkError(f"{path.name} holds no items: it needs a line for each")
    if path.suffix != ".jsonl":
        return lines
    items = []
    for number, line in enumerate(lines, start=1):
        try:
            items.append(json.loads(line))
        except ValueError as error:
            raise WorkError(
                f"{path.name}, line {number} is no JSON ({error}): it needs a value a line"
            ) from None
    return items


def _called(function: Callable[[], Any], told: str) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise WorkError(f"{told} needs arguments: a function that makes items takes none") from None
    except ValueError:
        pass
    try:
        return function()
    except Exception as error:
        raise WorkError(f"{told} failed: {type(error).__name__}: {first_line(error)}") from error


def _taken(iterator: Any, told: str, memory_bytes: int | None) -> Sequence[Any]:
    """Return what an iterator gives; refuse one that does not end, or takes too long or too much memory."""
    items: list[Any] = []
    until, least = time.monotonic() + ITEMS_SECONDS, _bytes_at_least
    held = 0
    try:
        for one in itertools.islice(iterator, MOST_ITEMS + 1):
            items.append(one)
            held += least(one)
            if memory_bytes is not None and held > LARGEST_PART * memory_bytes:
                raise _too_large(held, memory_bytes)
            if time.monotonic() > until:
                raise WorkError(
                    f"{told} gave {len(items)} items in {ITEMS_SECONDS:.0f} s and did not end: make fewer, "
                    "or do what takes so long in the work itself"
                )
    except LabError:
        raise
    except Exception as error:
        raise WorkError(
            f"{told} failed at item {len(items)}: {type(error).__name__}: {first_line(error)}"
        ) from error
    if len(items) > MOST_ITEMS:
        raise WorkError(
            f"{told} does not end, or has more than {MOST_ITEMS:,} items: take some of them "
            "(itertools.islice(items, 1000)), or put several into one"
        )
    if not items:
        raise WorkError(f"{told} is empty: at least one item is needed")
    return items


def _bytes_at_least(item: Any) -> int:
    return int(getattr(item, "nbytes", 0)) or sys.getsizeof(item, 64)


def _too_large(held: int, memory_bytes: int) -> WorkError:
    return WorkError(
        f"the items take {held / 1e9:.2f} GB or more, and {memory_bytes / 1e9:.1f} GB may be used for all: "
        "have items say what to load (a name, a seed), and load it in the work"
    )


def sizes(items: Sequence[Any], memory_bytes: int | None) -> dict[str, Any]:
    """Return the digest and the pickled size of all items; raises `WorkError` where one cannot be pickled."""
    total, digests = 0, sha256()
    for number, item in enumerate(items):
        try:
            pickled = pickle.dumps(item, 5)
        except Exception as error:
            raise WorkError(
                f"item {number} cannot be pickled, so it cannot be sent to a worker: {_culprit(item)} "
                f"({first_line(error)}). Open what it holds in the work instead, or in set_up"
            ) from error
        total += len(pickled)
        if memory_bytes is not None and total > LARGEST_PART * memory_bytes:
            raise _too_large(total, memory_bytes)
        if b"__main__" in pickled:
            _refuse_class_of_script(pickled, number)
        digests.update(digest_of(item).encode())
    return {"items_digest": digests.hexdigest()[:16], "items_bytes": total}


def _refuse_class_of_script(pickled: bytes, number: int) -> None:
    """Raise where a pickle names something of `__main__`: no worker imports the script."""
    texts = [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
    for module, name in itertools.pairwise(texts):
        if module == "__main__" and isinstance(getattr(sys.modules["__main__"], name, None), type):
            raise WorkError(
                f"item {number} is of class {name}, or holds one, of the script or notebook itself, which no "
                "worker imports: put the class into a file of its own, and import it from there"
            )


def _culprit(value: Any, name: str = "it", depth: int = 0) -> str:
    """Return which part of a value cannot be pickled: `its attribute handle.file (TextIOWrapper)`."""
    parts: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        parts = ((f"{name}[{key!r}]", one) for key, one in value.items())
    elif isinstance(value, list | tuple):
        parts = ((f"{name}[{number}]", one) for number, one in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        parts = ((f"{name}.{key}", one) for key, one in vars(value).items())
    for told, one in parts:
        try:
            pickle.dumps(one, 5)
        except Exception:  # noqa: BLE001  whatever a class raises when it cannot be pickled
            return _culprit(one, told, depth + 1) if depth < 5 else told
    return f"{name} is {kind_of(value)}" if name == "it" else f"{name} is the culprit, {kind_of(value)}"


def kind_of(found: Any) -> str:
    """Return what an object is, in words."""
    return f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
