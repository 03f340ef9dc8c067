"""Noise: how a configuration compares with a copy of itself, and how often that raises a false alarm."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from math import log

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.configurations import copy_pairs, select
from lab.analysis.engines import largest_work
from lab.analysis.intervals import (
    LEVEL,
    Estimate,
    detectable_ratio,
    geometric_estimate,
    leaves_out_zero,
    log_ratios,
    mean_estimate,
    proportion_estimate,
)

METRICS = (
    "throughput",
    "node_efficiency",
    "cpu_efficiency",
    "latency_p50_seconds",
    "cpu_seconds",
    "startup_seconds",
    "lab_memory_bytes",
    "peak_memory_bytes",
)
"""What the A/A arm is compared by, where it is known."""

MOST_PAIRS = 12
"""Pairs up to which every pattern of signs is tried; of more a sample is."""

SAMPLED = 4096
SEED = 5


@dataclasses.dataclass(frozen=True, slots=True)
class CopyComparison:
    """The A/A comparison of one mode by one metric: the logs of copy / experiment, a pair per block."""

    mode: str
    metric: str
    log_ratios: tuple[float, ...]

    @property
    def ratio(self) -> Estimate:
        """Return the ratio copy / experiment, whose truth is 1."""
        return geometric_estimate(self.log_ratios)

    @property
    def detectable_ratio(self) -> float | None:
        """Return the smallest true ratio above 1 that one comparison like this would have seen."""
        return detectable_ratio(self.log_ratios)

    @property
    def false_alarms(self) -> float | None:
        """Return the false-alarm rate that its noise gives; see `sign_flip_rate`."""
        return sign_flip_rate(self.log_ratios)

    @property
    def alarmed(self) -> bool:
        """Tell whether its interval leaves out 1."""
        ratio = self.ratio
        return ratio.low is not None and ratio.high is not None and not ratio.low <= 1 <= ratio.high


def copy_comparisons(measures: pd.DataFrame) -> tuple[CopyComparison, ...]:
    """Return the comparison by each metric of every mode that has a copy arm; none without one.

    Of a mode with several pieces of work the largest counts, with most workers, and a pair where both sides
    are above 0. A metric that is known of no trial is left out. Modes that share their starts share that
    comparison, too: it stands under the first.
    """
    copied, found = select(measures, {"arm": "copy"}), list[CopyComparison]()
    for mode in sorted(set(copied["mode"])):
        mine = select(copied, largest_work(copied, mode))
        mine = select(measures, {**largest_work(copied, mode), "workers": int(mine["workers"].max())})
        for metric in (one for one in METRICS if measures[one].notna().any()):
            pairs = copy_pairs(mine, metric).astype(float)
            pairs = pairs.where(pairs > 0)
            logs = tuple(log_ratios(pairs["copy"].tolist(), pairs["experiment"].tolist()))
            if not any(logs) or (metric, logs) not in {(one.metric, one.log_ratios) for one in found}:
                found.append(CopyComparison(str(mode), metric, logs))
    return tuple(found)


def told_apart(ratio: Estimate, copy: CopyComparison | None) -> bool | None:
    """Tell whether a ratio differs from 1 by more than noise; None where it has no interval.

    Its interval has to leave out 1. Where that of the A/A ratio does so too, the ratio has also to be farther
    from 1 than the A/A ratio is.
    """
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return None
    if ratio.low <= 1 <= ratio.high:
        return False
    noise = copy.ratio.value if copy is not None and copy.alarmed else None
    return noise is None or abs(log(ratio.value)) > abs(log(noise))


def sign_flip_rate(logs: Sequence[float]) -> float | None:
    """Return how often the interval of such log ratios leaves out 0 when chance alone chooses their signs.

    Which trial of an A/A pair is called the copy is arbitrary: all 2^n patterns of signs are equally likely,
    so that the part of them which raises an alarm is the false-alarm rate given the sizes of the ratios, and
    its mean over comparisons is free of bias, whatever the noise. Of more than MOST_PAIRS pairs a seeded
    sample of patterns stands for all. None below two pairs.
    Source: Fisher, The Design of Experiments (1935), section 21.
    """
    if len(logs) < 2:
        return None
    return float(leaves_out_zero(_patterns(len(logs)) * np.asarray(logs)).mean())


def false_alarm_rate(groups: Iterable[Sequence[CopyComparison]], level: float = LEVEL) -> Estimate:
    """Return the mean false-alarm rate over groups of comparisons, with its interval between 0 and 1.

    Comparisons of the same trials belong into one group, of which the mean counts once. The interval is
    Student's t over the groups; n is their number. Comparisons of fewer than two pairs are left out.
    """
    means = [mean_estimate(one.false_alarms for one in group).value for group in groups]
    found = mean_estimate(means, level)
    if found.low is None or found.high is None:
        return found
    return dataclasses.replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def alarms(comparisons: Iterable[CopyComparison]) -> Estimate:
    """Return the part of the comparisons whose interval leaves out 1, with its exact interval."""
    judged = [one.alarmed for one in comparisons if one.ratio.low is not None]
    return proportion_estimate(sum(judged), len(judged))


def _patterns(n: int) -> NDArray[np.float64]:
    """Return patterns of signs, a row each; the first sign is 1, since all signs at once change nothing."""
    if n <= MOST_PAIRS:
        return np.array([(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=n - 1)])
    signs: NDArray[np.float64] = np.random.default_rng(SEED).choice((1.0, -1.0), size=(SAMPLED, n))
    return signs
