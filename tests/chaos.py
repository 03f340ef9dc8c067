"""Kills runs, and what they stand on, at seeded random moments; goes on with each, and counts what is there.

`make chaos` does all of PLAN into `data/kills/<run_id>/kills.csv`; where it was stopped, it goes on.
"""

import contextlib
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import Any

import psutil
from containers import ROOT, Compose, own_project, until

from lab import paths
from lab.data.environment import read_environment
from lab.data.ledger import Ledger
from lab.data.listing import all_listed
from lab.data.records import Kills
from lab.data.store import file_digests
from lab.experiment.facts import facts_here, new_run_id
from lab.measure.environment import utc_now
from lab.measure.node import find_cgroup

SEED = 20261127
ITEMS, REPEATS = 8, 3
WORK = f"""
import time

items = list(range({ITEMS}))


def work(number):
    time.sleep(0.02)
    return number * number
"""
LANES = (
    (("lab run", "embedded", 42), ("worker process", "embedded", 3), ("raylet", "embedded", 2)),
    (("papermill", "embedded", 42), ("disk", "container", 4)),
    (
        ("lab run", "compose", 16),
        ("worker process", "compose", 3),
        ("raylet", "compose", 2),
        ("container", "compose", 2),
        ("head", "compose", 2),
        ("network", "compose", 2),
        ("memory", "compose", 2),
    ),
)
"""What goes on at once, and about as long; see PLAN."""
PLAN = tuple(chain(*LANES))
"""What is killed or taken away, where the run is, and how often."""
NODE_CORES = 0.8
MOST_KILLS = 8
"""Of one run, before it comes to its end."""
PROCESSES = ("lab run", "papermill")
END_SECONDS = 240.0
LEFT_SECONDS = 60.0
"""What a killed run has started ends by itself within this: a worker that was just starting, after 15 s."""
KEYS = {
    "trials.csv": ("trial_id",),
    "tasks.csv": ("trial_id", "task", "attempt", "warmup", "worker"),
    "samples.csv": ("trial_id", "node_id", "at_seconds"),
    "windows.csv": ("trial_id", "node_id"),
    "nodes.csv": ("session", "cluster", "node_id"),
}
"""What tells the rows of each file apart."""
KILL = """
import random, sys, psutil
said = [(one, "".join(one.cmdline()[:1])) for one in psutil.process_iter()]
found = [one for one, told in said if sys.argv[1] in told and not any(word in told for word in sys.argv[3:])]
random.Random(int(sys.argv[2])).choice(found).kill()
"""
"""Run in a container: kills a process that is called so; fails where there is none."""
HOG = "all = []\nwhile True: all.append(bytes([1]) * 2**20)"
"""Run in a container: takes memory until the kernel ends it."""
NO_WORKERS = ("Agent", "agent", "IDLE")
"""In the titles of Ray's processes that run no work."""


