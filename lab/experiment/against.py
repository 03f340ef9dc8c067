"""Two versions measured in turns: a block of one, a block of the other, each in a process of its own.

Each side is a run like any other, with the same plan; its environment.json names the other. Who has the first
block of a pair changes from pair to pair, so that what drifts hits both alike. A Ray version cannot change in
a process: every block starts a Ray anew.
"""

import contextlib
import dataclasses
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lab import paths
from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.store import Run, read_run, read_trials
from lab.errors import LabError, ParameterError
from lab.experiment.facts import new_folder
from lab.experiment.own_parameters import Own
from lab.experiment.sites import refusal
from lab.experiment.versions import NAMED, Version, as_it_is, other

Role = Literal["A", "B"]
ROLES: tuple[Role, Role] = ("A", "B")
"""As it is, and the other version."""


@dataclasses.dataclass(frozen=True, slots=True)
class Turns:
    """What both sides are given, and how each is started."""

    parameters: Own
    objects: Mapping[str, Any]
    data: Path
    versions: Mapping[Role, Version]
    answer: Path
    """The file that a side's process writes what it saw to."""


def in_turns(
    parameters: Own, objects: Mapping[str, Any], data: Path | None = None, dry_run: bool = False
) -> Run | None:
    """Measure two versions in turns, or the rest of such a run, and return the run of the one that is here.

    Raises `LabError` before anything is measured where a version is not to be had, or the two would not do
    the same; None from a dry run.
    """
    if unnamed := [name for name, value in objects.items() if not isinstance(value, str)]:
        raise ParameterError(
            f"against is {parameters.against!r}, and {unnamed[0]} was given itself: another process finds it "
            "by name only, as in my_job.py:work"
        )
    folder = Path(data or paths.data_folder()).absolute()
    with tempfile.TemporaryDirectory(prefix="lab-against-", ignore_cleanup_errors=True) as made:
        given = {name: objects.get(name, getattr(parameters, name)) for name in NAMED}
        there = other(parameters.against, given, Path(made))
        known = dataclasses.replace(parameters, against=there.told)
        turns = Turns(known, objects, folder, {"A": as_it_is(), "B": there}, Path(made, "answer.json"))
        _refuse_unlike(turns)
        return None if dry_run else _carry_out(turns)


def order(seed: int, blocks: int) -> list[tuple[int, Role]]:
    """Return block and side, one after another; the seed says who begins."""
    first = random.Random(seed).randrange(2)
    return [(block, role) for block in range(blocks) for role in ROLES[:: 1 if (block + first) % 2 else -1]]


