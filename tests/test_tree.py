"""The whole process tree as one: shared memory once, ended processes up to where they were seen."""

import contextlib
import mmap
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from lab.measure import tree
from lab.measure.tree import Tree, processor_seconds, proportional_bytes

pytestmark = pytest.mark.timed

SHARED_BYTES = 50_000_000

MAP_AND_WAIT = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
sum(view[::4096])
print("ready", flush=True)
sys.stdin.read()
"""
BURN_AND_WAIT = """
import sys, time
while time.process_time() < float(sys.argv[1]):
    pass
print("ready", flush=True)
sys.stdin.read()
"""

needs_rollup = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="no proportional set sizes here"
)


@contextlib.contextmanager
def child(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a Python process that has said that it is ready and waits; end it."""
    command = [sys.executable, "-c", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a file of 50 MB in memory."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(b"x" * SHARED_BYTES)
        file.flush()
        yield Path(file.name)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def resident(processes: Sequence[psutil.Process]) -> int:
    """Return the sum of the resident set sizes."""
    return sum(process.memory_info().rss for process in processes)


# --- memory ---


@needs_rollup
def test_shared_pages_count_once(shared: Path) -> None:
    """Two children that map the same 50 MB add 50 MB of PSS to the tree, and 100 MB of RSS."""
    small = shared.with_name(f"{shared.name}-small")
    small.write_bytes(b"x")
    try:
        with child(MAP_AND_WAIT, small) as one, child(MAP_AND_WAIT, small) as two:
            before = [psutil.Process(process.pid) for process in (one, two)]
            base, base_resident = proportional_bytes(before), resident(before)
        with child(MAP_AND_WAIT, shared) as one, child(MAP_AND_WAIT, shared) as two:
            after = [psutil.Process(process.pid) for process in (one, two)]
            shared_pss, shared_resident = proportional_bytes(after), resident(after)
    finally:
        small.unlink()
    assert base is not None
    assert shared_pss is not None
    assert shared_pss - base == pytest.approx(SHARED_BYTES, rel=0.1)
    assert shared_resident - base_resident == pytest.approx(2 * SHARED_BYTES, rel=0.1)


@needs_rollup
def test_what_driver_and_child_share_counts_once(shared: Path) -> None:
    """A file of 50 MB that the driver has mapped grows the tree by a bare child, if a child maps it too."""
    with Tree(60.0) as bare, child(MAP_AND_WAIT, __file__):
        leave(bare)
    with shared.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        assert sum(view[::4096])
        with Tree(60.0) as both, child(MAP_AND_WAIT, shared):
            leave(both)
    assert grown(both) - grown(bare) == pytest.approx(0, abs=0.1 * SHARED_BYTES)


@needs_rollup
def test_peaks_between_begin_and_end_are_seen() -> None:
    """50 MB that the driver holds for a while only are in both peaks."""
    with Tree(0.01, 1.0) as watched:
        held = b"x" * SHARED_BYTES
        seen = watched.samples
        wait_for(lambda: watched.samples >= seen + 2)
        del held
    assert grown(watched) == pytest.approx(SHARED_BYTES, rel=0.1)
    assert watched.peak_driver_bytes is not None
    assert watched.peak_driver_bytes > SHARED_BYTES


@needs_rollup
def test_the_memory_of_one_process_is_between_private_and_resident() -> None:
    """The proportional set size is at most the resident one, and at least what is private."""
    own = psutil.Process()
    counted = proportional_bytes([own])
    assert counted is not None
    assert 0.5 * own.memory_info().rss < counted <= own.memory_info().rss * 1.01


def test_a_platform_without_proportional_sizes_gives_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An unknown is None and never 0; the driver's resident size and the processor time are known still."""
    assert proportional_bytes([psutil.Process()], tmp_path) is None
    monkeypatch.setattr(tree, "proportional_bytes", lambda _: None)
    with Tree() as watched:
        pass
    assert watched.memory_before_bytes is None
    assert watched.peak_memory_bytes is None
    assert watched.cpu_seconds is not None
    assert watched.peak_driver_bytes


def rollups(proc: Path, contents: dict[str, str]) -> Path:
    """Write the files of some processes and return their root."""
    for name, content in {"self": "", **contents}.items():
        (proc / name).mkdir()
        (proc / name / "smaps_rollup").write_text(content)
    return proc


def test_a_process_that_vanishes_is_skipped(tmp_path: Path) -> None:
    """A process that ends before or while it is read counts nothing; the others do."""
    own = psutil.Process()
    with child(BURN_AND_WAIT, 0) as one, child(BURN_AND_WAIT, 0) as two:
        gone, ending = psutil.Process(one.pid), psutil.Process(two.pid)
    kilobytes = "7f-7ff [rollup]\nRss: 300 kB\nPss: 200 kB\nPss_Dirty: 7 kB\n"
    proc = rollups(tmp_path, {str(own.pid): kilobytes, str(ending.pid): ""})
    assert proportional_bytes([gone, own, ending], proc) == 200 * 1024


@pytest.mark.parametrize(("runs", "expected"), [(True, None), (False, 0)])
def test_a_process_of_another_owner_makes_the_sum_unknown(
    monkeypatch: pytest.MonkeyPatch, runs: bool, expected: int | None
) -> None:
    """A sum with a gap would be too small, so it is None; one that just ends is no gap."""

    def refuse(_: Path) -> int:
        raise PermissionError

    monkeypatch.setattr(tree, "_pss", refuse)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(tree, "_runs", lambda _: runs)
    assert proportional_bytes([psutil.Process()]) == expected


# --- processor time ---


def test_a_child_of_the_window_counts_from_its_start() -> None:
    """A child that starts in the window and uses 0.3 s has them in the sum, the driver's own added."""
    own = time.process_time()
    with Tree(60.0) as watched, child(BURN_AND_WAIT, 0.3) as started:
        whole = processor_seconds(psutil.Process(started.pid))
        leave(watched)
    own = time.process_time() - own
    assert whole >= 0.3
    assert watched.cpu_seconds is not None
    assert whole <= watched.cpu_seconds <= whole + own + 0.01


def test_an_older_child_counts_from_the_begin() -> None:
    """What a child used before the window is no part of it."""
    with child(BURN_AND_WAIT, 0.5):
        own = time.process_time()
        with Tree(60.0) as watched:
            pass
        own = time.process_time() - own
    assert watched.cpu_seconds is not None
    assert 0 <= watched.cpu_seconds <= own + 0.01


def test_an_ended_child_counts_up_to_its_last_sample() -> None:
    """A child that a sample saw after 0.3 s, and that then ended, keeps them."""
    with Tree(0.01, 1.0) as watched:
        with child(BURN_AND_WAIT, 0.3):
            seen = watched.samples
            wait_for(lambda: watched.samples >= seen + 2)
        seen = watched.samples
        wait_for(lambda: watched.samples >= seen + 2)
    assert watched.cpu_seconds is not None
    assert watched.cpu_seconds >= 0.3


def test_grandchildren_count() -> None:
    """A child's child is of the tree."""
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN_AND_WAIT!r}, '0.3'])"
    with Tree(60.0) as watched, child(nested):
        leave(watched)
    assert watched.cpu_seconds is not None
    assert watched.cpu_seconds >= 0.3


