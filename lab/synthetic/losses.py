"""Made-up clusters whose losses are planted: the share of core time of each is known before it is measured.

A node's window is laid out in shares of the core time that its workers can use: start-up, tasks, gaps, one
stall in the middle, tail. On a node with fewer cores than workers all workers stand still at the same time,
for only then a core is lost. The truth never comes from the code under test.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lab.analysis.losses import account, shares
from lab.data.records import NodeWindow, TaskRecord, Trial
from lab.data.store import Run
from lab.synthetic.runs import (
    CLOCK_UNCERTAINTY_SECONDS,
    WINDOW_SECONDS,
    Node,
    facts_row,
    made_run,
    node_id,
    task,
    trial_row,
    window_row,
)

POINT = 0.01
"""What a recovered share may differ by: one percentage point of the core time."""

SCENARIOS: Mapping[str, tuple[Node, ...]] = {
    "nothing": (Node(),),
    "a stall": (Node(), Node(stall=0.2)),
    "a slow node": (Node(), Node(slower=0.3)),
    "a faster node": (Node(), Node(slower=-0.1)),
    "a cold start": (Node(startup=0.25), Node(startup=0.1)),
    "a throttled cgroup": (Node(waiting=0.3), Node(cores=0.25, waiting=0.4)),
    "a long tail": (Node(), Node(tail=0.4)),
    "cores without workers": (Node(cores=2.0), Node(cores=1.5)),
    "more workers than cores": (Node(cores=0.25, workers=3), Node(cores=2.0, workers=6)),
    "several at once": (Node(cores=0.25, workers=3, stall=0.1, gaps=0.1, tail=0.1, startup=0.05),) * 3,
}
"""Clusters with planted losses, each of which has to be found within POINT."""


def recovered() -> pd.DataFrame:
    """Return for every scenario and term of the account: scenario, term, planted, found (shares, 0..1)."""
    rows = []
    for scenario, nodes in SCENARIOS.items():
        found = shares(account(planted_run(nodes)).trials).iloc[0]
        rows += [(scenario, term, share, float(found[term])) for term, share in truth(nodes).items()]
    return pd.DataFrame(rows, columns=["scenario", "term", "planted", "found"])


def truth(nodes: Sequence[Node]) -> dict[str, float]:
    """Return the share of each term in the core time of all nodes."""
    sums = pd.DataFrame([node.truth() for node in nodes]).sum()
    return dict(sums / (WINDOW_SECONDS * sum(node.cores for node in nodes)))


def planted_run(
    nodes: Sequence[Node],
    blocks: int = 1,
    seed: int = 0,
    alone: bool = True,
    cluster: str = "compose",
    noise: float = 0.0,
) -> Run:
    """Return a run of those nodes, and of one worker alone on a node of its own, once in every block.

    The work is the same in all blocks. Clocks are off by up to their uncertainty, and processor times vary by
    0.1 %; those of all tasks of a trial vary together by the part `noise`.
    """
    generator = np.random.default_rng(seed)
    trials: list[Trial] = []
    tasks: list[TaskRecord] = []
    windows: list[NodeWindow] = []
    for block in range(blocks):
        trial_id = f"{2 * block:03d}-1"
        rows, speeds = _work(trial_id, nodes, generator, np.random.default_rng([seed, 1]), noise)
        tasks += rows
        windows += [window_row(trial_id, number, node, rows) for number, node in enumerate(nodes)]
        trials.append(trial_row(trial_id, block, nodes, rows, cluster))
        if alone:
            speeds = (np.array(speeds) * generator.normal(1.0, noise)).tolist()
            single = _alone(f"{2 * block + 1:03d}-1", speeds, node_id(len(nodes)))
            trials.append(trial_row(single[0].trial_id, block, [Node()], single, cluster, sum(speeds)))
            windows.append(window_row(single[0].trial_id, len(nodes), Node(), single))
            tasks += single
    facts = [facts_row(number, node.cores, cluster) for number, node in enumerate([*nodes, Node()])]
    return made_run(trials, tasks, windows, facts)


def _work(
    trial_id: str,
    nodes: Sequence[Node],
    generator: np.random.Generator,
    work: np.random.Generator,
    noise: float,
) -> tuple[list[TaskRecord], list[float]]:
    """Return the attempts of a trial, and the processor time of each task alone; `work` draws the lengths."""
    indices, workers = itertools.count(), itertools.count()
    of_trial = float(generator.normal(1.0, noise))
    rows: list[TaskRecord] = []
    speeds: list[float] = []
    for number, node in enumerate(nodes):
        off = float(generator.uniform(-0.5, 0.5)) * CLOCK_UNCERTAINTY_SECONDS
        spans = _spans(node, work)
        for _ in range(node.workers):
            worker = next(workers)
            warm = task(trial_id, 0, -1.0, -0.5, 0.5, node_id=node_id(number), worker=worker, warmup=True)
            rows.append(warm)
            for started, finished in spans:
                processor = _processor_seconds(node, finished - started)
                speeds.append(processor * (1 - node.slower))
                noisy = processor * of_trial * float(generator.normal(1.0, 0.001))
                # the window ends when the last result is there
                times = (max(0.0, started + off), min(finished + off, WINDOW_SECONDS))
                rows.append(
                    task(trial_id, next(indices), *times, noisy, node_id=node_id(number), worker=worker)
                )
    return rows, speeds


def _spans(node: Node, generator: np.random.Generator) -> list[tuple[float, float]]:
    """Return begin and end of the tasks of each worker of a node."""
    inside = 1 - node.startup - node.gaps - node.stall - node.tail
    parts = generator.uniform(0.5, 1.5, node.tasks)
    lengths = inside * WINDOW_SECONDS * parts / parts.sum()
    pauses = np.full(node.tasks, node.gaps * WINDOW_SECONDS / max(1, node.tasks - 1))
    pauses[node.tasks // 2 - 1] += node.stall * WINDOW_SECONDS
    begins = node.startup * WINDOW_SECONDS + np.cumsum(lengths + pauses) - lengths - pauses
    return [(float(at), float(at + length)) for at, length in zip(begins, lengths, strict=True)]


def _processor_seconds(node: Node, wall: float) -> float:
    inside = 1 - node.startup - node.gaps - node.stall - node.tail
    return wall * node.usable / node.workers * (1 - node.waiting / inside)


def _alone(trial_id: str, speeds: Sequence[float], on: str) -> list[TaskRecord]:
    """Return the same tasks on one worker, one after the other."""
    ends = np.cumsum(speeds).tolist()
    begins = [0.0, *ends[:-1]]
    return [
        task(trial_id, index, *span, speeds[index], node_id=on)
        for index, span in enumerate(zip(begins, ends, strict=True))
    ]
