"""Image processing: a Gaussian blur and a histogram equalisation of one random RGB image per item.

Known beforehand: SciPy's blur and scikit-image's equalisation give the same levels, rounded. 48 images of
1 MB share nothing, and are worked on in blocks that fit a core's own cache: w workers on w free cores are w
times as fast as one.
Run it: lab run examples/images.py:process --items examples/images.py:items --workers 1,2

Every result is the same on every platform: all sums are of integers, or of float32 that numpy adds element by
element in the order written here. BLAS, threads and reductions of floats, whose order is the library's, are
not used. A megabyte is 10^6 bytes; an image is an array of uint8 of shape (height, width, 3).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import pairwise
from math import exp, fsum, isqrt

import numpy as np
from numpy.typing import NDArray

CHANNELS = 3
LEVELS = 256
SMALLEST_MEGABYTES, LARGEST_MEGABYTES = 0.001, 1000.0
SMALLEST_SIGMA, LARGEST_SIGMA = 0.25, 16.0

# A sum of 8-bit pixels times weights of 16 bits that add up to 1 fits the 24 bits of a float32: it is exact.
WEIGHT_UNIT = 1.0 / (1 << 16)
# SciPy's default: the kernel ends at this many standard deviations
TRUNCATE = 4.0

# Floats per pass: the two buffers of this length that every tap writes take half of a cache of 512 kB.
CHUNK = 1 << 15
# Floats per strip of rows, and samples per block of the equalisation
STRIP = 1 << 17


@dataclass(frozen=True, slots=True)
class Image:
    """One image to process; the complexity is the blur's standard deviation in pixels.

    Its samples are made from the seed and the index where it is processed, unless it carries its pixels.
    """

    height: int
    width: int
    complexity: float
    seed: int
    index: int
    pixels: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise ValueError for no pixels, more than 1000 megabytes, or a complexity out of range."""
        if min(self.height, self.width) < 1 or self.bytes > LARGEST_MEGABYTES * 1e6:
            raise ValueError(
                f"an image needs height >= 1, width >= 1 and at most {LARGEST_MEGABYTES:g} megabytes,"
                f" not {self.height} x {self.width} pixels"
            )
        check_sigma(self.complexity)

    @property
    def bytes(self) -> int:
        """Return the true size: one byte for each of the three channels of a pixel."""
        return self.height * self.width * CHANNELS


def shape_of(megabytes: float) -> tuple[int, int]:
    """Return height and width of the nearly square image of at most so many megabytes.

    Less than one row of pixels is left out: 0.02 % of an image of 75 megabytes, 5 % of one of 0.001.
    Raises ValueError outside 0.001 to 1000 megabytes.
    """
    if not SMALLEST_MEGABYTES <= megabytes <= LARGEST_MEGABYTES:
        raise ValueError(
            f"an image needs from {SMALLEST_MEGABYTES:g} to {LARGEST_MEGABYTES:g} megabytes, not {megabytes}"
        )
    pixels = int(megabytes * 1e6) // CHANNELS
    height = isqrt(pixels)
    return height, pixels // height


def seeded(megabytes: float, complexity: float, count: int, seed: int) -> tuple[Image, ...]:
    """Return so many different images of one size as seeds: each is a few bytes until it is processed.

    Raises ValueError for a size or a complexity out of range, no image, or a negative seed.
    """
    height, width = shape_of(megabytes)
    if count < 1 or seed < 0:
        raise ValueError(f"images need count >= 1 and seed >= 0, not {count} and {seed}")
    return tuple(Image(height, width, complexity, seed, index) for index in range(count))


def drawn(images: Iterable[Image]) -> tuple[Image, ...]:
    """Return the images with their pixels, which then travel with them."""
    return tuple(replace(image, pixels=pixels_of(image)) for image in images)


