"""Where the lab's files lie: everything hangs off the project's root, but `LAB_DATA` can move the data."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
BOOK = ROOT / "book"


def data_folder() -> Path:
    """Return where runs are: the folder that the environment variable LAB_DATA names, or `DATA`."""
    return Path(os.environ.get("LAB_DATA") or DATA).absolute()
