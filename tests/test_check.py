"""`lab check`: the rules on planted facts, what it prints and ends with, and what a run makes of it."""

import contextlib
import dataclasses
import datetime
import http.server
import json
import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from checks import CODE, VERSIONS, looked, node
from fakes import TINY, FakeEngines
from test_run import SMALL, stand_in

import lab.check.examples
import lab.check.run
import lab.clusters.look
from lab.check.examples import BEGUN, job_line
from lab.check.kept import UNCHECKED, Kept, keep, last, path_of
from lab.check.lines import VERDICTS, Finding, Line, line, named, worst
from lab.check.rules import containers, lines
from lab.check.run import Checked, as_json, check, table
from lab.cli import main
from lab.clusters.containers import Contained, telling
from lab.clusters.look import _links, rounds
from lab.clusters.looked import Dead, Link, Looked, looked_from
from lab.errors import ClusterError
from lab.experiment.run import single_node
from lab.measure import condition as conditions
from lab.measure.environment import utc_now


def judged(found: Looked, kind: str = "address", **given: Any) -> dict[str, Line]:
    """Return the lines of planted facts by their names."""
    told = {one.name: one for one in lines(found, kind, CODE, VERSIONS, **given)}
    assert all(one.sentence and one.verdict in VERDICTS for one in told.values())
    return told


def wrong(found: Looked, kind: str = "address", **given: Any) -> list[Line]:
    """Return the lines that are not good."""
    return [one for one in judged(found, kind, **given).values() if one.verdict != "good"]


# --- rules ----------------------------------------------------------------------------------------------


QUOTA = {"quota_cores": 0.3, "cores": 2, "cpuset_cores": 2, "physical_cores": 1, "host_id": "one"}
WELL = {
    "machines": (looked(), "address"),
    "one node": (looked(node("here")), "embedded"),
    "raylets of one host": (
        looked(*(node(name, 1, {"host_id": "one"}, cpus=2.0, address="127.0.0.1") for name in "ab")),
        "local",
    ),
    "containers of one host": (
        looked(*(node(name, number, QUOTA, cpus=1.0) for number, name in enumerate("abcde"))),
        "compose",
    ),
    "a slow start on little quota": (
        looked(
            *(node(name, number, QUOTA, cpus=1.0, first_task_seconds=9.0) for number, name in enumerate("ab"))
        ),
        "compose",
    ),
    "hyperthreads": (looked(node("here", 0, {"physical_cores": 2}, cpus=4.0)), "embedded"),
    "one CPU for each of the physical cores": (
        looked(node("a", 0, {"physical_cores": 2}, cpus=2.0)),
        "address",
    ),
    "no limits, no shared memory": (
        looked(
            node(
                "here",
                0,
                dict.fromkeys(("open_files", "most_open_files", "processes", "store_in_memory"))
                | {"shared_memory_bytes": None, "threads": {}},
            )
        ),
        "address",
    ),
    "a node that was taken away": (
        looked(dead=(Dead(node_id="gone", address="192.0.2.99", expected=True),)),
        "address",
    ),
    "a node that came back": (
        looked(dead=(Dead(node_id="gone", address="192.0.2.11", expected=False),)),
        "address",
    ),
    "another Python on the client": (looked(versions=VERSIONS | {"python": "3.11.7"}), "address"),
}


@pytest.mark.parametrize("name", WELL)
def test_a_cluster_that_is_well_raises_no_alarm(name: str) -> None:
    """Machines, raylets of one host, containers with quotas, hyperthreads: all good, some with a remark."""
    assert wrong(*WELL[name]) == []


def link(**changes: Any) -> tuple[Link, ...]:
    """Return one way between nodes, changed."""
    return (dataclasses.replace(looked().links[0], **changes),)


