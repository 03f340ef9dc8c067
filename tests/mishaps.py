"""Runs as they are read, and one in which much went wrong, for tests of what looks at single trials."""

from pathlib import Path
from typing import Any

from synthetic import multi_node_run

from lab.data.store import Run


def run_of(frames: Any, directory: str = "data/multi_node/made-up") -> Run:
    """Return frames as a run that was read."""
    return Run(Path(directory), {"experiment": "multi_node"}, *frames)


def odd_run() -> tuple[Run, str]:
    """Return a run with a lost node, a lost worker, a failed task of a strange message, and odd names."""
    frames = [one.copy() for one in multi_node_run(nodes=(2,), workers_per_node=(2,), blocks=1)]
    trial = str(frames[0]["trial_id"].iloc[-1])
    tasks = frames[1]
    mine = tasks.index[(tasks["trial_id"] == trial) & ~tasks["warmup"]]
    last = tasks.loc[mine[tasks.loc[mine, "worker"] == 3]].sort_values("started_seconds").index[-2:]
    times = ["started_seconds", "finished_seconds", "cpu_seconds"]
    tasks.loc[last, times] = None
    tasks.loc[last, "received_seconds"] = tasks.loc[last, "received_seconds"].max()
    tasks.loc[last, ["status", "error_kind", "error_message"]] = ["failed", "ActorDiedError", 'a "node" \\ ☠']
    tasks.loc[mine[0], ["status", "error_kind", "error_message"]] = ["failed", "ValueError", "</script>\t|"]
    tasks.loc[mine[1], "started_seconds"] = -0.01
    frames[0]["lost_workers"] = 1
    frames[2]["cpu_cores"] = None
    frames[3].loc[frames[3].index[-1], ["status", "error_message"]] = ["lost", "gone"]
    node = frames[4]["node_id"].iloc[-1]
    for one in frames[1:]:
        one["node_id"] = one["node_id"].replace({node: 'ü"<|>\\'})
    return run_of(frames, "data/multi_node/with spaces & <odd> 'names'"), trial
