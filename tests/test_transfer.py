"""Images that are made, carried or shared: the same results, nothing left behind, a known sum of memory."""

import errno
import multiprocessing
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from fakes import Collector
from lab.engines.put import PutImage, put_image
from lab.workloads import Outcome, transfer
from lab.workloads.images import GivenImage, ImageTask, Size, image_tasks, memory_bytes, process
from lab.workloads.transfer import (
    TRANSFERS,
    MappedImage,
    handed_over,
    memory_needed,
    pixels_of,
    refuse_too_large,
)
from numpy.typing import NDArray

from lab.clusters.embedded import embedded
from lab.engines import Work
from lab.engines.teams import TEAMS
from lab.errors import ParameterError

Image = NDArray[np.uint8]

TASKS = image_tasks(0.2, 1, 5, seed=3)
"""Their sizes are no multiples of a page: each starts at an odd place of the shared file."""

SQUARE = Size(1000, 1000)
"""3 000 000 bytes."""


@pytest.fixture(scope="module")
def expected() -> list[Outcome]:
    """Return the outcomes of the tasks by their seeds."""
    return [process(task) for task in TASKS]


@pytest.fixture(scope="module")
def pixels() -> list[Image]:
    """Return the images of the tasks."""
    return pixels_of(TASKS)


@pytest.fixture(scope="module")
def store() -> Iterator[None]:
    """Run Ray with an object store that holds all the images."""
    with embedded(2, 80, 0):
        yield


def given(kind: str, pixels: list[Image]) -> list[Image]:
    """Return the pixels that the hand-over of a kind takes."""
    return [] if kind == "seed" else pixels


def outcomes(engine: str, payloads: tuple[ImageTask, ...]) -> list[Outcome | None]:
    """Return what an engine makes of the payloads, in order."""
    collector = Collector()
    with TEAMS[engine](1 if engine == "serial" else 2) as team:
        team.run(Work(process, payloads, time.monotonic() + 60.0), "dynamic", collector)
    good = collector.good()
    return [good.get(task) for task in range(len(payloads))]


# --- the same results ---


@pytest.mark.parametrize("kind", TRANSFERS)
@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_every_transfer_has_the_same_digests(
    engine: str, kind: str, pixels: list[Image], expected: list[Outcome]
) -> None:
    """In the driver and in spawned processes, the outcomes are those of the images by their seeds."""
    with handed_over(TASKS, kind, given(kind, pixels)) as payloads:
        assert outcomes(engine, payloads) == expected


@pytest.mark.ray
@pytest.mark.parametrize("kind", TRANSFERS)
@pytest.mark.usefixtures("store")
def test_every_transfer_has_the_same_digests_on_ray(
    kind: str, pixels: list[Image], expected: list[Outcome]
) -> None:
    """Ray's workers read the images from the object store, or get them with the call, to the same end."""
    with handed_over(TASKS, kind, given(kind, pixels), put=put_image) as payloads:
        assert outcomes("ray", payloads) == expected


@pytest.mark.ray
@pytest.mark.usefixtures("store")
def test_put_images_are_read_without_a_copy(pixels: list[Image]) -> None:
    """The object store gives a read-only view, and the same image."""
    source = put_image(pixels[0])
    assert isinstance(source, PutImage)
    assert not source.pixels().flags.writeable
    assert not source.pixels().flags.owndata
    assert np.array_equal(source.pixels(), pixels[0])


def test_a_pool_of_spawned_processes_reads_the_shared_file_more_than_once(
    pixels: list[Image], expected: list[Outcome]
) -> None:
    """Processes that end take nothing away: a second pool reads the same file."""
    context = multiprocessing.get_context("spawn")
    with handed_over(TASKS, "shared", pixels) as payloads:
        for _ in range(2):
            with context.Pool(2) as pool:
                assert pool.map(process, payloads) == expected


# --- what travels, and what is left ---


def test_each_kind_carries_what_it_says(pixels: list[Image]) -> None:
    """By seed and shared, a task is a few hundred bytes; by value it is its image."""
    sizes = {}
    for kind in TRANSFERS:
        with handed_over(TASKS, kind, given(kind, pixels)) as payloads:
            sizes[kind] = len(pickle.dumps(payloads[0]))
    assert max(sizes["seed"], sizes["shared"]) < 500
    assert pixels[0].nbytes < sizes["value"] < pixels[0].nbytes + 500


