"""Disturbances: what made the machine noisy during a run, trial by trial, beside the limit of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lab.analysis.nodes import latest

LIMITS: Mapping[str, float] = {
    "stolen": 0.02,
    "load": 1.0,
    "others": 0.1,
    "throttled": 0.01,
    "clock": 0.05,
}
"""What a trial may have of each before it counts as disturbed.

- stolen: part of the host's core time that the hypervisor gave to others
- load: load average of the driver's host for each of its cores, before the run's first trial
- others: part of the cores that processes used which are not the lab's
- throttled: part of the window in which a quota held back a node with fewer workers than cores: where
  workers want all that the quota allows, it is planned
- clock: by how much a host's clock rate differs from its median over the run
"""

QUIET = LIMITS["others"]
"""A machine is called quiet where others used no more than this part of its cores in any trial."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One kind of disturbance: a name of LIMITS, its limit, and its amount in each trial where known."""

    kind: str
    limit: float
    amounts: pd.Series

    @property
    def beyond(self) -> pd.Series:
        """Return the amounts above the limit."""
        return self.amounts[self.amounts > self.limit]


def disturbances(
    trials: pd.DataFrame, windows: pd.DataFrame, nodes: pd.DataFrame, others: pd.Series
) -> tuple[Disturbance, ...]:
    """Return every kind of disturbance of a run, from its frames and the part that others used.

    Interrupted trials do not count. Of several nodes the worst counts; an unknown amount is left out.
    """
    ended = trials[trials["status"] != "interrupted"]
    placed = windows[windows["trial_id"].isin(ended["trial_id"])].merge(
        latest(nodes)[["node_id", "host_id", "cores", "quota_cores"]], on="node_id"
    )
    amounts = {
        "stolen": _stolen(placed),
        "load": _load(ended, nodes),
        "others": others[others.index.isin(ended["trial_id"])],
        "throttled": _throttled(placed),
        "clock": _clock(placed),
    }
    return tuple(Disturbance(kind, LIMITS[kind], found.dropna()) for kind, found in amounts.items())


def _seconds(placed: pd.DataFrame) -> pd.Series:
    seconds = placed["ended_seconds"].astype(float) - placed["began_seconds"].astype(float)
    return seconds.where(seconds > 0)


def _stolen(placed: pd.DataFrame) -> pd.Series:
    part = placed["steal_seconds"].astype(float) / (_seconds(placed) * placed["cores"].astype(float))
    return part.groupby(placed["trial_id"]).max()


def _load(trials: pd.DataFrame, nodes: pd.DataFrame) -> pd.Series:
    """Return the load for each core before the first trial; before later ones it is the lab's own."""
    first = trials.dropna(subset=["started_at"]).sort_values("started_at").head(1)
    cores = float(latest(nodes)["cores"].max()) if len(nodes) else float("nan")
    return first.set_index("trial_id")["load_before"].astype(float) / cores


def _throttled(placed: pd.DataFrame) -> pd.Series:
    part = placed["throttled_seconds"].astype(float) / _seconds(placed)
    planned = (placed["workers"] >= placed["quota_cores"]) & part.notna()
    return part.mask(planned, 0.0).groupby(placed["trial_id"]).max()


def _clock(placed: pd.DataFrame) -> pd.Series:
    rate = placed["cpu_megahertz"].astype(float)
    usual = rate.groupby(placed["host_id"]).transform("median")
    return (rate / usual - 1).abs().groupby(placed["trial_id"]).max()
