"""The example of images: right against SciPy and scikit-image, and the same wherever and however it runs."""

import importlib
import os
import pickle
import platform
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from skimage.exposure import equalize_hist

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))
images: Any = importlib.import_module("images")

blur, equalise, kernel = images.blur, images.equalise, images.kernel
Image, drawn, memory_bytes, pixels_of = images.Image, images.drawn, images.memory_bytes, images.pixels_of
process, seeded, shape_of = images.process, images.seeded, images.shape_of
SMALLEST_SIGMA, LARGEST_SIGMA = images.SMALLEST_SIGMA, images.LARGEST_SIGMA

Pixels = NDArray[np.uint8]

SIGMAS = st.floats(SMALLEST_SIGMA, LARGEST_SIGMA)


def random_image(height: int, width: int, levels: int = 256, seed: int = 1) -> Pixels:
    """Return a reproducible image whose samples are below `levels`."""
    return np.random.default_rng(seed).integers(0, levels, (height, width, 3), dtype=np.uint8)


def blur_by_scipy(image: Pixels, sigma: float) -> NDArray[np.float64]:
    """Return SciPy's blur with its default edges, not rounded."""
    return gaussian_filter1d(gaussian_filter1d(image.astype(np.float64), sigma, axis=0), sigma, axis=1)


def kernel_of_scipy(sigma: float) -> NDArray[np.float64]:
    """Return SciPy's weights from the centre outwards: its answer to an impulse."""
    radius = len(kernel(sigma)) - 1
    impulse = np.zeros(4 * radius + 3)
    impulse[2 * radius + 1] = 1.0
    return gaussian_filter1d(impulse, sigma)[2 * radius + 1 : 3 * radius + 2]


