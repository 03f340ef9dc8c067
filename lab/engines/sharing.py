"""How items get to the workers: each with its task, or their large parts once in memory that all share.

`value` sends an item with its task, as it is. `seed` does the same, for items that say what to make, such as
a seed: their data is made in the worker. `shared` puts every item into shared memory once, and sends where it
is: Ray's object store for engines on Ray, otherwise one file on a memory file system that all processes map.

The file is not multiprocessing's block of shared memory: in Python 3.11 each process that attaches to one
registers it with a resource tracker of its own, which removes the block for all when that process ends.
"""

import contextlib
import mmap
import os
import pickle
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import ParameterError

TRANSFERS = ("seed", "value", "shared")

MEMORY_FOLDER = Path("/dev/shm")

ALIGNMENT = 64
"""Every part of an item begins at a multiple of it, as processors like numbers to lie."""
WORD = 8
"""Bytes of a number in the list of an item's parts."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """An item in a file that processes share: so many bytes of it from `offset` on."""

    path: str
    offset: int
    size: int

    def item(self) -> Any:
        """Return the item; its arrays are read-only views of the file, mapped until the last one goes."""
        start = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        skipped = self.offset - start
        with open(self.path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), skipped + self.size, access=mmap.ACCESS_READ, offset=start)
        parts = _parts_in(memoryview(mapped)[skipped:])
        return pickle.loads(next(parts), buffers=parts)


@dataclass(slots=True)
class Put:
    """An item in Ray's object store, which keeps it for as long as there is a reference.

    Ray does not look into a task's payload for references: the worker asks the store when it needs the item.
    """

    reference: Any

    def item(self) -> Any:
        """Return the item; its arrays are read-only views of the store's memory on the worker's node."""
        import ray

        return ray.get(self.reference)


Shared = Mapped | Put


def opened(payload: Any) -> Any:
    """Return the item that a payload stands for: itself, unless it is shared."""
    return payload.item() if isinstance(payload, Shared) else payload


@dataclass(frozen=True, slots=True)
class Opening:
    """A call, as `lab.engines.Call`, that opens an item where it arrives, before another call runs it."""

    call: Callable[[Any], Callable[[Any], Any]]

    def __call__(self, function: Any) -> Callable[[Any], Any]:
        """Return what runs one payload."""
        run = self.call(function)
        return lambda payload: run(opened(payload))


@contextlib.contextmanager
def handed_over(items: Sequence[Any], transfer: str, on_ray: bool = False) -> Iterator[Sequence[Any]]:
    """Yield what workers get for the items under a transfer; the memory that they share is freed in the end.

    A worker calls `opened` on a payload to have its item. Any item that pickle takes can be shared; arrays,
    and whatever else gives pickle its buffers, are then not copied. Arrays that are not contiguous, bytes and
    texts are read from shared memory, too, and copied there. Raises `ParameterError` for an unknown transfer,
    or too little memory.
    """
    _check_transfer(transfer)
    if transfer != "shared":
        yield items
        return
    with _put(items) if on_ray else _mapped(items) as payloads:
        yield payloads


@contextlib.contextmanager
def _put(items: Sequence[Any]) -> Iterator[list[Put]]:
    """Yield references to copies of the items in the object store of the running Ray."""
    import ray

    payloads = [Put(ray.put(item)) for item in items]
    try:
        yield payloads
    finally:
        # whoever still has a payload keeps no memory by it
        for payload in payloads:
            payload.reference = None


@contextlib.contextmanager
def _mapped(items: Sequence[Any]) -> Iterator[list[Mapped]]:
    """Yield where the items are in one file, which is there for as long as they are needed.

    The driver maps it too: memory that no process maps would be in no process' account.
    """
    with tempfile.NamedTemporaryFile(prefix="ray-scaling-lab-", dir=memory_folder()) as file:
        payloads: list[Mapped] = []
        end = 0
        for item in items:
            size = sum(_write(file.fileno(), part) for part in _parts_of(item))
            payloads.append(Mapped(file.name, end, size))
            end += size
        # Linux then fills the page table at once, elsewhere the pages count as they are touched
        populate = {"flags": mmap.MAP_SHARED | mmap.MAP_POPULATE} if hasattr(mmap, "MAP_POPULATE") else {}
        with mmap.mmap(file.fileno(), end, prot=mmap.PROT_READ, **populate):
            yield payloads


def _parts_of(item: Any) -> list[memoryview]:
    """Return the number and the sizes of an item's parts, and the parts: its pickle, then its buffers."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(item, 5, buffer_callback=buffers.append)
    parts = [memoryview(pickled), *(one.raw() for one in buffers)]
    sizes = array("Q", [len(parts), *(part.nbytes for part in parts)])
    return [memoryview(sizes).cast("B"), *parts]


