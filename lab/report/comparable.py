"""What differs between two runs, fact by fact, and why they cannot be compared, reason by reason."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lab.data.records import CHECKS, work_of
from lab.data.store import Run
from lab.errors import DataError
from lab.formats import UNKNOWN, listing


def taking_turns(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether the blocks of two runs took turns (`lab run --against`): each names the other."""
    named = [against(one).get("run_id") for one in (first, second)]
    return named == [second.get("run_id"), first.get("run_id")]


def against(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a run says of the one that it took turns with: its run_id, and the role of this one."""
    told = environment.get("against")
    return told if isinstance(told, dict) else {}


def begun(run: Run) -> tuple[object, object]:
    """Return what a run is known by wherever its folder lies: its id, and when it began."""
    return run.environment.get("run_id"), run.environment["sessions"][0]["started_at"]


def refuse_a_copy(first: Run, second: Run) -> None:
    """Raise for two folders of one run."""
    if begun(first) == begun(second):
        raise DataError(
            f"{second.run_id} is a copy of {first.run_id}: both began at {begun(first)[1]}; name two runs"
        )


def refuse_checks(directory: Path) -> None:
    """Raise for a run of the lab's own checks, which has no trials."""
    if any((directory / name).exists() for name in CHECKS):
        raise DataError(
            f"the run {directory.name} checks the lab itself and has no trials: name a run of work"
        )


def refuse_unfinished(run: Run) -> None:
    """Raise for a run that is not complete, or whose trials leave no spread."""
    if not run.complete:
        raise DataError(f"the run {run.run_id} is not complete: `lab resume {run.run_id}` goes on with it")
    blocks = run.trials.loc[run.trials["status"] == "ok", "block"].nunique()
    if blocks == 0:
        raise DataError(f"no trial of the run {run.run_id} ended well: `lab list` shows its state")
    if blocks == 1:
        raise DataError(
            f"the run {run.run_id} has one block, which has no spread: run it again with --repeats 5, or "
            "2 at least"
        )


def refuse_other_work(first: Run, second: Run, changed: bool) -> None:
    """Raise unless both did the same work: items, unit, growth, and the function unless it is in question."""
    names = [str(run.environment.get("experiment", run.directory.parent.name)) for run in (first, second)]
    if names[0] != names[1]:
        raise DataError(
            f"the runs are of different experiments, {names[0]} and {names[1]}: they did other work"
        )
    modes = [set(run.trials["mode"]) for run in (first, second)]
    if not modes[0] & modes[1]:
        told = [listing(sorted(one)) for one in modes]
        raise DataError(f"the runs did other work: {told[0]} in one and {told[1]} in the other")
    grows = [(run.environment.get("parameters") or {}).get("scaling", "strong") for run in (first, second)]
    if grows[0] != grows[1]:
        raise DataError(
            f"the work of one run grows with its workers and that of the other does not (scaling {grows[0]}, "
            f"{grows[1]}): they did other work"
        )
    works = [run.environment.get("works") or {} for run in (first, second)]
    for mode in works[0].keys() & works[1].keys():
        _refuse_other_facts(mode, works[0][mode], works[1][mode], changed)
    if not changed:
        _refuse_other_results(first, second, works)


def _refuse_other_facts(mode: str, one: Mapping[str, Any], other: Mapping[str, Any], changed: bool) -> None:
    for name, told in (("items_digest", "items"), ("items", "number of items"), ("unit", "unit")):
        if one.get(name) != other.get(name):
            raise DataError(
                f"the runs did other work, {told} of {mode}: {one.get(name)} in one and {other.get(name)} in "
                "the other; measure both with the same items"
            )
    if one.get("digest") != other.get("digest") and not changed:
        raise DataError(
            f"the function of {mode} was changed between the runs (digest {one.get('digest')}, "
            f"{other.get('digest')}): --changed-work says that this change is what the comparison is about"
        )


def _refuse_other_results(first: Run, second: Run, works: Sequence[Mapping[str, Any]]) -> None:
    free = {mode for known in works for mode, facts in known.items() if facts.get("same_results") is False}
    one, other = (_digests(run.trials) for run in (first, second))
    apart = sorted(name for name in one.keys() & other.keys() if one[name] != other[name])
    apart = [name for name in apart if name.split(", ")[0] not in free]
    if apart:
        more = f" and {len(apart) - 1} more" * (len(apart) > 1)
        raise DataError(
            f"the runs came to other results in {apart[0]}{more}: they did other work; --changed-work says "
            "that what changed them is what the comparison is about"
        )


def _digests(trials: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Return the digests of the results of each piece of work, of the trials that ended well."""
    done = trials[(trials["status"] == "ok") & trials["digest"].notna()]
    rows = done[["mode", "planned_tasks", "task_seconds", "digest"]].drop_duplicates()
    found: dict[str, set[str]] = {}
    for mode, tasks, length, digest in rows.itertuples(index=False):
        found.setdefault(work_of(mode, tasks, length), set()).add(digest)
    return {name: frozenset(digests) for name, digests in found.items()}


def refuse_other_machines(first: Run, second: Run) -> None:
    """Raise unless both runs are known to be of the same hosts."""
    hosts = [hosts_of(run) for run in (first, second)]
    if hosts[0] != hosts[1] or not hosts[0]:
        told = [listing(sorted(one)) or "not known" for one in hosts]
        raise DataError(
            f"the runs were made on different machines, or on one that was booted anew in between (hosts "
            f"{told[0]} and {told[1]}): --across-machines compares them all the same"
        )


def refuse_nothing_in_common(first: Run, second: Run, logs: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Raise for runs of which no configuration ended well in both; takes frames of `logs_of`, too."""
    if logs[0].index.intersection(logs[1].index).empty:
        raise DataError(
            f"{first.run_id} and {second.run_id} have no configuration in common that ended well: the same "
            "engine with as many workers on as many nodes has to be in both"
        )


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
