"""Somebody new to the lab: a clone of the project without any run, and files that were not written for it."""

import dataclasses
import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from containers import ROOT

from lab.data.store import read_run

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


def arrived(clone: Path, folder: Path) -> Newcomer:
    """Return somebody with a clone and a file, in two empty folders."""
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
