"""What each node did in a trial's window, whether nodes are machines of their own, and their two counters."""

from dataclasses import dataclass

import pandas as pd

from lab.data.store import Run

PLURALS = {"compose": "containers", "local": "raylets"}
"""What the nodes of a cluster on one host are called; those of other clusters are nodes."""

ROUNDING = 1e-6
"""Cores by which quotas may exceed the host's, as decimal fractions do."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How the nodes with workers lie on hosts.

    `noun` and `one` name them on axes and in sentences. `own_processors`: no node takes another's share of
    the processors, be it alone on its host, or held by its own quota where the quotas fit the host.
    """

    noun: str
    one: str
    shared: bool
    own_processors: bool
    most_quota_cores: float | None
    host_cores: int | None

    @property
    def several(self) -> str:
        """Return the plural without the host: 'containers'."""
        return self.noun.split(" ")[0]


def starts(nodes: pd.DataFrame) -> pd.Series:
    """Return the seconds that each start of a cluster took, which all its nodes tell of."""
    known = nodes.dropna(subset="cluster_start_seconds")
    return known.groupby(["session", "cluster"])["cluster_start_seconds"].max()


def latest(nodes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per node: a cluster that was there for two sessions is listed in both."""
    return nodes.drop_duplicates("node_id", keep="last")


def with_workers(nodes: pd.DataFrame) -> pd.DataFrame:
    """Return the nodes that hold workers; all of them where none is known to."""
    holding = nodes[nodes["holds_workers"].astype(bool)]
    return holding if len(holding) else nodes


def own_cores(placed: pd.DataFrame) -> pd.Series:
    """Return the cores that each node of a trial has for itself, which add up to those that there are.

    `placed` has one row per trial and node, with host_id, cluster, cores and quota_cores. Nodes of one host
    have no more than its cores between them, and plain raylets, which all see one quota, no more than that:
    each then has its part. NaN where the node is unknown.
    """
    hosts = placed.groupby(["trial_id", "host_id"])
    promised = hosts["quota_cores"].transform("sum")
    there = hosts["cores"].transform("max").astype(float)
    together = hosts["quota_cores"].transform("max").where(placed["cluster"] == "local", there)
    return placed["quota_cores"] * (promised.clip(upper=together) / promised)


def node_windows(windows: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per trial and node that held its workers: its window, its facts and what follows.

    That is: seconds between the two readings; own_cores; cpu_percent and workers_percent of those in them;
    throttled_percent, the part of them in which its quota held it back. The kernel adds that time up over
    processors, so that it may exceed 100. NaN where a reading is missing.
    """
    placed = windows[windows["workers"] > 0].merge(latest(nodes), on="node_id", suffixes=("", "_of_node"))
    seconds = placed["ended_seconds"].astype(float) - placed["began_seconds"].astype(float)
    seconds = seconds.where(seconds > 0)
    own = own_cores(placed)
    core_seconds = own * seconds
    return placed.assign(
        seconds=seconds,
        own_cores=own,
        cpu_percent=100 * placed["cpu_seconds"].astype(float) / core_seconds,
        workers_percent=100 * placed["workers_cpu_seconds"].astype(float) / core_seconds,
        throttled_percent=100 * placed["throttled_seconds"].astype(float) / seconds,
    )


def throttled(windows: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Return throttled_percent, the mean over the nodes with workers, indexed by trial_id."""
    found = node_windows(windows, nodes)
    return found.groupby("trial_id")[["throttled_percent"]].mean()


def others_part(trials: pd.DataFrame, windows: pd.DataFrame, nodes: pd.DataFrame) -> pd.Series:
    """Return the part of the cores that others used, the most of any node, indexed by trial_id.

    Known for nodes whose use is that of a whole machine; other nodes have no say.
    """
    found = others_by_node(trials, windows, nodes)
    found = found[found["cpu_source"] == "host"]
    return found["others"].groupby(found["trial_id"]).max()


def others_by_node(trials: pd.DataFrame, windows: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Return `node_windows` with columns lab and others: parts of its cores that were no worker's use.

    `lab` is the processor time of Ray, samplers and, on its node, the driver. `others` is all that the node's
    machine used less what the windows of the trial's nodes on it count, as a part of the machine's cores; NaN
    where a reading is missing. An idle node of the same cluster has no window, and counts as somebody else.
    """
    every = windows.merge(latest(nodes)[["node_id", "host_id", "cpu_source"]], on="node_id").merge(
        trials[["trial_id", "driver_cpu_seconds", "sampler_cpu_seconds"]],
        on="trial_id",
        suffixes=("", "_of_driver"),
    )
    # the driver's node is the one where no process of its own samples
    drives = every["sampler_cpu_seconds"].isna()
    driver = every["driver_cpu_seconds"].astype(float) + every["sampler_cpu_seconds_of_driver"].astype(float)
    watching = every["sampler_cpu_seconds"].astype(float).where(~drives, driver)
    lab = every["ray_cpu_seconds"].astype(float) + watching
    used, source = every["cpu_seconds"].astype(float), every["cpu_source"]
    machine = every["machine_cpu_seconds"].astype(float).mask(source == "host", used)
    # a counter of some processes lacks the driver, that of a machine has everybody in it
    counted = used.mask(source == "processes", used + watching.where(drives, 0.0))
    counted = counted.mask(source == "host", every["workers_cpu_seconds"].astype(float) + lab)
    ours = counted.groupby([every["trial_id"], every["host_id"]]).transform("sum", skipna=False)
    found = node_windows(windows, nodes).merge(
        every[["trial_id", "node_id"]].assign(lab=lab, others=(machine - ours).clip(lower=0)),
        on=["trial_id", "node_id"],
    )
    of_machine = found["cores"].astype(float).mask(found["cpu_source"] == "host", found["own_cores"])
    return found.assign(
        lab=found["lab"] / (found["own_cores"] * found["seconds"]),
        others=found["others"] / (of_machine * found["seconds"]),
    )


def placement(windows: pd.DataFrame, nodes: pd.DataFrame) -> Placement:
    """Return how the nodes that held workers lie on hosts, judged within each trial."""
    found = node_windows(windows, nodes)
    mine = latest(nodes)[latest(nodes)["holds_workers"].astype(bool)]
    kinds = set(found["cluster"] if len(found) else mine["cluster"])
    several = PLURALS.get(kinds.pop(), "nodes") if len(kinds) == 1 else "nodes"
    hosts = found.groupby(["trial_id", "host_id"]).agg(
        nodes=("node_id", "nunique"), quota=("quota_cores", "sum"), cores=("cores", "max")
    )
    named = bool(set(mine["cluster"]) & set(PLURALS))
    shared = named or bool((hosts["nodes"] > 1).any())
    alone = mine["host_id"].nunique() <= 1
    where = "" if not shared else " on one host" if alone else " on shared hosts"
    # the cgroup that plain raylets read is one that they share
    limited = bool((mine["cpu_source"] == "cgroup").all()) and set(mine["cluster"]).isdisjoint({"local"})
    fits = bool((hosts["quota"] <= hosts["cores"] + ROUNDING).all()) and len(hosts) > 0
    return Placement(
        several + where,
        several.removesuffix("s"),
        shared,
        not shared or (limited and fits),
        float(hosts["quota"].max()) if len(hosts) else None,
        int(hosts["cores"].max()) if len(hosts) else None,
    )


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
