"""The Ray scaling laboratory: how far does my work scale on Ray, why no further, how many nodes do I need?

from lab import run
run("my_job.py:work", "my_job.py:items", workers=[1, 2, 4])
"""

import sys
from typing import Any

if sys.version_info < (3, 11):
    raise ImportError(f"Python {sys.version.split()[0]} is too old: the lab needs 3.11 or later")

__all__ = ["Workload", "run"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: a worker that imports a part of the lab needs no more."""
    if name == "run":
        from lab.api import run

        return run
    if name == "Workload":
        from lab.workload import Workload

        return Workload
    raise AttributeError(f"module 'lab' has no attribute {name!r}")
