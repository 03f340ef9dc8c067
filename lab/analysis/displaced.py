"""How long ready tasks waited for a processor, told apart from all else that they waited for."""

from dataclasses import dataclass
from math import inf

import pandas as pd

from lab.analysis.nodes import others_by_node
from lab.data.store import Run


@dataclass(frozen=True, slots=True)
class Displaced:
    """Parts of the core time of each trial for which ready tasks had no processor: at least, at most.

    `by_others`: of that, what processes that are not the lab's and the hypervisor took; NaN where unknown.
    """

    least: pd.Series
    most: pd.Series
    by_others_least: pd.Series
    by_others_most: pd.Series


def displaced(
    windows: pd.DataFrame, run: Run, terms: pd.DataFrame, available: pd.Series, threads: pd.Series
) -> Displaced:
    """Return what displaced the tasks of trials, by their shares of the account.

    The kernel counts for how long a worker was ready and had no processor. Where workers have a core each,
    that is what others took; who of them, is told by the processor time of each. `threads` is that of the
    workers' own beside their tasks. Where it was not counted, or workers share cores, it is at least nothing,
    and at most what others used. No more than all waiting is ever displaced.
    """
    waiting = terms["waiting"].clip(lower=0)
    parts = others_by_node(run.trials, windows, run.nodes)
    stolen = parts["steal_seconds"].astype(float) / (parts["seconds"] * parts["cores"])
    of_trial = parts.assign(stolen=stolen.fillna(0.0)).groupby("trial_id")
    # a mean over the nodes, of which all have to be known
    mean = of_trial[["others", "lab", "stolen"]].mean(skipna=False).reindex(terms.index)
    delay = parts["workers_delay_seconds"].astype(float).where(parts["workers"] <= parts["quota_cores"])
    counted = delay.groupby(parts["trial_id"]).agg("sum", min_count=1)
    complete = delay.notna().groupby(parts["trial_id"]).all().reindex(terms.index, fill_value=False)
    told = (counted.reindex(terms.index) / available).where(complete).clip(upper=waiting)
    everybody = mean["others"] + mean["lab"] + threads.fillna(0.0)
    of_others = (mean["others"] / everybody.where(everybody > 0)).fillna(0.0).where(mean["others"].notna())
    used = (mean["others"] + mean["stolen"]).clip(upper=waiting)
    known = terms["waiting_ray"] + terms["waiting_sampler"] + mean["others"].fillna(0.0) + mean["stolen"]
    return Displaced(
        least=told.fillna(0.0),
        most=(told + mean["stolen"]).fillna(known).fillna(inf).clip(upper=waiting),
        by_others_least=(told * of_others).fillna(0.0).where(mean["others"].notna()),
        by_others_most=(told * of_others + mean["stolen"]).clip(upper=waiting).fillna(used),
    )
