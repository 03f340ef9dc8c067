"""Whether causes that are planted in real work are found, and no others, on containers or an embedded Ray.

Run `python benchmarks/planted_causes.py --cluster compose --rounds 10`, or `--cluster embedded`. Each case is
a small run of the lab's own front door, in a random order in each round. Those on a whole node come together,
so that containers are started twice a round. The causes that were named become rows of
`data/causes/<run_id>/causes.csv`; the book counts those of all such runs together. Causes that come with the
planted one by its nature, and neighbours that the machine has, are no mistake. The machine should be idle
otherwise, and the image that of this code.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planted_work import STEPS

from lab import paths, run
from lab.analysis.causes import Cause, causes
from lab.analysis.losses import account
from lab.analysis.measures import measures
from lab.data.ledger import Ledger
from lab.data.records import PlantedCause
from lab.data.store import Run, file_digests
from lab.experiment.facts import facts_here, new_folder
from lab.formats import short_estimate
from lab.measure.environment import utc_now
from lab.measure.node import find_cgroup

HERE = Path(__file__).parent
WORK = HERE / "planted_work.py"
EXAMPLES = HERE.parent / "examples"
REPEATS = 4
BURNERS = 4
NODE_CORES = 0.5
"""Of each of three nodes. Of a node of 0.25 cores, Ray's own processes take a tenth."""
FILE = "causes.csv"
IMAGE = "ray-scaling-lab:latest"


@dataclass(frozen=True)
class Case:
    """Work with a planted cause, where it runs, and what comes with the cause by its nature."""

    planted: str
    work: str
    items: Any
    beside: tuple[str, ...] = ()
    whole: bool = False
    """On one node of two cores and not on three of NODE_CORES."""
    workers: tuple[int, ...] = (1, 2)
    """On a whole node."""
    burners: int = 0
    options: dict[str, Any] = field(default_factory=dict)


SUMS = f"{WORK}:sums"
CASES = (
    Case("cores", SUMS, [STEPS] * 700),
    Case("unused", SUMS, [STEPS] * 300, whole=True, workers=(1,)),
    Case("short", SUMS, [500] * 20_000, ("driver",)),
    Case("tail", SUMS, [5 * STEPS] * 20 + [200 * STEPS]),
    Case("waiting", f"{EXAMPLES / 'shared_lock.py'}:work", list(range(60))),
    Case("threads", f"{WORK}:sums_with_threads", [STEPS] * 60, ("slower",), True, options={"threads": 2}),
    Case("data", f"{WORK}:sums_beside", f"{WORK}:tables", ("short", "driver"), True),
    Case("slow_node", f"{WORK}:sums_of_slow_node", [STEPS] * 300),
    Case("neighbours", SUMS, [STEPS] * 300, ("slower",), True, burners=BURNERS),
)


def measured(case: Case, cluster: str, data: Path) -> Run:
    """Return a run of the case."""
    options: dict[str, Any] = {"engines": ["ray"], "repeats": REPEATS, "cluster": cluster, **case.options}
    if cluster == "embedded" or case.whole:
        options |= {"workers": list(case.workers)}
    else:
        options |= {"workers": [1], "nodes": [1, 3]}
    if cluster == "compose":
        options |= {"node_cores": 2.0 if case.whole else NODE_CORES, "may_scale": True}
    with burning(case.burners, cluster), settings(case):
        made = run(case.work, case.items, data=data, **options)
    assert isinstance(made, Run)
    return made