FAULTS: dict[str, tuple[Looked, str, str, str, str]] = {
    "more CPUs than the quota": (
        looked(node("a", 0, {"quota_cores": 0.3}, cpus=4.0)),
        *("cpus", "bad", r"node a: Ray hands out 4 CPUs for 0.3 of 4 cores \(quota\)", "--num-cpus=1"),
    ),
    "more CPUs than the cpuset": (
        looked(node("a", 0, {"cpuset_cores": 2}, cpus=4.0)),
        *("cpus", "bad", r"hands out 4 CPUs for 2 of 4 cores \(cpuset\)", "--num-cpus=2"),
    ),
    "fewer CPUs than cores": (
        looked(node("a", 0, {"cores": 16, "cpuset_cores": 16, "physical_cores": 8}, cpus=1.0)),
        *("cpus", "doubtful", "1 CPU for 16 cores: the rest idles", "--num-cpus=16"),
    ),
    "memory without room for the store": (
        looked(node("a", 0, {"memory_bytes": 300_000_000})),
        *("memory", "bad", "300 MB do not hold Ray and its object store of 200 MB", "--object-store-memory"),
    ),
    "memory without room for the workers": (
        looked(node("a", 0, {"memory_bytes": 800_000_000})),
        *("memory", "doubtful", "4 workers may need 1.05 GB", "fewer --num-cpus"),
    ),
    "a store larger than shared memory": (
        looked(node("a", 0, {"shared_memory_bytes": 64_000_000})),
        *("object store", "bad", "200 MB does not fit into shared memory of 64 MB", "--shm-size=223m"),
    ),
    "a store on the disk": (
        looked(node("a", 0, {"store_in_memory": False})),
        *("object store", "bad", "lies on the disk", "--shm-size"),
    ),
    "a full disk": (
        looked(node("a", 0, {"disk_free_bytes": 4_000_000_000})),
        *("disk", "bad", "is 96% full, and Ray writes none above 95%", "df -h"),
    ),
    "a disk smaller than the store": (
        looked(node("a", 0, {"disk_bytes": 10**9, "disk_free_bytes": 10**8})),
        *("disk", "doubtful", "has 100 MB, less than the object store", "--temp-dir"),
    ),
    "few open files": (
        looked(node("a", 0, {"open_files": 256})),
        *("limits", "bad", "may open 256 files, and Ray needs 1024", "ulimit -n"),
    ),
    "few open files at most": (
        looked(node("a", 0, {"most_open_files": 2048})),
        *("limits", "doubtful", "2048 files at most, and Ray advises 8192", "ulimit -n"),
    ),
    "few processes": (
        looked(node("a", 0, {"processes": 200})),
        *("limits", "bad", "200 processes and threads may be", "--pids-limit=1536"),
    ),
    "processes for some workers": (
        looked(node("a", 0, {"processes": 700})),
        *("limits", "doubtful", "Ray may need 768", "ulimit -u 1536"),
    ),
    "niceness": (
        looked(node("a", 0, {"niceness": 15})),
        *("niceness", "doubtful", "run at niceness 15", "RAY_worker_niceness=0"),
    ),
    "threads of BLAS": (
        looked(node("a", 0, {"threads": {"openblas": 4}})),
        *("threads", "doubtful", "openblas takes 4 threads in each worker, 16 in all", "OMP_NUM_THREADS=1"),
    ),
    "a slow start": (
        looked(node("a", first_task_seconds=12.0)),
        *("first task", "doubtful", "took 12 s to start", "top"),
    ),
    "a clock ahead": (
        looked(node("a"), node("b", 1, clock_offset_seconds=3.0)),
        *("clocks", "doubtful", "node b: its clock is 3 s ahead", "chronyc"),
    ),
    "a clock far behind": (
        looked(node("a"), node("b", 1, clock_offset_seconds=-3600.0)),
        *("clocks", "bad", "3.6e[+]03 s behind|3600 s behind", "chronyc"),
    ),
    "a node that hangs": (
        looked(node("a"), node("b", 1, condition=None, lost="GetTimeoutError: timed out")),
        *("nodes", "bad", r"node b: it does not answer \(GetTimeoutError", "ray status"),
    ),
    "no node with a CPU": (
        looked(node("a", cpus=0.0)),
        *("nodes", "bad", "no node has a CPU, so that no task could run", "--num-cpus=1"),
    ),
    "no node at all": (
        looked(node("a"), nodes=(), links=(), pairs=0),
        *("nodes", "bad", "no node is alive", "ray start"),
    ),
    "a node that died": (
        looked(dead=(Dead(node_id="gone", address="192.0.2.99", expected=False),)),
        *("nodes", "doubtful", "node gone: it died, and no node has come back", "ray start"),
    ),
    "another Python": (
        looked(node("a"), node("b", 1, {"versions": VERSIONS | {"python": "3.11.2"}})),
        *("versions", "bad", "node b: it has python 3.11.2, and the head 3.11.7", "pip install"),
    ),
    "another Ray": (
        looked(node("a"), node("b", 1, {"versions": VERSIONS | {"ray": "2.59.0"}})),
        *("versions", "bad", "it has ray 2.59.0, and the head 2.60.0", "pip install"),
    ),
    "another lab on a node": (
        looked(node("a"), node("b", 1, {"code": "feedface"})),
        *("versions", "bad", r"another version of the lab \(feedface\)", "pip install"),
    ),
    "another lab on the head": (
        looked(code="feedface"),
        *("versions", "bad", r"the head has another version of the lab \(feedface\)", "pip install"),
    ),
    "another numpy on the head": (
        looked(versions=VERSIONS | {"numpy": "1.0"}),
        *("versions", "bad", "the head has numpy 1.0, and this machine 2.4.6", "pip install"),
    ),
    "no route": (
        looked(links=link(round_trip_seconds=None, bytes_per_second=None, lost="GetTimeoutError: late")),
        *("round trip", "bad", r"nodes head and one do not reach each other \(Get", "Ports and firewall"),
    ),
    "a long way": (
        looked(links=link(round_trip_seconds=0.08)),
        *("round trip", "doubtful", "between head and one takes 80 ms", "one network"),
    ),
    "a narrow way": (
        looked(links=link(bytes_per_second=1e6)),
        *("bandwidth", "doubtful", "1.0 MB/s from head to one", "iperf3"),
    ),
    "a shared host without quotas": (
        looked(*(node(name, place, {"host_id": "one"}, cpus=2.0) for place, name in enumerate("ab"))),
        *("hosts", "doubtful", "2 nodes share one host without a quota each", "--cpus"),
    ),
    "more than a shared host has": (
        looked(*(node(n, i, {"host_id": "one", "quota_cores": 3.0}, cpus=3.0) for i, n in enumerate("ab"))),
        *("hosts", "doubtful", "may use 6 of its 4 cores", "2 cores each"),
    ),
    "an address of loopback": (
        looked(node("a"), node("b", 1, address="127.0.0.1")),
        *("addresses", "bad", "node b: its address is 127.0.0.1", "--node-ip-address"),
    ),
    "an address of none": (
        looked(node("a"), node("b", 1, address="0.0.0.0")),
        *("addresses", "bad", "its address is 0.0.0.0", "--node-ip-address"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_on_its_line_alone(name: str) -> None:
    """One fault makes one line doubtful or bad, which says what and where, and what to do."""
    found, where, verdict, sentence, remedy = FAULTS[name]
    (told,) = wrong(found)
    assert (told.name, told.verdict) == (where, verdict)
    assert re.search(sentence, told.sentence), told.sentence
    assert remedy in told.remedy


def test_fewer_nodes_than_wanted_are_bad() -> None:
    """Nodes that never joined are known of only where it is told how many there are to be."""
    assert wrong(looked(), wanted=2) == []
    (told,) = wrong(looked(), wanted=5)
    assert (told.name, told.verdict, told.sentence) == ("nodes", "bad", "2 of 5 nodes are there to run tasks")


def test_remarks_stand_with_good_lines() -> None:
    """Hyperthreads, shared hosts, nodes of before and pairs that were not tried are no alarm."""
    assert "two hardware threads share each core" in judged(*WELL["hyperthreads"])["cpus"].sentence
    assert "5 nodes share 1 host" in judged(*WELL["containers of one host"])["hosts"].sentence
    assert "1 node of before" in judged(*WELL["a node that was taken away"])["nodes"].sentence
    few = judged(looked(pairs=9))["round trip"]
    assert (few.verdict, few.sentence) == ("good", "0.5 ms at most between 3 pairs of nodes, of 9")


def test_findings_that_say_the_same_are_one() -> None:
    """Nodes with one fault are listed together, the worst comes first, and a long list is cut."""
    same = [Finding("doubtful", "it is slow", "wait", name) for name in "ab"]
    told = line("speed", [*same, Finding("bad", "it is gone", "look", "c")], "fast")
    assert told == Line("speed", "bad", "node c: it is gone; node a and b: it is slow", "look")
    assert named(list("abcde")) == "5 nodes (a and others): "
    many = line("speed", [Finding("bad", f"fault {number}") for number in range(9)], "fast")
    assert many.sentence.endswith("fault 3; and 5 more")
    assert worst([]) == "good"


@pytest.mark.parametrize(
    ("state", "hostnames", "said", "sentence"),
    [
        ("running", {"host"}, "", None),
        ("running", None, "", None),
        ("paused", {"host"}, "", "ray-worker 2 is paused"),
        ("exited", set(), "node: no head", r"ray-worker 2 is exited (node: no head)"),
        (
            "running",
            set(),
            "Version mismatch: ...",
            "ray-worker 2 runs and is no node of the cluster (Version",
        ),
    ],
)
def test_containers_beside_nodes(
    state: str, hostnames: set[str] | None, said: str, sentence: str | None
) -> None:
    """A container that is paused, has ended, or runs without having joined, is named with what it said."""
    told = containers([Contained("ray-worker 2", "host", state, said)], hostnames)
    assert told.verdict == ("good" if sentence is None else "bad")
    assert sentence is None or sentence in told.sentence


def test_what_a_log_tells_of_a_failure() -> None:
    """Of a log the last failure counts, on one line and without an address."""
    log = "Error: old\nwell\nRuntimeError: Version mismatch: The cluster\n  Ray: 2.60.0\non 172.18.0.4:99\n"
    assert telling(log) == "Version mismatch: The cluster Ray: 2.60.0 on ..."
    assert telling("all is well") == ""


def test_every_pair_is_tried_once_and_no_node_twice_in_a_round() -> None:
    """Among even and odd numbers of nodes each pair has its round, in which no node is in two pairs."""
    for many in range(9):
        names = "abcdefghi"[:many]
        found = rounds(names)
        pairs = [frozenset(pair) for one in found for pair in one]
        assert len(pairs) == len(set(pairs)) == many * (many - 1) // 2
        assert all(len({name for pair in one for name in pair}) == 2 * len(one) for one in found)


class FakeProbe:
    """Stands for a worker on a node: asked for the way to another, it names both."""

    def __init__(self, name: str) -> None:
        self.name, self.link = name, self

    def remote(self, source: "FakeProbe") -> frozenset[str]:
        """Return the pair, in place of what would be waited for."""
        return frozenset((self.name, source.name))


def test_a_node_that_is_cut_off_does_not_use_up_the_time_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pairs of it are tried, each for seconds; all pairs of the others are, and are well."""

    def answers(calls: dict[Any, frozenset[str]], _: float) -> tuple[dict[Any, Any], dict[Any, str]]:
        lost = {pair: "late" for pair, names in calls.items() if "c" in names}
        return {pair: (0.001, 1e9) for pair in calls if pair not in lost}, lost

    monkeypatch.setattr(lab.clusters.look, "answers", answers)
    found = list(_links({name: FakeProbe(name) for name in "abcdef"}))
    cut = [one for one in found if "c" in (one.source, one.target)]
    assert [one.lost for one in cut] == ["late", "late"]
    assert len(found) - len(cut) == 10
    assert {one.bytes_per_second for one in found if one not in cut} == {1e9}


@pytest.mark.parametrize(
    ("status", "log", "sentence"),
    [
        (("RUNNING", "STOPPED"), BEGUN, None),
        (("PENDING",), BEGUN, "its status is PENDING, not RUNNING"),
        (("RUNNING",), BEGUN, "it did not stop"),
        (("RUNNING", "STOPPED"), f"sh: {BEGUN}: not found", "its log does not show that it began"),
    ],
)
def test_a_job_that_does_not_do_what_it_is_told_is_bad(
    monkeypatch: pytest.MonkeyPatch, status: tuple[str, ...], log: str, sentence: str | None
) -> None:
    """An empty log, another status, or no end: each is told, with the command that ends the job."""
    monkeypatch.setattr(lab.check.examples, "CHANGE_SECONDS", 0.0)
    left, asked = list(status), list[str]()

    def ask(action: str, _name: str, *_entrypoint: str) -> str:
        asked.append(action)
        if action == "status":
            return left.pop(0) if len(left) > 1 else left[0]
        return log

    told = job_line("over HTTP", ask)
    assert (told.name, told.verdict) == ("job over HTTP", "good" if sentence is None else "bad")
    assert sentence is None or (sentence in told.sentence and told.remedy.startswith("ray job stop check_"))
    assert asked[0] == "submit"


def test_facts_travel_as_json() -> None:
    """What a job tells is what was found, and facts of another lab are refused in words."""
    found = looked(
        node("a"), node("b", 1, condition=None, lost="gone"), dead=FAULTS["a node that died"][0].dead
    )
    found = dataclasses.replace(
        found, nodes=(found.nodes[0], dataclasses.replace(found.nodes[1], condition=None))
    )
    content = json.loads(json.dumps(dataclasses.asdict(found)))
    assert looked_from(content) == found
    with pytest.raises(ClusterError, match="tells other facts than this one knows"):
        looked_from(content | {"more": 1})


def test_this_node_has_a_condition(tmp_path: Path) -> None:
    """The facts of this process: cores, limits, disk, threads; without a raylet above it no object store."""
    found = conditions.condition(str(tmp_path))
    assert found.cores >= found.cpuset_cores >= found.usable_cores > 0
    assert 0 < found.disk_free_bytes <= found.disk_bytes
    assert found.store_in_memory is None
    assert found.threads
    assert all(many >= 1 for many in found.threads.values())


@pytest.mark.parametrize(("text", "limit"), [("77\n", 77), ("max\n", None)])
def test_a_cgroup_s_limit_of_processes_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, limit: int | None
) -> None:
    """The lower of the user's limit and the cgroup's, of either version; the word max is none."""
    monkeypatch.setattr(conditions.resource, "getrlimit", lambda _: (-1, -1))
    monkeypatch.setattr(conditions, "own_folder", lambda root, _: root)
    for folder in ("pids", ""):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "pids.max").write_text(text)
        assert conditions.process_limit(tmp_path) == limit
        (tmp_path / "cgroup.controllers").touch()


# --- what is printed, and the status --------------------------------------------------------------------


def checked(*made: Line) -> Checked:
    """Return a check with such lines."""
    return Checked("embedded", "", utc_now(), made, 3.2, looked())


GOOD = Line("nodes", "good", "3 nodes")
DOUBTFUL = Line("niceness", "doubtful", "workers run at niceness 15", "export RAY_worker_niceness=0")
BAD = Line("disk", "bad", "it is full", "df -h")


@pytest.mark.parametrize(
    ("made", "status"), [((GOOD,), 0), ((GOOD, DOUBTFUL), 1), ((GOOD, DOUBTFUL, BAD), 2)]
)
def test_the_status_is_that_of_the_worst_line(
    made: tuple[Line, ...],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """0 where all is good, 1 where something is doubtful, 2 where something is bad; --json holds the same."""
    monkeypatch.setattr(lab.check.run, "check", lambda *_: checked(*made))
    for arguments in ((), ("--json",)):
        assert main(["check", "--data", str(tmp_path), *arguments]) == status
    *_, shown = capsys.readouterr().out.partition("{")
    content = json.loads("{" + shown)
    assert content["verdict"] == VERDICTS[status]
    assert [one["name"] for one in content["lines"]] == [one.name for one in made]


def test_a_check_is_a_line_for_each_thing() -> None:
    """Verdict, thing and sentence in columns, what to do below, and a sum at the end."""
    assert table(checked(GOOD, DOUBTFUL, BAD)).splitlines() == [
        "good      nodes     3 nodes",
        "doubtful  niceness  workers run at niceness 15",
        "                    to do: export RAY_worker_niceness=0",
        "bad       disk      it is full",
        "                    to do: df -h",
        "1 good, 1 doubtful, 1 bad: 3 s, at most 0.8 s of processor time on a node",
    ]


@pytest.mark.parametrize("arguments", ["--cluster moon", "--nodes many", "--adress x"])
def test_wrong_usage_is_told_apart(arguments: str) -> None:
    """1 and 2 tell what was found, so what cannot be asked for ends with 64."""
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments.split()])
    assert ended.value.code == 64


@pytest.mark.parametrize("arguments", ["--cluster compose --address x", "--cluster address"])
def test_an_address_goes_with_its_kind(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An address for another kind, or the kind without one, is wrong usage, too."""
    assert main(["check", *arguments.split()]) == 64
    assert "--address goes with the cluster address" in capsys.readouterr().err


# --- bad input ------------------------------------------------------------------------------------------


def bad_line(address: str) -> Line:
    """Return the one line of a check that is not good, of a cluster that is not reached."""
    found = check("address", address)
    (told,) = [one for one in found.lines if one.verdict != "good"]
    assert (found.verdict, found.looked) == ("bad", None)
    return told


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://127.0.0.1:{port}", "nothing listens there: start the cluster"),
        ("127.0.0.1:6379", "has the port of the GCS"),
        ("ray://127.0.0.1", "is an address of the Ray Client"),
        ("http://no host", "has no host that could be one"),
        ("", "names no host"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(address: str, sentence: str) -> None:
    """Nothing there, the wrong port, the wrong scheme, no host: each has a sentence of its own."""
    told = bad_line(address.format(port=free_port()))
    assert told.name == "reachable"
    assert sentence in told.sentence


@pytest.fixture
def refusing() -> Iterator[tuple[str, list[int]]]:
    """Yield a server that answers all requests with one status, and that status."""
    status = [403]

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", status
        server.shutdown()


def test_a_wrong_token_and_a_missing_one_are_told(refusing: tuple[str, list[int]]) -> None:
    """403 and 401 are bad lines of the token, with where it belongs; whatever else answers is no Ray."""
    address, status = refusing
    for status[0], sentence in ((403, "refuses this token"), (401, "wants a token")):
        told = bad_line(address)
        assert (told.name, sentence in told.sentence) == ("token", True)
        assert "RAY_AUTH_TOKEN" in told.remedy
    status[0] = 404
    assert "is not Ray's jobs server" in bad_line(address).sentence


# --- the next run ---------------------------------------------------------------------------------------


def kept(**changes: Any) -> Kept:
    """Return what is kept of a check that found one thing bad and one doubtful."""
    facts: dict[str, Any] = {
        "cluster": "embedded",
        "checked_at": utc_now(),
        "good": 14,
        "doubtful": {"niceness": "workers run at niceness 15"},
        "bad": {"disk": "it is full"},
    }
    return Kept(**(facts | changes))


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> FakeEngines:
    """Return engines and a cluster that stand in for all."""
    fakes = FakeEngines()
    stand_in(monkeypatch, fakes)
    monkeypatch.delenv(UNCHECKED, raising=False)
    return fakes


def test_a_bad_line_stops_a_run_unless_told_otherwise(
    engines: FakeEngines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No work starts, and the message names the line, how to check again, and how to run all the same."""
    keep(tmp_path, kept())
    with pytest.raises(ClusterError, match=r"disk: it is full\. Mend it and check again .*--unchecked"):
        single_node(TINY | SMALL, tmp_path)
    assert engines.transcript == []
    assert not list(tmp_path.glob("single_node/*"))
    monkeypatch.setenv(UNCHECKED, "1")
    (session,) = single_node(TINY | SMALL, tmp_path).environment["sessions"]
    assert session["checks"]["embedded"]["bad"] == {"disk": "it is full"}


@pytest.mark.usefixtures("engines")
def test_a_run_notes_the_last_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was doubtful is said, and stands in environment.json; without a check nothing does."""
    keep(tmp_path, kept(bad={}))
    (session,) = single_node(TINY | SMALL, tmp_path).environment["sessions"]
    assert session["checks"]["embedded"]["doubtful"] == {"niceness": "workers run at niceness 15"}
    assert "UTC: niceness: workers run at niceness 15\n" in capsys.readouterr().err
    path_of(tmp_path, "embedded").unlink()
    (session,) = single_node(TINY | SMALL | {"run_id": "other"}, tmp_path).environment["sessions"]
    assert "checks" not in session


def test_a_check_counts_for_its_cluster_and_a_day(tmp_path: Path) -> None:
    """Another address or kind, yesterday's, the future's or a damaged file is no check of this cluster."""
    path = keep(tmp_path, kept(cluster="address"), "http://192.0.2.1:8265")
    assert last(tmp_path, "address", "192.0.2.1") is not None
    assert last(tmp_path, "address", "http://192.0.2.2:8265") is None
    assert last(tmp_path, "embedded") is None
    assert "192.0.2.1" not in f"{path.name} {path.read_text()}"
    for hours in (25, -1):
        moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
        keep(tmp_path, kept(checked_at=moment.isoformat()))
        assert last(tmp_path, "embedded") is None
    for damage in (
        "",
        "{",
        "[]",
        '{"cluster": "embedded"}',
        json.dumps(dataclasses.asdict(kept()) | {"bad": 1}),
    ):
        path_of(tmp_path, "embedded").write_text(damage)
        assert last(tmp_path, "embedded") is None


def test_the_option_unchecked_is_known_to_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lab run --unchecked` and `lab resume --unchecked` begin whatever the last check has found."""
    monkeypatch.setenv(UNCHECKED, "")
    assert main(["resume", "none", "--unchecked", "--data", str(tmp_path)]) == 1
    assert os.environ[UNCHECKED] == "1"
    assert "there is no run none" in capsys.readouterr().err


def test_addresses_are_told_and_never_kept(tmp_path: Path) -> None:
    """--json tells each node's address, for whoever looks for it; what a run keeps has none."""
    found = dataclasses.replace(checked(GOOD), address="http://192.0.2.1:8265")
    assert as_json(found)["nodes"]["one"] == "192.0.2.11"
    lab.check.run.keep_for_runs(found, tmp_path)
    (path,) = tmp_path.rglob("*.json")
    assert "192.0.2" not in path.read_text()
    # of a cluster that was not reached the run itself will tell
    lab.check.run.keep_for_runs(dataclasses.replace(found, looked=None, cluster="compose"), tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) == 1


# --- a real Ray -----------------------------------------------------------------------------------------


@pytest.mark.ray
@pytest.mark.parametrize(("cluster", "nodes"), [("embedded", 1), ("local", 3)])
def test_this_machine_is_well(cluster: str, nodes: int) -> None:
    """One node in this process, or three raylets: every node tells of itself, and each pair is tried.

    What this machine is like, busy or with a full disk, is no matter of the test.
    """
    found = check(cluster)
    assert found.looked is not None, found.lines
    there = found.looked.nodes
    assert len(there) == nodes
    assert all(one.condition is not None and one.condition.store_in_memory for one in there)
    assert all(0 < (one.first_task_seconds or 0) < 60 for one in there)
    assert len(found.looked.links) == found.looked.pairs == nodes * (nodes - 1) // 2
    assert all((one.bytes_per_second or 0) > 0 for one in found.looked.links)
    names = {"reachable", "token", "nodes", "versions", "clocks", "addresses", "hosts", "threads"}
    assert [one for one in found.lines if one.name in names and one.verdict != "good"] == []


@pytest.mark.ray
def test_the_examples_work_on_a_cluster_started_by_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head and two workers, tasks, jobs by command, over HTTP and from Python; then all is ended."""
    token = secrets.token_hex(32)
    monkeypatch.setattr("lab.clusters.by_command.secrets", SimpleNamespace(token_hex=lambda _: token))
    told = list(lab.check.run._examples(None))
    assert [(one.name, one.verdict) for one in told] == [
        (name, "good")
        for name in ("started", "squares", "additions", "job by command", "job over HTTP", "job from Python")
    ], told
    assert [one.name() for one in psutil.process_iter() if holds(one, token)] == []


def holds(process: psutil.Process, token: str) -> bool:
    """Tell whether a process has a token in its environment; other tests have Rays of their own."""
    with contextlib.suppress(psutil.Error):
        return process.environ().get("RAY_AUTH_TOKEN") == token
    return False
