"""Work by name or by itself: found, and ready for workers; or refused in one sentence."""

import functools
import math
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.clusters.embedded import set_up
from lab.errors import WorkError
from lab.loading import prepare
from lab.measure.task import Measurement
from lab.workload import Body, Prepared, Workload, of_body

JOB = """
import asyncio, functools
from lab import Workload
items = [3, 4]
notes = "no function"
def work(item): return item * 2
def two(a, b): return a
def none(): return 1
def add(item, more=1): return item + more
async def later(item): return item
def yields(item): yield item
def half(result): return result // 2
def text(result): return f"<{result}>"
def open_model(): work.model = 1
class Model:
    factor = 5
    def method(self, item): return item
    def __call__(self, item): return item * self.factor
    @classmethod
    def score(cls, item): return item * cls.factor
    @staticmethod
    def plain(item): return item
part = functools.partial(two, b=1)
bound = Model().method
called = Model()
cached = functools.lru_cache(work)
job = Workload(work, items, name="doubled", unit="halves", units=half, digest=text, set_up=open_model)
"""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Have each test import its own files."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        folder = getattr(sys.modules[name], "__file__", None) or ""
        if "pytest" in folder and "site-packages" not in folder:
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a file of work."""
    (tmp_path / "my_job.py").write_text(JOB)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured(prepared: Prepared, item: Any) -> Measurement:
    """Run an item as a worker does, that got the function as bytes."""
    body = pickle.loads(pickle.dumps(prepared.function))
    assert isinstance(body, Body)
    return of_body(body)(item)


def result(work: Any, item: Any = 3) -> Any:
    """Return what the prepared work returns in a worker."""
    found = measured(prepare(work, [item])[1], item)
    assert found.outcome is not None, found.error_message
    return found.result


def refused(work: Any, items: Any = 2, **more: Any) -> str:
    """Return the one line that says why work is refused."""
    with pytest.raises(WorkError) as error:
        prepare(work, items, **more)
    told = str(error.value)
    assert "\n" not in told
    return told


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("work", 6), ("add", 4), ("part", 3), ("bound", 3), ("called", 15), ("cached", 6),
        ("Model.score", 15), ("Model.plain", 3), ("job", 6),
    ],
)  # fmt: skip
def test_whatever_takes_one_item(name: str, expected: int) -> None:
    """Functions, methods of classes and objects, partial functions, callable objects, a declaration."""
    assert result(f"my_job.py:{name}") == result(f"my_job:{name}") == expected


def test_work_itself() -> None:
    """A function can be given itself: a closure, a partial one, one of C, a ufunc, a bound method."""
    offset = 1
    assert result(lambda item: item + offset) == 4
    assert result(functools.partial(pow, 2)) == 8
    assert result(math.sqrt, 9) == 3
    assert result(len, [1, 2]) == 2
    assert result(np.sqrt, 9) == 3
    assert result([1, 2, 3, 3].count) == 2
    assert result(Workload(lambda item: item + offset)) == 4


@pytest.mark.usefixtures("folder")
def test_what_a_declaration_tells() -> None:
    """All parts of a declaration are used, and what is given besides wins."""
    name, prepared = prepare("my_job.py:job")
    found = measured(prepared, 4)
    assert name == "doubled"
    assert list(prepared.items) == [3, 4]
    assert prepared.facts["unit"] == "halves"
    assert prepared.facts["source"] == "my_job.py:job"
    assert found.outcome == (4, "<8>", "8")
    assert sys.modules["my_job"].work.model == 1
    _, other = prepare("my_job.py:job", 5, unit="others", units=len_of, same_results=False, words="Words.")
    assert measured(other, 4).outcome == (7, "<8>", "8")
    told = ("unit", "words", "items", "same_results")
    assert [other.facts[name] for name in told] == ["others", "Words.", 5, False]


def len_of(result: Any) -> Any:
    """Return a number of numpy's: any whole number will do."""
    return np.int64(7 if result else 0)


