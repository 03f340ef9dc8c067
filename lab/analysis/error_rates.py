"""How many attempts failed, per configuration, and of which kind."""

import pandas as pd

from lab.analysis.configurations import CONFIGURATION
from lab.analysis.intervals import proportion_estimate

KEY = [*CONFIGURATION, "batching"]
NO_KIND = "no kind was recorded"


def error_rates(trials: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Return per configuration: KEY, trials, attempts, failed, rate (an `Estimate`) and kinds.

    Over all attempts in the windows of trials that were not interrupted: of those that failed or lost
    workers, too. The interval is exact (Clopper and Pearson). `kinds` maps each kind of error to its count,
    the most frequent first.
    """
    ended = trials[trials["status"] != "interrupted"]
    window = tasks[~tasks["warmup"].astype(bool)]
    placed = ended[["trial_id", *KEY]].merge(window, on="trial_id", suffixes=("", "_of_task"))
    rows = []
    for key, mine in ended.groupby(KEY, dropna=False):
        attempts = placed[placed["trial_id"].isin(mine["trial_id"])]
        failed = attempts[attempts["status"] != "ok"]
        rate = proportion_estimate(len(failed), len(attempts))
        kinds = failed["error_kind"].astype(object).fillna(NO_KIND).value_counts().to_dict()
        rows.append((*key, len(mine), len(attempts), len(failed), rate, kinds))
    return pd.DataFrame(rows, columns=[*KEY, "trials", "attempts", "failed", "rate", "kinds"])
