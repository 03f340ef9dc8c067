"""Processor time counted twice: what the lab reads of each process, and what the node's cgroup counted."""

from dataclasses import dataclass

import pandas as pd

from lab.analysis.nodes import latest
from lab.data.store import Run

FEWEST_SECONDS = 2.0
"""Windows with less processor time are left out: the kernel counts a process in steps of 10 ms."""

PARTS = ["workers_cpu_seconds", "ray_cpu_seconds", "sampler_cpu_seconds"]


@dataclass(frozen=True, slots=True)
class Counted:
    """The windows of nodes whose cgroup counts: ratios parts / cgroup, and how many could not be compared.

    `ratios` is indexed by trial_id and node_id; `short` windows had less than FEWEST_SECONDS, of `unread`
    ones a counter is missing.
    """

    ratios: pd.Series
    short: int
    unread: int


def counted(run: Run) -> Counted:
    """Return how workers, Ray and sampler together compare with the counter of their node's cgroup."""
    windows = run.windows.merge(latest(run.nodes)[["node_id", "cpu_source"]], on="node_id")
    mine = windows[windows["cpu_source"] == "cgroup"].set_index(["trial_id", "node_id"])
    known = mine.dropna(subset=["cpu_seconds", *PARTS])
    long = known[known["cpu_seconds"] >= FEWEST_SECONDS]
    ratios = long[PARTS].astype(float).sum(axis="columns") / long["cpu_seconds"].astype(float)
    return Counted(ratios, len(known) - len(long), len(mine) - len(known))
