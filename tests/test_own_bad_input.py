"""Bad input as its author meets it: the command and the call, one plain sentence, and nothing left behind."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

import lab
import lab.clusters.package
from lab.cli import main
from lab.data.store import Run
from lab.errors import EngineError, LabError, WorkError

JOB = """
import asyncio, os, signal, subprocess, sys, threading, time

class Handle:
    def __init__(self): self.name, self.file = "log", open(os.devnull)

class NoText(Exception):
    def __str__(self): raise RuntimeError("no text")

class Sealed(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.held = lambda: two

class Point:
    def __init__(self, x): self.x = x

def same(item): return item
def two(first, second): return first
def handles(): return [1, Handle()]
def endless():
    while True: yield bytes(10)
def large():
    while True: yield bytes(10**8)
def held(item): return lambda: item
def shell(item): os._exit(3)
def missing(item):
    import surely_not_installed
def to_gpu(item): raise RuntimeError("No CUDA GPUs are available")
def asks(item): return input()
def hour(item): time.sleep(3600)
def lists(): return [[3, 1], [2], [5, 4, 6]]

def bad_seven(item):
    if item == 7: raise ValueError("seven is bad\\nand more")
    return item
def odd_errors(item):
    if item == 1: raise NoText()
    if item == 2: raise ValueError("y" * 10**7)
    if item == 3: raise Sealed(1, 2)
    if item == 5: raise asyncio.CancelledError()
    if item == 7: sys.exit("leaving")
    if item == 9: raise ValueError()
    return item
def all_bad(item):
    if item != 4: return item
def leaves_at_seven(item):
    if item == 7: os._exit(3)
    return item
def prints(item):
    for _ in range(10): sys.stdout.write("x" * 10**6)
    sys.stderr.write("y")
    return item
def changes(item):
    os.environ["LEFT_BY_WORK"], sys.stdout = "1", None
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return item
def sorts(item):
    item.sort()
    item.append(len(item))
    return item
def forks(item):
    os.fork()
    return item
def starts(item):
    subprocess.Popen(["sleep", "297"])
    return item
def stays(item):
    threading.Thread(target=time.sleep, args=(297,), name="poller").start()
def sleeps(item): time.sleep(0.02)
def process(item): return os.getpid()
def sets(item): return {"a", "b", str(item)}, {one: 1 for one in {"x", "y", "z"}}
def loop(item):
    one = [item]
    return one + [one, one]
def point(item): return Point(item)
def frames():
    import pandas as pd
    return [pd.DataFrame({"a": [one, 2]}) for one in range(3)]
def twice(item): return item * 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the working folder of somebody with a file of work; what it imported is forgotten after."""
    place = tmp_path / "my jobs [1]"
    place.mkdir()
    (place / "my_bad_job.py").write_text(JOB)
    monkeypatch.chdir(place)
    path = list(sys.path)
    yield place
    sys.path[:] = path
    sys.modules.pop("my_bad_job", None)


Lab = Callable[..., SimpleNamespace]


@pytest.fixture
def lab_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    """Return a function that runs `lab run` as its user does, and returns status, output and errors."""

    def run(work: str, items: str = "10", *more: str) -> SimpleNamespace:
        given = ["run", f"my_bad_job.py:{work}", "--items", items, "--data", str(folder / "data"), *more]
        status = main(given)
        told = capsys.readouterr()
        return SimpleNamespace(status=status, out=told.out, err=told.err, data=folder / "data")

    return run


@pytest.mark.parametrize(
    ("work", "items", "told"),
    [
        ("sane", "3", "WorkError: my_bad_job.py has no 'sane'; did you mean same?"),
        ("two", "3", "WorkError: my_bad_job.py:two takes 2 arguments (first, second): it is called with one"),
        ("same", "", "WorkError: there are no items: give a list, a file (items.jsonl), my_job.py:items, or"),
        ("same", "[]", "WorkError: there are no items: "),
        ("same", "none.jsonl", "WorkError: there is no file none.jsonl of items here"),
        ("same", "my_bad_job.py:handles", "WorkError: item 1 cannot be pickled, so it cannot be sent to a "
         "worker: it.file is the culprit, of type TextIOWrapper"),
        ("same", "my_bad_job.py:endless", "WorkError: my_bad_job.py:endless does not end, or has more than"),
        ("same", "my_bad_job.py:large", "WorkError: the items take "),
        ("held", "3", "WorkError: held raised on each of 3 items tried: TypeError: the result cannot be "),
        ("shell", "3", "WorkError: shell ended the process that ran it at item 0 (exit code 3): "),
        ("missing", "3", "WorkError: missing raised on each of 3 items tried: ModuleNotFoundError: No module "
         "named 'surely_not_installed'"),
        ("to_gpu", "3", "WorkError: to_gpu raised on each of 3 items tried: RuntimeError: No CUDA GPUs are"),
        ("asks", "3", "WorkError: asks raised on each of 3 items tried: EOFError: EOF when reading a line"),
        ("stays", "2", "WorkError: stays leaves a thread running (poller), and serial would run it in this "
         "process, which then never ends: "),
    ],
)  # fmt: skip
def test_each_mistake_has_its_own_sentence(lab_run: Lab, work: str, items: str, told: str) -> None:
    """Status 1, one line, no traceback, nothing measured and no folder of a run."""
    found = lab_run(work, items)
    assert found.status == 1
    assert found.err.startswith(told), found.err
    assert found.err.count("\n") == 1
    assert "Traceback" not in found.err
    assert found.out == ""
    assert not found.data.exists()


def test_an_item_of_an_hour_is_given_up(lab_run: Lab) -> None:
    """An item that takes longer than a trial may wait ends the command before the run."""
    found = lab_run("hour", "3", "--stall-seconds", "4")
    assert found.status == 1
    assert found.err.startswith(
        "WorkError: hour did not finish an item within 2 s, and a run needs each of 3"
    )


def test_items_that_would_take_longer_than_a_trial_may(lab_run: Lab) -> None:
    """Where all items together outlast the deadline, the sum and three ways out are told."""
    found = lab_run("sleeps", "1000", "--deadline-seconds", "3", "--workers", "1")
    assert found.status == 1
    assert re.match(r"ParameterError: a trial of sleeps would take about \S+ \w+, and deadline_seconds is 3: "
                    "give fewer items, more workers, or a later deadline", found.err)  # fmt: skip


def test_a_folder_that_is_too_large_to_send(
    lab_run: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest files of the folder are named before anything runs; what is in data/ is not sent."""
    monkeypatch.setattr(lab.clusters.package, "LARGEST_BYTES", 2_000_000)
    for name, size in (("model.bin", 3_000_000), ("deep/rest.bin", 1_000_000), ("data/old.csv", 9_000_000)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    found = lab_run("same", "3", "--cluster", "compose", "--nodes", "1")
    assert found.status == 1
    assert found.err.startswith(
        "WorkError: the folder of the work is sent to the cluster, and holds 4 MB, more than 2: the largest "
        "files are model.bin (3 MB), deep/rest.bin (1 MB), my_bad_job.py (0 MB). Move them, or "
        "the work, elsewhere"
    )


def test_items_that_are_too_large_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit an upload is told with its size, and with what to send in its place."""
    monkeypatch.setattr(lab.clusters.package, "LARGEST_BYTES", 2_000_000)
    with pytest.raises(
        WorkError, match="are 3 MB, packed, and at most 2 are sent to a cluster: let items be"
    ):
        lab.clusters.package.packed(None, {"works": os.urandom(3_000_000)})


SMALL = {"engines": ["processes", "serial"], "workers": [2], "repeats": 1}


@pytest.fixture
def measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Return a function that measures work of the file without Ray, by the call that scripts use."""
    import contextlib

    from fakes import FakeCluster

    import lab.experiment.own
    from lab.experiment.sites import Here

    @contextlib.contextmanager
    def site(*_: Any) -> Iterator[Here]:
        yield Here(FakeCluster(), 1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(lab.experiment.own, "embedded_site", site)

    def run(work: str, items: Any = 10, **more: Any) -> Run:
        found = lab.run(f"my_bad_job.py:{work}", items, **SMALL | {"data": folder / "data"} | more)
        assert isinstance(found, Run)
        return found

    return run


def results(run: Run) -> dict[int, set[str]]:
    """Return, by item, the digests or the errors of all trials."""
    told = run.tasks[~run.tasks["warmup"]]
    text = told["digest"].fillna(
        told["error_kind"].astype(str) + ": " + told["error_message"].fillna("").astype(str)
    )
    return {int(task): set(own) for task, own in text.groupby(told["task"])}


def test_an_item_that_raises_is_a_row(measured: Callable[..., Run]) -> None:
    """The seventh item has a row with type and message in every trial, and the rest goes on."""
    run = measured("bad_seven")
    assert list(run.trials["status"]) == ["ok"] * len(run.trials)
    assert set(run.trials["tasks"]) == {9}
    assert results(run)[7] == {"ValueError: seven is bad"}
    assert all(len(one) == 1 for one in results(run).values())


def test_fail_fast_ends_the_run(measured: Callable[..., Run]) -> None:
    """With `fail_fast` the first item that raises ends the run, and what was measured is kept."""
    with pytest.raises(EngineError) as error:
        measured("bad_seven", fail_fast=True, run_id="fast")
    assert re.fullmatch(
        r"trial 000-1 failed, and fail_fast is set: item 7 raised ValueError: seven is bad", str(error.value)
    )
    assert (Path("data") / "own" / "fast" / "trials.csv").read_text().count("\n") == 2


def test_errors_of_every_kind_are_rows(measured: Callable[..., Run]) -> None:
    """An error without text, of 10 MB, that cannot be pickled, that is none, or an exit: each is a row."""
    found = results(measured("odd_errors", 12))
    assert found[1] == {"NoText: its message cannot be told: str() of it raises RuntimeError"}
    assert found[2] == {f"ValueError: {'y' * 300}"}
    assert found[3] == {"Sealed: 1"}
    assert found[5] == {"CancelledError: "}
    assert found[7] == {"SystemExit: leaving"}
    assert found[9] == {"ValueError: "}


def test_work_that_ends_its_process(measured: Callable[..., Run]) -> None:
    """A process that ends at the seventh item fails its trial, in words; the driver itself does not end."""
    trials = measured("leaves_at_seven").trials
    told = dict(trials.groupby("engine")["error_message"].first())
    assert told["processes"] == (
        "1 of 10 tasks have no result; the last failure: WorkerLost: its process ended (exit code 3)"
    )
    assert set(trials[trials["engine"] == "serial"]["status"]) == {"ok"}


def test_results_that_differ_are_both_shown(measured: Callable[..., Run]) -> None:
    """Where two engines come to different results, the item and both of them are told."""
    trials = measured("process").trials
    failed = trials[trials["status"] == "failed"]
    assert len(failed) == len(trials) - 1 - (trials["engine"] == "serial").sum() + 1
    pattern = (
        r"its results differ: digest \w+, where .* have \w+; item 0 came to \d+ \(1 units\) before and to \d+"
    )
    assert failed["error_message"].str.match(pattern).all()


def test_results_that_may_differ(measured: Callable[..., Run]) -> None:
    """With `same_results` off they are not compared."""
    assert set(measured("process", same_results=False).trials["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("work", "items"),
    [
        ("sorts", "my_bad_job.py:lists"), ("sets", 6), ("loop", 4), ("point", 4), ("forks", 3),
        ("twice", "my_bad_job.py:frames"), ("twice", np.arange(4.0)),
        ("twice", (str(one) for one in range(3))), ("same", range(3000)),
    ],
    ids=["changed", "sets", "within itself", "own class", "forks", "frames", "array", "generator", "many"],
)  # fmt: skip
def test_odd_work_that_is_done_all_the_same(measured: Callable[..., Run], work: str, items: Any) -> None:
    """All trials are good and come to one digest, whatever the items and results are."""
    trials = measured(work, items).trials
    assert set(trials["status"]) == {"ok"}, list(trials["error_message"])
    assert trials["digest"].nunique() == 1


def test_what_work_changes_is_put_back(
    measured: Callable[..., Run], capfd: pytest.CaptureFixture[str]
) -> None:
    """Folder, environment, streams and signals are as before, and nothing that was printed is seen."""
    import signal

    before = os.getcwd(), sys.stdout, signal.getsignal(signal.SIGINT)
    measured("changes")
    assert (os.getcwd(), sys.stdout, signal.getsignal(signal.SIGINT)) == before
    assert "LEFT_BY_WORK" not in os.environ
    capfd.readouterr()
    measured("prints", 4)
    told = capfd.readouterr()
    assert "xxx" not in told.out
    assert "y" * 4 not in told.err


def test_nothing_is_left_running(measured: Callable[..., Run]) -> None:
    """What the work started and forgot is ended with the run, wherever it was started."""
    measured("starts", 4)
    left = [
        one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or []) == ["sleep", "297"]
    ]
    assert left == []


def test_wrong_names_are_told_before_anything_runs(folder: Path) -> None:
    """A parameter that does not exist, and work that is none, are refused by the call, too."""
    with pytest.raises(LabError, match=r"unknown parameter worker; did you mean workers\?"):
        lab.run("my_bad_job.py:same", 3, worker=[1])
    with pytest.raises(LabError, match="'5' names no function: write the file and the function"):
        lab.run(5, 3)  # type: ignore[arg-type]
    assert not (folder / "data").exists()


SCRIPT = """
import sys
print("started", flush=True)
from lab import run
FACTOR = 3
class Point:
    def __init__(self, x): self.x = x
def work(item): return item * FACTOR
def point(item): return Point(item)
def model(): work.model = 1
more = dict(engines=sys.argv[2].split(","), workers=[2], repeats=1, data="data", object_store_megabytes=80)
try:
    if sys.argv[1] == "plain": found = run(work, iter([1, 2, 3, 4]), set_up=model, **more)
    if sys.argv[1] == "lambda": found = run(lambda item: item + FACTOR, (one for one in range(4)), **more)
    if sys.argv[1] == "items": found = run(work, [Point(1)], **more)
    if sys.argv[1] == "results": found = run(point, [1, 2], **more)
    print("ended", sorted(set(found.trials["status"])), found.trials["digest"].nunique())
except Exception as error:
    print(type(error).__name__, error)
"""


def script(folder: Path, *arguments: str, notebook: bool = False) -> list[str]:
    """Start a script that calls `run` without a guard; return what it printed besides the run's lines."""
    (folder / "my script.py").write_text(SCRIPT)
    # a kernel has a main module without a file
    call = ["-c", SCRIPT] if notebook else ["my script.py"]
    found = subprocess.run(
        [sys.executable, *call, *arguments], cwd=folder, capture_output=True, text=True, timeout=180
    )
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr, found.stderr
    return [one for one in found.stdout.splitlines() if re.match("started|ended|[A-Z]", one)]


@pytest.mark.ray
@pytest.mark.parametrize("notebook", [False, True], ids=["script", "kernel"])
def test_a_script_without_a_guard_is_run_once(folder: Path, notebook: bool) -> None:
    """Functions of the script go by value to all engines, and no worker runs the script once more."""
    engines = "ray,processes,pool,joblib,serial"
    assert script(folder, "plain", engines, notebook=notebook) == ["started", "ended ['ok'] 1"]


@pytest.mark.ray
def test_a_lambda_of_a_script(folder: Path) -> None:
    """A lambda, with what it uses of the script, is work like any other."""
    assert script(folder, "lambda", "processes,futures") == ["started", "ended ['ok'] 1"]


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("items", "WorkError item 0 is of class Point, or holds one, of the script or notebook itself, which "
         "no worker imports: put the class into a file of its own, and import it from there"),
        ("results", "WorkError point raised on each of 2 items tried: TypeError: the result cannot be "
         "pickled, so it cannot travel home: "),
    ],
)  # fmt: skip
def test_classes_of_a_script(folder: Path, case: str, told: str) -> None:
    """A class that is only in the script is refused before a run, with where it belongs."""
    started, found = script(folder, case, "processes")
    assert started == "started"
    assert found.startswith(told)
    assert "put" in found
    assert found.endswith("import it from there")


@pytest.mark.ray
def test_on_ray_each_kind_of_bad_item_has_its_end(lab_run: Lab) -> None:
    """On Ray, too, items that raise are rows, and a worker that is ended fails its trial, in words."""
    small = (
        "--engines",
        "ray,processes",
        "--workers",
        "2",
        "--repeats",
        "1",
        "--object-store-megabytes",
        "80",
    )
    found = lab_run("odd_errors", "12", *small)
    assert found.status == 0
    assert "6 of 12 items failed, as item " in found.out
    found = lab_run("leaves_at_seven", "10", *small)
    assert found.status == 1
    assert found.err.splitlines()[-1].startswith("EngineError: no trial of ")
