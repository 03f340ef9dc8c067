"""What differs between two runs: code, versions, machine, quota, parameters and work, fact by fact."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from lab.data.store import Run
from lab.formats import UNKNOWN

MACHINE = {
    "cpu_model": "processor",
    "cores": "cores",
    "quota_cores": "cores that may be used",
    "memory_bytes": "memory that may be used, bytes",
    "gpus": "GPUs",
    "architecture": "architecture",
    "system": "system",
    "kernel": "kernel",
    "container": "in a container",
}
"""The facts of a machine that are told, and what they are called."""

WORK = {
    "digest": "code of the work, digest",
    "items_digest": "items of the work, digest",
    "source": "file of the work",
}

OF_ITS_OWN = ("run_id", "address")
"""Parameters that no two runs share."""


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One fact that differs, as text of both runs; foreign text, to be escaped where it is shown."""

    what: str
    first: str
    second: str


def differences(first: Run, second: Run) -> list[Difference]:
    """Return every fact of two runs that differs; what neither knows does not."""
    one, other = (dict(_facts(run)) for run in (first, second))
    return [
        Difference(what, one.get(what, UNKNOWN), other.get(what, UNKNOWN))
        for what in dict.fromkeys((*one, *other))
        if one.get(what) != other.get(what)
    ]


def hosts_of(run: Run) -> frozenset[str]:
    """Return the hosts that a run was made on, by their digests, each until it boots again."""
    told = (session.get("host_id") for session in run.environment["sessions"])
    return frozenset(run.nodes["host_id"].dropna()) or frozenset(filter(None, told))


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """Yield name and text of what is known of a run, the code first."""
    environment, session = run.environment, run.environment["sessions"][0]
    if session.get("commit"):
        changed = " with changes that are not committed" * bool(session.get("uncommitted_changes"))
        yield "commit", f"{session['commit'][:12]}{changed}"
    yield from _of(
        environment.get("code"), {"version": "version of the lab", "digest": "code of the lab, digest"}
    )
    for name, version in (environment.get("versions") or {}).items():
        yield f"{name} version" if name != "ray" else "Ray version", _text(version)
    yield from _of(environment.get("machine"), MACHINE)
    if hosts := sorted(hosts_of(run)):
        yield "host (until it boots again)", ", ".join(hosts)
    yield from _of(session, {"image": "image"})
    if environment.get("settings"):
        yield "settings of numerical libraries", ", ".join(sorted(environment["settings"]))
    for mode, work in (environment.get("works") or {}).items():
        yield from ((f"{name} ({mode})", text) for name, text in _of(work, WORK))
    for name, value in (environment.get("parameters") or {}).items():
        if name not in OF_ITS_OWN:
            yield f"parameter {name}", _text(value)


def _of(facts: Mapping[str, Any] | None, named: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    known = facts or {}
    yield from ((told, _text(known[name])) for name, told in named.items() if known.get(name) is not None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
