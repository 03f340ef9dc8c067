"""What is wrong with a run's files, in words."""

from lab.analysis.doubts import Spoiled, examine
from lab.data.store import Run

NAMED = 3
"""Nodes that a text names, of those that share a fault in one trial."""

EFFECT: dict[Spoiled, str] = {
    "terms": "its account is unknown",
    "parts": "what took part in waiting and gaps is unknown",
    "nothing": "the account stands",
}


def doubts(run: Run) -> tuple[str, ...]:
    """Return what is wrong with a run's files, a text per fault and trial, but for interrupted trials.

    In the order of the trials, with the first nodes that each concerns.
    """
    interrupted = set(run.trials.loc[run.trials["status"] == "interrupted", "trial_id"])
    grouped: dict[tuple[str, str, Spoiled], list[str]] = {}
    for one in examine(run).doubts:
        if one.trial_id not in interrupted:
            grouped.setdefault((one.trial_id, one.what, one.spoils), []).append(one.node_id)
    ordered = sorted(grouped.items(), key=lambda item: item[0][0])
    return tuple(_text(*key, nodes) for key, nodes in ordered)


def _text(trial_id: str, what: str, spoils: Spoiled, nodes: list[str]) -> str:
    named = [node for node in nodes if node]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    where = f", {'node' if len(named) == 1 else 'nodes'} {', '.join(named[:NAMED])}{more}" if named else ""
    return f"{f'Trial {trial_id}{where}: ' * bool(trial_id)}{what}; {EFFECT[spoils]}."