# --- the blur ---------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(height=st.integers(1, 40), width=st.integers(1, 40), sigma=SIGMAS, levels=st.sampled_from([2, 256]))
@example(height=1, width=1, sigma=16.0, levels=256)
@example(height=1, width=40, sigma=16.0, levels=256)
@example(height=40, width=1, sigma=0.25, levels=2)
def test_the_blur_is_the_one_of_scipy(height: int, width: int, sigma: float, levels: int) -> None:
    """No level is further from SciPy's blur than rounding allows, however small the image."""
    image = random_image(height, width, levels) * np.uint8(255 // (levels - 1))
    off = np.abs(np.array(kernel(sigma)) - kernel_of_scipy(sigma))
    tolerance = 0.5 + 2 * 255 * (off[0] + 2 * off[1:].sum()) + 0.001
    assert np.abs(blur(image, sigma) - blur_by_scipy(image, sigma)).max() <= tolerance


@pytest.mark.parametrize("sigma", [0.25, 1, 2.5, 6, 16])
def test_nearly_every_level_is_scipys_rounded(sigma: float) -> None:
    """At least 99 samples in 100 are SciPy's to the nearest level, and no other is off by more than 1."""
    image = random_image(90, 110)
    difference = np.abs(blur(image, sigma) - np.floor(blur_by_scipy(image, sigma) + 0.5))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= image.size / 100


@given(sigma=SIGMAS)
@example(sigma=1)
@example(sigma=LARGEST_SIGMA)
def test_the_kernel_adds_up_to_one(sigma: float) -> None:
    """The weights add up to exactly 1 in multiples of 2^-16, none is negative, none off SciPy's by more."""
    weights = [Fraction(weight) for weight in kernel(sigma)]
    assert weights[0] + 2 * sum(weights[1:]) == 1
    assert all(weight >= 0 and (weight * 65536).denominator == 1 for weight in weights)
    assert len(weights) == int(4 * sigma + 0.5) + 1
    assert np.abs(np.array(kernel(sigma)) - kernel_of_scipy(sigma)).max() <= 1.0001 / 65536


def test_a_kernel_is_known_by_hand() -> None:
    """For sigma 1, the weights are 65536 exp(-x^2 / 2) / 2.50662 at 0 to 4, rounded as running sums."""
    assert [65536 * weight for weight in kernel(1)] == [26146, 15857, 3539, 290, 9]


def test_an_impulse_gives_the_kernel() -> None:
    """One bright sample becomes the kernel times itself, in its own channel only."""
    image = np.zeros((31, 31, 3), dtype=np.uint8)
    image[15, 15, 1] = 255
    half = kernel(2)
    line = np.zeros(31)
    line[15 - 8 : 15 + 9] = [*half[:0:-1], *half]
    result = blur(image, 2)
    assert np.array_equal(result[..., 1], np.floor(255 * np.outer(line, line) + 0.5))
    assert result[15, 15, 1] == 10  # 255 * 0.19946^2 = 10.1
    assert not result[..., [0, 2]].any()


@given(level=st.integers(0, 255), sigma=SIGMAS, height=st.integers(1, 9), width=st.integers(1, 9))
@example(level=255, sigma=LARGEST_SIGMA, height=9, width=9)
def test_a_constant_image_stays_constant(level: int, sigma: float, height: int, width: int) -> None:
    """The blur changes no level of an image of one level, at the edges neither."""
    image = np.full((height, width, 3), level, dtype=np.uint8)
    assert np.array_equal(blur(image, sigma), image)


@pytest.mark.parametrize("sigma", [0.5, 2, 8])
def test_the_blur_keeps_the_mean_and_shrinks_the_noise(sigma: float) -> None:
    """The mean of each channel stays within 0.05 levels; a pixel's variance falls by the kernel's squares."""
    image = random_image(160, 160)
    result = blur(image, sigma).astype(np.float64)
    assert np.abs(result.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 0.05
    half = np.array(kernel(sigma))
    squares = half[0] ** 2 + 2 * (half[1:] ** 2).sum()
    edge = 2 * len(half)
    if sigma <= 2:  # a wider kernel leaves too few independent samples to tell
        inner = result[edge:-edge, edge:-edge]
        assert inner.var() == pytest.approx(squares**2 * image.var(), rel=0.1)


def test_turned_images_give_turned_results() -> None:
    """A mirrored image gives the mirrored result, a transposed one the transposed result within one level."""
    image = random_image(50, 70)
    result = blur(image, 3).astype(int)
    assert np.array_equal(blur(image[::-1], 3), result[::-1])
    assert np.array_equal(blur(image[:, ::-1], 3), result[:, ::-1])
    assert np.abs(blur(image.transpose(1, 0, 2), 3).transpose(1, 0, 2) - result).max() <= 1


# --- the equalisation -------------------------------------------------------------------------------------


@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    levels=st.sampled_from([1, 2, 5, 100, 256]),
    seed=st.integers(0, 1000),
)
def test_the_equalisation_is_the_one_of_scikit_image(height: int, width: int, levels: int, seed: int) -> None:
    """Each channel is scikit-image's equalisation times 255, to the nearest level."""
    image = random_image(height, width, levels, seed)
    expected = 255 * np.dstack([equalize_hist(image[..., channel]) for channel in range(3)])
    assert np.abs(equalise(image) - expected).max() <= 0.5 + 1e-9


def test_a_ramp_is_equalised_by_hand() -> None:
    """Four levels once each become 1, 2, 3 and 4 quarters of 255, halves up: 64, 128, 191 and 255."""
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[..., 0] = [[10, 40], [30, 20]]
    image[..., 1] = [[255, 0], [0, 0]]
    image[..., 2] = 7
    result = equalise(image)
    assert result[..., 0].tolist() == [[64, 255], [191, 128]]
    assert result[..., 1].tolist() == [[255, 191], [191, 191]]
    assert result[..., 2].tolist() == [[255, 255], [255, 255]]


def test_every_level_once_is_equalised_to_nearly_itself() -> None:
    """A ramp over all 256 levels becomes 255 / 256 of the next level: itself from 128 on, one more below."""
    ramp = np.arange(256, dtype=np.uint8)
    result = equalise(np.repeat(ramp, 3).reshape(16, 16, 3))
    expected = [level + 1 if level < 128 else level for level in range(256)]
    assert result[..., 0].ravel().tolist() == expected


def test_equalised_noise_fills_the_range_evenly() -> None:
    """Blurred noise of few levels is spread over the whole range, in its order, as uniform samples are."""
    image = blur(random_image(200, 200), 2)
    result = equalise(image)
    order = np.argsort(image[..., 0], axis=None)
    assert (np.diff(result[..., 0].ravel()[order].astype(int)) >= 0).all()
    assert image.std() < 15
    assert result.std() == pytest.approx(255 / 12**0.5, rel=0.02)


# --- the same everywhere ----------------------------------------------------------------------------------


def test_the_first_samples_and_the_digests_are_fixed() -> None:
    """Samples of a seed and digests of the results are these, on every platform and version of numpy."""
    first, second = seeded(0.02, 2, 2, seed=1)
    assert pixels_of(first).ravel()[:6].tolist() == [62, 79, 239, 3, 152, 237]
    assert process(first) == "ec87feea68d2f55a"
    assert process(second) == "9934d06495d85596"
    assert process(seeded(0.3, 0.7, 1, seed=2)[0]) == "99de4f3aea36eb59"


@pytest.mark.parametrize(("chunk", "strip"), [(1, 1), (7, 500), (1 << 20, 1 << 24)])
def test_blocks_change_no_result(monkeypatch: pytest.MonkeyPatch, chunk: int, strip: int) -> None:
    """Result and digest do not depend on how the work is cut to fit the cache."""
    image = random_image(23, 19)
    expected = blur(image, 2), equalise(image)
    monkeypatch.setattr(images, "CHUNK", chunk)
    monkeypatch.setattr(images, "STRIP", strip)
    assert np.array_equal(blur(image, 2), expected[0])
    assert np.array_equal(equalise(image), expected[1])


def test_another_process_gets_the_same_result() -> None:
    """An image travels by pickle as a seed or with its pixels, and another process gets this one's result."""
    image = seeded(0.05, 3, 1, seed=5)[0]
    for one in (image, drawn([image])[0]):
        parcel = pickle.dumps((process, one)).hex()
        program = f"import pickle; f, t = pickle.loads(bytes.fromhex('{parcel}')); print(f(t))"
        found = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=EXAMPLES,
        )
        assert found.stdout.strip() == process(image)


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    """Return memory that other processes could attach to."""
    memory = SharedMemory(create=True, size=60_000)
    yield memory
    memory.close()
    memory.unlink()


