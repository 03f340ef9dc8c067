"""How long ready tasks waited for a processor, told apart from all else that they waited for."""

from dataclasses import dataclass
from math import inf

import pandas as pd

from lab.analysis.nodes import others_by_node
from lab.data.store import Run

UNCOUNTED_CORES = 0.25
"""Of a machine with several nodes on it, what may be the cluster's own and stands in no window: idle nodes,
what starts the containers, and their network."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """Parts of the core time of each trial for which ready tasks had no processor: at least, at most.

    `by_others`: of that, what processes that are not the lab's and the hypervisor took; NaN where unknown.
    """

    least: pd.Series
    most: pd.Series
    by_others_least: pd.Series
    by_others_most: pd.Series


def displaced(run: Run, terms: pd.DataFrame, available: pd.Series, threads: pd.Series) -> Displaced:
    """Return what displaced the tasks of trials, by their shares of the account.

    The kernel counts for how long a worker was ready and had no processor. Where workers have a core each,
    that is what others took; who of them, is told by the processor time of each. `threads` is that of the
    workers' own beside their tasks. Where workers share cores, they wait for each other, too, and it is at
    most that; where it was not counted, it is at most what others used, or all waiting if that is not known.
    """
    waiting = terms["waiting"].clip(lower=0)
    windows = run.windows[run.windows["trial_id"].isin(terms.index)]
    parts = others_by_node(run.trials, windows, run.nodes)
    stolen = parts["steal_seconds"].astype(float) / (parts["seconds"] * parts["cores"])
    cores = (parts["quota_cores"] / parts["workers"]).clip(upper=1)
    uncounted = (UNCOUNTED_CORES / parts["cores"]).where(parts["cpu_source"] != "host", 0.0)
    parts = parts.assign(
        stolen=stolen.fillna(0.0),
        others_least=(parts["others"] - uncounted).clip(lower=0),
        delay=parts["workers_delay_seconds"].astype(float) * cores,
        own_core=(cores == 1).astype(float),
    )
    of_trial = parts.groupby("trial_id")
    # of all nodes, each of which has to be known
    names = ["others", "others_least", "lab", "stolen", "delay", "own_core"]
    mean = of_trial[names].mean(skipna=False).reindex(terms.index)
    told = (mean["delay"] * of_trial.size().reindex(terms.index) / available).clip(upper=waiting)
    everybody = mean["others"] + mean["lab"] + threads.fillna(0.0)
    least, most = (
        told * (mean[name] / everybody.where(everybody > 0)).fillna(0.0)
        for name in ("others_least", "others")
    )
    used = terms["waiting_ray"] + terms["waiting_sampler"] + mean["others"] + mean["stolen"]
    own_core = mean["own_core"] == 1
    known = mean["others"].notna()
    return Displaced(
        least=told.where(own_core).fillna(0.0),
        most=(told + mean["stolen"]).fillna(used).fillna(inf).clip(upper=waiting),
        by_others_least=least.where(own_core).fillna(0.0).where(known),
        by_others_most=most.fillna(mean["others"]).add(mean["stolen"]).clip(upper=waiting).where(known),
    )
