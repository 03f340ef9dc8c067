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
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    nodes: pd.DataFrame,
    others: pd.Series,
    cores: float = float("nan"),
) -> tuple[Disturbance, ...]:
    """Return every kind of disturbance of a run, from its frames and the part that others used.

    Interrupted trials do not count. Of several nodes the worst counts; an unknown amount is left out. Where
    no node was watched, trials.csv tells of steal and load on the machine, of that many cores.
    """
    ended = trials[trials["status"] != "interrupted"]
    load = _load(ended, float(latest(nodes)["cores"].max()) if len(nodes) else cores)
    if windows.empty:
        return _listed({"stolen": _stolen_of_machine(ended, cores), "load": load})
    placed = windows[windows["trial_id"].isin(ended["trial_id"])].merge(
        latest(nodes)[["node_id", "host_id", "cores", "quota_cores"]], on="node_id"
    )
    amounts = {
        "stolen": _stolen(placed),
        "load": load,
        "others": others[others.index.isin(ended["trial_id"])],
        "throttled": _throttled(placed),
        "clock": _clock(placed),
    }
    return _listed(amounts)


def used_by_others(measures: pd.DataFrame, cores: int) -> pd.Series:
    """Return the part of one machine's cores that others used in each trial: all in use, less the lab's."""
    # a serial trial's tasks run in the driver, whose processor time holds theirs
    tasks = measures["cpu_efficiency"].where(measures["engine"] != "serial", 0.0)
    lab = measures[["driver_cpu_cores", "system_cpu_cores", "sampler_cpu_cores"]]
    rest = measures["cpu_percent"] / 100 - tasks - lab.sum(axis="columns", skipna=False) / cores
    return rest.clip(lower=0)


def _listed(amounts: Mapping[str, pd.Series]) -> tuple[Disturbance, ...]:
    return tuple(Disturbance(kind, LIMITS[kind], found.dropna()) for kind, found in amounts.items())


def _seconds(placed: pd.DataFrame) -> pd.Series:
    seconds = placed["ended_seconds"].astype(float) - placed["began_seconds"].astype(float)
    return seconds.where(seconds > 0)


def _stolen(placed: pd.DataFrame) -> pd.Series:
    part = placed["steal_seconds"].astype(float) / (_seconds(placed) * placed["cores"].astype(float))
    return part.groupby(placed["trial_id"]).max()


def _stolen_of_machine(ended: pd.DataFrame, cores: float) -> pd.Series:
    rows = ended.set_index("trial_id")
    seconds = rows["duration_seconds"].astype(float)
    return rows["steal_seconds"].astype(float) / (seconds.where(seconds > 0) * cores)


def _load(trials: pd.DataFrame, cores: float) -> pd.Series:
    """Return the load for each core before the first trial; before later ones it is the lab's own."""
    first = trials.dropna(subset=["started_at"]).sort_values("started_at").head(1)
    return first.set_index("trial_id")["load_before"].astype(float) / cores


def _throttled(placed: pd.DataFrame) -> pd.Series:
    part = placed["throttled_seconds"].astype(float) / _seconds(placed)
    planned = (placed["workers"] >= placed["quota_cores"]) & part.notna()
    return part.mask(planned, 0.0).groupby(placed["trial_id"]).max()


def _clock(placed: pd.DataFrame) -> pd.Series:
    rate = placed["cpu_megahertz"].astype(float)
    usual = rate.groupby(placed["host_id"]).transform("median")
    return (rate / usual - 1).abs().groupby(placed["trial_id"]).max()
