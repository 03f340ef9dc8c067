"""The slowest node of a configuration, and what it costs beside the others."""

from dataclasses import dataclass

import pandas as pd

from lab.analysis.intervals import Estimate, mean_estimate
from lab.analysis.losses import WORK, Account
from lab.analysis.verdicts import shared_level


@dataclass(frozen=True, slots=True)
class SlowNode:
    """The node that costs most against the mean of the others: its name, '' where nothing is known.

    `share` is its cost as a part of the core time of all nodes, `shares` the same of each trial, and `ratio`
    how long it takes for a task beside the others.
    """

    node_id: str
    share: Estimate
    shares: pd.Series
    ratio: float


def slowest(account: Account, known: pd.DataFrame, level: float) -> SlowNode:
    """Return the slowest node of these trials (rows of `Account.trials`); the level is shared by the nodes.

    The pace of a node is the core time inside its tasks for what they take one worker alone; it is compared
    with that of all other nodes of the trial together.
    """
    nodes = account.nodes[account.nodes["trial_id"].isin(known.index)]
    inside = nodes[WORK] + nodes["waiting"].clip(lower=0)
    of_trial = nodes["trial_id"]
    useful, all_inside = nodes["useful"], inside.groupby(of_trial).transform("sum")
    others = (all_inside - inside) / (useful.groupby(of_trial).transform("sum") - useful)
    # what its tasks would have taken at the pace of the others
    lost = (inside - useful * others) / of_trial.map(known["available"])
    table = nodes.assign(lost=lost, ratio=inside / useful / others).dropna(subset=["lost", "ratio"])
    if table.empty:
        nothing = Estimate(0, None, None, None, level)
        return SlowNode("", nothing, pd.Series(0.0, known.index), float("nan"))
    means = table.groupby("node_id")["lost"].mean()
    worst = str(means.idxmax())
    mine = table[table["node_id"] == worst].set_index("trial_id")
    by_block = mine["lost"].groupby(known["block"].reindex(mine.index)).mean()
    share = mean_estimate(by_block.tolist(), shared_level(len(means), level))
    return SlowNode(worst, share, mine["lost"].reindex(known.index).fillna(0.0), float(mine["ratio"].mean()))
