"""What a level is of: this run alone, or this machine, where several runs of one configuration were made."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lab.analysis.intervals import Estimate, geometric_estimate
from lab.analysis.laws import Numbers
from lab.data.environment import read_environment
from lab.data.listing import all_listed
from lab.data.store import read_run
from lab.errors import LabError
from lab.formats import count, short_estimate
from lab.report.decision import Decision, decide
from lab.report.markdown import folded, paragraphs, safe, table
from lab.report.nodes import at_size
from lab.report.study import Study

OF_ONE_RUN = ("run_id", "profile", "seed", "repeats", "words", "deadline_seconds", "stall_seconds")
"""Parameters that may differ between runs of one configuration."""


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """Throughput (units/s) at a size: of this run over its blocks, and of this machine over several runs.

    `between` has no interval with fewer than two runs; its n counts runs, as that of `within` counts blocks.
    """

    size: int
    within: Estimate
    between: Estimate


def configuration(study: Study) -> str | None:
    """Return what runs of one configuration have in common; None where the machine is not known.

    That is the code and the items of the work by their digests, all parameters but OF_ONE_RUN, and the hosts.
    """
    hosts = sorted(set(study.run.nodes["host_id"].dropna()))
    return f"{study.experiment} {hosts} {_asked(study.run.environment)}" if hosts else None


def _asked(environment: Mapping[str, Any]) -> str:
    """Return what was asked for, but what may differ between runs of one configuration."""
    parameters = {
        name: value for name, value in environment.get("parameters", {}).items() if name not in OF_ONE_RUN
    }
    works = {
        mode: {name: facts.get(name) for name in ("unit", "digest", "items_digest")}
        for mode, facts in environment.get("works", {}).items()
    }
    return json.dumps((parameters, works), sort_keys=True)


def alike(study: Study) -> tuple[Study, ...]:
    """Return the complete runs of a run's configuration beside it, itself among them, newest first."""
    return study.once("alike", lambda: (study, *_others(study)))


def _others(study: Study) -> list[Study]:
    folder, mine = study.run.directory.parent, configuration(study)
    listed = all_listed(folder.parent, folder.name) if mine is not None else ()
    names = (one.directory for one in listed if one.state == "complete")
    others = [_read(one, study) for one in names if one != study.run.directory]
    return [one for one in others if one and configuration(one) == mine]


def _read(directory: Path, like: Study) -> Study | None:
    """Return a run of which the same was asked as of another; only then are its rows read."""
    try:
        environment = read_environment(directory)
        # measured in turns with the other, it is the other version, and a half of one session
        turns = (environment.get("against") or {}).get("run_id") == like.run.run_id
        same = not turns and _asked(environment) == _asked(like.run.environment)
        return Study(read_run(directory)) if same else None
    except LabError:
        return None


def levels(decision: Decision) -> list[Level]:
    """Return the level of every size of a sweep."""
    study = decision.study
    others = [one for one in alike(study) if decision.series in one.series(decision.mode)]
    decisions = [decision if one is study else decide(one, decision.mode) for one in others]
    found = []
    for size in decision.sizes:
        there = (one for one in decisions if one.series == decision.series and size in one.sizes)
        between = geometric_estimate(float(_logs(one, size).mean()) for one in there if len(_logs(one, size)))
        found.append(Level(size, decision.levels[size], between))
    return found


def _logs(decision: Decision, size: int) -> Numbers:
    column: Numbers = np.log(decision.throughputs[:, decision.sizes.index(size)])
    return column[np.isfinite(column)]


def in_words(decision: Decision) -> str:
    """Say whether the throughput is of this run or of this machine, with both intervals."""
    one = next(one for one in levels(decision) if one.size == decision.size)
    if one.within.value is None:
        return "The level is not known: no trial has a throughput."
    unit = safe(decision.study.unit(decision.mode))
    within = f"{short_estimate(one.within)} {unit} with {at_size(decision.study, one.size)}"
    if one.between.low is None:
        return (
            f"The level, {within}, is of this run alone: the data hold no other run of this work on this "
            "machine since it was started. Run it again to see how runs differ."
        )
    return (
        f"The level is of this machine: {short_estimate(one.between)} {unit} over "
        f"{count(one.between.n, 'run')}; of this run it is {within}."
    )


def shown(decision: Decision) -> str:
    """Return the sentence, and with several runs a folded table of both intervals at every size."""
    found = levels(decision)
    if not any(one.between.low is not None for one in found):
        return in_words(decision)
    rows = [
        (one.size, short_estimate(one.within), short_estimate(one.between), one.between.n) for one in found
    ]
    head = (decision.study.axis.label, "this run, over blocks", "this machine, over runs", "runs")
    title = f"Between runs and within, {safe(decision.study.unit(decision.mode))}"
    return paragraphs(in_words(decision), folded(title, table(head, rows, right=range(len(head))))).text


def as_values(decision: Decision) -> list[dict[str, Any]]:
    """Return the levels as plain values, for JSON."""
    return [dataclasses.asdict(one) for one in levels(decision)]
