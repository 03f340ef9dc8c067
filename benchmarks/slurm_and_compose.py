"""The same work on Slurm's containers and on those of compose: whether throughput is equal within 5 %.

After `make slurm-up`, run `python benchmarks/slurm_and_compose.py`, with `--rounds 8`. All nodes have the
same quota (LAB_SLURM_CPUS, 0.4 cores by default). In a round the two run side by side, so that a machine
whose speed changes by the minute changes both alike: in turns the two differed by 16 % in a round. Each has a
new cluster every time. Ratios are paired by round. The two are equal where the 90 % interval lies within the
margin: two one-sided tests at 5 %.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import geometric_mean

import pandas as pd

from lab.analysis.intervals import ratio_estimate
from lab.analysis.verdicts import judge, within
from lab.formats import short_estimate

MARGIN, LEVEL = 0.05, 0.9
SLURM = ["docker", "compose", "-f", "deploy/slurm/compose.yml"]
WORK = ["examples/primes.py:work", "--items", "examples/primes.py:items"]
OPTIONS = ["--engines", "ray", "--nodes", "2", "--workers", "1", "--repeats", "2"]


def carried_out(command: Sequence[str]) -> None:
    """Run a command; ends the program with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")


def by_slurm(run_id: str, data: Path) -> None:
    """Measure within one job."""
    user = [*SLURM, "exec", "-T", "--user", "lab", "--workdir", "/shared", "controller"]
    place = ["--data", "/shared/data", "--run-id", run_id]
    carried_out([*user, "sbatch", "--wait", "/opt/slurm/run.sbatch", *WORK, *OPTIONS, *place])
    (data / "own").mkdir(exist_ok=True, parents=True)
    carried_out([*SLURM, "cp", f"controller:/shared/data/own/{run_id}", str(data / "own")])


def by_compose(run_id: str, data: Path) -> None:
    """Measure on containers that are started for it."""
    cores = os.environ.get("LAB_SLURM_CPUS", "0.4")
    more = ["--cluster", "compose", "--node-cores", cores, "--may-scale", "--data", str(data)]
    carried_out([sys.executable, "-m", "lab", "run", *WORK, *OPTIONS, *more, "--run-id", run_id])


def throughput(data: Path, run_id: str) -> float:
    """Return the geometric mean of a run's trials, in units a second."""
    trials = pd.read_csv(data / "own" / run_id / "trials.csv")
    good = trials[trials["status"] == "ok"]
    return geometric_mean(good["units"] / good["duration_seconds"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    ways = {"slurm": by_slurm, "compose": by_compose}
    found: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as both:
        for number in range(rounds):
            ids = {name: f"{name}-{os.getpid()}-{number}" for name in ways}
            for end in [both.submit(ways[name], ids[name], Path(folder)) for name in ways]:
                end.result()
            for name in ways:
                found[name].append(throughput(Path(folder), ids[name]))
            told = ", ".join(f"{name} {rates[-1]:.3f}" for name, rates in found.items())
            print(f"round {number + 1} of {rounds}: {told}", flush=True)
    ratio = ratio_estimate(found["slurm"], found["compose"], LEVEL)
    print(f"Slurm / compose {short_estimate(ratio)}, 90 % interval of {rounds} rounds")
    print(f"equal within {MARGIN:.0%}: {judge(ratio, within(MARGIN))}")


if __name__ == "__main__":
    main()
