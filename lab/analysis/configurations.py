"""Configurations: their means over blocks, and how they compare in pairs."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lab.analysis.intervals import LEVEL, Estimate, mean_estimate, ratio_estimate
from lab.errors import DataError

CONFIGURATION = ["mode", "arm", "engine", "schedule", "cluster", "nodes", "workers_per_node", "workers"]
"""The columns that tell one configuration from another, where every trial of a mode does the same work."""

WORK = ["transfer", "planned_tasks", "task_seconds", "batching"]
"""The columns that tell one piece of work of a mode from another, and one way to hand it out."""

GEOMETRIC = ("throughput",)
"""The metrics that are above 0 by nature: their means and intervals are taken of logarithms."""

Levels = Mapping[str, Mapping[int, Estimate]]
"""Series -> workers or nodes -> an estimate."""


def average(metric: str, values: list[float]) -> Estimate:
    """Return the mean of a metric over blocks with its interval, of logarithms where GEOMETRIC says so."""
    # a trial that found nothing has no logarithm: with one, the mean stays arithmetic
    if metric in GEOMETRIC and not any(value <= 0 for value in values):
        return ratio_estimate(values, [1.0] * len(values))
    return mean_estimate(values)


def pairs(
    measures: pd.DataFrame,
    metric: str,
    first: Mapping[str, object],
    second: Mapping[str, object],
    key: Sequence[str] = ("mode", "block"),
) -> pd.DataFrame:
    """Return the metric of two configurations side by side: columns first, second; index: the key.

    A configuration is given by column values, such as {"engine": "ray", "workers": 2}; a tuple stands for
    any of its values. Blocks that hold only one of the two are left out, and so is a 0 of a metric in
    GEOMETRIC. Raises DataError on an unknown column, and where a choice names more than one trial of a block.
    """
    sides = [_one_per_key(select(measures, chosen), metric, key, dict(chosen)) for chosen in (first, second)]
    return pd.concat(sides, axis="columns", join="inner", keys=["first", "second"])


def compare(
    measures: pd.DataFrame,
    metric: str,
    first: Mapping[str, object],
    second: Mapping[str, object],
    level: float = LEVEL,
) -> Estimate:
    """Return the ratio first / second of a metric over the blocks that hold both, with its interval.

    Chosen and checked as in `pairs`; n = 0 and None where no block holds both.
    """
    table = pairs(measures, metric, first, second)
    return ratio_estimate(table["first"].tolist(), table["second"].tolist(), level)


def pooled_ratio(
    measures: pd.DataFrame,
    metric: str,
    choices: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
    level: float = LEVEL,
) -> Estimate:
    """Return the ratio first / second of a metric, pooled as in `pooled_pairs`, with its interval."""
    both = pooled_pairs(measures, metric, choices)
    return ratio_estimate(both["first"].tolist(), both["second"].tolist(), level)


def pooled_pairs(
    measures: pd.DataFrame,
    metric: str,
    choices: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
) -> pd.DataFrame:
    """Return the metric of two sides, each its geometric mean over configurations; index mode, block.

    `choices` are the pairs of configurations, chosen and checked as in `pairs`. Blocks that lack one of the
    trials, or its metric, are left out.
    """
    tables = [pairs(measures, metric, *choice) for choice in choices]
    sides = [_geometric_means([table[side] for table in tables]) for side in ("first", "second")]
    return pd.concat(sides, axis="columns", join="inner", keys=["first", "second"])


def _geometric_means(columns: Sequence[pd.Series]) -> pd.Series:
    rows = pd.concat([column.astype(float) for column in columns], axis="columns", join="inner").dropna()
    return rows.prod(axis="columns") ** (1 / len(columns))


def copy_pairs(measures: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the metric of the A/A arm beside that of the experiment which it repeats.

    Columns copy, experiment; pairs have the same configuration, work and block, which are the index.
    """
    key = [column for column in (*CONFIGURATION, *WORK, "block") if column != "arm"]
    copy, experiment = (
        _one_per_key(select(measures, {"arm": arm}), metric, key, {"arm": arm})
        for arm in ("copy", "experiment")
    )
    return pd.concat([copy, experiment], axis="columns", join="inner", keys=["copy", "experiment"])


def select(measures: pd.DataFrame, chosen: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows with the chosen values, a tuple standing for any of its own; raises as `pairs`."""
    _check_columns(measures, list(chosen))
    fits = np.ones(len(measures), dtype=bool)
    for column, value in chosen.items():
        found = measures[column]
        same = found.isin(value) if isinstance(value, tuple) else found == value
        fits &= same.to_numpy(dtype=bool, na_value=False)
    return measures[fits]


def _one_per_key(
    selected: pd.DataFrame, metric: str, key: Sequence[Hashable], chosen: Mapping[str, Any]
) -> pd.Series:
    _check_columns(selected, [metric])
    # without the other columns, of which there are fifty
    values = selected[[*key, metric]].set_index(list(key))[metric]
    if not values.index.is_unique:
        double = selected[selected.duplicated(list(key), keep=False)]
        block = int(double["block"].iloc[0])
        trials = ", ".join(str(trial) for trial in double.index[double["block"] == block])
        raise DataError(
            f"{chosen} names more than one trial of block {block} ({trials}): give more columns, such as"
            f" {', '.join(CONFIGURATION)}"
        )
    # of a trial that found nothing there is no ratio
    return values[~(values <= 0)] if metric in GEOMETRIC else values


def _check_columns(measures: pd.DataFrame, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in measures.columns]
    if unknown:
        raise DataError(
            f"no measure is called {', '.join(unknown)}: choose from {', '.join(measures.columns)}"
        )