def test_items_that_are_arrays(folder: Path) -> None:
    """An array is a list of items like any other, and no text."""
    assert list(prepare("my_job.py:work", np.arange(3))[1].items) == [0, 1, 2]
    assert folder.exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("my_job.py", "'my_job.py' names no function: write the file and the function, as in my_job.py:work, "
         "or the module and the function, as in my_package.jobs:work"),
        ("your_job.py:work", "there is no file your_job.py: you are in "),
        ("your_job:work", "there is no module your_job in "),
        ("my_job.py:wrok", "my_job.py has no 'wrok'; did you mean work?"),
        ("my_job.py:xyz", "my_job.py has no 'xyz'; its functions are "),
        ("my_job.py:Model.sorce", "my_job.py has no 'Model.sorce'; did you mean score?"),
        ("my_job.py:notes", "my_job.py:notes is of type str: a function of one item is needed"),
        ("my_job.py:Model", "my_job.py:Model is the class Model: a function of one item is needed"),
        ("my_job.py:two", "my_job.py:two takes 2 arguments (a, b): it is called with one, the item. Have "
         "items be tuples and unpack them: def work(item): return f(*item)"),
        ("my_job.py:none", "my_job.py:none takes no arguments: it is called with one, the item, as in "
         "def work(item)"),
        ("my_job.py:Model.method", "my_job.py:Model.method is a method of objects, and there is no object: "),
        ("my_job.py:later", "my_job.py:later is async: name a plain function, such as one that calls "
         "asyncio.run"),
        ("my_job.py:yields", "my_job.py:yields yields: name a function that returns its result, such as a "
         "list"),
    ],
)  # fmt: skip
def test_work_that_cannot_be_run(work: str, told: str) -> None:
    """Each mistake has its own sentence: what, where, and what to do."""
    assert refused(work).startswith(told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("def work(item:\n    pass", "broken.py, line 1: Python cannot read it ('(' was never closed)"),
        ("import nowhere_to_be_found", "broken.py needs the module nowhere_to_be_found, which is not there: "
         "put it beside the file, or install it (pip install nowhere_to_be_found)"),
        ("1 / 0", "broken.py failed while it was imported: ZeroDivisionError: division by zero. What is to "
         "run only when the file is started belongs below `if __name__ == '__main__':`"),
        ("import sys; sys.exit(3)", "broken.py failed while it was imported: SystemExit: 3. "),
    ],
)  # fmt: skip
def test_files_that_cannot_be_imported(folder: Path, content: str, told: str) -> None:
    """What is wrong in the file is told with its line or the missing module."""
    (folder / "broken.py").write_text(content)
    assert refused("broken.py:work").startswith(told)


@pytest.mark.parametrize("name", ["random.py", "numpy.py", "pytest.py", "lab.py"])
def test_files_with_a_name_that_is_taken(folder: Path, name: str) -> None:
    """A file that would stand before a module which others import is refused, and nothing of it runs."""
    (folder / name).write_text("raise SystemExit('imported')")
    module = name.removesuffix(".py")
    assert refused(f"{name}:work") == (
        f"{name} has the name of a module that is there already, {module}: rename the file, or the wrong one "
        "is imported"
    )


@pytest.mark.parametrize("name", ["my-job.py", "2jobs.py", "my job.py", "notes.txt"])
def test_files_that_python_cannot_import(folder: Path, name: str) -> None:
    """A name that is no name of a module is told with an example of one."""
    (folder / name).write_text("def work(item): return item")
    assert refused(f"{name}:work") == (
        f"{name} cannot be imported: call it after Python's rules for names, such as my_job.py"
    )


def test_folders_of_any_name(folder: Path) -> None:
    """Spaces, brackets and colons in the name of a folder do no harm."""
    odd = folder / "my jobs [new] (1): a"
    odd.mkdir()
    (odd / "odd_job.py").write_text("from beside import factor\ndef work(item): return item * factor")
    (odd / "beside.py").write_text("factor = 7")
    assert result(f"{odd.name}/odd_job.py:work") == 21
    assert prepare(f"{odd.name}/odd_job.py:work", 1)[1].facts["source"] == "odd_job.py:work"


