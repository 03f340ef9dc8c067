"""Items that are sent or shared: the same in every worker, nothing left behind, a known sum of memory."""

import contextlib
import errno
import gc
import importlib
import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from fakes import Collector, comes_true

from lab.clusters.embedded import embedded
from lab.clusters.stores import bytes_in_use
from lab.engines import Work, sharing
from lab.engines.sharing import TRANSFERS, Mapped, Put, handed_over, memory_needed, opened, refuse_too_large
from lab.engines.teams import TEAMS
from lab.errors import ParameterError
from lab.measure.task import Outcome

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
images: Any = importlib.import_module("images")

SEEDS = images.seeded(0.2, 1, 5, seed=3)
"""Their sizes are no multiples of a page: each starts at an odd place of the shared file."""
DRAWN = images.drawn(SEEDS)

OWN = [
    {"table": np.arange(100_000.0).reshape(100, 1000) * number, "name": f"item {number}"}
    for number in (1, 2, 3)
]
"""Items of own work: a large array and a text."""


@pytest.fixture(scope="module")
def expected() -> list[Outcome]:
    """Return the outcomes of the images by their seeds."""
    return [processed(image) for image in SEEDS]


@pytest.fixture(scope="module")
def store() -> Iterator[None]:
    """Run Ray with an object store that holds all the items."""
    with embedded(2, 80, 0):
        yield


def processed(payload: Any) -> Outcome:
    """Return the outcome of an image, however it was handed over."""
    return Outcome(1, images.process(opened(payload)))


def described(payload: Any) -> Outcome:
    """Return what a worker sees of an item of own work: its name, its sum, and what writing to it raises."""
    item = opened(payload)
    table = item["table"]
    try:
        table[0, 0] = 1.0
        written = "written to"
    except ValueError as error:
        written = str(error)
    return Outcome(1, f"{item['name']}, {table.sum():.0f}, {written}, copied: {table.flags.owndata}")


def outcomes(engine: str, function: Any, payloads: Sequence[Any]) -> list[Outcome | None]:
    """Return what an engine makes of the payloads, in order."""
    collector = Collector()
    with TEAMS[engine](1 if engine == "serial" else 2) as team:
        team.run(Work(function, payloads, time.monotonic() + 60.0), "dynamic", collector)
    good = collector.good()
    return [good.get(task) for task in range(len(payloads))]


def given(kind: str) -> Sequence[Any]:
    """Return the images that a transfer takes."""
    return SEEDS if kind == "seed" else DRAWN


# --- the same results ---


@pytest.mark.parametrize("kind", TRANSFERS)
@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_every_transfer_has_the_same_digests(engine: str, kind: str, expected: list[Outcome]) -> None:
    """In the driver and in spawned processes, the outcomes are those of the images by their seeds."""
    with handed_over(given(kind), kind) as payloads:
        assert outcomes(engine, processed, payloads) == expected


@pytest.mark.ray
@pytest.mark.parametrize("kind", TRANSFERS)
@pytest.mark.usefixtures("store")
def test_every_transfer_has_the_same_digests_on_ray(kind: str, expected: list[Outcome]) -> None:
    """Ray's workers read the images from the object store, or get them with the call, to the same end."""
    with handed_over(given(kind), kind, on_ray=True) as payloads:
        assert outcomes("ray", processed, payloads) == expected