def test_mapped_images_are_views_of_one_file(pixels: list[Image]) -> None:
    """The images lie one after another in one file, are read-only, and are plain arrays without a copy."""
    with handed_over(TASKS, "shared", pixels) as payloads:
        sources = [task.source for task in payloads]
        assert all(isinstance(source, MappedImage) for source in sources)
        assert len({source.path for source in sources}) == 1
        assert [source.offset for source in sources] == [one * pixels[0].nbytes for one in range(5)]
        for source, image in zip(sources, pixels, strict=True):
            found = source.pixels()
            assert type(found) is np.ndarray
            assert not found.flags.writeable
            assert not found.flags.owndata
            assert np.array_equal(found, image)


@pytest.mark.parametrize("fails", [False, True])
def test_the_file_is_removed_in_the_end(pixels: list[Image], fails: bool) -> None:
    """Nothing is left in shared memory, be it that the work fails; views that are left can be read still."""

    def work() -> tuple[Path, Image]:
        with handed_over(TASKS, "shared", pixels) as payloads:
            source = payloads[0].source
            seen.append(Path(source.path))
            assert seen[0].exists()
            if fails:
                raise KeyError
            return seen[0], source.pixels()

    seen: list[Path] = []
    if fails:
        with pytest.raises(KeyError):
            work()
    else:
        assert np.array_equal(work()[1], pixels[0])
    assert not seen[0].exists()


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is mapped")
def test_the_driver_maps_what_it_shares(pixels: list[Image]) -> None:
    """All of the shared file is resident in the driver: no memory is left out of the account."""
    with handed_over(TASKS, "shared", pixels) as payloads:
        source = payloads[0].source
        maps = psutil.Process().memory_maps()
        resident = sum(one.rss for one in maps if one.path == source.path)
    assert resident >= sum(one.nbytes for one in pixels)


def test_slices_can_be_shared(pixels: list[Image]) -> None:
    """An image that is not contiguous is written in its own order."""
    turned = [one[:, ::-1] for one in pixels]
    with handed_over(TASKS, "shared", turned) as payloads:
        assert np.array_equal(payloads[1].source.pixels(), turned[1])


