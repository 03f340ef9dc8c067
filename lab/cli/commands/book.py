"""`lab book`: builds the report from the CSV files in data/; pages that are as they were stay."""

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
BUILT = "_build"
FIRST_PAGE = Path(BUILT, "html", "index.html")
LOG = Path("out", "book.log")
OPTIONS = ("-W", "-n", "--keep-going")
PAGE_READ = re.compile(r"reading sources\.\.\. \[ *(?P<percent>\d+)%\] (?P<page>\S+)")

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
KINDS: list[type[LabError]] = [LabError, *LabError.__subclasses__(), VersionError]
OWN_ERRORS = "|".join(kind.__name__ for kind in KINDS)
OWN_ERROR = re.compile(rf"^(lab\.errors\.)?({OWN_ERRORS}): ")
LAST_LINES = 20


def carry_out(given: argparse.Namespace) -> None:
    """Build the book and say where its first page is."""
    print("==> Building the book from data/", flush=True)
    print(f"==> Done. The first page: {build(data=given.data)}")


def build(root: Path = paths.ROOT, data: Path | None = None, builder: Sequence[str] | None = None) -> Path:
    """Build the book of the lab in `root`, with a line for each page, and return the path of its first page.

    Pages whose data, words and code are as they were stay as they are. Raises `LabError` with the warnings of
    the build, all of which are errors, or with the message of the lab's own error; the whole log is in
    out/book.log.
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
    if not is_current(root):
        shutil.rmtree(root / BUILT, ignore_errors=True)
    command = [*(builder or jupyter_book()), "build", ".", *OPTIONS]
    with log.open("w") as written:
        building = subprocess.Popen(
            command, cwd=root, env=environment(data), stdout=subprocess.PIPE, stderr=written, text=True
        )
        with building as told:
            for line in told.stdout or ():
                show(line)
    page = root / FIRST_PAGE
    if building.returncode != 0 or not page.exists():
        # a page that was warned of once would be passed over the next time
        shutil.rmtree(root / BUILT, ignore_errors=True)
        said = reason(log.read_text(errors="replace"))
        raise LabError(f"the book was not built; the whole log is {log}\n{said}")
    return page


def is_current(root: Path) -> bool:
    """Tell whether what was built before is of these settings and packages, so that pages of it may stay."""
    settings = (root / name for name in ("_config.yml", "_toc.yml", "requirements.lock"))
    built = root / BUILT / ".doctrees" / "environment.pickle"
    return built.exists() and built.stat().st_mtime > max(
        one.stat().st_mtime for one in settings if one.exists()
    )


def show(line: str) -> None:
    """Print the line of a page that Sphinx reads, with how many of a hundred it has read."""
    found = PAGE_READ.search(COLOURS.sub("", line))
    if found:
        print(f"    {found['percent']:>3} %  {found['page']}", flush=True)


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
