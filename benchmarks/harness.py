"""What the lab's measuring costs one's own work on Ray, beside a bare loop that one would write by hand.

Run `python benchmarks/harness.py`, with `--milliseconds 1` (of a task), `--window 2` (seconds of work),
`--rounds 10` or `--workers 2`. Both run the same function in the same actors of one Ray, in batches of the
same sizes with as many calls in flight, and take turns in every round, in random order; a round before the
first is not counted. Processor time, of driver and actors together, tells on a machine that others use, too.
The bare loop neither times a task nor makes a digest, writes no rows, watches no node.
"""

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from lab.analysis.intervals import ratio_estimate
from lab.clusters.attached import Cluster
from lab.clusters.embedded import embedded
from lab.data.ledger import Ledger
from lab.engines import Work, ray_actors
from lab.experiment.recorder import Recorder
from lab.experiment.setting import Setting
from lab.experiment.trial import run_window
from lab.formats import short_estimate
from lab.loading import prepare
from lab.measure.bare import bare as alone
from lab.workload import Prepared

OBJECT_STORE_MEGABYTES = 200
DEADLINE_SECONDS = 300.0
CALLS_IN_FLIGHT = 2
OURS, BARE = "with the harness", "bare loop"
FACTS = {"planned_trials": 1, "parameters": {}, "session": {"started_at": "2026-01-01T00:00:00.000+00:00"}}


def work(item: tuple[int, int]) -> dict[str, Any]:
    """Return a small result after so many rounds of hashing.

    They are C code that takes no memory: a loop of Python takes a few percent more or less time by where its
    numbers come to lie in the allocator's pools, with and without a harness.
    """
    number, rounds = item
    return {"item": number, "key": hashlib.pbkdf2_hmac("sha256", b"%d" % number, b"salt", rounds).hex()}


class Sizes(Recorder):
    """The recorder of a trial, which keeps the sizes of the batches, too."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sizes: list[int] = []

    def submitted(self, tasks: int) -> None:
        """Keep the size of a batch."""
        self.sizes.append(tasks)
        super().submitted(tasks)


def processor_seconds(team: Any) -> tuple[float, float]:
    """Return the processor time of the driver and of the actors so far."""
    times = (psutil.Process(place.pid).cpu_times() for place in team.places)
    return time.process_time(), sum(one.user + one.system for one in times)


def measured(team: Any, prepared: Prepared, task_seconds: float, setting: Setting) -> tuple[float, list[int]]:
    """Return the seconds of a window as a trial runs it, and the sizes of its batches."""
    recorder = Sizes("000-1", setting, False)
    deadline = time.monotonic() + DEADLINE_SECONDS
    asked = Work(prepared.function, prepared.items, deadline, task_seconds, call=prepared.call)
    row: dict[str, Any] = {"trial_id": "000-1", "engine": "ray", "schedule": "dynamic"}
    run_window(row, team, asked, recorder, setting)
    recorder.flush()
    recorder.check(len(prepared.items))
    return float(row["duration_seconds"]), recorder.sizes


def bare(team: Any, items: list[Any], sizes: list[int]) -> float:
    """Return the seconds of a loop that hands out batches and takes the results as they come."""
    import ray

    function = sys.modules["harness"].work
    actors, waiting, results = list(team.actors.values()), deque(sizes), []
    calls: dict[Any, int] = {}
    taken, began = 0, time.monotonic()

    def feed(actor: int) -> None:
        nonlocal taken
        if waiting:
            size = waiting.popleft()
            calls[actors[actor].run.remote(alone, function, items[taken : taken + size])] = actor
            taken += size

    for _ in range(CALLS_IN_FLIGHT):
        for number in range(len(actors)):
            feed(number)
    while calls:
        done, _ = ray.wait(list(calls), num_returns=1)
        for call in done:
            actor = calls.pop(call)
            results += ray.get(call)[1]
            feed(actor)
    if len(results) != len(items):
        raise SystemExit(f"the bare loop has {len(results)} of {len(items)} results")
    return time.monotonic() - began


@contextmanager
def ready(workers: int) -> Iterator[tuple[Any, Setting]]:
    """Yield a team of actors, and the setting of a trial that writes its rows to a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(Path(folder) / "harness", FACTS) as ledger,
        embedded(workers, OBJECT_STORE_MEGABYTES, 0) as cluster,
        ray_actors.team(workers) as team,
    ):
        ledger.begin_session()
        yield team, setting_of(ledger, cluster, team)


