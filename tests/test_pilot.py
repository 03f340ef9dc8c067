"""The try of one's own work before a run: what it tells, and what it refuses."""

import dataclasses
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lab.errors import WorkError
from lab.experiment import pilot as pilots
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import parameters_from
from lab.experiment.pilot import Pilot, in_words, pilot, run_seconds, slowest_seconds
from lab.experiment.plan import own_plan
from lab.loading import prepare


def double(item: int) -> int:
    """Return twice the item after a moment."""
    time.sleep(0.01)
    return 2 * item


def refuse_zero(item: int) -> float:
    """Raise for the first item."""
    return 1 / item


def refuse_all(item: int) -> None:
    """Raise for each item."""
    raise OSError(f"no file {item}")


def leave(_: int) -> None:
    """End the process."""
    os._exit(3)


def crash(_: int) -> None:
    """End the process as a crash in C code does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(_: int) -> None:
    """Take an hour."""
    time.sleep(3600)


def grow(item: list[int]) -> list[int]:
    """Change the item."""
    item.append(len(item))
    return list(item)


def stay(_: int) -> None:
    """Leave a thread running."""
    threading.Thread(target=time.sleep, args=(60,), name="poller").start()


def fork(item: int) -> int:
    """Let a copy of the process come back from the work, too."""
    os.fork()
    return item


def start(item: int) -> Any:
    """Use processes of one's own."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, [-item])


class Sealed:
    """What travels, and cannot be unpacked."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, ()


def _open() -> None:
    raise ValueError("it is sealed")


def seal(_: int) -> Sealed:
    """Return what cannot be unpacked."""
    return Sealed()


def write(item: int) -> int:
    """Print to every stream, in every way."""
    print("a word" * 1000)
    print("another" * 1000, file=sys.stderr)
    os.write(1, b"raw")
    os.system("echo from a shell")
    return item


def broken() -> None:
    """Set nothing up."""
    raise FileNotFoundError("no model here")


def tried(work: Any, items: Any = 5, limit_seconds: float = 30.0, **more: Any) -> Pilot:
    """Try work of this module."""
    name, prepared = prepare(work, items, **more)
    return pilot(name, prepared, limit_seconds)


def refused(work: Any, items: Any = 5, limit_seconds: float = 30.0, **more: Any) -> str:
    """Return why work is refused."""
    with pytest.raises(WorkError) as error:
        tried(work, items, limit_seconds, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_three_items_tell_how_long_one_takes() -> None:
    """The first, one in the middle and the last are run once each, and nothing is held against the work."""
    found = tried(double, 9)
    assert 0.01 <= found.item_seconds < 1
    assert dataclasses.replace(found, item_seconds=0.0) == Pilot(0.0, 3, (), 0)


def test_one_item_will_do() -> None:
    """Of one item there is one try."""
    assert tried(double, 1).tried == 1


def test_an_item_that_raises_is_told_and_does_not_warm_up() -> None:
    """Where some raise the run goes on, and its workers warm up with an item that does not."""
    found = tried(refuse_zero, 5)
    assert found.raised == ("ZeroDivisionError: division by zero",)
    assert (found.tried, found.warm) == (3, 2)


def test_changed_items_are_seen() -> None:
    """Work that changes what it is called with is told apart from work that does not."""
    assert tried(grow, [[1], [2]]).changes_items
    assert not tried(double, 2).changes_items


def test_a_thread_that_stays_is_seen() -> None:
    """The thread is known by its name."""
    assert tried(stay, 1).thread == "poller"


def test_copies_of_the_process_and_processes_of_its_own() -> None:
    """Work may fork, and a copy that comes back ends there; it may start processes of its own, too."""
    assert tried(fork, 3).tried == 3
    assert tried(start, 1).tried == 1


def test_nothing_that_it_prints_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the work prints, to whichever stream, goes nowhere."""
    assert tried(write, 1).tried == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (refuse_all, "refuse_all raised on each of 3 items tried: OSError: no file 0"),
        (leave, "leave ended the process that ran it at item 0 (exit code 3): it calls os._exit or the like, "
         "crashes, or needs more memory than there is"),
        (crash, "crash ended the process that ran it at item 0 (signal 11): it calls os._exit"),
        (seal, "seal cannot be run: the result of an item cannot be unpickled where it arrives: ValueError: "
         "it is sealed"),
        (lambda item: lambda: item, "lambda raised on each of 3 items tried: TypeError: the result cannot be "
         "pickled, so it cannot travel home: "),
    ],
    ids=["raises", "exits", "crashes", "sealed", "lambda"],
)  # fmt: skip
def test_work_that_cannot_be_done(work: Any, told: str) -> None:
    """Each way in which no item can be done has its own sentence, with the item or the reason."""
    assert refused(work).startswith(told)


