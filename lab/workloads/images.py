"""Image processing: a Gaussian blur and a histogram equalisation of one random RGB image per task.

A megabyte is 10^6 bytes, and an image has one byte for each of its height * width * 3 samples.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import isqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lab.errors import ParameterError
from lab.measure.task import Outcome
from lab.workloads.filters import CHANNELS, blur, check_sigma, equalise, workspace_bytes

SMALLEST_MEGABYTES, LARGEST_MEGABYTES = 0.001, 1000.0


@dataclass(frozen=True, slots=True)
class Size:
    """The shape of an RGB image in pixels."""

    height: int
    width: int

    def __post_init__(self) -> None:
        """Raise ParameterError for an image without pixels, or of more than 1000 megabytes."""
        if min(self.height, self.width) < 1 or self.megabytes > LARGEST_MEGABYTES:
            raise ParameterError(
                f"an image needs height >= 1, width >= 1 and at most {LARGEST_MEGABYTES:g} megabytes,"
                f" not {self.height} x {self.width} pixels"
            )

    @property
    def bytes(self) -> int:
        """Return the true size: one byte for each of the three channels of a pixel."""
        return self.height * self.width * CHANNELS

    @property
    def megabytes(self) -> float:
        """Return the true size in units of 10^6 bytes."""
        return self.bytes / 1e6


class Source(Protocol):
    """Where a task's pixels come from: made from a seed, carried along, or fetched from shared memory."""

    def pixels(self) -> NDArray[np.uint8]:
        """Return the image; it may be read-only, since no function here writes to it."""


@dataclass(frozen=True, slots=True)
class SeededImage:
    """An image of independent uniform samples, made where it is needed: the task itself is a few bytes."""

    size: Size
    seed: int
    index: int

    def pixels(self) -> NDArray[np.uint8]:
        """Return the image; numpy promises this stream of PCG64 to be the same in every version."""
        stream = np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(self.index,)))
        words = stream.random_raw(-(-self.size.bytes // 8)).astype("<u8", copy=False)
        samples = words.view(np.uint8)[: self.size.bytes]
        return samples.reshape(self.size.height, self.size.width, CHANNELS)


@dataclass(frozen=True, slots=True, eq=False)
class GivenImage:
    """An image that travels with its task, by value or as a view of memory that processes share."""

    array: NDArray[np.uint8]

    def pixels(self) -> NDArray[np.uint8]:
        """Return the image as it was given."""
        return self.array


@dataclass(frozen=True, slots=True)
class ImageTask:
    """One image to process, and the complexity, which is the blur's standard deviation in pixels."""

    source: Source
    complexity: float


def size_of(megabytes: float) -> Size:
    """Return the nearly square size of at most so many megabytes; its `bytes` are the true size.

    Less than one row of pixels is left out: 0.02 % of an image of 75 megabytes, 5 % of one of 0.001.
    Raises ParameterError outside 0.001 to 1000 megabytes.
    """
    if not SMALLEST_MEGABYTES <= megabytes <= LARGEST_MEGABYTES:
        raise ParameterError(
            f"an image needs from {SMALLEST_MEGABYTES:g} to {LARGEST_MEGABYTES:g} megabytes, not {megabytes}"
        )
    pixels = int(megabytes * 1e6) // CHANNELS
    height = isqrt(pixels)
    return Size(height, pixels // height)


def image_tasks(megabytes: float, complexity: float, count: int, seed: int) -> tuple[ImageTask, ...]:
    """Return `count` different images of one size by their seeds; the blur's cost grows with the complexity.

    Raises ParameterError for a size or a complexity out of range, no image, or a negative seed.
    """
    size = size_of(megabytes)
    check_sigma(complexity)
    if count < 1 or seed < 0:
        raise ParameterError(f"images need count >= 1 and seed >= 0, not {count} and {seed}")
    return tuple(ImageTask(SeededImage(size, seed, index), complexity) for index in range(count))


def process(task: ImageTask) -> Outcome:
    """Blur and equalise one image; the digest is over the shape and the bytes of the result.

    The unit is one image and not a megapixel, as a unit is a whole number and images may be smaller.
    """
    result = equalise(blur(task.source.pixels(), task.complexity))
    fingerprint = blake2b("x".join(map(str, result.shape)).encode("ascii"), digest_size=8)
    fingerprint.update(result.data)
    return Outcome(1, fingerprint.hexdigest())


def memory_bytes(size: Size, complexity: float) -> int:
    """Return the most that the arrays of one task take: two images, and the workspace of the filters.

    A task that carries its image, or shares it, has that one on top.
    """
    return 2 * size.bytes + workspace_bytes(size.height, size.width, complexity)