@dataclass(frozen=True)
class Place:
    """Where runs go on: how the lab is called there, how their files come here, and what chance decides."""

    cluster: str
    folder: Path
    """Of this machine: the work's file, and the runs."""
    chance: random.Random
    compose: Compose | None = None
    container: str = ""
    repeats: int = REPEATS

    def start(self, kind: str, run_id: str) -> psutil.Popen:
        """Start a run, or go on with it; what it says goes to a log."""
        mine = {"LAB_DATA": str(self.folder), "PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1"}
        environment = (self.compose.environment if self.compose else dict(os.environ)) | mine
        with (self.folder / f"{run_id}.log").open("a") as log:
            to_log: dict[str, Any] = {"stdout": log, "stderr": subprocess.STDOUT}
            return psutil.Popen(self._command(kind, run_id), cwd=self.folder, env=environment, **to_log)

    def _command(self, kind: str, run_id: str) -> list[str]:
        if kind == "papermill":
            named = ["-p", "work", "job.py:work", "-p", "items", "job.py:items", "-r", "run_id", run_id]
            more = ["-y", f"{{workers: [1], engines: [ray, serial], repeats: {REPEATS}}}"]
            notebook = [str(ROOT / "notebooks" / "own.ipynb"), f"{run_id}.ipynb", "--no-progress-bar"]
            return [sys.executable, "-m", "papermill", *notebook, *named, *more]
        if self.container:
            # the image has no SciPy, which the table at the end of `lab run` needs
            named = {"work": "job.py:work", "items": "job.py:items", "workers": [1], "repeats": self.repeats}
            script = f"from lab.experiment.own import own; own({named | {'run_id': run_id}})"
            inside = ["docker", "exec", "--workdir=/tmp", "--env=LAB_DATA=/data", self.container]
            return [*inside, "python", "-c", script]
        given = f"run job.py:work --items job.py:items --workers 1 --repeats {self.repeats} --run-id {run_id}"
        if self.cluster == "compose":
            given += f" --cluster compose --nodes 1,2 --node-cores {NODE_CORES} --wait-seconds 60"
        return [sys.executable, "-m", "lab", *given.split()]

    def rows(self, run_id: str) -> dict[str, list[str]]:
        """Return the whole lines of each file of a run; the header is the first."""
        if self.container:
            out = f"docker exec {self.container} tar -C /data -cf - own"
            home = f"tar -C {quote(str(self.folder))} -xf -"
            subprocess.run(["sh", "-c", f"{out} | {home}"], check=False, capture_output=True)
        files = {name: self.folder / "own" / run_id / name for name in KEYS}
        whole = {name: path.read_bytes() if path.exists() else b"" for name, path in files.items()}
        return {name: text[: text.rfind(b"\n") + 1].decode().splitlines() for name, text in whole.items()}

    def victim(self, service: str = "ray-worker") -> str:
        """Return one of the containers that run."""
        assert self.compose
        found = [
            one["Name"].strip("/") for one in self.compose.containers(service) if one["State"]["Running"]
        ]
        return self.chance.choice(sorted(found))


# --- what goes wrong ------------------------------------------------------------------------------------


def strike(kind: str, process: psutil.Popen, place: Place) -> bool:
    """Do one harm to a run that goes on, and let what it stands on be well again; false if it had ended."""
    if kind in PROCESSES:
        below = process.children(recursive=True)
        process.kill()
        end_leftovers(below)
    elif kind in ("worker process", "raylet"):
        name = "ray::" if kind == "worker process" else "raylet"
        deadline = time.monotonic() + END_SECONDS
        while not kill_one(name, process, place):
            assert time.monotonic() < deadline
            if process.poll() is not None:
                return False
            time.sleep(0.5)
    elif kind == "disk":
        # a file that takes all that is left, until the run has ended of it
        inside = ["docker", "exec", place.container, "sh", "-c"]
        subprocess.run([*inside, "cat /dev/zero >/data/filler"], check=False, capture_output=True)
        process.wait(END_SECONDS)
        subprocess.run([*inside, "rm /data/filler"], check=True)
    else:
        take_away(kind, place)
    return True


def take_away(kind: str, place: Place) -> None:
    """Take a container, or the network or the memory of a node away, and give it back."""
    compose = place.compose
    assert compose
    name = place.victim("ray-head" if kind == "head" else "ray-worker")
    network = f"{compose.project}_default"
    away, back, seconds = {
        "container": (["docker", "kill", name], ["docker", "start", name], 3.0),
        # going on with the run starts it again
        "head": (["docker", "kill", name], ["true"], 0.0),
        "network": (
            ["docker", "network", "disconnect", network, name],
            ["docker", "network", "connect", network, name],
            15.0,
        ),
        # the kernel kills Ray's workers first, and in the end what takes it all
        "memory": (["sh", "-c", f"! docker exec {name} python -c '{HOG}'"], ["true"], 0.0),
    }[kind]
    compose.run(*away)
    time.sleep(seconds)
    compose.run(*back)


