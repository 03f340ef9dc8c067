"""This lab's dispatch beside the ways to use Ray that come with it, by the length of a task.

Run `python benchmarks/dispatch.py`, with `--lengths 1e-4 1e-3` (seconds), `--window 0.5` (seconds of work),
`--rounds 20`, `--workers 2` or `--csv FILE`. All teams are up in one Ray and take turns in every round, in
random order, so that a slow spell of the machine hits them all; a round before the first is not counted.

The others run one task a call (at most `--calls` of them) and equal batches, a worker's share cut in four;
the dispatch sizes its batches itself. A line is one length: the fastest of the others by its mean, and how
many times as fast the dispatch is, paired by round, with the 95 % interval.
"""

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lab.analysis.break_even import OWN
from lab.analysis.ray_ways import beside_best, three_times
from lab.clusters.embedded import embedded
from lab.engines import Completion, Team, Work, ray_actor_pool, ray_actors, ray_pool, ray_tasks
from lab.engines.members import Members
from lab.engines.ray_node import node_with
from lab.experiment.examples import made, prepared
from lab.experiment.plan import CALLS_PER_WORKER
from lab.formats import length, short_estimate
from lab.workload import bare_body

LENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
OBJECT_STORE_MEGABYTES = 200
DEADLINE_SECONDS = 300.0


@contextlib.contextmanager
def teams(workers: int) -> Iterator[Mapping[str, Team]]:
    """Yield a team of each way in one Ray, of which the dispatch reserves half the CPUs.

    The other half is that of plain tasks: the actors of Ray's own pools hold no CPU.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(embedded(2 * workers, OBJECT_STORE_MEGABYTES, 0))
        pool = stack.enter_context(ray_pool.team(workers))
        actors = stack.enter_context(ray_actor_pool.team(workers))
        ours = stack.enter_context(ray_actors.team(workers))
        tasks = ray_tasks.Team(node_with("ray_tasks", workers, 1), Members(()))
        yield {"ray": ours, "ray_pool": pool, "ray_actor_pool": actors, "ray_tasks": tasks}


class Tally:
    """Counts the tasks that came to a result."""

    def __init__(self) -> None:
        self.good = 0

    def submitted(self, tasks: int) -> None:
        """Take no note."""

    def completed(self, completion: Completion) -> None:
        """Count a task with an outcome."""
        self.good += completion.measurement is not None and completion.measurement.outcome is not None


def seconds_per_task(team: Team, iterations: int, tasks: int, batch: int) -> float:
    """Run the tasks and return the seconds for each; ends with an error where one has no result."""
    spin, tally = prepared("spin", [iterations] * tasks), Tally()
    began = time.monotonic()
    work = Work(spin.function, spin.items, began + DEADLINE_SECONDS, batch=batch, call=bare_body)
    team.run(work, "dynamic", tally)
    seconds = time.monotonic() - began
    if tally.good < tasks:
        sys.exit(f"{tasks - tally.good} of {tasks} tasks have no result")
    return seconds / tasks


def measure(told: argparse.Namespace) -> pd.DataFrame:
    """Return one row per round, length and way."""
    seeded, pace, rows = (
        random.Random(1),
        float(made("spin.py:iterations_per_second")),
        list[dict[str, Any]](),
    )
    with teams(told.workers) as every:
        ways = [(name, how) for name in every for how in (("own",) if name == "ray" else ("none", "equal"))]
        for block in range(-1, told.rounds):
            for task_seconds in told.lengths:
                tasks = told.workers * max(2, round(told.window / task_seconds / told.workers))
                seeded.shuffle(ways)
                for engine, batching in ways:
                    share = -(-tasks // (CALLS_PER_WORKER * told.workers))
                    number = min(tasks, told.calls) if batching == "none" else tasks
                    each = seconds_per_task(
                        every[engine],
                        max(1, round(task_seconds * pace)),
                        number,
                        share if batching == "equal" else 1,
                    )
                    row = {"mode": "spin", "block": block, "task_seconds": task_seconds, "engine": engine}
                    more = {"batching": batching, "seconds_per_task": each, "throughput": 1 / each}
                    rows.append(row | more)
            print(f"\rround {block + 1} of {told.rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    found = pd.DataFrame(rows)
    return found[found["block"] >= 0]


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="This lab's dispatch beside Ray's own ways")
    parser.add_argument("--lengths", type=float, nargs="+", default=LENGTHS, help="seconds of a task")
    parser.add_argument("--window", type=float, default=0.5, help="seconds of work in a timing")
    parser.add_argument("--calls", type=int, default=1000, help="most tasks where each is a call")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--csv", type=Path, help="writes the rows there")
    told = parser.parse_args()
    if min(*told.lengths, told.window) <= 0 or min(told.calls, told.workers) < 1 or told.rounds < 2:
        parser.error("lengths and window are above 0, calls and workers at least 1, rounds at least 2")
    return told


def main() -> None:
    """Measure and print."""
    told = arguments()
    rows = measure(told)
    if told.csv:
        rows.to_csv(told.csv, index=False)
    print(f"{told.workers} workers, windows of {told.window:g} s of work, {told.rounds} rounds")
    for one in beside_best(rows):
        best = f"{one.best[0]}, {one.best[1]}"
        print(f"{length(one.task_seconds):>8}  {best:24} {short_estimate(one.ratio):24} {one.outcome}")
    print(f"{OWN['engine']} beside plain tasks: {three_times(rows).evidence}")


if __name__ == "__main__":
    main()