def test_an_item_that_takes_an_hour() -> None:
    """After the limit it is given up, with three ways out."""
    began = time.monotonic()
    assert refused(sleep, 4, 2.0) == (
        "sleep did not finish an item within 2 s, and a run needs each of 4 several times: give it smaller "
        "items, have it wait for nothing that may never come, or allow more time (--stall-seconds and "
        "--deadline-seconds)"
    )
    assert time.monotonic() - began < 60


def test_items_that_cannot_be_unpacked() -> None:
    """Items that travel and cannot be unpacked are told of before a run."""
    assert refused(double, [Sealed()]) == (
        "double cannot be run: the work or its items cannot be unpickled where they arrive: ValueError: it "
        "is sealed"
    )


def test_a_set_up_that_fails() -> None:
    """The set-up is named, with what it raised."""
    assert refused(double, set_up=broken) == (
        "double cannot be run: set_up (broken) failed in a worker, before its first item: FileNotFoundError: "
        "no model here"
    )


def test_a_module_that_workers_do_not_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is gone where the work runs is named, with the two ways to have it there."""
    (tmp_path / "gone_soon.py").write_text("def work(item): return item")
    monkeypatch.syspath_prepend(str(tmp_path))
    _, prepared = prepare("gone_soon:work", 1)
    (tmp_path / "gone_soon.py").unlink()
    with pytest.raises(WorkError) as error:
        pilot("work", prepared, 30.0)
    assert str(error.value) == (
        "work cannot be run: the module gone_soon is missing where the work runs: put it beside the file of "
        "the work, whose folder is sent along, or install it there (pip install gone_soon)"
    )


def test_what_a_run_will_take() -> None:
    """The words before a run: items, trials, and seconds that follow from workers, cores and engines."""
    parameters = parameters_from(Own, {"engines": ["processes", "serial"], "workers": [1, 2], "repeats": 2})
    plan = own_plan(parameters, "double", 2, 10)
    _, prepared = prepare(double, 100)
    found = Pilot(0.1, 3, ("ValueError: no",), 0)
    assert slowest_seconds(plan, 100, 0.1, 2) == pytest.approx(10.0)
    # 101 items on one worker twice, 102 on two; starts of 0.6 s for a process; 0.3 s between trials
    assert run_seconds(plan, 100, 0.1, 2) == pytest.approx(2 * (10.1 + 10.1 + 5.1 + 0.6 + 0.6 + 0.9))
    assert in_words("double", prepared, plan, found, 2) == [
        "double: 100 items, about 100 ms each (3 tried)",
        "6 trials: processes, serial, up to 2 workers, 2 blocks",
        "this takes about 54.8 s",
        "1 of 3 items raised, as ValueError: no: the others count",
    ]


IMPORTS = ("import ray\n", "from ray import get\n")


@pytest.mark.parametrize("first_line", [*IMPORTS, "import json\n"])
def test_work_that_brings_ray_has_time_to_start_one(
    first_line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start of a Ray is no item's time: work that imports Ray is given more, where it may start one."""
    name = f"brings_{abs(hash(first_line))}.py"
    (tmp_path / name).write_text(f"{first_line}\n\ndef same(item):\n    return item\n")
    called, work = prepare(str(tmp_path / f"{name}:same"), 3)
    limits: list[float] = []

    def tried(_: str, __: Any, ___: Any, limit_seconds: float, ____: Any) -> tuple[list[Any], None]:
        limits.append(limit_seconds)
        return [], None

    monkeypatch.setattr(pilots, "_tried", tried)
    for with_ray in (True, False):
        with pytest.raises(WorkError, match="did not finish an item"):
            pilot(called, work, 10.0, with_ray)
    assert limits == [10.0 + (pilots.RAY_SECONDS if first_line in IMPORTS else 0.0), 10.0]
