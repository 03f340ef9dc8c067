"""The check of a cluster: reach it, look at it, judge what was found. Nothing that fails is left untold."""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.check.examples import examples
from lab.check.kept import Kept, keep
from lab.check.lines import VERDICTS, Line, Verdict, worst
from lab.check.rules import containers, lines
from lab.clusters.addresses import Head, check_jobs_address, token_from_environment
from lab.clusters.by_command import started_by_command
from lab.clusters.compose import running_compose
from lab.clusters.containers import Contained, contained
from lab.clusters.embedded import embedded
from lab.clusters.jobs import Jobs
from lab.clusters.local import local
from lab.clusters.look import look
from lab.clusters.looked import Looked, looked_from
from lab.clusters.surroundings import limited
from lab.clusters.wire import Message
from lab.errors import ClusterError, LabError, TokenError
from lab.experiment.sites import refusal
from lab.measure.environment import code_facts, utc_now, versions
from lab.measure.node import find_cgroup, usable_cores

LONGEST_SECONDS = 52.0
"""For a whole check; to end a job that hangs takes some seconds more."""
SILENCE_SECONDS = 15.0
STORE_MEGABYTES, LOCAL_NODES = 200, 2
REMEDY_TOKEN = (
    'export RAY_AUTH_MODE=token RAY_AUTH_TOKEN="$(make docker-token)", or of the cluster that it is'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """A check: its lines, when it began, and what it took."""

    cluster: str
    address: str = dataclasses.field(repr=False)
    checked_at: str
    lines: tuple[Line, ...]
    seconds: float
    looked: Looked | None
    """Of the nodes, where they were reached."""

    @property
    def verdict(self) -> Verdict:
        """Return the worst of the lines."""
        return worst(one.verdict for one in self.lines)

    @property
    def node_cpu_seconds(self) -> float:
        """Return the processor time of the check's worker on the node where it took most."""
        nodes = self.looked.nodes if self.looked is not None else ()
        return max((one.cpu_seconds for one in nodes if one.cpu_seconds is not None), default=0.0)


def check(
    cluster: str = "embedded", address: str = "", wanted: int | None = None, with_examples: bool = False
) -> Checked:
    """Check a cluster of one of the kinds of `lab.experiment.parameters.CLUSTERS`, within a minute.

    `wanted` is how many nodes are to run tasks. What fails becomes a line: nothing is raised for it.
    """
    at, began, found = utc_now(), time.monotonic(), list[Line]()
    looked, head = None, None
    late = f"the check did not end within {LONGEST_SECONDS:.0f} s: the head hangs"
    try:
        with limited(LONGEST_SECONDS, late):
            looked, head = _looked(cluster, address, found)
    except LabError as error:
        name = "token" if isinstance(error, TokenError) else "look" if found else "reachable"
        found.append(Line(name, "bad", str(error), REMEDY_TOKEN if name == "token" else ""))
    if looked is not None:
        found += lines(looked, cluster, code_facts()["digest"], versions(), wanted)
        found += _examples(head) if with_examples else ()
    return Checked(cluster, address, at, tuple(found), time.monotonic() - began, looked)


def _looked(cluster: str, address: str, found: list[Line]) -> tuple[Looked, Head | None]:
    """Reach a cluster; return what is seen of it, and its jobs server where it is not in this process.

    Adds the lines of what was found on the way.
    """
    if cluster in ("embedded", "local"):
        began = time.monotonic()
        with _here(cluster):
            started = f"Ray starts in {time.monotonic() - began:.1f} s"
            found += [Line("reachable", "good", started), Line("token", "good", "made for this process")]
            return look(), None
    token, there = None, tuple[Contained, ...]()
    if cluster == "compose":
        address, token, ids = running_compose()
        there = contained(ids)
    else:
        address, token = check_jobs_address(address), token_from_environment()
    jobs = Jobs(address, token, SILENCE_SECONDS, "python -m lab.check.job")
    jobs.check("check")
    found += [Line("reachable", "good", "Ray's jobs server answers"), _token(address)]
    known: set[str] | None = None
    try:
        looked = _by_job(jobs)
        known = {one.hostname for one in looked.nodes}
    finally:
        if there:
            found.append(containers(there, known))
    return looked, Head(address, token)


@contextmanager
def _here(cluster: str) -> Iterator[None]:
    cores = max(1, int(usable_cores(find_cgroup())))
    if cluster == "embedded":
        with embedded(cores, STORE_MEGABYTES, 0):
            yield
    else:
        with local(LOCAL_NODES, max(1, cores // LOCAL_NODES), STORE_MEGABYTES):
            yield


def _examples(head: Head | None) -> Iterator[Line]:
    """Yield the lines of the examples, on a cluster started by commands where there is none with jobs."""
    if head is not None:
        yield from examples(head)
        return
    began = time.monotonic()
    try:
        with started_by_command() as started:
            told = f"a head and two workers, by `ray start` in {time.monotonic() - began:.0f} s"
            yield Line("started", "good", told)
            yield from examples(started)
    except ClusterError as error:
        yield Line("started", "bad", str(error))


def _token(address: str) -> Line:
    """Return whether a cluster that has accepted a token, or that none was shown to, asks for one at all."""
    try:
        Head(address, None).ask("GET", "/api/jobs/")
    except TokenError:
        return Line("token", "good", "accepted, and asked for")
    what = "the cluster asks for none: whoever reaches it may run anything there"
    return Line("token", "doubtful", what, "export RAY_AUTH_MODE=token on every node before ray start")


def _by_job(jobs: Jobs) -> Looked:
    told: list[Looked] = []

    def receive(message: Message) -> None:
        if message.kind == "refused":
            raise refusal(message.content)
        told.append(looked_from(message.content))

    try:
        jobs.run({}, "check", receive)
    except ClusterError:
        # a job that told all, and then hangs, has done what it was for
        if not told:
            raise
    return told[0]


def as_json(checked: Checked) -> dict[str, Any]:
    """Return a check as JSON has it; addresses of nodes are told here alone, and never kept."""
    nodes = checked.looked.nodes if checked.looked is not None else ()
    return {
        "cluster": checked.cluster,
        "checked_at": checked.checked_at,
        "seconds": round(checked.seconds, 3),
        "node_cpu_seconds": round(checked.node_cpu_seconds, 3),
        "verdict": checked.verdict,
        "lines": [dataclasses.asdict(one) for one in checked.lines],
        "nodes": {one.node_id: one.address for one in nodes},
    }


def table(checked: Checked) -> str:
    """Return a check as text: a line for each thing, what to do below it, and a sum."""
    width = max(len(one.name) for one in checked.lines)
    told = []
    for one in checked.lines:
        told.append(f"{one.verdict:<8}  {one.name:<{width}}  {one.sentence}")
        if one.remedy:
            told.append(f"{'':<8}  {'':<{width}}  to do: {one.remedy}")
    counts = Counter(one.verdict for one in checked.lines)
    many = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    used = f", at most {checked.node_cpu_seconds:.1f} s of processor time on a node"
    return "\n".join([*told, f"{many}: {checked.seconds:.0f} s{used * (checked.looked is not None)}"])


def keep_for_runs(checked: Checked, data: Path) -> None:
    """Keep a check for the next run of its cluster, where it came to see nodes; raises `DataError`."""
    if checked.looked is None:
        return
    told = {
        verdict: {one.name: one.sentence for one in checked.lines if one.verdict == verdict}
        for verdict in VERDICTS
    }
    kept = Kept(checked.cluster, checked.checked_at, len(told["good"]), told["doubtful"], told["bad"])
    keep(data, kept, checked.address)