def test_pixels_by_value_and_shared_give_the_result_of_the_seed(shared: SharedMemory) -> None:
    """The image by its seed, carried, read-only, in slices, and in shared memory: all have one digest."""
    image = seeded(0.05, 1, 1, seed=3)[0]
    pixels = pixels_of(image)
    fixed = pixels.copy()
    fixed.flags.writeable = False
    doubled = np.repeat(pixels, 2, axis=1)[:, ::2]
    attached: Pixels = np.ndarray(pixels.shape, np.uint8, buffer=shared.buf)
    attached[...] = pixels
    results = {process(replace(image, pixels=array)) for array in (fixed, doubled, attached)}
    del attached
    assert results == {process(image)}
    assert np.array_equal(pixels, fixed)
    assert process(pickle.loads(pickle.dumps(replace(image, pixels=fixed)))) in results


def test_every_item_has_its_own_image() -> None:
    """Images differ by index and by seed, are the same when made again, and use all levels evenly."""
    items = seeded(0.1, 1, 3, seed=4) + seeded(0.1, 1, 3, seed=5)
    assert items[:3] == seeded(0.1, 1, 3, seed=4)
    assert len({pixels_of(image).tobytes() for image in items}) == 6
    samples = np.concatenate([pixels_of(image).ravel() for image in items])
    counts = np.bincount(samples, minlength=256)
    assert counts.std() < 1.2 * counts.mean() ** 0.5


def test_a_seed_is_a_few_bytes_and_a_drawn_image_its_pixels() -> None:
    """An image as a seed takes less than 200 bytes to send, a drawn one as many as it has samples on top."""
    image = seeded(0.2, 1, 1, seed=3)[0]
    (carried,) = drawn([image])
    assert len(pickle.dumps(image)) < 200
    assert image.bytes < len(pickle.dumps(carried)) < image.bytes + 500
    assert carried == image
    assert np.array_equal(carried.pixels, pixels_of(image))
    assert drawn([carried])[0].pixels is carried.pixels


def test_no_filter_writes_to_its_image() -> None:
    """Shared images are read-only: processing leaves one that could be written to as it was."""
    (image,) = drawn(seeded(0.2, 2, 1, seed=3))
    before = image.pixels.copy()
    process(image)
    assert image.pixels.flags.writeable
    assert np.array_equal(image.pixels, before)


def test_the_digest_tells_shapes_apart() -> None:
    """A white image of 2 x 6 pixels has another digest than one of 3 x 4, both of 16 digits."""
    white = [
        Image(*shape, 1, seed=0, index=0, pixels=np.full((*shape, 3), 255, np.uint8))
        for shape in [(2, 6), (3, 4)]
    ]
    digests = [process(image) for image in white]
    assert digests[0] != digests[1]
    assert [len(digest) for digest in digests] == [16, 16]


# --- sizes, memory, refusals ------------------------------------------------------------------------------


