"""The slowest node of a configuration, and what it costs beside the others."""

from dataclasses import dataclass

import pandas as pd

from lab.analysis.intervals import Estimate, mean_estimate
from lab.analysis.losses import WORK, Account
from lab.analysis.verdicts import shared_level


@dataclass(frozen=True, slots=True)
class SlowNode:
    """The node that costs most against the mean of the others: its name, '' where nothing is known.

    `shares` are its cost in each trial as a part of the core time of all nodes, NaN where unknown; `ratio` is
    how long it takes for a task beside the others; `nodes` is how many were compared.
    """

    node_id: str
    shares: pd.Series
    ratio: float
    nodes: int

    def share(self, block: pd.Series, level: float) -> Estimate:
        """Return the mean of its shares over blocks; the level is shared by all nodes."""
        by_block = self.shares.groupby(block).mean()
        return mean_estimate(by_block.tolist(), shared_level(self.nodes, level))


def slowest(account: Account, known: pd.DataFrame) -> SlowNode:
    """Return the slowest node of these trials (rows of `Account.trials`).

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
        return SlowNode("", pd.Series(float("nan"), known.index), float("nan"), 0)
    means = table.groupby("node_id")["lost"].mean()
    worst = str(means.idxmax())
    mine = table[table["node_id"] == worst].set_index("trial_id")
    return SlowNode(worst, mine["lost"].reindex(known.index), float(mine["ratio"].mean()), len(means))
