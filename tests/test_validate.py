"""The command that proves the measuring: what it reads, in which order it measures, and what it writes."""

import contextlib
import dataclasses
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers import CORES, Compose
from fakes import FakeCluster, FakeTeam, node_facts, square
from test_compose_control import FakeDocker, docker

from lab.clusters.compose import compose
from lab.data.environment import read_environment
from lab.data.reading import read_table
from lab.data.records import Check, NodeWindow, Sample, Trial
from lab.data.table import Table
from lab.errors import ClusterError
from lab.measure.task import measured
from lab.validation import containers, windows
from lab.validation import run as validate
from lab.validation.containers import Memory, size_bytes
from lab.validation.run import Pairs, memory_then
from lab.validation.times import Rows, task_checks
from lab.validation.windows import OFF, ON, SAMPLE_SECONDS, Windows, measure_in_turn
from lab.workload import Prepared

__all__ = ["docker"]  # a fixture

ASKED = Windows("compose", 1, 1, 2, 0.01)
NODE, BEGAN = "0123456789ab", 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("245.3MiB", round(245.3 * 2**20)),
        ("1.5GiB", 3 * 2**29),
        ("12KiB", 12288),
        ("0B", 0),
        ("512.1MB", 512_100_000),
        ("3.2 kB", 3200),
    ],
)
def test_docker_s_units_are_read(text: str, size: int) -> None:
    """Sizes in powers of 1024 and of 1000 become bytes."""
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["--", "", "1.5 parsecs", "MiB"])
def test_no_size_is_an_error(text: str) -> None:
    """What docker stats prints of a container that does not run is not taken for a number."""
    with pytest.raises(ClusterError, match="`docker stats` tells the memory as"):
        size_bytes(text)


def test_docker_tells_nodes_and_their_memory(docker: FakeDocker) -> None:
    """Each container is the node that its raylet is called, and has the memory in use, not its limit."""
    docker.answer("top one", f"PID COMMAND\n7 /opt/ray/raylet --port=1 --node_id={NODE}cdef --x=2\n")
    docker.answer("top two", "PID COMMAND\n7 /opt/ray/raylet --node_id=ba9876543210fedc\n")
    docker.answer("stats", "one 200MiB / 1GiB\ntwo 100MiB / 1GiB\n")
    nodes = containers.node_ids(["one", "two"])
    assert nodes == {"one": NODE, "two": "ba9876543210"}
    assert containers.memory(nodes).used_bytes == {NODE: 200 * 2**20, "ba9876543210": 100 * 2**20}


def test_a_container_without_a_raylet_is_named(docker: FakeDocker) -> None:
    """A node that has ended is an error with the command that shows why."""
    docker.answer("top one", "PID COMMAND\n7 sleep 60\n")
    with pytest.raises(ClusterError, match="docker logs one"):
        containers.node_ids(["one"])


# --- the order ------------------------------------------------------------------------------------------


def test_the_arms_take_turns() -> None:
    """Each block has both arms, and their order is reversed from block to block: ABBA."""
    order = Windows("embedded", 1, 2, 4, 5.0).order()
    assert [block for block, _ in order] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [arm for _, arm in order] == [ON, OFF, OFF, ON, ON, OFF, OFF, ON]


class Watched(FakeCluster):
    """A cluster that notes how often it is sampled."""

    def __init__(self) -> None:
        super().__init__()
        self.intervals: list[float] = []

    def begin(self, trial_id: str, *arguments: Any) -> float:
        """Note the interval."""
        self.intervals.append(arguments[1])
        return super().begin(trial_id)


