"""`lab book`: builds the report from the CSV files in data/, the whole of it and without a warning."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import paths
from lab.errors import DataError, LabError, VersionError

EXAMPLE = "  lab book"
FIRST_PAGE = Path("_build", "html", "index.html")
LOG = Path("out", "book.log")
OPTIONS = ("-W", "-n", "--keep-going", "-q")

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
KINDS: list[type[LabError]] = [LabError, *LabError.__subclasses__(), VersionError]
OWN_ERRORS = "|".join(kind.__name__ for kind in KINDS)
OWN_ERROR = re.compile(rf"^(lab\.errors\.)?({OWN_ERRORS}): ")
LAST_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the measurements are."""
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the measurements (default: data/ of the lab)"
    )


def carry_out(given: argparse.Namespace) -> None:
    """Build the book and say where its first page is."""
    print("==> Building the book from data/ (about a minute)", flush=True)
    print(f"==> Done. The first page: {build(data=given.data)}")


def build(root: Path = paths.ROOT, data: Path | None = None, builder: Sequence[str] | None = None) -> Path:
    """Build the book of the lab in `root` anew and return the path of its first page.

    Raises `LabError` with the warnings of the build, all of which are errors, or with the message of the
    lab's own error; the whole log is in out/book.log.
    """
    if not (root / "_config.yml").exists():
        raise DataError(
            f"{root} has no pages to build: run this in a clone of the lab, installed with pip -e"
        )
    if set("[]") & set(str(root)):
        # Sphinx would read the path as a pattern, and miss the pages
        raise DataError(f"the book cannot be built in {root}: move it to a folder without [ or ] in its path")
    log = root / LOG
    log.parent.mkdir(exist_ok=True)
    shutil.rmtree(root / FIRST_PAGE.parts[0], ignore_errors=True)
    command = [*(builder or jupyter_book()), "build", ".", *OPTIONS]
    with log.open("w") as written:
        done = subprocess.run(
            command, cwd=root, env=environment(data), stdout=subprocess.DEVNULL, stderr=written
        )
    page = root / FIRST_PAGE
    if done.returncode != 0 or not page.exists():
        said = reason(log.read_text(errors="replace"))
        raise LabError(f"the book was not built; the whole log is {log}\n{said}")
    return page


def jupyter_book() -> tuple[str, ...]:
    """Return the command of Jupyter Book beside this Python."""
    command = Path(sys.executable).with_name("jupyter-book")
    if not command.exists():
        raise LabError('Jupyter Book is not installed beside this Python: pip install -e ".[report]"')
    return (str(command),)


def environment(data: Path | None) -> Mapping[str, str]:
    """Return the environment of the build: the kernel of this Python, and the folder of the measurements."""
    # jupyter looks for its kernel beside this Python before it looks in the user's home
    chosen = {"JUPYTER_PREFER_ENV_PATH": "1"}
    return os.environ | chosen | ({} if data is None else {"LAB_DATA": str(data.absolute())})


def reason(log: str) -> str:
    """Return what a log says of a failure: all warnings and the lab's first own error, or else its end."""
    lines = COLOURS.sub("", log).splitlines()
    found, inside, seen = [], False, False
    for line in lines:
        if OWN_ERROR.match(line) and not seen:
            inside = seen = True
        inside = inside and bool(line.strip())
        if inside or "WARNING: " in line:
            found.append(line)
    return "\n".join(found or lines[-LAST_LINES:])
