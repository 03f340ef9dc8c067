"""The last check of each cluster, beside the runs: the next run notes it, and does not begin on a bad one."""

import dataclasses
import datetime
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.clusters.addresses import check_jobs_address
from lab.data.environment import OBJECT
from lab.data.table import ask_disk
from lab.errors import ClusterError
from lab.measure.node import host_id

FOLDER = ".checks"
VALID = datetime.timedelta(days=1)
UNCHECKED = "LAB_UNCHECKED"
"""The variable of the environment that lets a run begin whatever a check has found."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a check: its moment, and the sentences of the lines that were not good, by name."""

    cluster: str
    checked_at: str
    good: int
    doubtful: dict[str, str]
    bad: dict[str, str]


def path_of(data: Path, cluster: str, address: str = "") -> Path:
    """Return where the last check of a cluster is; the name tells neither address nor project."""
    where = check_jobs_address(address) if address.strip() else ""
    where = where or f"{host_id()} {os.environ.get('COMPOSE_PROJECT_NAME', '')}"
    return data / FOLDER / f"{cluster}-{hashlib.sha256(where.encode()).hexdigest()[:12]}.json"


def keep(data: Path, kept: Kept, address: str = "") -> Path:
    """Write a check in the place of the last one of the same cluster; raises `DataError`."""
    path = path_of(data, kept.cluster, address)

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(dataclasses.asdict(kept), indent=2) + "\n")
        draft.replace(path)

    ask_disk(path, write)
    return path


def last(data: Path, cluster: str, address: str = "") -> Kept | None:
    """Return the last check of a cluster where it is not older than a day; None also where it is damaged.

    An address that cannot be one has none: it is refused where it is used, or of a run by file never is.
    """
    try:
        kept = Kept(**json.loads(path_of(data, cluster, address).read_text()))
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(kept.checked_at)
        whole = OBJECT[1](kept.bad) and OBJECT[1](kept.doubtful)
        return kept if whole and datetime.timedelta() <= age < VALID else None
    except (OSError, ValueError, TypeError, ClusterError):
        return None


def before_run(data: Path, clusters: Iterable[str], address: str) -> dict[str, Any]:
    """Return what the session of a run notes of the last checks of its clusters; empty where there is none.

    Raises `ClusterError` where one has found something bad, unless the environment lets the run begin.
    """
    found = [kept for one in sorted(clusters) if (kept := last(data, one, address)) is not None]
    for kept in found:
        if kept.bad and not os.environ.get(UNCHECKED):
            told = "; ".join(f"{name}: {what}" for name, what in kept.bad.items())
            raise ClusterError(
                f"`lab check` found this cluster bad at {kept.checked_at[:16]} UTC: {told}. Mend it and "
                f"check again (lab check --cluster {kept.cluster}), or run all the same: --unchecked, or "
                f"{UNCHECKED}=1 in the environment"
            )
        if told := "; ".join(f"{name}: {what}" for name, what in (kept.bad | kept.doubtful).items()):
            print(f"`lab check` found at {kept.checked_at[:16]} UTC: {told}", file=sys.stderr, flush=True)
    return {"checks": {kept.cluster: dataclasses.asdict(kept) for kept in found}} if found else {}