def test_one_team_does_the_same_work_in_all_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers start once; after the pilot, windows of both arms do equal work, sampled as said."""
    transcript: list[str] = []

    @contextlib.contextmanager
    def team(workers: int, nodes: int) -> Iterator[FakeTeam]:
        transcript.append(f"{workers} start on {nodes}")
        yield FakeTeam("ray", workers, transcript)

    monkeypatch.setattr(windows.ray_actors, "team", team)
    monkeypatch.setattr(windows, "work", lambda count: tuple(range(count)))
    monkeypatch.setattr(windows, "work", lambda count: Prepared(square, range(count), measured))
    cluster, rows, told = Watched(), Rows(), []
    measure_in_turn(ASKED, cluster, rows, told.append)  # type: ignore[arg-type]
    trials = [row for row in rows.rows if isinstance(row, Trial)]
    assert [trial.slot for trial in trials] == [4, 0, 1, 2, 3]
    assert told == [0, 1, 2, 3]
    assert {trial.status for trial in trials} == {"ok"}
    assert len({trial.digest for trial in trials[1:]}) == 1
    assert cluster.intervals == [SAMPLE_SECONDS[arm] for arm in (ON, ON, OFF, OFF, ON)]
    assert [line for line in transcript if "start" in line] == ["1 start on 1"]


# --- the rows -------------------------------------------------------------------------------------------


def trial(slot: int, status: str = "ok") -> Trial:
    """Return a window of 10 s with 100 primes, which began 1.5 s after it was asked for."""
    return Trial(
        trial_id=f"{slot:03d}-1",
        slot=slot,
        attempt=1,
        block=slot // 2,
        mode="search",
        arm="experiment",
        engine="ray",
        schedule="dynamic",
        cluster="compose",
        nodes=1,
        workers_per_node=1,
        workers=1,
        status=status,
        started_at="2027-01-15T08:00:00.000+00:00",
        startup_seconds=1.0,
        warmup_seconds=0.5,
        duration_seconds=10.0 + slot,
        units=100,
    )


def window(slot: int, node: str = NODE, workers: int = 1) -> NodeWindow:
    """Return a node's counters: 2.4 CPU s of its processes, of 2.5 in its cgroup."""
    return NodeWindow(
        trial_id=f"{slot:03d}-1",
        node_id=node,
        workers=workers,
        status="ok",
        cpu_seconds=2.5,
        workers_cpu_seconds=2.0,
        ray_cpu_seconds=0.375,
        sampler_cpu_seconds=0.025,
    )


