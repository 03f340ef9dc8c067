"""Which trials measure the configuration that they are named after, and why others do not."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

LOST = "lost workers"
"""What stands in place of the status of a trial that ended well with fewer workers than it began with."""


def lost_workers(trials: pd.DataFrame) -> pd.Series:
    """Tell for each trial whether it ended well after it had lost workers; unknown counts as none lost."""
    return (trials["status"] == "ok") & (trials["lost_workers"].astype("Int64").fillna(0) > 0)


def sound(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that ended well with all their workers: those that means and comparisons are of."""
    return trials[(trials["status"] == "ok") & ~lost_workers(trials)]


def of_median_throughput(rows: pd.DataFrame) -> str:
    """Return the trial of median throughput of rows of measures; of two in the middle, the slower."""
    ordered = rows.sort_values("throughput")
    return str(ordered.index[(len(ordered) - 1) // 2])


def odd(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the other trials with a column `reason`; the status of those that lost workers is LOST.

    The reason is the error's type and first line, or the number of workers lost, or says that none was
    written down.
    """
    lost = lost_workers(trials)
    found = trials[(trials["status"] != "ok") | lost]
    kind = found["error_kind"].astype(object).fillna("no reason was recorded")
    message = found["error_message"].astype(object).fillna("")
    reason = [f"{one}: {other}" if other else str(one) for one, other in zip(kind, message, strict=True)]
    table = found.assign(reason=pd.Series(reason, index=found.index, dtype=object))
    count = found["lost_workers"].astype("Int64").astype(str)
    table.loc[lost, "reason"] = "workers lost before the last task was done: " + count[lost]
    table.loc[lost, "status"] = LOST
    return table


def script_modes(environment: Mapping[str, Any]) -> set[str]:
    """Return the kinds of work of a run that are scripts: their trials have no rows of tasks."""
    works = environment.get("works") or {}
    return {mode for mode, facts in works.items() if (facts or {}).get("command")}
