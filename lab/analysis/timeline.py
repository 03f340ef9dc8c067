"""One trial after the fact: what every worker did at every moment of the window, and what its node said.

Warm-up tasks are left out: their times count from the begin of the warm-up, not of the window. They only tell
which workers there were.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lab.analysis.lanes import Lane, joined, spans_of
from lab.analysis.queue import queue_lengths
from lab.data.store import Run
from lab.errors import DataError

MOST_READINGS = 200
"""Readings of a node that `merged` leaves."""


@dataclasses.dataclass(frozen=True, slots=True)
class NodeLanes:
    """One node: its id and readable name, its workers, and `readings`.

    Those have at_seconds, cpu_cores, throttled_share (throttled seconds per second, which the kernel adds up
    over processors) and memory_bytes: rates since the reading before, NaN where unknown. `lost` says why the
    node did not answer after the window.
    """

    node_id: str
    name: str
    quota_cores: float | None
    memory_bytes: float | None
    lost: str | None
    lanes: tuple[Lane, ...]
    readings: pd.DataFrame

    @property
    def short_id(self) -> str:
        """Return the digits of the id that the nodes' table shows."""
        return self.node_id[-6:]


@dataclasses.dataclass(frozen=True, slots=True)
class Timeline:
    """One trial: the length of its window, its nodes, and the queue as at_seconds and length.

    `merged_seconds` is the length up to which neighbouring spans were made one; 0 where none were.
    """

    trial_id: str
    status: str
    seconds: float
    nodes: tuple[NodeLanes, ...]
    queue: pd.DataFrame
    merged_seconds: float = 0.0

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return the workers of all nodes."""
        return tuple(lane for node in self.nodes for lane in node.lanes)


def timeline(run: Run, trial_id: str) -> Timeline:
    """Return the timeline of a trial, whatever became of it; raises `DataError` where there is none.

    Attempts whose worker is not known are on no lane.
    """
    trial = _trial(run, trial_id)
    tasks, samples, windows = (
        frame[frame["trial_id"] == trial_id] for frame in (run.tasks, run.samples, run.windows)
    )
    window = tasks[~tasks["warmup"].astype(bool)]
    seconds = _window_seconds(trial, window, samples)
    lost_workers = not pd.isna(trial["lost_workers"]) and int(trial["lost_workers"]) > 0
    lanes: dict[str, list[Lane]] = {}
    for (node_id, worker), rows in tasks[tasks["worker"] >= 0].groupby(["node_id", "worker"]):
        attempts = rows[~rows["warmup"].astype(bool)]
        lanes.setdefault(str(node_id), []).append(
            Lane(int(str(worker)), tuple(spans_of(attempts, seconds, lost_workers)))
        )
    seen = {*lanes, *windows["node_id"].astype(str), *samples["node_id"].astype(str)}
    names = node_names(run)
    ordered = [*(one for one in names if one in seen), *sorted(seen - set(names))]
    nodes = tuple(
        _node(run, one, names.get(one, "unlisted node"), tuple(lanes.get(one, ())), samples, windows)
        for one in ordered
    )
    return Timeline(trial_id, str(trial["status"]), seconds, nodes, _queue(trial, window, samples))


def node_names(run: Run) -> dict[str, str]:
    """Return the name of every node in the order of nodes.csv: 'node 1', 'node 2'; or 'head', if it drives.

    The same node has the same name in all trials of a run. Each kind of cluster counts its own.
    """
    names: dict[str, str] = {}
    counted: dict[tuple[str, bool], int] = {}
    for row in run.nodes.drop_duplicates("node_id").itertuples():
        kind = (str(row.cluster), bool(row.holds_workers))
        counted[kind] = counted.get(kind, 0) + 1
        names[str(row.node_id)] = f"node {counted[kind]}" if kind[1] else "head"
    return names


def merged(found: Timeline, most: int) -> Timeline:
    """Return the timeline in at most so many spans, or four a worker: short neighbours become one span.

    Attempts without times that the driver knew of at the same instant are always one. Of a node there are at
    most MOST_READINGS readings, each the mean of those that it stands for.
    """
    workers = len(found.lanes)
    length, room = 0.0, most - 4 * workers
    if sum(len(lane.spans) for lane in found.lanes) > most:
        # two neighbours that stay apart last longer than this together: no lane has many of them
        length = found.seconds * min(1.0, 2 * workers / room if room > 0 else 1.0)
    nodes = tuple(
        dataclasses.replace(
            node,
            lanes=tuple(Lane(lane.worker, tuple(joined(lane.spans, length))) for lane in node.lanes),
            readings=_thinned(node.readings),
        )
        for node in found.nodes
    )
    return dataclasses.replace(found, nodes=nodes, merged_seconds=length)


def _window_seconds(trial: Mapping[Any, Any], window: pd.DataFrame, samples: pd.DataFrame) -> float:
    """Return the length of the window; of one that was cut short, the last instant that a row tells of."""
    if not pd.isna(trial["duration_seconds"]):
        return max(0.0, float(trial["duration_seconds"]))
    instants = [window[name] for name in ("finished_seconds", "received_seconds")]
    known = [float(one.max()) for one in (*instants, samples["at_seconds"]) if one.notna().any()]
    return max(0.0, *known) if known else 0.0


def _node(
    run: Run, node_id: str, name: str, lanes: tuple[Lane, ...], samples: pd.DataFrame, windows: pd.DataFrame
) -> NodeLanes:
    facts = run.nodes.loc[run.nodes["node_id"] == node_id, ["quota_cores", "memory_bytes"]]
    lost = windows[(windows["node_id"] == node_id) & (windows["status"] == "lost")]
    message = None if lost.empty else lost["error_message"].iloc[-1]
    why = None if lost.empty else "no reason was recorded" if pd.isna(message) else str(message)
    quota, memory = (None, None) if facts.empty else map(float, facts.iloc[-1])
    readings = _readings(samples[samples["node_id"] == node_id])
    return NodeLanes(node_id, name, quota, memory, why, lanes, readings)


def _readings(samples: pd.DataFrame) -> pd.DataFrame:
    ordered = samples.sort_values("at_seconds")
    at = ordered["at_seconds"].astype(float)
    since = at.diff().fillna(at)
    return pd.DataFrame(
        {
            "at_seconds": at,
            "cpu_cores": ordered["cpu_cores"].astype(float),
            "throttled_share": ordered["throttled_seconds"].astype(float) / since.where(since > 0),
            "memory_bytes": ordered["memory_bytes"].astype(float),
        }
    ).reset_index(drop=True)


def _thinned(readings: pd.DataFrame) -> pd.DataFrame:
    """Return readings in groups of equally many: means by time, and the time of the last of each."""
    together = -(-len(readings) // MOST_READINGS)
    if together <= 1:
        return readings
    group = readings.index // together
    since = readings["at_seconds"].diff().fillna(readings["at_seconds"])
    means = {
        name: (readings[name] * since).groupby(group).sum(min_count=1)
        / since.where(readings[name].notna()).groupby(group).sum()
        for name in readings.columns[1:]
    }
    return pd.DataFrame({"at_seconds": readings["at_seconds"].groupby(group).last(), **means})


def _queue(trial: Mapping[Any, Any], window: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the queue from the tasks' own times; of a trial that did not end well, as the driver sampled it.

    What was never completed has no row.
    """
    counted = queue_lengths(window)
    if trial["status"] == "ok" and not counted.empty:
        return counted
    read = samples.dropna(subset=["queue_length"]).sort_values("at_seconds")
    at, length = read["at_seconds"].astype(float), read["queue_length"].astype(int)
    return pd.DataFrame({"at_seconds": at, "length": length}).reset_index(drop=True)


def _trial(run: Run, trial_id: str) -> Mapping[Any, Any]:
    """Return the row of a trial; raises `DataError` that names some that there are."""
    rows = run.trials[run.trials["trial_id"] == trial_id]
    if rows.empty:
        known = [str(one) for one in run.trials["trial_id"]]
        some = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        raise DataError(f"{run.directory} has no trial {trial_id!r}; there are: {some or 'none at all'}")
    return rows.iloc[0].to_dict()