@contextmanager
def settings(case: Case) -> Iterator[None]:
    """Set how large the containers are that the lab starts."""
    cores, slots = ("2.0", "2") if case.whole else (str(NODE_CORES), "1")
    wanted = {
        "LAB_WORKER_CPUS": cores,
        "LAB_WORKER_SLOTS": slots,
        # what is sent must fit: a node that spills measures the disk
        **dict.fromkeys(("LAB_HEAD_MEMORY", "LAB_WORKER_MEMORY"), "4g"),
        **dict.fromkeys(("LAB_HEAD_SHARED_MEMORY", "LAB_WORKER_SHARED_MEMORY"), "2g"),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def burning(burners: int, cluster: str) -> Iterator[None]:
    """Have somebody else compute meanwhile: containers beside those of the lab, or processes of no parent."""
    for_ever = "while True: pass"
    if cluster == "compose":
        begin = ["docker", "run", "--rm", "--detach", "--entrypoint", "python", IMAGE, "-c", for_ever]
        end = ["docker", "kill"]
    else:
        # a child of this process, which is the driver, would count as one of the lab's
        begin = ["sh", "-c", '"$0" -c "$1" > /dev/null 2>&1 & echo $!', sys.executable, for_ever]
        end = ["kill"]
    began = [
        subprocess.run(begin, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(burners)
    ]
    try:
        yield
    finally:
        if began:
            subprocess.run([*end, *began], capture_output=True, check=True)


def found_in(made: Run) -> tuple[Cause, ...]:
    """Return every cause, for the largest configuration."""
    found = account(made)
    rows = measures(made.trials, made.tasks, made.samples, made.windows, made.nodes)
    largest = found.trials["workers"].max()
    trials = found.trials.index[found.trials["workers"] == largest]
    return causes(made, found, rows, trials)


def row(case: Case, cluster: str, number: int, keep: str) -> PlantedCause:
    """Measure a case, and return what was named; its run stays in the folder `keep`, where one is given."""
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix=f"{number}-{case.planted}-", dir=keep or None)
    try:
        every = found_in(measured(case, cluster, Path(folder)))
    finally:
        if not keep:
            shutil.rmtree(folder)
    found = {one.name for one in every if one.outcome == "holds"}
    for one in every:
        if one.name in found or one.name == case.planted:
            print(
                f"{one.name}: {short_estimate(one.share, 100)} % of the core time, {one.outcome}", flush=True
            )
    # neighbours that the machine has are there, and no mistake
    mistaken = found - {case.planted, *case.beside, "neighbours"}
    return PlantedCause(
        round=number,
        cluster=cluster,
        planted=case.planted,
        named=" ".join(sorted(found)) or None,
        mistaken=" ".join(sorted(mistaken)) or None,
        duration_seconds=time.monotonic() - began,
    )


def every(cluster: str, rounds: int, only: str, keep: str) -> None:
    """Measure all cases in rounds; each becomes a row, and a line on the screen."""
    cases = [one for one in CASES if only in ("", one.planted)]
    if cluster == "embedded":
        # a single node has none that is slower than the others
        cases = [one for one in cases if one.planted != "slow_node"]
    directory = new_folder(paths.data_folder() / "causes", "full" if not only else "custom")
    facts = {
        "experiment": "causes",
        "run_id": directory.name,
        "parameters": {"cluster": cluster, "rounds": rounds, "only": only, "repeats": REPEATS},
        "planned_trials": rounds * len(cases),
        **facts_here(find_cgroup()),
    }
    # from the time, so that two runs do not have their orders in common
    seeded = random.Random(directory.name)
    with Ledger(directory, facts, {FILE: PlantedCause}) as ledger:
        ledger.begin_session()
        for number in range(1, rounds + 1):
            first = seeded.random() < 0.5
            for case in sorted(seeded.sample(cases, len(cases)), key=lambda one: one.whole == first):
                told = row(case, cluster, number, keep)
                ledger.append(told)
                print(
                    f"round {number}: {case.planted}: named {told.named or 'none'}; by mistake "
                    f"{told.mistaken or 'none'}; {told.duration_seconds:.0f} s",
                    flush=True,
                )
        ledger.note(finished_at=utc_now(), files=file_digests(directory, [FILE]))
    if cluster == "compose":
        subprocess.run(["docker", "compose", "down", "--volumes"], cwd=HERE.parent, capture_output=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cluster", choices=("embedded", "compose"), default="embedded")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="one of the planted causes")
    parser.add_argument("--keep", default="", help="a folder in which the runs stay, to look into")
    asked = parser.parse_args()
    # what burns is ended also where this is
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    every(asked.cluster, asked.rounds, asked.only, asked.keep)
