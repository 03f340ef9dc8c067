"""Tables of losses: shares of the core time by configuration, by node, and trial by trial."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis.intervals import Estimate
from lab.analysis.losses import PARTS, TERMS, WORK, shares
from lab.formats import count, fixed, number
from lab.report.levels import ABSENT, rounded
from lab.report.markdown import safe, shortened, table

SIZE = ["nodes", "workers_per_node"]

Shares = Mapping[tuple[int, int], Mapping[str, Estimate]]
"""Nodes and workers per node -> term -> its share of the core time."""

NAMES: Mapping[str, str] = {WORK: "useful and slower work", **TERMS}

SHOWN = 20
"""Nodes that a table shows."""

ABREAST = 6
"""Configurations that have room beside each other in a table; more of them make a further table."""

CAUSES: Mapping[str, str] = {
    "cores": "all cores at work",
    "unused": "cores without a worker",
    "slower": "slower work",
    "short": "short tasks",
    "tail": "unequal tasks, the tail",
    "threads": "threads of libraries",
    "waiting": "waiting inside tasks",
    "driver": "the driver's limit",
    "startup": "start-up",
    "data": "data that travels",
    "throttled": "throttled by a quota",
    "slow_node": "a slow node",
    "neighbours": "noisy neighbours",
}
"""What pages call the causes of `lab.analysis.causes`."""

MEANINGS: Mapping[str, str] = {
    "useful": "processor time that the same tasks took on one worker alone, the mean over all blocks",
    "slower": "processor time of the tasks beyond that: shared caches, SMT, frequency, attempts that failed; "
    "below 0 it is a gain; for the worker alone it is none on average",
    "waiting": "cores that tasks had for themselves and did not use: throttled, preempted, input and output",
    "gaps": "cores idle because workers were between two tasks",
    "startup": "cores idle because workers had not begun their first task",
    "tail": "cores idle because workers had ended their last task, or never had one",
    "unused": "cores of the node beyond its workers, each of which uses one at most",
    "residual": "what is left: clocks, overlapping rows, tasks that used more than one core",
}


def sizes_of(trials: pd.DataFrame) -> list[tuple[int, int]]:
    """Return nodes and workers per node of each configuration, ascending."""
    return sorted({(int(nodes), int(workers)) for nodes, workers in trials[SIZE].itertuples(index=False)})


def size_name(nodes: int, workers: int) -> str:
    """Return the name of a configuration: 6 nodes × 1 worker."""
    return f"{count(nodes, 'node')} × {count(workers, 'worker')}"


def meanings() -> str:
    """Return what each term means."""
    return table(("term", "meaning"), [(TERMS[term], meaning) for term, meaning in MEANINGS.items()])


def share(found: Estimate) -> str:
    """Return a share (0..1) in percent with its interval for a table; finer than 0.1 % no trial is."""
    return ABSENT if found.value is None else rounded(found, 100)


def share_table(estimates: Shares) -> str:
    """Return terms and their parts over configurations, with intervals and n, in narrow tables."""
    sizes = sorted(estimates)
    parts = (sizes[start : start + ABREAST] for start in range(0, len(sizes), ABREAST))
    return "\n\n".join(_share_table(estimates, part) for part in parts)


def _share_table(estimates: Shares, sizes: list[tuple[int, int]]) -> str:
    rows = [
        (name, *(share(estimates[size][term]) for size in sizes)) for term, name in {**NAMES, **PARTS}.items()
    ]
    head = ("part of the core time, %", *(size_name(*size) for size in sizes))
    ns = ("n", *(estimates[size][WORK].n for size in sizes))
    return table(head, [*rows, ns], right=range(1, len(head)))


def node_table(nodes: pd.DataFrame) -> str:
    """Return the mean shares of each node, from its rows of `Account.nodes`; the least busy nodes first."""
    found = shares(nodes)
    trials = found.groupby("node_id")["trial_id"].count()
    means = found.groupby("node_id")[["workers", "quota_cores", *NAMES]].mean().sort_values(WORK)
    rows = [
        (safe(node), fixed(row["workers"], 0), number(row["quota_cores"]), *_cells(row), n)
        for (node, row), n in zip(means.iterrows(), trials.reindex(means.index), strict=True)
    ]
    head = ("node", "workers", "cores", *TERMS.values(), "n")
    shown = table(head, rows[:SHOWN], right=range(1, len(head)))
    if len(means) <= SHOWN:
        return shown
    return f"The {SHOWN} of {count(len(means), 'node')} whose tasks used least of their cores:\n\n{shown}"


def single_trials(trials: pd.DataFrame) -> str:
    """Return trials (rows of `Account.trials`) one by one, with their account as far as it is known."""
    rows = [
        (
            safe(trial),
            safe(shortened(row["mode"])),
            row["schedule"],
            size_name(*map(int, row[SIZE])),
            _why(row),
            *_cells(row),
        )
        for trial, row in shares(trials).iterrows()
    ]
    head = ("trial", "mode", "schedule", "size", "why", *TERMS.values())
    return table(head, rows, right=range(5, len(head)))


def _why(row: pd.Series) -> str:
    if row["status"] != "ok":
        return str(row["status"])
    return "lost workers" if not row["sound"] else "doubtful files"


def _cells(row: pd.Series) -> list[str]:
    return [fixed(100 * row[term], 1) if pd.notna(row[term]) else ABSENT for term in TERMS]