def setting_of(ledger: Ledger, cluster: Cluster, team: Any) -> Setting:
    """Return the setting of a trial whose clocks are compared."""
    cluster.synchronize(team)
    return Setting(ledger, cluster, 0.2, DEADLINE_SECONDS, DEADLINE_SECONDS, 60.0)


def rounds_for(milliseconds: float) -> int:
    """Return how many rounds of hashing take that long here."""
    tried = 1000
    times = []
    for _ in range(30):
        began = time.thread_time()
        work((0, tried))
        times.append(time.thread_time() - began)
    return max(1, round(tried * milliseconds / 1000 / median(times)))


def measure(told: argparse.Namespace, tasks: int) -> dict[str, list[tuple[float, ...]]]:
    """Return, with the harness and bare, the seconds of every round: all, of processors, driver, actors."""
    hashes = rounds_for(told.milliseconds)
    items = [(number, hashes) for number in range(tasks)]
    _, prepared = prepare(f"{__file__}:work", items)
    seeded, sizes = random.Random(1), list[int]()
    found: dict[str, list[tuple[float, ...]]] = {OURS: [], BARE: []}
    with ready(told.workers) as (team, setting):
        for block in range(-1, told.rounds):
            for one in (OURS, BARE) if not sizes or seeded.random() < 0.5 else (BARE, OURS):
                before = processor_seconds(team)
                if one == OURS:
                    seconds, sizes = measured(team, prepared, told.milliseconds / 1000, setting)
                else:
                    seconds = bare(team, items, sizes)
                driver, actors = (
                    now - then for now, then in zip(processor_seconds(team), before, strict=True)
                )
                if block >= 0:
                    found[one].append((seconds, driver + actors, driver, actors))
            print(f"\rround {block + 1} of {told.rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="The harness beside a bare loop on Ray")
    parser.add_argument("--milliseconds", type=float, default=1.0, help="of a task")
    parser.add_argument("--window", type=float, default=2.0, help="seconds of work in a timing")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    told = parser.parse_args()
    if min(told.milliseconds, told.window) <= 0 or told.workers < 1 or told.rounds < 2:
        parser.error("milliseconds and window are above 0, workers at least 1, rounds at least 2")
    return told


def main() -> None:
    """Measure and print one table."""
    told = arguments()
    tasks = max(told.workers, round(told.workers * told.window / (told.milliseconds / 1000)))
    found = measure(told, tasks)
    print(f"{told.workers} workers, tasks of {told.milliseconds:g} ms, {told.rounds} rounds, medians")
    print(f"{'':18}{'seconds':>20}{'processor seconds':>22}{'of the driver':>15}{'of the actors':>15}")
    for name, rows in found.items():
        seconds, processor, driver, actors = (median(column) for column in zip(*rows, strict=True))
        print(f"{name:18}{seconds:>20.3f}{processor:>22.3f}{driver:>15.3f}{actors:>15.3f}")
    ratios = [
        ratio_estimate([one[at] for one in found[OURS]], [one[at] for one in found[BARE]]) for at in (0, 1)
    ]
    print(f"{'ratio':18}{short_estimate(ratios[0]):>20}{short_estimate(ratios[1]):>22}")
    more = (
        median(ours[at] - bare[at] for ours, bare in zip(found[OURS], found[BARE], strict=True)) / tasks
        for at in (1, 2, 3)
    )
    processor, driver, actors = (f"{one * 1e6:.1f} us" for one in more)
    print(f"{'more for a task':38}{processor:>22}{driver:>15}{actors:>15}")


if __name__ == "__main__":
    main()
