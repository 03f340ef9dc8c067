"""Drift: whether the machine got faster or slower while the run went on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from lab.analysis.configurations import CONFIGURATION, WORK
from lab.analysis.intervals import LEVEL, Estimate

Numbers = NDArray[np.float64]

STEEPEST = 20.0
"""On logarithms, in an hour: nothing that is measured here drifts by a factor of millions."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Every trial beside its configuration's mean, and how that changes with time.

    `trials` is indexed by trial_id and has mode, hours (since the run's first trial began) and change (of
    throughput, relative to the geometric mean of its configuration: 0.01 is 1 % above); configurations with
    one trial are not in it. `slope` is the relative change per hour.
    """

    trials: pd.DataFrame
    slope: Estimate


def drift(measures: pd.DataFrame, trials: pd.DataFrame, metric: str = "throughput") -> Drift:
    """Return the drift of a run, from the frame of `lab.analysis.measures.measures` and its trials.csv.

    The slope is the median of the slopes of all pairs of trials of one configuration, on logarithms: no few
    trials can bend it, and configurations that ran early or late do not either.
    """
    began = pd.to_datetime(trials.set_index("trial_id")["started_at"], utc=True, format="ISO8601")
    hours = (began - began.min()).dt.total_seconds() / 3600
    known = measures.assign(hours=hours.reindex(measures.index)).dropna(subset=["hours", metric])
    known = known[known[metric] > 0]
    known = known.assign(log=np.log(known[metric].astype(float)))
    key = [*CONFIGURATION, *WORK]
    groups = known.groupby(key, dropna=False)
    several = known[groups["log"].transform("size") > 1]
    change = np.expm1(several["log"] - several.groupby(key, dropna=False)["log"].transform("mean"))
    parts = [
        (mine["hours"].to_numpy(dtype=np.float64), mine["log"].to_numpy(dtype=np.float64))
        for _, mine in several.groupby(key, dropna=False)
    ]
    return Drift(several[["mode", "hours"]].assign(change=change), _relative(stratified_slope(parts)))


def stratified_slope(groups: Sequence[tuple[Numbers, Numbers]], level: float = LEVEL) -> Estimate:
    """Return the median slope of y over x within groups of (x, y), with its interval; n counts the points.

    The seasonal Kendall slope (Hirsch, Slack and Smith, Water Resources Research 18, 1982), its interval
    from the variance of Kendall's S, as Gilbert, Statistical Methods for Environmental Pollution Monitoring
    (1987), section 17.4.2. None without two points at different x; no interval where the pairs are too few.
    """
    slopes = np.sort(np.concatenate([np.empty(0), *(_slopes(x, y) for x, y in groups)]))
    points = sum(len(x) for x, _ in groups)
    if len(slopes) == 0:
        return Estimate(points, None, None, None, level)
    variance = sum(len(x) * (len(x) - 1) * (2 * len(x) + 5) / 18 for x, _ in groups)
    half = float(stats.norm.ppf((1 + level) / 2)) * sqrt(variance)
    rank = int((len(slopes) - half) // 2)
    median = float(np.median(slopes))
    if rank < 1:
        return Estimate(points, median, None, None, level)
    return Estimate(points, median, float(slopes[rank - 1]), float(slopes[len(slopes) - rank]), level)


def _slopes(x: Numbers, y: Numbers) -> Numbers:
    """Return the slopes of all pairs of points at different x."""
    first, second = np.triu_indices(len(x), 1)
    across, up = x[second] - x[first], y[second] - y[first]
    slopes: Numbers = up[across != 0] / across[across != 0]
    return slopes


def _relative(slope: Estimate) -> Estimate:
    """Return the relative change in an hour; a run of moments, with slopes beyond all sense, has none."""
    slopes = (slope.value, slope.low, slope.high)
    if any(one is not None and abs(one) > STEEPEST for one in slopes):
        return Estimate(slope.n, level=slope.level)
    return slope.map(expm1)