def test_without_shared_memory_temporary_files_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pixels: list[Image]
) -> None:
    """A platform without /dev/shm maps a temporary file, and may not know how to fill the page table."""
    monkeypatch.setattr(transfer, "MEMORY_FOLDER", tmp_path / "none")
    monkeypatch.delattr(transfer.mmap, "MAP_POPULATE", raising=False)
    monkeypatch.setattr(transfer.tempfile, "gettempdir", lambda: str(tmp_path))
    with handed_over(TASKS, "shared", pixels) as payloads:
        assert Path(payloads[0].source.path).parent == tmp_path
        assert np.array_equal(payloads[4].source.pixels(), pixels[4])
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pixels: list[Image]) -> None:
    """Docker gives 64 MB of shared memory: too little is an error in words, and the file is removed."""
    monkeypatch.setattr(transfer, "MEMORY_FOLDER", tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(transfer.os, "write", full)
    with (
        pytest.raises(ParameterError, match=r"do not fit into .* \(No space left on device\).*--shm-size"),
        handed_over(TASKS, "shared", pixels),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_write_may_take_a_part_only(monkeypatch: pytest.MonkeyPatch, pixels: list[Image]) -> None:
    """Linux writes at most 2 GB at once: the rest follows."""
    write = os.write
    monkeypatch.setattr(transfer.os, "write", lambda file, data: write(file, data[:70_000]))
    with handed_over(TASKS, "shared", pixels) as payloads:
        assert np.array_equal(payloads[3].source.pixels(), pixels[3])


def test_by_value_the_given_arrays_travel(pixels: list[Image]) -> None:
    """The hand-over copies nothing by itself, and keeps each task's complexity."""
    with handed_over(TASKS, "value", pixels) as payloads:
        for task, image in zip(payloads, pixels, strict=True):
            assert isinstance(task.source, GivenImage)
            assert task.source.array is image
            assert task.complexity == 1


def test_no_filter_writes_to_its_image() -> None:
    """Shared images are read-only: processing leaves one that could be written to as it was."""
    image = TASKS[0].source.pixels().copy()
    before = image.copy()
    process(ImageTask(GivenImage(image), 2))
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("kind", "count"), [("value", 4), ("shared", 0), ("seed", 5)])
def test_a_missing_image_is_refused(pixels: list[Image], kind: str, count: int) -> None:
    """Too few images are refused, and images that no one would use, too."""
    with (
        pytest.raises(ParameterError, match=f"transfer {kind} of 5 tasks was given {count} images"),
        handed_over(TASKS, kind, pixels[:count]),
    ):
        pass


def test_an_unknown_transfer_is_refused() -> None:
    """A transfer that there is not is refused with those that there are."""
    with (
        pytest.raises(ParameterError, match="one of seed, value, shared, not post"),
        handed_over(TASKS, "post"),
    ):
        pass
    with pytest.raises(ParameterError, match="not post"):
        memory_needed(SQUARE, 1, 1, "post", workers=1, worker_bytes=1)


# --- the sum of memory ---


@pytest.mark.parametrize(
    ("kind", "images", "per_worker"),
    [
        ("seed", 0, 1),  # no image but the worker's own
        ("value", 10 + 1, 2),  # ten at the driver and one on its way; a worker reads a message into an image
        ("shared", 10 + 10, 0),  # ten at the driver and ten in shared memory
    ],
)
def test_the_sum_is_known_by_hand(kind: str, images: int, per_worker: int) -> None:
    """Ten images of 3 MB and four workers of 150 MB: what is held, shared, on its way, and worked on."""
    task = memory_bytes(SQUARE, 1)
    assert task >= 6_000_000
    expected = images * 3_000_000 + 4 * (150_000_000 + per_worker * 3_000_000 + task)
    needed = memory_needed(SQUARE, 1, 10, kind, workers=4, worker_bytes=150_000_000)
    assert sum(needed.values()) == expected


def test_what_there_is_besides_is_added() -> None:
    """The driver's and an engine's own processes are a part of the sum."""
    bare = memory_needed(SQUARE, 1, 10, "seed", workers=4, worker_bytes=1000)
    more = memory_needed(SQUARE, 1, 10, "seed", workers=4, worker_bytes=1000, base_bytes=5 * 10**8)
    assert sum(more.values()) == sum(bare.values()) + 5 * 10**8
    with pytest.raises(ParameterError, match=r"besides workers 0\.50 GB \+ 4 workers"):
        refuse_too_large(more, 10**6)


def test_an_engine_that_sends_all_to_each_needs_more() -> None:
    """All ten images in one message are 9 more on their way, and 18 more at each of 4 workers."""
    one, ten = (
        sum(memory_needed(SQUARE, 1, 10, "value", workers=4, worker_bytes=0, in_hand=images).values())
        for images in (1, 10)
    )
    assert ten - one == (9 + 4 * 18) * 3_000_000


def test_too_large_a_run_is_refused_in_words() -> None:
    """The sum is told part by part: 1.5 GB twice, 2 workers of 150 MB, and their workspace."""
    size = Size(5000, 5000)
    each = 150_000_000 + memory_bytes(size, 1)
    with pytest.raises(ParameterError) as raised:
        refuse_too_large(
            memory_needed(size, 1, 20, "shared", workers=2, worker_bytes=150_000_000), 1_500_000_000
        )
    assert str(raised.value) == (
        "20 images of 75 MB held by the driver 1.50 GB + a copy of them in shared memory 1.50 GB + "
        f"2 workers of {each / 1e9:.2f} GB each {2 * each / 1e9:.2f} GB = {3 + 2 * each / 1e9:.2f} GB, "
        "and 1.50 GB may be used: choose fewer or smaller images, or fewer workers"
    )


def test_a_run_that_just_fits_is_taken() -> None:
    """The limit itself may be used, one byte less may not."""
    needed = memory_needed(SQUARE, 1, 10, "value", workers=4, worker_bytes=1000)
    refuse_too_large(needed, sum(needed.values()))
    with pytest.raises(
        ParameterError, match=r"held by the driver 30 MB \+ a message on its way to a worker 3 MB \+ 4"
    ):
        refuse_too_large(needed, sum(needed.values()) - 1)
