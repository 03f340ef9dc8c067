"""What environment.json holds of a run: its parameters, its works, the code, the versions and the machine."""

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lab.clusters.embedded import SETTINGS
from lab.clusters.surroundings import changing
from lab.data.table import ask_disk
from lab.errors import DataError
from lab.experiment.parameters import Experiment, Named
from lab.experiment.plan import Plan
from lab.experiment.session import Works
from lab.measure.environment import code_facts, machine_facts, session_facts, versions
from lab.measure.node import Cgroup

MOST_AT_ONCE = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """One of two runs that are measured in turns, block by block, each block in a process of its own."""

    against: Mapping[str, str]
    """The other run, `run_id`, and the `role` of this one: A as it is, B the other version."""
    session: Mapping[str, Any]
    """Facts of the session that this process cannot find itself, such as the commit of an unpacked lab."""
    last_block: int
    """The process ends with this block."""
    seen: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What a dry run would do: `works` and `plan`, to see that both sides do the same."""


def new_run_id(profile: str) -> str:
    """Return an id from the time in UTC and the profile's name."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{profile}"


def new_folder(folder: Path, profile: str) -> Path:
    """Make the folder of a new run, whose name no other run has, even where several begin in one second."""
    ask_disk(folder, partial(folder.mkdir, parents=True, exist_ok=True))
    first = new_run_id(profile)
    for name in itertools.chain([first], (f"{first}-{number}" for number in range(2, MOST_AT_ONCE))):
        with contextlib.suppress(FileExistsError):
            (folder / name).mkdir()
            return folder / name
    raise DataError(f"{MOST_AT_ONCE} runs have begun in {folder} within one second: name yours with run_id")


def in_words(parameters: Named) -> str:
    """Return all parameters as they were understood: YAML takes 010 for 8, and 1:30 for 90."""
    names = (name for name in parameters.__dataclass_fields__ if name != "address")
    listed = ", ".join(f"{name} {json.dumps(told(getattr(parameters, name)))}" for name in names)
    return textwrap.fill(f"parameters: {listed}", 110, subsequent_indent="  ", break_on_hyphens=False)


def facts_of(
    experiment: str,
    run_id: str,
    parameters: Experiment,
    works: Works,
    plan: Plan,
    cgroup: Cgroup,
) -> dict[str, Any]:
    """Return the content of environment.json; all but the session must be equal when a run goes on."""
    values = {name: told(getattr(parameters, name)) for name in parameters.__dataclass_fields__}
    # an address is nobody's business, and that of one cluster may change
    values.pop("address", None)
    return {
        "experiment": experiment,
        "run_id": run_id,
        "parameters": {**values, "run_id": run_id},
        "works": told_works(works, plan),
        "planned_trials": len(plan),
        "settings": changing(os.environ, SETTINGS),
        **facts_here(cgroup),
    }


def facts_here(cgroup: Cgroup) -> dict[str, Any]:
    """Return what any run keeps of its code, its versions, this machine and this session."""
    return {
        "code": code_facts(),
        "versions": versions(),
        "machine": machine_facts(cgroup),
        "session": session_facts(),
    }


def told_works(works: Works, plan: Plan) -> dict[str, dict[str, Any]]:
    """Return the facts of each kind of work; where it comes in several sizes, those that all share."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for mode, work in dict.fromkeys((one.configuration.mode, one.configuration.work) for one in plan):
        found.setdefault(mode, []).append(works[work].facts)
    return {
        mode: {name: value for name, value in facts[0].items() if all(one[name] == value for one in facts)}
        for mode, facts in found.items()
    }


def told(value: Any) -> Any:
    """Return a parameter as a run keeps it: of a path that begins at the root or a home, the file's name."""
    if isinstance(value, str) and value.startswith((os.sep, "~")):
        return value.rpartition(os.sep)[2]
    return value