def _parts_in(written: memoryview) -> Iterator[memoryview]:
    """Yield the parts of an item from where `_write` has put them."""
    count = written[:WORD].cast("Q")[0]
    at = WORD * (1 + count)
    for size in written[WORD:at].cast("Q"):
        at = _aligned(at)
        yield written[at : at + size]
        at += size


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _write(descriptor: int, part: memoryview) -> int:
    """Write a part and what aligns the next one, and return how many bytes these are.

    A full disk is told, where a mapping would crash.
    """
    size = _aligned(part.nbytes)
    try:
        for rest in (part, memoryview(bytes(size - part.nbytes))):
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise ParameterError(
            f"the items do not fit into {memory_folder()} ({error.strerror}): choose fewer or smaller ones, "
            "or give it more room, in a container by --shm-size"
        ) from error
    return size


def memory_folder() -> Path:
    """Return where files are memory that processes share, or else the folder of temporary files."""
    return MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else Path(tempfile.gettempdir())


def _check_transfer(transfer: str) -> None:
    if transfer not in TRANSFERS:
        raise ParameterError(f"transfer is one of {', '.join(TRANSFERS)}, not {transfer}")


def memory_needed(
    item_bytes: Sequence[int],
    transfer: str,
    *,
    workers: int,
    worker_bytes: int,
    work_bytes: int = 0,
    base_bytes: int = 0,
    in_hand: int = 1,
    unit: str = "items",
) -> dict[str, int]:
    """Return what takes memory in a run, in words, and how much it takes at most, in bytes.

    `item_bytes` is the size of each item with its data; under `seed` a worker makes one at a time, and the
    driver none. `worker_bytes` is what a worker takes without work, `work_bytes` what the work takes in it on
    top of its item. `base_bytes` is what there is besides workers and items: 0.1 GB for the driver, and
    0.4 GB more for Ray in this process. `in_hand` is how many items one message to a worker carries under
    `value`: all of them, where the engine sends each the whole work. A message is there twice, where it is
    written and where it is read, beside the item that comes of it. `unit` is what the items are called.
    """
    _check_transfer(transfer)
    largest, in_all = max(item_bytes), sum(item_bytes)
    held = 0 if transfer == "seed" else in_all
    message = sum(sorted(item_bytes)[-in_hand:])
    own = {"seed": largest, "value": 2 * message, "shared": 0}[transfer]
    each = worker_bytes + own + work_bytes
    of_size = f"of {'' if largest == min(item_bytes) else 'up to '}{largest / 1e6:.3g} MB"
    return {
        "the driver and what an engine starts besides workers": base_bytes,
        f"{len(item_bytes)} {unit} {of_size} held by the driver": held,
        "a copy of them in shared memory": held if transfer == "shared" else 0,
        "a message on its way to a worker": message if transfer == "value" else 0,
        f"{workers} workers of {_amount(each)} each": workers * each,
    }


def refuse_too_large(parts: Mapping[str, int], memory_bytes: int, unit: str = "items") -> None:
    """Raise `ParameterError`, with the sum of `memory_needed` in words, where it is above `memory_bytes`."""
    needed = sum(parts.values())
    if needed > memory_bytes:
        told = " + ".join(f"{words} {_amount(part)}" for words, part in parts.items() if part)
        raise ParameterError(
            f"{told} = {_amount(needed)}, and {_amount(memory_bytes)} may be used: choose fewer or "
            f"smaller {unit}, or fewer workers"
        )


def _amount(amount: int) -> str:
    return f"{amount / 1e9:.2f} GB" if amount >= 10**8 else f"{amount / 1e6:.3g} MB"
