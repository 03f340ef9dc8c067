"""What a reader has to know of the data: missing trials, machines not alike, what is wrong with files."""

import pandas as pd

from lab.analysis.configurations import select
from lab.analysis.doubts import Spoiled, examine
from lab.analysis.trials import script_modes
from lab.data.store import Run
from lab.formats import count, listing
from lab.report.decision import Decision
from lab.report.markdown import capital, safe
from lab.report.nodes import at_size, own_cores, workers_nodes
from lab.report.series import WORDS
from lab.report.study import Study


def caveats(decision: Decision) -> list[str]:
    """Return a sentence for each; none for a whole run on one machine, or on nodes that are alike."""
    study = decision.study
    rows = study.rows(decision.mode, decision.series)
    unit = safe(study.unit(decision.mode).removesuffix("/s"))
    told = (
        (_failed(decision), "did not end well, or not with all workers: left out of all means"),
        (rows[rows["throughput"] == 0], f"counted no {unit} at all: left out of all ratios"),
        (rows[rows["throughput"].isna()], "had no known throughput: left out of all means"),
    )
    found = [f"{_trials(decision, trials)} {what}." for trials, what in told if len(trials)]
    return [*found, *_machines(study), *unequal_nodes(decision)]


def of_one_work(study: Study) -> str | None:
    """Say which kind of work answers are of, where a run has several."""
    if len(study.modes) < 2:
        return None
    known = [f"a task of *{study.name(mode)}* {WORDS[mode]}" for mode in study.modes if mode in WORDS]
    told = f" {capital(listing(known))}." if known else ""
    return f"Where nothing else is said, answers are of *{study.name(study.main_mode)}*.{told}"


def _failed(decision: Decision) -> pd.DataFrame:
    ended = decision.study.failures[decision.study.failures["status"] != "interrupted"]
    return select(ended, {"mode": decision.mode, **decision.study.known[decision.series]})


def _trials(decision: Decision, trials: pd.DataFrame) -> str:
    """Return how many trials these are, and of which sizes."""
    sizes = sorted({int(size) for size in trials[decision.study.axis.column]})
    return f"{count(len(trials), 'trial')} ({listing(at_size(decision.study, size) for size in sizes)})"


def _machines(study: Study) -> list[str]:
    hosts = {one.get("host_id") for one in study.run.environment.get("sessions", ())} - {None}
    if len(hosts) < 2:
        return []
    return [
        f"The run was driven from {len(hosts)} machines, or from one that was started anew: what sizes "
        "differ by may be what machines do. Measure all sizes without a stop."
    ]


def unequal_nodes(decision: Decision) -> list[str]:
    """Return the sentence that nodes are not alike, where they are not."""
    if decision.sweep.equal_nodes:
        return []
    kinds = workers_nodes(decision.study)["cpu_model"].nunique()
    told = f"{own_cores(decision.study)}{f', {kinds} kinds of processors' * (kinds > 1)}"
    return [
        f"The nodes are unequal ({told}): which of them a size has decides its throughput, so that no law "
        "is fitted. Measure on nodes that are alike."
    ]


NAMED = 3
"""Nodes that a text names, of those that share a fault in one trial."""

EFFECT: dict[Spoiled, str] = {
    "terms": "its account is unknown",
    "parts": "what took part in waiting and gaps is unknown",
    "nothing": "the account stands",
}


def doubts(run: Run) -> tuple[str, ...]:
    """Return what is wrong with a run's files, a text per fault and trial, with the first nodes of each.

    In the order of the trials, without those that were interrupted and those of a script, which have no rows.
    """
    trials = run.trials
    left_out = (trials["status"] == "interrupted") | trials["mode"].isin(script_modes(run.environment))
    without = set(trials.loc[left_out, "trial_id"])
    grouped: dict[tuple[str, str, Spoiled], list[str]] = {}
    for one in examine(run).doubts:
        if one.trial_id not in without:
            grouped.setdefault((one.trial_id, one.what, one.spoils), []).append(one.node_id)
    ordered = sorted(grouped.items(), key=lambda item: item[0][0])
    return tuple(_text(*key, nodes) for key, nodes in ordered)


def _text(trial_id: str, what: str, spoils: Spoiled, nodes: list[str]) -> str:
    named = [node for node in nodes if node]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    where = f", {'node' if len(named) == 1 else 'nodes'} {', '.join(named[:NAMED])}{more}" if named else ""
    return f"{f'Trial {trial_id}{where}: ' * bool(trial_id)}{what}; {EFFECT[spoils]}."