@given(megabytes=st.floats(0.001, 1000))
@example(megabytes=0.001)
@example(megabytes=1000)
def test_the_true_size_is_at_most_the_one_asked_for(megabytes: float) -> None:
    """An image is never larger than asked for, less than a row and a pixel smaller, and nearly square."""
    height, width = shape_of(megabytes)
    assert 0 <= megabytes * 1e6 - 3 * height * width < 3 * height + 4
    assert height <= width <= height + 2


def test_sizes_are_those_of_the_array() -> None:
    """The true size is that of the array: 1 megabyte is 577 x 577 pixels, 998787 bytes."""
    assert shape_of(1) == (577, 577)
    image = Image(*shape_of(1), 1, seed=1, index=0)
    assert pixels_of(image).nbytes == image.bytes == 998_787
    assert pixels_of(image).shape == (577, 577, 3)
    assert pixels_of(Image(1, 1, 1, seed=1, index=0)).shape == (1, 1, 3)


@pytest.mark.parametrize(("megabytes", "complexity"), [(0.001, 0.25), (0.05, 16), (0.6, 16), (1, 1), (3, 3)])
def test_an_item_stays_within_its_memory(megabytes: float, complexity: float) -> None:
    """The arrays of an item take no more than `memory_bytes` at any moment, and no less than a third."""
    image = seeded(megabytes, complexity, 1, seed=1)[0]
    process(image)
    tracemalloc.start()
    process(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    promised = memory_bytes(image)
    assert (promised - (1 << 16)) / 3 < peak <= promised


@pytest.mark.parametrize("complexity", [0.25, 1, 4, 16])
def test_the_memory_of_large_images_is_little_more_than_two_images(complexity: float) -> None:
    """From 100 megabytes on, an item takes at most 2.25 times its image, and above complexity 4 2.6 times."""
    for megabytes in (100, 300, 1000):
        (image,) = seeded(megabytes, complexity, 1, seed=1)
        assert memory_bytes(image) <= (2.25 if complexity <= 4 else 2.6) * image.bytes


@pytest.mark.parametrize("megabytes", [0, -1, 0.0009, 1001, float("nan"), float("inf")])
def test_absurd_sizes_are_refused(megabytes: float) -> None:
    """A size that is nothing, negative, absurd or not a number is refused with the range."""
    with pytest.raises(ValueError, match=r"from 0\.001 to 1000 megabytes, not"):
        seeded(megabytes, 1, 1, seed=1)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-1, -1), (40_000, 40_000)])
def test_absurd_shapes_are_refused(height: int, width: int) -> None:
    """A shape without pixels, or of more than a gigabyte, is refused before any memory is asked for."""
    with pytest.raises(ValueError, match=f"not {height} x {width} pixels"):
        Image(height, width, 1, seed=1, index=0)


@pytest.mark.parametrize("complexity", [0, -2, 0.2, 16.5, float("nan")])
def test_a_complexity_out_of_range_is_refused(complexity: float) -> None:
    """A complexity out of range is refused with the range, by the items and by the blur itself."""
    with pytest.raises(ValueError, match=r"from 0\.25 to 16, not"):
        seeded(1, complexity, 1, seed=1)
    with pytest.raises(ValueError, match=r"from 0\.25 to 16, not"):
        blur(random_image(2, 2), complexity)


@pytest.mark.parametrize(("count", "seed"), [(0, 1), (-1, 1), (1, -1)])
def test_no_image_and_a_negative_seed_are_refused(count: int, seed: int) -> None:
    """A count below 1 and a seed below 0 are refused, with both values."""
    with pytest.raises(ValueError, match=f"count >= 1 and seed >= 0, not {count} and {seed}"):
        seeded(1, 1, count, seed)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_what_is_not_an_image_is_refused(array: Pixels) -> None:
    """Grey, RGBA, empty and floating-point arrays are refused by both filters, with type and shape."""
    for function in (lambda image: blur(image, 1), equalise):
        with pytest.raises(ValueError, match=r"not of \w+ and shape"):
            function(array)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the variable is glibc's own")
def test_dask_s_setting_of_malloc_is_what_slows_images() -> None:
    """With the variable that Dask gives its workers, images in a plain loop fault in many times the pages."""
    code = (
        "import resource; from images import process, seeded\n"
        "images = seeded(2.0, 2.0, 4, 1); process(images[0])\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "before = faults(); [process(one) for one in images]; print(faults() - before)"
    )
    plain, as_dask = (
        int(subprocess.check_output([sys.executable, "-c", code], cwd=EXAMPLES, env={**os.environ, **more}))
        for more in ({}, {"MALLOC_TRIM_THRESHOLD_": "65536"})
    )
    assert as_dask > 3 * plain