def kill_one(name: str, process: psutil.Popen, place: Place) -> bool:
    """Kill one process of Ray's that is called so; false where there is none just now."""
    if place.compose:
        given = [name, str(place.chance.getrandbits(30)), *NO_WORKERS]
        command = ["docker", "exec", place.victim(), "python", "-c", KILL, *given]
        return subprocess.run(command, capture_output=True).returncode == 0
    with contextlib.suppress(psutil.NoSuchProcess):
        said = [(one, "".join(one.cmdline()[:1])) for one in process.children(recursive=True)]
        found = [one for one, told in said if name in told and not any(word in told for word in NO_WORKERS)]
        if found:
            place.chance.choice(found).kill()
            return True
    return False


def end_leftovers(below: list[psutil.Process]) -> None:
    """See that what a killed run had started ends; end Ray's agents, which wait 70 s for their Ray."""
    for one in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            if "agent" in " ".join(one.cmdline()).lower():
                one.kill()
    _, alive = psutil.wait_procs(below, timeout=LEFT_SECONDS)
    assert not alive, f"{alive} outlive the run that started them"


# --- one run --------------------------------------------------------------------------------------------


def struck_run(kind: str, place: Place, most: int) -> Kills:
    """Begin a run, strike it so often, go on with it each time, and count its rows when it has ended."""
    run_id, began = f"r{place.chance.getrandbits(40):x}", time.monotonic()
    before: dict[str, list[str]] = {}
    kills = starts = lost = 0
    code = -1
    while code != 0:
        process, starts = place.start(kind, run_id), starts + 1
        struck = False
        while kills < most and await_moment(kind, process, place, run_id):
            struck, kills = True, kills + strike(kind, process, place)
        code, now = process.wait(END_SECONDS), place.rows(run_id)
        if kind in PROCESSES and struck and code == 0:
            # it had ended when the signal came
            kills -= 1
        lost += sum((Counter(before.get(name, ())) - Counter(lines)).total() for name, lines in now.items())
        before = now
        told = (place.folder / f"{run_id}.log").read_text()[-3000:]
        assert code == 0 or struck or starts < 3 * (kills + 1), f"the run does not go on: {told}"
    seconds = time.monotonic() - began
    planned = read_environment(place.folder / "own" / run_id)["planned_trials"]
    return counted(
        before,
        planned,
        kind=kind,
        cluster=place.cluster,
        kills=kills,
        resumes=starts - 1,
        rows_lost=lost,
        duration_seconds=seconds,
    )


def await_moment(kind: str, process: psutil.Popen, place: Place, run_id: str) -> bool:
    """Wait for a moment of the run, in its start or among its trials; false where it ends before."""
    seconds = place.chance.uniform(0.0, 1.0)
    if kind in PROCESSES and place.chance.random() < 0.4:
        seconds = place.chance.uniform(0.2, 5.0)
    else:
        many = max(1, len(place.rows(run_id)["tasks.csv"]))
        until(lambda: process.poll() is not None or len(place.rows(run_id)["tasks.csv"]) > many, END_SECONDS)
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is None


def counted(lines: Mapping[str, list[str]], planned: int, **facts: Any) -> Kills:
    """Return what a run that has ended holds: rows of one key, units without their one row, failures."""
    rows = {name: list(csv.DictReader(content)) for name, content in lines.items()}
    keys = {name: Counter(tuple(one[key] for key in KEYS[name]) for one in rows[name]) for name in KEYS}
    ended = Counter(one["slot"] for one in rows["trials.csv"] if one["status"] != "interrupted")
    good = [one for one in rows["trials.csv"] if one["status"] == "ok"]
    done = Counter(
        (one["trial_id"], int(one["task"]))
        for one in rows["tasks.csv"]
        if one["status"] == "ok" and one["warmup"] == "false"
    )
    missing = sum(done[one["trial_id"], item] != 1 for one in good for item in range(ITEMS))
    # each slot of the plan has one trial that ended
    missing += sum(ended[str(slot)] != 1 for slot in range(planned)) * ITEMS
    failed = [one for name in ("trials.csv", "tasks.csv") for one in rows[name] if one["status"] != "ok"]
    return Kills(
        trials=planned,
        units=planned * ITEMS,
        rows=sum(map(len, rows.values())),
        rows_doubled=sum(many - 1 for found in keys.values() for many in found.values()),
        units_not_once=missing,
        failures=len(failed),
        failures_untold=sum(not (one["error_kind"] and one["error_message"]) for one in failed),
        **facts,
    )