def test_a_file_that_was_changed_is_read_again(folder: Path) -> None:
    """A notebook that measures a file twice measures the file as it is now."""
    assert result("my_job.py:work") == 6
    (folder / "my_job.py").write_text(JOB.replace("item * 2", "item * 20"))
    assert result("my_job.py:work") == 60


def test_two_files_of_one_name(folder: Path) -> None:
    """A second file of the same name is refused: a process can hold but one of them."""
    (folder / "other").mkdir()
    (folder / "other" / "my_job.py").write_text(JOB)
    prepare("my_job.py:work", 1)
    assert refused("other/my_job.py:work").startswith(
        "my_job.py has the name of a module that is there already"
    )


def test_remote_functions_of_ray(folder: Path) -> None:
    """A function that Ray has wrapped is refused with what to name instead."""
    set_up()  # as a run does before it imports anybody's file
    (folder / "remote_job.py").write_text(
        "import ray\n@ray.remote\ndef work(item): return item\n@ray.remote\nclass Actor: pass\n"
    )
    for name in ("work", "Actor"):
        assert refused(f"remote_job.py:{name}") == (
            f"remote_job.py:{name} is a remote function or actor of Ray: name the plain function that it "
            "wraps"
        )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"units": "my_job.py:nope"}, "my_job.py has no 'nope'"),
        ({"units": "my_job.py:items"}, "units (my_job.py:items) is of type list: a function of one"),
        ({"digest": "my_job.py:two"}, "digest (my_job.py:two) takes 2 arguments (a, b)"),
        ({"set_up": "my_job.py:work"}, "set_up (my_job.py:work) takes arguments (item): it is called"),
        ({"set_up": lambda item: item}, "set_up (<lambda>) takes arguments (item): it is called without any"),
    ],
)  # fmt: skip
def test_what_goes_with_the_work_is_checked_too(more: dict[str, Any], told: str) -> None:
    """Functions of units, digest and set-up are named with what they are for."""
    assert refused("my_job.py:work", **more).startswith(told)


@pytest.mark.usefixtures("folder")
def test_work_that_cannot_travel() -> None:
    """A lambda that holds what cannot be pickled is told to go into a file."""
    lock = threading.Lock()
    told = refused(lambda item: lock.acquire(item))
    assert told.startswith("<lambda> cannot be sent to workers (")
    assert told.endswith("that holds something which cannot be pickled. Put it into a file of its own")


@pytest.mark.usefixtures("folder")
def test_the_code_has_a_digest() -> None:
    """The digest is of the file by name, and of the function's own source by value."""
    one, other = (prepare(f"my_job.py:{name}", 1)[1].facts["digest"] for name in ("work", "add"))
    assert one == other
    first = prepare(lambda a: a, [1])[1].facts["digest"]
    second = prepare(lambda a: [a], [1])[1].facts["digest"]
    assert first != second
    assert prepare(lambda a: a, [1])[0] == "lambda"


SCRIPT = """
from lab.loading import prepare
import pickle, subprocess, sys
FACTOR = 3
def work(item):
    return item * FACTOR
if len(sys.argv) == 1:
    body = pickle.dumps(prepare(work, [1])[1].function)
    code = "import pickle, sys; from lab.workload import of_body"
    code += "; print(of_body(pickle.loads(sys.stdin.buffer.read()))(14).result)"
    subprocess.run([sys.executable, "-c", code], input=body, check=True)
"""


def test_functions_of_a_script_go_by_value(folder: Path) -> None:
    """A function of `__main__`, with what it uses there, runs in a process that never saw the script."""
    (folder / "script.py").write_text(SCRIPT)
    found = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True)
    # a worker prints to nowhere once it has loaded the work: what is read is the result alone
    assert found.stdout.strip() in ("42", "")
    assert found.stderr == ""
