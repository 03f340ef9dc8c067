"""How images get to the workers: made there from a seed, carried with each task, or in shared memory.

Shared memory is one file on a memory file system that every process maps, and not multiprocessing's block:
in Python 3.11 each process that attaches to one registers it with a resource tracker of its own, which
removes the block for all when that process ends.
"""

import contextlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.errors import ParameterError
from lab.workloads.filters import CHANNELS
from lab.workloads.images import GivenImage, ImageTask, Size, Source
from lab.workloads.images import memory_bytes as task_bytes

TRANSFERS = ("seed", "value", "shared")

MEMORY_FOLDER = Path("/dev/shm")

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class MappedImage:
    """An image in a file that processes share: its bytes from `offset` on, read-only and without a copy."""

    path: str
    size: Size
    offset: int

    def pixels(self) -> Image:
        """Return a view of the file; the mapping ends with the last view of it."""
        shape = (self.size.height, self.size.width, CHANNELS)
        return np.asarray(np.memmap(self.path, np.uint8, mode="r", offset=self.offset, shape=shape))


def pixels_of(tasks: Sequence[ImageTask]) -> list[Image]:
    """Return the images of the tasks, for a later hand-over: making them is no part of its time."""
    return [task.source.pixels() for task in tasks]


@contextlib.contextmanager
def handed_over(
    tasks: Sequence[ImageTask],
    transfer: str,
    pixels: Sequence[Image] = (),
    put: Callable[[Image], Source] | None = None,
) -> Iterator[tuple[ImageTask, ...]]:
    """Yield the tasks as workers get them under a transfer, and free what they share in the end.

    `seed` takes the tasks as they are and no pixels. `value` and `shared` take the pixels, one image a task.
    `put` shares an image by an engine's own store; without it `shared` is a file that all processes on this
    host can map. Raises ParameterError for an unknown transfer, a missing image, or too little memory there.
    """
    _check_transfer(transfer)
    if len(pixels) != (0 if transfer == "seed" else len(tasks)):
        raise ParameterError(f"transfer {transfer} of {len(tasks)} tasks was given {len(pixels)} images")
    if transfer == "seed":
        yield tuple(tasks)
    elif transfer == "value":
        yield _with_sources(tasks, [GivenImage(one) for one in pixels])
    elif put is not None:
        yield _with_sources(tasks, [put(one) for one in pixels])
    else:
        with _mapped(pixels) as sources:
            yield _with_sources(tasks, sources)


@contextlib.contextmanager
def _mapped(pixels: Sequence[Image]) -> Iterator[list[MappedImage]]:
    """Yield images of one file, which is there for as long as they are needed.

    The driver maps it too: memory that no process maps would be in no process' account.
    """
    with tempfile.NamedTemporaryFile(prefix="ray-scaling-lab-", dir=memory_folder()) as file:
        sources: list[MappedImage] = []
        offset = 0
        for one in pixels:
            sources.append(MappedImage(file.name, Size(*one.shape[:2]), offset))
            offset += _write(file.fileno(), one)
        # Linux then fills the page table at once, elsewhere the pages count as they are touched
        populate = {"flags": mmap.MAP_SHARED | mmap.MAP_POPULATE} if hasattr(mmap, "MAP_POPULATE") else {}
        with mmap.mmap(file.fileno(), offset, prot=mmap.PROT_READ, **populate):
            yield sources


def _write(descriptor: int, image: Image) -> int:
    """Write all bytes of an image and return how many; a full disk is told, where a mapping would crash."""
    rest = np.ascontiguousarray(image).data.cast("B")
    size = len(rest)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise ParameterError(
            f"the images do not fit into {memory_folder()} ({error.strerror}): choose fewer or smaller "
            "images, or give it more room, in a container by --shm-size"
        ) from error
    return size


def memory_folder() -> Path:
    """Return where files are memory that processes share, or else the folder of temporary files."""
    return MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else Path(tempfile.gettempdir())


def _with_sources(tasks: Sequence[ImageTask], sources: Sequence[Source]) -> tuple[ImageTask, ...]:
    return tuple(replace(task, source=source) for task, source in zip(tasks, sources, strict=True))


def _check_transfer(transfer: str) -> None:
    if transfer not in TRANSFERS:
        raise ParameterError(f"transfer is one of {', '.join(TRANSFERS)}, not {transfer}")


def memory_needed(
    size: Size,
    complexity: float,
    count: int,
    transfer: str,
    *,
    workers: int,
    worker_bytes: int,
    base_bytes: int = 0,
    in_hand: int = 1,
) -> dict[str, int]:
    """Return what takes memory in a run, in words, and how much it takes at most, in bytes.

    `worker_bytes` is what a worker takes without work. `base_bytes` is what there is besides workers and
    images: 0.1 GB for the driver, and 0.4 GB more for Ray in this process. `in_hand` is how many images one
    message to a worker carries under `value`: all of them, where the engine sends each the whole work. A
    message is there twice, where it is written and where it is read, beside the image that comes of it.
    """
    _check_transfer(transfer)
    of_size = f"of {size.megabytes:.3g} MB"
    held = 0 if transfer == "seed" else count * size.bytes
    own = {"seed": size.bytes, "value": 2 * in_hand * size.bytes, "shared": 0}[transfer]
    each = worker_bytes + own + task_bytes(size, complexity)
    return {
        "the driver and what an engine starts besides workers": base_bytes,
        f"{count} images {of_size} held by the driver": held,
        "a copy of them in shared memory": held if transfer == "shared" else 0,
        "a message on its way to a worker": in_hand * size.bytes * (transfer == "value"),
        f"{workers} workers of {_amount(each)} each": workers * each,
    }


def refuse_too_large(parts: Mapping[str, int], memory_bytes: int) -> None:
    """Raise ParameterError, with the sum of `memory_needed` in words, where it is above `memory_bytes`."""
    needed = sum(parts.values())
    if needed > memory_bytes:
        told = " + ".join(f"{words} {_amount(part)}" for words, part in parts.items() if part)
        raise ParameterError(
            f"{told} = {_amount(needed)}, and {_amount(memory_bytes)} may be used: choose fewer or "
            "smaller images, or fewer workers"
        )


def _amount(amount: int) -> str:
    return f"{amount / 1e9:.2f} GB" if amount >= 10**8 else f"{amount / 1e6:.3g} MB"