# --- all of them ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def places(seed: int, *clusters: str, compose: Compose | None = None) -> Iterator[dict[str, Place]]:
    """Yield a place for each kind of cluster, with the work's file in it; a container has 64 MB of disk."""
    with tempfile.TemporaryDirectory() as above, contextlib.ExitStack() as stack:
        found = {}
        for name in clusters:
            folder = Path(above, name)
            folder.mkdir()
            (folder / "job.py").write_text(WORK)
            found[name] = Place(name, folder, random.Random(f"{seed} {name}"))
            if name == "compose":
                found[name] = replace(found[name], compose=compose)
            if name == "container":
                assert compose
                found[name] = replace(found[name], container=stack.enter_context(small_disk(compose)))
        yield found


@contextlib.contextmanager
def small_disk(compose: Compose) -> Iterator[str]:
    """Yield the name of a container of the lab's image whose data folder is a disk of 64 MB."""
    name = f"{compose.project}-disk"
    options = ["--init", "--network=none", "--shm-size=300m", "--tmpfs=/data:size=64m,mode=1777"]
    try:
        compose.run("docker", "run", "--detach", "--name", name, *options, compose.image, "sleep", "infinity")
        put = ["docker", "exec", "--interactive", name, "sh", "-c", "cat >/tmp/job.py"]
        subprocess.run(put, input=WORK, text=True, check=True)
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)


def facts(run_id: str) -> dict[str, Any]:
    """Return what environment.json holds of all this."""
    return {
        "experiment": "kills",
        "run_id": run_id,
        "parameters": {"seed": SEED, "plan": [list(one) for one in PLAN], "profile": "full"},
        "planned_trials": sum(many for _, _, many in PLAN),
        **facts_here(find_cgroup()),
    }


def main() -> None:
    """Do what of PLAN has not been done yet: the command line, papermill and containers side by side."""
    data = paths.data_folder()
    cut = [one.run_id for one in all_listed(data, "kills") if one.state == "unfinished"]
    run_id = cut[0] if cut else new_run_id("full")
    with Ledger(data / "kills" / run_id, facts(run_id), {"kills.csv": Kills}) as ledger:
        done: Counter[tuple[str, str]] = Counter()
        for one in ledger.earlier_trials().itertuples():
            # a process that was killed has to be gone on with
            hit = min(one.kills, one.resumes) if one.kind in PROCESSES else one.kills
            done[one.kind, one.cluster] += hit
        ledger.begin_session()
        print(f"run {run_id}: {sum(done.values())} of {sum(many for *_, many in PLAN)} kills are done")

        def lane(number: int, compose: Compose) -> None:
            clusters = {cluster for _, cluster, _ in LANES[number]}
            seed = SEED + 10 * ledger.session + number
            with places(seed, *sorted(clusters), compose=compose) as found:
                for kind, cluster, many in LANES[number]:
                    left = many - done[kind, cluster]
                    while left > 0:
                        row = struck_run(kind, found[cluster], min(left, MOST_KILLS))
                        ledger.append(row)
                        left -= row.kills
                        print(
                            f"{row.kind}, {row.cluster}: {row.kills} kills, {row.resumes} times gone on "
                            f"with, {row.rows_lost} rows lost, {row.rows_doubled} doubled, "
                            f"{row.duration_seconds:.0f} s",
                            flush=True,
                        )

        with own_project("chaos") as compose, ThreadPoolExecutor(len(LANES)) as pool:
            compose.environment["LAB_WORKER_CPUS"] = str(NODE_CORES)
            compose.scale(2)
            for one in [pool.submit(lane, number, compose) for number in range(len(LANES))]:
                one.result()
        ledger.note(finished_at=utc_now(), files=file_digests(ledger.directory, ["kills.csv"]))


if __name__ == "__main__":
    main()
