"""The queue of one trial: tasks handed to the engine of which the driver has no result yet."""

import numpy as np
import pandas as pd


def queue_lengths(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the queue of one trial as a step function: at_seconds ascending, and length from there on.

    `tasks` are the trial's rows of tasks.csv; warm-up rows do not count. Changes at the same instant are
    one step. Without window tasks, or where a time is missing, the queue is unknown and the frame empty.
    """
    window = tasks[~tasks["warmup"].astype(bool)]
    submitted = window["submitted_seconds"].to_numpy(dtype=float, na_value=np.nan)
    received = window["received_seconds"].to_numpy(dtype=float, na_value=np.nan)
    instants = np.concatenate([submitted, received])
    if np.isnan(instants).any():
        instants, submitted = np.array([]), np.array([])
    changes = np.repeat([1, -1], len(submitted))
    at, place = np.unique(instants, return_inverse=True)
    steps = np.bincount(place, weights=changes, minlength=len(at)).astype(int)
    return pd.DataFrame({"at_seconds": at, "length": np.cumsum(steps)})


def mean_and_max(lengths: pd.DataFrame, duration_seconds: float) -> tuple[float, float]:
    """Return the time-weighted mean over the window 0..duration_seconds and the maximum, in tasks.

    NaN, NaN for an unknown queue or a window of unknown or no length.
    """
    if lengths.empty or not duration_seconds > 0:
        return float("nan"), float("nan")
    edges = np.append(lengths["at_seconds"].to_numpy(dtype=float), duration_seconds)
    spans = np.diff(np.clip(edges, 0, duration_seconds))
    length = lengths["length"].to_numpy(dtype=float)
    return float(length @ spans / duration_seconds), float(length.max())