def pixels_of(image: Image) -> NDArray[np.uint8]:
    """Return independent uniform samples, or the pixels that the image carries, be they read-only.

    numpy promises this stream of PCG64 to be the same in every version.
    """
    if image.pixels is not None:
        return image.pixels
    stream = np.random.PCG64(np.random.SeedSequence(image.seed, spawn_key=(image.index,)))
    words = stream.random_raw(-(-image.bytes // 8)).astype("<u8", copy=False)
    return words.view(np.uint8)[: image.bytes].reshape(image.height, image.width, CHANNELS)


def process(image: Image) -> str:
    """Blur and equalise one image, and return 16 hexadecimal digits of the result's shape and bytes."""
    result = equalise(blur(pixels_of(image), image.complexity))
    fingerprint = blake2b("x".join(map(str, result.shape)).encode("ascii"), digest_size=8)
    fingerprint.update(result.data)
    return fingerprint.hexdigest()


def items() -> tuple[Image, ...]:
    """Return 48 images of 1 megabyte as seeds."""
    return seeded(megabytes=1, complexity=2, count=48, seed=7)


def kernel(sigma: float) -> list[float]:
    """Return the weights of a Gaussian from the centre outwards, as SciPy truncates them: at 4 sigma.

    Every weight is a multiple of 2^-16, and the whole kernel adds up to 1. Not each weight is rounded, but
    the running sum from outside: so none, the centre included, is further than 2^-16 from its true value.
    Raises ValueError for a sigma out of range.
    """
    check_sigma(sigma)
    radius = _radius(sigma)
    heights = [exp(-0.5 * (offset / sigma) ** 2) for offset in range(radius, 0, -1)]
    total = 1.0 + 2.0 * fsum(heights)
    rounded = [0]
    running = 0.0
    for height in heights:
        running += height
        rounded.append(round(running / total / WEIGHT_UNIT))
    units = [after - before for before, after in pairwise(rounded)]
    return [1.0 - 2 * rounded[-1] * WEIGHT_UNIT, *(WEIGHT_UNIT * unit for unit in reversed(units))]


def blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Return the image after a Gaussian filter along both axes, rounded to the nearest level, halves up.

    Beyond an edge the image goes on as its mirror image, the last row or column repeated: SciPy's "reflect".
    Sums along the rows are exact; those along the columns are rounded to float32, by at most 10^-3 levels.
    Raises ValueError for a sigma out of range, and unless the image is RGB of uint8.
    """
    _check_image(image)
    weights = kernel(sigma)
    radius = len(weights) - 1
    height, width, _ = image.shape
    pitch, strip = _strip(height, width, radius)
    order = np.pad(np.arange(height), radius, mode="symmetric")
    band = np.zeros((strip + 2 * radius, pitch), dtype=np.float32)
    smooth = np.empty((strip, pitch), dtype=np.float32)
    result = np.empty((height, width * CHANNELS), dtype=np.uint8)
    _blur_rows(image[order[: 2 * radius]], weights, band)
    for start in range(0, height, strip):
        count = min(strip, height - start)
        _blur_rows(image[order[start + 2 * radius :][:count]], weights, band[2 * radius :])
        _correlate(band[: count + 2 * radius].ravel(), weights, pitch, smooth[:count].ravel())
        smooth[:count] += 0.5
        result[start : start + count] = smooth[:count, : width * CHANNELS]
        band[: 2 * radius] = band[count : count + 2 * radius]
    return result.reshape(image.shape)


def equalise(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with the histogram of each channel equalised, in whole numbers.

    A level becomes 255 times the share of the channel's samples that are not above it, as in scikit-image
    (OpenCV first subtracts the share of the lowest level), rounded to the nearest level, halves up. Raises
    ValueError unless the image is RGB of uint8.
    """
    _check_image(image)
    height, width, _ = image.shape
    samples = image.reshape(height, width * CHANNELS)
    offsets = np.tile(np.arange(CHANNELS, dtype=np.uint16) * LEVELS, width)
    step = max(1, STRIP // offsets.size)
    blocks = [slice(start, start + step) for start in range(0, height, step)]
    counts = np.zeros(CHANNELS * LEVELS, dtype=np.int64)
    for block in blocks:
        counts += np.bincount((samples[block] + offsets).ravel(), minlength=counts.size)
    cumulative = counts.reshape(CHANNELS, LEVELS).cumsum(axis=1)
    pixels = height * width
    table = (((LEVELS - 1) * cumulative + pixels // 2) // pixels).astype(np.uint8).ravel()
    result = np.empty(samples.shape, dtype=np.uint8)
    for block in blocks:
        np.take(table, samples[block] + offsets, out=result[block], mode="clip")
    return result.reshape(image.shape)


def check_sigma(sigma: float) -> None:
    """Raise ValueError for a sigma out of range, or one that is not a number."""
    if not SMALLEST_SIGMA <= sigma <= LARGEST_SIGMA:
        raise ValueError(
            f"the complexity, which is the blur's sigma in pixels, needs to be from {SMALLEST_SIGMA:g}"
            f" to {LARGEST_SIGMA:g}, not {sigma}"
        )


def memory_bytes(image: Image) -> int:
    """Return the most that the arrays take while an image is processed, besides pixels that it carries.

    These are two images and a workspace. The blur holds float32 strips of rows and one padded copy of them in
    uint8; the equalisation holds blocks of samples as indices of 2 and of 8 bytes.
    """
    radius = _radius(image.complexity)
    pitch, rows = _strip(image.height, image.width, radius)
    longest = pitch * max(rows, 2 * radius)
    floats = pitch * (2 * rows + 2 * radius) + min(CHUNK, longest)
    block = min(image.bytes, max(STRIP, CHANNELS * image.width))
    return 2 * image.bytes + max(4 * floats + 6 * longest, 12 * block) + (1 << 16)


def _blur_rows(rows: NDArray[np.uint8], weights: list[float], band: NDArray[np.float32]) -> None:
    """Filter along the rows of pixels, into the first rows of a band, each followed by room for its margins.

    All rows are one line to the filter: what it makes of one row's end and the next one's begin is not used.
    """
    radius = len(weights) - 1
    margins = ((0, 0), (radius, radius), (0, 0))
    line = np.pad(rows, margins, mode="symmetric").astype(np.float32).ravel()
    _correlate(line, weights, CHANNELS, band.ravel()[: line.size - 2 * radius * CHANNELS])


def _correlate(
    source: NDArray[np.float32], weights: list[float], step: int, result: NDArray[np.float32]
) -> None:
    """Write the weighted sums of the samples 0, 1, ... steps to both sides, for a source that is longer.

    The two samples of equal weight are added first. Chunks of all taps stay in the cache: that is most of the
    speed, and changes no result.
    """
    pair = np.empty(min(CHUNK, result.size), dtype=np.float32)
    for low in range(0, result.size, CHUNK):
        total = result[low : low + CHUNK]
        size = total.size
        centre = low + (len(weights) - 1) * step
        np.multiply(source[centre : centre + size], weights[0], out=total)
        both = pair[:size]
        for tap, weight in enumerate(weights[1:], 1):
            left, right = centre - tap * step, centre + tap * step
            np.add(source[left : left + size], source[right : right + size], out=both)
            np.multiply(both, weight, out=both)
            np.add(total, both, out=total)


def _radius(sigma: float) -> int:
    """Return how many weights the kernel has on each side of its centre: SciPy's rule."""
    return int(TRUNCATE * sigma + 0.5)


def _strip(height: int, width: int, radius: int) -> tuple[int, int]:
    """Return the floats of a row with its margins, and the rows of a strip.

    A strip has as many rows as the radius or more, so that moving the rows above and below it costs little.
    """
    pitch = (width + 2 * radius) * CHANNELS
    return pitch, min(height, max(radius, STRIP // pitch))


def _check_image(image: NDArray[np.uint8]) -> None:
    """Raise ValueError unless the array is an RGB image of uint8 with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != CHANNELS or image.size == 0:
        raise ValueError(
            f"an image is an array of uint8 of shape (height, width, {CHANNELS}) with at least one pixel,"
            f" not of {image.dtype} and shape {image.shape}"
        )