def blocks_left(directory: Path, blocks: int) -> set[int]:
    """Return the blocks of a run that have a trial which has not ended."""
    if not (directory / ENVIRONMENT).exists():
        return set(range(blocks))
    trials, planned = read_trials(directory), read_environment(directory)["planned_trials"]
    ended = trials[trials["status"] != "interrupted"].groupby("block")["slot"].nunique()
    return {block for block in range(blocks) if ended.get(block, 0) < planned // blocks}


def run_ids(folder: Path, parameters: Own) -> dict[Role, str]:
    """Return the names of both runs: new ones, or those of the pair that `run_id` is one of."""
    name = parameters.run_id
    if not name or not (folder / name / ENVIRONMENT).exists():
        name = name or new_folder(folder, parameters.profile).name
        return {"A": name, "B": f"{name}-against"}
    pair = read_environment(folder / name).get("against")
    if not pair:
        raise ParameterError(
            f"the run {name} was begun without --against: go on without it, or begin another"
        )
    return {"A": name, "B": pair["run_id"]} if pair["role"] == "A" else {"A": pair["run_id"], "B": name}


def _carry_out(turns: Turns) -> Run:
    """Run every block that is left, and return the run of A."""
    blocks, folder = turns.parameters.repeats, turns.data / "own"
    names = run_ids(folder, turns.parameters)
    left = {role: blocks_left(folder / name, blocks) for role, name in names.items()}
    told = ", ".join(f"{role} ({turns.versions[role].name}) is {name}" for role, name in names.items())
    print(f"two runs, block by block in turns, each block with a start of its own: {told}", flush=True)
    try:
        for block, role in order(turns.parameters.seed, blocks):
            if block in left[role]:
                print(f"block {block + 1} of {blocks}, {role}", flush=True)
                _ask(turns, role, names, block)
    except (KeyboardInterrupt, LabError) as stop:
        begun = [name for name in names.values() if (folder / name / ENVIRONMENT).exists()]
        if begun:
            stop.add_note(f"stopped; to go on with both: lab resume {begun[0]}")
            print(f"\n{stop.__notes__[-1]}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            # of a pair that never began nothing is left
            (folder / names["A"]).rmdir()
        raise
    return read_run(folder / names["A"])


def _refuse_unlike(turns: Turns) -> None:
    """Raise `ParameterError` where the two would not measure the same work in the same order."""
    here, there = (_ask(turns, role) for role in ROLES)
    told = f"{turns.versions['B'].name} and here differ, and nothing was measured"
    facts = ("unit", "items_digest", *(() if turns.versions["B"].root else ("digest",)))
    for name in facts:
        if _works(here, name) != _works(there, name):
            raise ParameterError(
                f"the works of {told}: {name.replace('_', ' ')} {_works(there, name)} there, "
                f"{_works(here, name)} here. What is compared is another version of the same work: name, "
                "unit and items must be equal (a file of items is the same for both)"
            )
    shared = here["plan"][0].keys() & there["plan"][0].keys()
    plans = [[{name: one[name] for name in shared} for one in seen["plan"]] for seen in (here, there)]
    if plans[0] != plans[1]:
        raise ParameterError(f"the plans of {told}: name engines and sizes that both have")


def _works(seen: Mapping[str, Any], fact: str) -> dict[str, Any]:
    """Return a fact of every work."""
    return {mode: work.get(fact) for mode, work in seen["works"].items()}


def _ask(turns: Turns, role: Role, names: Mapping[Role, str] | None = None, block: int = 0) -> Any:
    """Have a side run up to a block, or without names say what it would do; return what it saw.

    Raises the side's own `LabError`.
    """
    version, names = turns.versions[role], names or {}
    given, objects = _changed(turns.parameters) | {"run_id": names.get(role, "")}, {**turns.objects}
    for name, moved in version.named.items():
        (objects if name in objects else given)[name] = moved
    against = {"run_id": names.get("B" if role == "A" else "A", ""), "role": role}
    request = {
        "given": given,
        "objects": objects,
        "data": str(turns.data),
        "dry_run": not names,
        "not_from": str(version.root or ""),
        "side": {"against": against, "session": dict(version.session), "last_block": block},
    }
    turns.answer.unlink(missing_ok=True)
    _attend(request, version, turns.answer, quiet=bool(names) or role == "B")
    if not turns.answer.exists():
        raise LabError(f"the process of {role} ({version.name}) ended by itself: its last words stand above")
    answer = json.loads(turns.answer.read_text())
    if "kind" in answer:
        raise refusal(answer | {"message": f"{role} ({version.name}): {answer['message']}"})
    return answer


def _changed(parameters: Own) -> dict[str, Any]:
    """Return the parameters that are not as they are by themselves: another lab may not know all."""
    fields = ((field, getattr(parameters, field.name)) for field in dataclasses.fields(Own))
    return {field.name: value for field, value in fields if value != field.default}


def _attend(request: Mapping[str, Any], version: Version, answer: Path, quiet: bool) -> None:
    """Start the process of a side, wait for its end, and have it stop where this one is stopped."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "lab.experiment.side", str(answer)],
        cwd=version.folder,
        env={**os.environ, **version.variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL if quiet else None,
        text=True,
        # Ctrl-C comes to this process alone, which hands it on by closing the pipe
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        process.wait()
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
