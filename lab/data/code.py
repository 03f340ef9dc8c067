"""Digests of the code that measures: a run keeps that of its day, and is stale where today's is another.

They are of files, and not of a repository, so that they tell the same from a tarball.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lab import paths

READERS = (
    "analysis",
    "figures",
    "report",
    "published",
    "synthetic",
    "invariants.py",
    "trace.py",
    "cli",
    "__main__.py",
)
"""Parts of `lab/` that only read what was measured, or only call: a run goes on when they change."""


def measuring_digest() -> str:
    """Return 16 hexadecimal digits of the lab's source that measures."""
    digest, root = hashlib.sha256(), paths.ROOT
    for path in sorted((root / "lab").rglob("*.py")):
        if path.relative_to(root / "lab").parts[0] not in READERS:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _todays(_root: Path) -> str:
    """Return the digest of this root's source, read once: a book compares it with every run's."""
    return measuring_digest()


def changed_since(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what of the code that made a run is another today, in words; what is not known is left out.

    That is the lab's measuring, and of own work the lab's examples, whose files are there.
    """
    found = []
    measuring = (environment.get("code") or {}).get("digest")
    if measuring is not None and measuring != _todays(paths.ROOT):
        found.append("the lab's measuring")
    for facts in filter(None, (environment.get("works") or {}).values()):
        file = _example(environment, str(facts.get("source") or ""))
        if file is not None and facts.get("digest") not in (None, file_digest(file)):
            found.append(f"examples/{file.name}")
    return tuple(dict.fromkeys(found))


def file_digest(path: Path) -> str:
    """Return what a run calls the code of work that lies in this one file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _example(environment: Mapping[str, Any], source: str) -> Path | None:
    """Return the file of the lab's examples that a work is from, where it lies in that one file."""
    place, parameters = Path(source.rpartition(":")[0]).name, environment.get("parameters") or {}
    path = paths.ROOT / "examples" / place
    named = str(parameters.get("work") or "").rpartition(":")[0]
    others = any(parameters.get(name) for name in ("units", "digest", "set_up"))
    return path if not others and named == f"examples/{place}" and path.is_file() else None
