"""A file that was not written for the lab, in an empty folder: three commands to its numbers in the book."""

import dataclasses
import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from containers import CORES, ROOT, Compose, require_engine

from lab.data.store import read_run
from lab.formats import count

TEXTS = '''
"""What words are made of."""

import random
from collections import defaultdict

import letters


def words(seed=1, number=20):
    source = random.Random(seed)
    return [["".join(source.choices(letters.FEW, k=5)) for _ in range(4000)] for _ in range(number)]


def anagrams(listed):
    found = defaultdict(set)
    for word in listed:
        found[letters.in_order(word)].add(word)
    return {key: sorted(ones) for key, ones in found.items() if len(ones) > 1}


def rhymes(listed):
    found = defaultdict(set)
    for word in listed:
        found[letters.in_order(word)[-3:]].add(word)
    return sorted(map(len, found.values()))


def repeated(listed):
    return sum(len(set(letters.in_order(word))) < len(word) for word in listed)


if __name__ == "__main__":
    print(len(anagrams(words(number=1)[0])))
'''
LETTERS = """
FEW = "abcde"


def in_order(word):
    return "".join(sorted(word))
"""
NEEDS = """
import only_here


def work(item):
    return only_here.double(item)
"""
PROJECT = (
    "lab", "book", "notebooks", "examples", "docker", "docker-compose.yml", "README.md", "LICENSE",
    "pyproject.toml", "requirements.lock", ".dockerignore", "_config.yml", "_toc.yml",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Newcomer:
    """A clone of the project without any run, and an empty folder with two files of somebody's own."""

    clone: Path
    folder: Path
    failed: dict[str, AssertionError] = dataclasses.field(default_factory=dict)
    """By function, why it was not measured: the others are, and have their pages."""

    def lab(self, *arguments: str, path: Path | None = None, **settings: str) -> str:
        """Run a command of the lab in the folder, which must succeed; returns what it printed."""
        done = self.run(*arguments, path=path, **settings)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "Traceback" not in done.stderr
        return done.stdout

    def run(
        self, *arguments: str, path: Path | None = None, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the lab in the folder, however it ends."""
        environment = {name: value for name, value in os.environ.items() if name != "LAB_DATA"} | settings
        environment["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, (self.clone, path))))
        command = [sys.executable, "-m", "lab", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300
        )

    def measure(self, function: str, *options: str, **settings: str) -> None:
        """Give the first two of the three commands: what a run would do, and the run."""
        asked = ("run", f"texts.py:{function}", "--items", "texts.py:words", "--repeats", "1", *options)
        try:
            told = self.lab(*asked, "--dry-run", **settings)
            assert told.startswith(f"{function}: 20 items, about ")
            assert "none of them failed" in self.lab(*asked, **settings)
        except AssertionError as error:
            self.failed[function] = error

    def book(self) -> str:
        """Give the third command; returns the page of own work as text."""
        self.lab("book")
        page = (self.clone / "_build" / "html" / "book" / "own.html").read_text()
        shown = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", shown)))

    def rates(self, function: str) -> dict[tuple[str, int, int], float]:
        """Return the items a second that a run has measured, by engine, nodes and workers."""
        runs = (read_run(folder) for folder in (self.clone / "data" / "own").iterdir())
        (trials,) = (run.trials for run in runs if set(run.trials["mode"]) == {function})
        trials = trials[trials["arm"] != "copy"]
        assert set(trials["status"]) == {"ok"}
        assert trials["digest"].nunique() == 1
        rate = trials["tasks"] / trials["duration_seconds"]
        return dict(
            zip(zip(trials["engine"], trials["nodes"], trials["workers"], strict=True), rate, strict=True)
        )


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Return somebody with a clone and a file."""
    clone, folder = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("empty")
    for name in PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__", "pins.yaml")
            )
        else:
            shutil.copy(ROOT / name, clone / name)
    (folder / "texts.py").write_text(TEXTS)
    (folder / "letters.py").write_text(LETTERS)
    return Newcomer(clone, folder)


@pytest.fixture(scope="module")
def page(newcomer: Newcomer, request: pytest.FixtureRequest) -> str:
    """Return the page of own work after a run on each kind of cluster that is asked for: one book for all."""
    asked = {item.name for item in request.session.items if item.path == request.path}
    if "test_embedded" in asked:
        newcomer.measure("anagrams", "--workers", "2")
    if "test_several_raylets" in asked:
        newcomer.measure("rhymes", "--workers", "1", "--nodes", "1,2", "--cluster", "local")
    if "test_containers" in asked and has_engine():
        project: Compose = request.getfixturevalue("project")
        project.mend()
        sizes = ("--workers", "1", "--nodes", "1,2", "--node-cores", str(CORES))
        newcomer.measure("repeated", *sizes, "--cluster", "compose", **project.settings)
    return newcomer.book()


def has_engine() -> bool:
    """Tell whether Docker answers; where it does not, the other kinds are tested."""
    try:
        require_engine()
    except pytest.skip.Exception:
        return False
    return True


def check(page: str, newcomer: Newcomer, function: str, wanted: set[tuple[str, int, int]]) -> None:
    """The page has the function by its name and source, and what each size of each engine did a second."""
    assert function not in newcomer.failed, newcomer.failed[function]
    rates = newcomer.rates(function)
    assert set(rates) == wanted
    parts = re.split(r"(?=From texts\.py:)", page)
    (part,) = (one for one in parts if one.startswith(f"From texts.py:{function} ."))
    assert "How far does it scale?" in part
    for size, rate in rates.items():
        assert re.search(rf"\b{re.escape(f'{rate:.3g}')}\b", part), (size, rate)


@pytest.mark.ray
def test_embedded(page: str, newcomer: Newcomer) -> None:
    """On Ray in one process: the loop, plain processes and Ray, on one page."""
    check(page, newcomer, "anagrams", {("serial", 1, 1), ("processes", 1, 2), ("ray", 1, 2)})


@pytest.mark.ray
def test_several_raylets(page: str, newcomer: Newcomer) -> None:
    """On several raylets of this host, with nothing but Ray installed."""
    check(page, newcomer, "rhymes", {("ray", 1, 1), ("ray", 2, 2)})
    assert f"{count(2, 'raylet')} on one host" in page


@pytest.mark.docker
def test_containers(page: str, newcomer: Newcomer) -> None:
    """On containers, whose image knows nothing of the file: no image is built for it."""
    require_engine()
    check(page, newcomer, "repeated", {("ray", 1, 1), ("ray", 2, 2)})


@pytest.mark.docker
def test_a_module_that_the_nodes_lack(compose_cluster: Compose, newcomer: Newcomer, tmp_path: Path) -> None:
    """A module that only this machine has is named, with the way to ship it."""
    (tmp_path / "only_here.py").write_text("def double(item):\n    return 2 * item\n")
    (newcomer.folder / "needs.py").write_text(NEEDS)
    sizes = ("--workers", "1", "--nodes", "1", "--node-cores", str(CORES), "--repeats", "1")
    asked = ("run", "needs.py:work", "--items", "4", "--cluster", "compose", *sizes)
    done = newcomer.run(*asked, "--data", str(tmp_path), path=tmp_path, **compose_cluster.settings)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("EngineError: no trial of ")
    assert done.stderr.endswith(
        "the module only_here is missing where the work runs: put it beside the file of the work, whose "
        "folder is sent along, or install it there (pip install only_here)\n"
    )
