"""The two filters of the image workload, in numpy: Gaussian blur and histogram equalisation.

An image is an array of uint8 of shape (height, width, 3). Every result is the same on every platform: all
sums are of integers, or of float32 that numpy adds element by element in the order written here. BLAS,
threads and reductions of floats, whose order is the library's, are not used.
"""

from itertools import pairwise
from math import exp, fsum

import numpy as np
from numpy.typing import NDArray

from lab.errors import ParameterError

CHANNELS = 3
LEVELS = 256
SMALLEST_SIGMA, LARGEST_SIGMA = 0.25, 16.0

# A sum of 8-bit pixels times weights of 16 bits that add up to 1 fits the 24 bits of a float32: it is exact.
WEIGHT_UNIT = 1.0 / (1 << 16)
# SciPy's default: the kernel ends at this many standard deviations
TRUNCATE = 4.0

# Floats per pass: the two buffers of this length that every tap writes take half of a cache of 512 kB.
CHUNK = 1 << 15
# Floats per strip of rows, and samples per block of the equalisation
STRIP = 1 << 17


def kernel(sigma: float) -> list[float]:
    """Return the weights of a Gaussian from the centre outwards, as SciPy truncates them: at 4 sigma.

    Every weight is a multiple of 2^-16, and the whole kernel adds up to 1. Not each weight is rounded, but
    the running sum from outside: so none, the centre included, is further than 2^-16 from its true value.
    Raises ParameterError for a sigma out of range.
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
    Raises ParameterError for a sigma out of range, and unless the image is RGB of uint8.
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
    ParameterError unless the image is RGB of uint8.
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
    """Raise ParameterError for a sigma out of range, or one that is not a number."""
    if not SMALLEST_SIGMA <= sigma <= LARGEST_SIGMA:
        raise ParameterError(
            f"the complexity, which is the blur's sigma in pixels, needs to be from {SMALLEST_SIGMA:g}"
            f" to {LARGEST_SIGMA:g}, not {sigma}"
        )


def workspace_bytes(height: int, width: int, sigma: float) -> int:
    """Return the most that either filter takes on top of the image and the result.

    The blur holds float32 strips of rows and one padded copy of them in uint8; the equalisation holds blocks
    of samples as indices of 2 and of 8 bytes.
    """
    radius = _radius(sigma)
    pitch, rows = _strip(height, width, radius)
    longest = pitch * max(rows, 2 * radius)
    floats = pitch * (2 * rows + 2 * radius) + min(CHUNK, longest)
    block = min(CHANNELS * height * width, max(STRIP, CHANNELS * width))
    return max(4 * floats + 6 * longest, 12 * block) + (1 << 16)


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
    """Raise ParameterError unless the array is an RGB image of uint8 with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != CHANNELS or image.size == 0:
        raise ParameterError(
            f"an image is an array of uint8 of shape (height, width, {CHANNELS}) with at least one pixel,"
            f" not of {image.dtype} and shape {image.shape}"
        )