def test_the_sampler_is_taken_out() -> None:
    """The driver's own time and the sampler's are parts of the process' time, and only one is in the sum."""
    before = time.process_time()
    with Tree(0.001, 1.0) as watched:
        wait_for(lambda: watched.samples >= 5)
    after = time.process_time()
    assert watched.cpu_seconds is not None
    assert watched.sampler_cpu_seconds > 0
    assert watched.cpu_seconds + watched.sampler_cpu_seconds <= after - before + 0.001


def test_processor_seconds_are_those_of_psutil() -> None:
    """The clock of a process agrees with the ticks of psutil, of a process that is gone it tells nothing."""
    with child(BURN_AND_WAIT, 0.3) as started:
        process = psutil.Process(started.pid)
        times = process.cpu_times()
        assert processor_seconds(process) == pytest.approx(times.user + times.system, abs=0.05)
    with pytest.raises(psutil.NoSuchProcess):
        processor_seconds(process)


def test_without_clocks_of_processes_psutil_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no clock for each process, the ticks count."""
    monkeypatch.setattr(tree.sys, "platform", "darwin")
    times = psutil.Process().cpu_times()
    assert processor_seconds(psutil.Process()) == pytest.approx(times.user + times.system, abs=0.05)


# --- the sampler's thread ---


def test_an_error_of_the_thread_is_raised_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """No error is swallowed: what went wrong in the thread is raised on exit."""
    watched = Tree(0.01, 1.0)
    with pytest.raises(ZeroDivisionError), watched:
        monkeypatch.setattr(tree, "proportional_bytes", lambda _: 1 // 0)
    assert watched.cpu_seconds is None


def test_an_error_of_the_work_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work's own error is the one that is seen."""

    def fail_both() -> None:
        with Tree(0.01, 1.0):
            monkeypatch.setattr(tree, "proportional_bytes", lambda _: 1 // 0)
            raise KeyError

    with pytest.raises(KeyError):
        fail_both()


def test_a_dear_sample_is_followed_by_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the interval, samples take no more than a hundredth of a core, the last one aside."""
    pauses: list[float] = []
    watched = Tree(0.001)

    def wait(pause: float) -> bool:
        pauses.append(pause)
        return len(pauses) == 4

    monkeypatch.setattr(watched._stop, "wait", wait)
    with watched:
        pass
    assert len(pauses) == watched.samples == 4
    assert min(pauses) > 0.001
    assert sum(pauses[1:]) <= watched.sampler_cpu_seconds / tree.LARGEST_SHARE


def leave(watched: Tree) -> None:
    """End the window now, before what was started within it ends; the second exit changes nothing."""
    watched.__exit__(None, None, None)


def grown(watched: Tree) -> int:
    """Return by how much the tree's memory has grown at its peak."""
    assert watched.peak_memory_bytes is not None
    assert watched.memory_before_bytes is not None
    return watched.peak_memory_bytes - watched.memory_before_bytes
