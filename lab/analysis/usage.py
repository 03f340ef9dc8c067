"""What the nodes' samples say about a trial: processors, GPUs, memory, object store."""

import pandas as pd


def usage(samples: pd.DataFrame, in_use: pd.DataFrame) -> pd.DataFrame:
    """Return the use of resources, indexed by trial_id.

    `samples` are rows of samples.csv; `in_use` has one row per trial and node that ran its tasks, with
    own_cores and node_memory_bytes. Columns: cpu_percent (of own_cores; every reading weighs as much as
    the time since the last), memory_percent (of the node's memory) and gpu_percent are means over the nodes
    in use; lab_memory_bytes and object_store_bytes are the largest sum over all sampled nodes at one time,
    NaN where a node in use was never read.
    """
    placed = samples.merge(in_use, on=["trial_id", "node_id"])
    return pd.DataFrame(
        {
            "cpu_percent": _cpu_percent(placed),
            "memory_percent": _mean(placed, placed["memory_bytes"] / placed["node_memory_bytes"] * 100),
            "gpu_percent": _mean(placed, placed["gpu_percent"]),
            "lab_memory_bytes": _peak(samples, in_use, "lab_memory_bytes"),
            "object_store_bytes": _peak(samples, in_use, "object_store_bytes"),
        }
    )


def _mean(placed: pd.DataFrame, values: pd.Series) -> pd.Series:
    return values.astype(float).groupby(placed["trial_id"]).mean()


def _cpu_percent(placed: pd.DataFrame) -> pd.Series:
    ordered = placed.sort_values("at_seconds")
    since_last = ordered.groupby(["trial_id", "node_id"])["at_seconds"].diff().fillna(ordered["at_seconds"])
    percent = ordered["cpu_cores"].astype(float) / ordered["own_cores"] * 100
    known = percent.notna()
    trial = ordered["trial_id"]
    weight = since_last[known].groupby(trial[known]).sum()
    return (percent * since_last)[known].groupby(trial[known]).sum() / weight.where(weight > 0)


def _peak(samples: pd.DataFrame, in_use: pd.DataFrame, column: str) -> pd.Series:
    read = samples.dropna(subset=[column]).sort_values("at_seconds")
    value = read[column].astype(float)
    # the sum over nodes changes by what each reading differs from its node's last one
    change = value.groupby([read["trial_id"], read["node_id"]]).diff().fillna(value)
    total = change.groupby(read["trial_id"]).cumsum()
    settled = total.groupby([read["trial_id"], read["at_seconds"]]).last()
    peak = settled.groupby(level="trial_id").max()
    nodes_read = read[["trial_id", "node_id"]].drop_duplicates()
    expected = in_use.merge(nodes_read, on=["trial_id", "node_id"], how="left", indicator=True)
    unread = expected.loc[expected["_merge"] == "left_only", "trial_id"]
    return peak[~peak.index.isin(unread)]