def seen(number: int) -> Outcome:
    """Return what a worker is to see of a shared item of own work."""
    total = number * (100_000 * 99_999 // 2)
    return Outcome(1, f"item {number}, {total}, assignment destination is read-only, copied: False")


@pytest.mark.parametrize("engine", ["serial", "processes", "futures"])
def test_a_shared_item_of_own_work_is_equal_and_read_only(engine: str) -> None:
    """A dictionary with a large array and a text arrives as it was, its array as a read-only view."""
    with handed_over(OWN, "shared") as payloads:
        assert outcomes(engine, described, payloads) == [seen(number) for number in (1, 2, 3)]


@pytest.mark.ray
@pytest.mark.parametrize("engine", ["ray", "ray_tasks"])
@pytest.mark.usefixtures("store")
def test_a_shared_item_of_own_work_is_equal_and_read_only_on_ray(engine: str) -> None:
    """From the object store, too."""
    with handed_over(OWN, "shared", on_ray=True) as payloads:
        assert outcomes(engine, described, payloads) == [seen(number) for number in (1, 2, 3)]


@pytest.mark.ray
@pytest.mark.usefixtures("store")
def test_the_object_store_is_freed_in_the_end() -> None:
    """What was put is gone although its payloads are still known."""
    assert comes_true(lambda: bytes_in_use() == 0)  # what others have put goes within a moment
    with handed_over(OWN, "shared", on_ray=True) as payloads:
        assert all(isinstance(payload, Put) for payload in payloads)
        assert not opened(payloads[0])["table"].flags.writeable
        assert comes_true(lambda: bytes_in_use() >= 2_400_000)
    gc.collect()
    assert comes_true(lambda: bytes_in_use() == 0)
    assert len(payloads) == 3


def test_a_pool_of_spawned_processes_reads_the_shared_file_more_than_once(expected: list[Outcome]) -> None:
    """Processes that end take nothing away: a second pool reads the same file."""
    context = multiprocessing.get_context("spawn")
    with handed_over(DRAWN, "shared") as payloads:
        for _ in range(2):
            with context.Pool(2) as pool:
                assert pool.map(processed, payloads) == expected


# --- any item ---


@pytest.mark.parametrize(
    "item",
    [
        7,
        "a text",
        b"bytes" * 100_000,
        None,
        {"nested": [(1, 2), {"deep": np.arange(9, dtype=np.int16)}], "set": {1, 2}},
        [np.arange(3, dtype=np.int16) + number for number in range(1000)],
        np.empty((0, 3)),
        [np.empty(0), np.empty(0)],
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0).reshape(3, 4)[:, ::-1],
        np.array([{"any": "object"}, None], dtype=object),
        bytearray(b"12345"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_any_item_can_be_shared(item: Any) -> None:
    """Numbers, texts, nested and empty values, arrays in any order: each is itself again."""
    with handed_over([item, "between", item], "shared") as payloads:
        first, between, last = map(opened, payloads)
        assert pickle.dumps(first) == pickle.dumps(last)
        assert between == "between"
    np.testing.assert_equal(last, item)
    assert type(last) is type(item)


def test_a_frame_of_pandas_can_be_shared() -> None:
    """Its columns are equal, of the same types."""
    frame = pd.DataFrame({"number": np.arange(1000), "text": [f"row {row}" for row in range(1000)]})
    with handed_over([frame], "shared") as payloads:
        pd.testing.assert_frame_equal(opened(payloads[0]), frame)


def test_arrays_lie_where_processors_like_them() -> None:
    """Every array of the file begins at a multiple of 64 bytes, whatever lies before it."""
    odd = ["x" * 11, np.arange(3, dtype=np.uint8), np.arange(5.0), np.arange(7, dtype=np.int64)]
    with handed_over([odd, odd], "shared") as payloads:
        for payload in payloads:
            arrays = opened(payload)[1:]
            assert [one.ctypes.data % 64 for one in arrays] == [0, 0, 0]
            assert all(one.flags.aligned for one in arrays)


def test_what_is_not_shared_is_opened_as_it_is() -> None:
    """By value the very items travel, and the hand-over copies nothing by itself."""
    for kind in ("seed", "value"):
        with handed_over(OWN, kind) as payloads:
            assert all(opened(payload) is item for payload, item in zip(payloads, OWN, strict=True))


# --- what travels, and what is left ---


def test_each_kind_carries_what_it_says() -> None:
    """By seed and shared, a task is a few hundred bytes; by value it is its image."""
    sizes = {}
    for kind in TRANSFERS:
        with handed_over(given(kind), kind) as payloads:
            sizes[kind] = len(pickle.dumps(payloads[0]))
    assert max(sizes["seed"], sizes["shared"]) < 500
    assert DRAWN[0].bytes < sizes["value"] < DRAWN[0].bytes + 500


def test_many_small_arrays_are_a_small_payload() -> None:
    """What is in the file is told there: a payload does not grow with the parts of its item."""
    with handed_over([[np.arange(2)], [np.arange(2) + one for one in range(5000)]], "shared") as payloads:
        few, many = (len(pickle.dumps(payload)) for payload in payloads)
        assert many <= few + 10 < 300
        assert len(opened(payloads[1])) == 5000


def test_shared_items_are_views_of_one_file() -> None:
    """The items lie one after another in one file, and their arrays are read-only, without a copy."""
    with handed_over(DRAWN, "shared") as payloads:
        mapped = [payload for payload in payloads if isinstance(payload, Mapped)]
        assert len(mapped) == 5
        assert len({payload.path for payload in mapped}) == 1
        ends = [payload.offset + payload.size for payload in mapped]
        assert [payload.offset for payload in mapped] == [0, *ends[:-1]]
        assert all(0 < payload.size - DRAWN[0].bytes < 1000 for payload in mapped)
        for payload, image in zip(payloads, DRAWN, strict=True):
            found = opened(payload)
            assert found == image
            assert type(found.pixels) is np.ndarray
            assert not found.pixels.flags.writeable
            assert not found.pixels.flags.owndata
            assert np.array_equal(found.pixels, image.pixels)


@pytest.mark.parametrize("fails", [False, True])
def test_the_file_is_removed_in_the_end(fails: bool) -> None:
    """Nothing is left in shared memory, be it that the work fails; views that are left can be read still."""
    found: list[Any] = []
    with contextlib.suppress(KeyError), handed_over(DRAWN, "shared") as payloads:
        found += [Path(payloads[0].path), opened(payloads[0])]
        assert found[0].exists()
        if fails:
            raise KeyError
    assert not found[0].exists()
    assert np.array_equal(found[1].pixels, DRAWN[0].pixels)


linux = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is mapped")


def resident_bytes(path: str) -> int:
    """Return how much of a file this process has mapped and in memory."""
    return sum(one.rss for one in psutil.Process().memory_maps() if one.path.startswith(path))


@linux
def test_the_driver_maps_what_it_shares() -> None:
    """All of the shared file is resident in the driver: no memory is left out of the account."""
    with handed_over(DRAWN, "shared") as payloads:
        assert resident_bytes(payloads[0].path) >= sum(image.bytes for image in DRAWN)


@linux
def test_a_mapping_ends_with_its_last_view() -> None:
    """A worker that is through with an item keeps nothing of it mapped."""
    with handed_over(DRAWN, "shared") as payloads:
        before = resident_bytes(payloads[0].path)
        item = opened(payloads[0])
        total = int(item.pixels.sum())
        assert resident_bytes(payloads[0].path) >= before + item.bytes // 2
        del item
        gc.collect()
        assert resident_bytes(payloads[0].path) == before
    assert total == int(DRAWN[0].pixels.sum())


def test_without_shared_memory_temporary_files_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A platform without /dev/shm maps a temporary file, and may not know how to fill the page table."""
    monkeypatch.setattr(sharing, "MEMORY_FOLDER", tmp_path / "none")
    monkeypatch.delattr(sharing.mmap, "MAP_POPULATE", raising=False)
    monkeypatch.setattr(sharing.tempfile, "gettempdir", lambda: str(tmp_path))
    with handed_over(DRAWN, "shared") as payloads:
        assert Path(payloads[0].path).parent == tmp_path
        assert np.array_equal(opened(payloads[4]).pixels, DRAWN[4].pixels)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker gives 64 MB of shared memory: too little is an error in words, and the file is removed."""
    monkeypatch.setattr(sharing, "MEMORY_FOLDER", tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sharing.os, "write", full)
    with (
        pytest.raises(ParameterError, match=r"do not fit into .* \(No space left on device\).*--shm-size"),
        handed_over(DRAWN, "shared"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_write_may_take_a_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux writes at most 2 GB at once: the rest follows."""
    write = os.write
    monkeypatch.setattr(sharing.os, "write", lambda file, data: write(file, data[:70_000]))
    with handed_over(DRAWN, "shared") as payloads:
        assert np.array_equal(opened(payloads[3]).pixels, DRAWN[3].pixels)


def test_an_unknown_transfer_is_refused() -> None:
    """A transfer that there is not is refused with those that there are."""
    with (
        pytest.raises(ParameterError, match="one of seed, value, shared, not post"),
        handed_over(OWN, "post"),
    ):
        pass
    with pytest.raises(ParameterError, match="not post"):
        memory_needed([1], "post", workers=1, worker_bytes=1)


# --- the sum of memory ---


TEN = [3_000_000] * 10
"""Ten items of 3 MB."""


@pytest.mark.parametrize(
    ("kind", "items", "per_worker"),
    [
        ("seed", 0, 1),  # no data but the worker's own
        ("value", 10 + 1, 2),  # ten at the driver and one on its way; a worker reads a message into an item
        ("shared", 10 + 10, 0),  # ten at the driver and ten in shared memory
    ],
)
def test_the_sum_is_known_by_hand(kind: str, items: int, per_worker: int) -> None:
    """Ten items of 3 MB and four workers of 150 MB: what is held, shared, on its way, and worked on."""
    expected = items * 3_000_000 + 4 * (150_000_000 + per_worker * 3_000_000 + 7_000_000)
    needed = memory_needed(TEN, kind, workers=4, worker_bytes=150_000_000, work_bytes=7_000_000)
    assert sum(needed.values()) == expected


def test_what_there_is_besides_is_added() -> None:
    """The driver's and an engine's own processes are a part of the sum."""
    bare = memory_needed(TEN, "seed", workers=4, worker_bytes=1000)
    more = memory_needed(TEN, "seed", workers=4, worker_bytes=1000, base_bytes=5 * 10**8)
    assert sum(more.values()) == sum(bare.values()) + 5 * 10**8
    with pytest.raises(ParameterError, match=r"besides workers 0\.50 GB \+ 4 workers"):
        refuse_too_large(more, 10**6)


def test_an_engine_that_sends_all_to_each_needs_more() -> None:
    """All ten items in one message are 9 more on their way, and 18 more at each of 4 workers."""
    one, ten = (
        sum(memory_needed(TEN, "value", workers=4, worker_bytes=0, in_hand=items).values())
        for items in (1, 10)
    )
    assert ten - one == (9 + 4 * 18) * 3_000_000


def test_the_largest_items_count_where_few_are_in_hand() -> None:
    """Items of 1 to 5 MB: two in a message are 9 MB at most, and a worker that makes one makes up to 5."""
    sizes = [3_000_000, 1_000_000, 5_000_000, 4_000_000, 2_000_000]
    needed = memory_needed(sizes, "value", workers=1, worker_bytes=0, in_hand=2)
    assert sum(needed.values()) == 15_000_000 + 9_000_000 + 18_000_000
    assert "5 items of up to 5 MB held by the driver" in needed
    assert sum(memory_needed(sizes, "seed", workers=2, worker_bytes=0).values()) == 10_000_000


def test_too_large_a_run_is_refused_in_words() -> None:
    """The sum is told part by part: 1.5 GB twice, 2 workers of 150 MB, and what the work takes."""
    needed = memory_needed(
        [75_000_000] * 20,
        "shared",
        workers=2,
        worker_bytes=150_000_000,
        work_bytes=160_000_000,
        unit="images",
    )
    with pytest.raises(ParameterError) as raised:
        refuse_too_large(needed, 1_500_000_000, "images")
    assert str(raised.value) == (
        "20 images of 75 MB held by the driver 1.50 GB + a copy of them in shared memory 1.50 GB + "
        "2 workers of 0.31 GB each 0.62 GB = 3.62 GB, "
        "and 1.50 GB may be used: choose fewer or smaller images, or fewer workers"
    )


def test_a_run_that_just_fits_is_taken() -> None:
    """The limit itself may be used, one byte less may not."""
    needed = memory_needed(TEN, "value", workers=4, worker_bytes=1000)
    refuse_too_large(needed, sum(needed.values()))
    told = r"10 items of 3 MB held by the driver 30 MB \+ a message on its way to a worker 3 MB \+ 4"
    with pytest.raises(ParameterError, match=told):
        refuse_too_large(needed, sum(needed.values()) - 1)