def samples(slot: int) -> list[Sample]:
    """Return samples of growing memory, one a second."""
    return [
        Sample(trial_id=f"{slot:03d}-1", node_id=NODE, at_seconds=float(at), memory_bytes=100 + at)
        for at in range(1, 11)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the checks go."""
    return tmp_path / "checks.csv"


def test_rows_of_windows_become_checks(path: Path) -> None:
    """Each node of a window gives its processor time, one with samples its memory, a pair its rates."""
    with contextlib.closing(Table(path, Check)) as table:
        pairs = Pairs(ASKED, table)
        pairs.append(node_facts(cpu_source="cgroup"))
        pairs.append(node_facts("headheadhead", cpu_source="host", holds_workers=False))
        pairs.append(trial(4))
        pairs.memory[0] = Memory(BEGAN + 1.5 + 4.2, {NODE: 106})
        for slot in range(2):
            for row in (window(slot), window(slot, "headheadhead", 0), *samples(slot), trial(slot)):
                pairs.append(row)
    rows = read_table(path)
    values = ["check", "unit", "block", "node", "lab_value", "reference_value"]
    assert rows[values].to_numpy().tolist() == [
        ["processor time", "CPU s", 0, NODE, 2.4, 2.5],
        ["memory", "B", 0, NODE, 104.0, 106.0],
        ["processor time", "CPU s", 0, NODE, 2.4, 2.5],
        ["measuring on/off", "1/s", 0, "compose", 10.0, pytest.approx(100 / 11)],
    ]


def test_a_failed_window_leaves_its_place_empty(path: Path) -> None:
    """What a failed trial did not measure is unknown, beside what the other one of its pair did."""
    with contextlib.closing(Table(path, Check)) as table:
        pairs = Pairs(ASKED, table)
        pairs.append(trial(0, "failed"))
        pairs.append(trial(1))
    assert path.read_text().splitlines()[1] == "2,measuring on/off,1/s,0,compose,,9.090909"
    assert read_table(path)["lab_value"].isna().tolist() == [True]


def test_a_torn_line_costs_itself_alone(path: Path) -> None:
    """After a kill in the middle of a row all rows before it are read, and writing goes on behind them."""
    check = Check(check="memory", unit="B", block=0, node=NODE, lab_value=1.5, reference_value=2.0)
    with contextlib.closing(Table(path, Check)) as table:
        table.extend([check, check])
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert len(read_table(path)) == 1
    with contextlib.closing(Table(path, Check)) as table:
        table.extend([check])
    assert path.read_bytes() == whole


@pytest.mark.parametrize(("at", "found"), [(1.0, 101), (4.4, 104), (10.3, 110), (12.0, None), (-3.0, None)])
def test_the_sample_nearest_to_the_reading_is_taken(at: float, found: int | None) -> None:
    """A node's memory is that of the nearest sample, and unknown where none is within half a second."""
    assert memory_then(samples(0), trial(0), BEGAN + 1.5 + at) == found


def test_without_docker_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no Docker the reason is printed, and the file has the other checks."""

    @contextlib.contextmanager
    def embedded(*_: Any) -> Iterator[FakeCluster]:
        yield FakeCluster()

    def in_turn(asked: Windows, _: Any, pairs: Pairs) -> None:
        for slot in range(len(asked.order())):
            pairs.append(trial(slot))

    check = Check(check="task times", unit="s", block=0, node=NODE, lab_value=0.0203, reference_value=0.0204)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(validate, "embedded", embedded)
    monkeypatch.setattr(validate, "measure_in_turn", in_turn)
    monkeypatch.setattr(validate, "task_checks", lambda *_: [check])
    here = dataclasses.replace(ASKED, cluster="embedded")
    directory = validate.validate(tmp_path, ASKED, here)
    rows = read_table(directory / "checks.csv")
    assert rows["check"].tolist() == ["measuring on/off"] * 2 + ["task times"]
    assert set(rows["node"]) == {"embedded", NODE}
    assert "there is no `docker` on this machine" in capsys.readouterr().out
    environment = read_environment(directory)
    assert {"code", "versions", "machine"} < set(environment)
    assert {"commit", "finished_at", "files"} < set(environment["sessions"][0])
    assert str(Path.home()) not in json.dumps(environment)


# --- real ones ------------------------------------------------------------------------------------------


@pytest.mark.timed
@pytest.mark.ray
def test_task_times_are_those_of_ray_s_own_events() -> None:
    """Durations and begins of tasks differ from Ray's `task:execute` events by at most 2 ms at the median."""
    rows = task_checks(2, 20)
    assert len(rows) == 40
    for check in ("task times", "task begins"):
        mine = [row for row in rows if row.check == check]
        apart = [abs((row.lab_value or 0.0) - (row.reference_value or 0.0)) for row in mine]
        assert statistics.median(apart) <= 0.002, apart
    assert min(row.reference_value or 0.0 for row in rows if row.check == "task times") > 0.002


@pytest.mark.timed
@pytest.mark.docker
def test_memory_is_that_of_docker_stats(compose_cluster: Compose, path: Path) -> None:
    """The memory of a node under work is within 5 % of what docker stats says; its processor time is told."""
    asked = Windows("compose", 1, 1, 1, 8.0)
    with (
        compose_cluster.entered(),
        compose(1, CORES, False, 120.0) as found,
        contextlib.closing(Table(path, Check)) as table,
    ):
        validate.on_compose(Pairs(asked, table), found, f"validate-{os.getpid()}")
    rows = read_table(path)
    assert rows["check"].tolist().count("measuring on/off") == 1
    memory = rows[rows["check"] == "memory"]
    assert len(memory) == 1
    assert (memory["lab_value"] / memory["reference_value"]).between(0.95, 1.05).all(), memory
    processor = rows[rows["check"] == "processor time"]
    assert len(processor) == 2
    assert (processor["lab_value"] / processor["reference_value"]).between(0.8, 1.2).all(), processor
