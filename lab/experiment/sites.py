"""Where trials are carried out: on a Ray in this process, or by a job on a cluster elsewhere."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from lab.clusters.attached import Cluster
from lab.clusters.compose import compose
from lab.clusters.embedded import embedded
from lab.clusters.jobs import Jobs, token_from_environment
from lab.clusters.local import local
from lab.clusters.wire import Message
from lab.data.ledger import Ledger
from lab.data.records import Trial
from lab.errors import ClusterError, DataError, LabError, ParameterError
from lab.experiment.job import Request
from lab.experiment.parameters import MultiNode, Nodes, Primes, SingleNode
from lab.experiment.session import Assignment, Payloads, run_slots
from lab.experiment.trial import Setting
from lab.measure.environment import code_facts, versions

PATIENCE_SECONDS = 60.0
"""How long an embedded Ray may take to show its node."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What a site is asked to do, and whom it tells when a trial starts."""

    experiment: str
    parameters: Primes
    payloads: Payloads
    assignments: Sequence[Assignment]
    ledger: Ledger
    started: Callable[[Assignment], None]


class Site(Protocol):
    """A cluster that is ready for work."""

    facts: Mapping[str, str]
    """What the run's environment file says of it, such as the id of an image."""

    def carry_out(self, job: Job) -> None:
        """Run the trials and have their rows in the ledger; raises `LabError` where it cannot go on."""


class Here:
    """A Ray that this process is connected to."""

    facts: Mapping[str, str] = {}

    def __init__(self, cluster: Cluster, wait_seconds: float) -> None:
        self._cluster, self._wait_seconds = cluster, wait_seconds

    def carry_out(self, job: Job) -> None:
        """Run the trials in this process."""
        parameters = job.parameters
        setting = Setting(
            job.ledger,
            self._cluster,
            parameters.sample_seconds,
            parameters.deadline_seconds,
            parameters.stall_seconds,
            self._wait_seconds,
        )

        def told(ones: Sequence[Assignment]) -> Iterable[Assignment]:
            for one in ones:
                job.started(one)
                yield one

        run_slots(job.assignments, job.payloads, job.ledger.digests(), setting, told)


class Carrier(Protocol):
    """What brings a request to a job, and the job's messages back: `Jobs`, or a log that was saved."""

    def run(self, request: Mapping[str, Any], run_id: str, receive: Callable[[Message], None]) -> None:
        """Hand over each message once, in order; raises `ClusterError` where they do not all come."""


class Elsewhere:
    """A cluster whose head runs the trials as a job, and whose log brings the rows."""

    def __init__(self, kind: str, jobs: Carrier, start_seconds: float, facts: Mapping[str, str]) -> None:
        self._kind, self._jobs, self._start_seconds, self.facts = kind, jobs, start_seconds, facts

    def carry_out(self, job: Job) -> None:
        """Submit the trials and take their rows as they come."""
        by_slot = {one.planned.slot: one for one in job.assignments}
        request = request_for(
            job.experiment,
            job.parameters,
            job.assignments,
            job.ledger.digests(),
            self._kind,
            self._start_seconds,
        )

        def receive(message: Message) -> None:
            if message.kind == "slot":
                job.started(by_slot[message.content["slot"]])
            elif message.kind == "refused":
                raise refusal(message.content)
            else:
                job.ledger.append(message.content)
                if isinstance(message.content, Trial):
                    job.ledger.sync()

        self._jobs.run(dataclasses.asdict(request), job.ledger.directory.name, receive)


def request_for(
    experiment: str,
    parameters: Primes,
    assignments: Sequence[Assignment],
    digests: Mapping[str, str],
    kind: str,
    start_seconds: float,
) -> Request:
    """Return what a job is asked for, with the code and the versions of this machine."""
    return Request(
        experiment=experiment,
        parameters=dataclasses.asdict(parameters),
        cluster=kind,
        slots=[(one.planned.slot, one.attempt) for one in assignments],
        digests=digests,
        start_seconds=start_seconds,
        code=code_facts()["digest"],
        versions=versions(),
    )


def refusal(told: Mapping[str, Any]) -> LabError:
    """Return the error that the job has told of."""
    known = {kind.__name__: kind for kind in (ClusterError, DataError, ParameterError)}
    return known.get(told["kind"], LabError)(told["message"])


@contextlib.contextmanager
def embedded_site(parameters: SingleNode | MultiNode) -> Iterator[Site]:
    """Start Ray in this process."""
    if isinstance(parameters, SingleNode):
        cpus, port = max(parameters.workers), parameters.dashboard_port
    else:
        cpus, port = max(parameters.workers_per_node), 0
    with embedded(cpus, parameters.object_store_megabytes, port) as cluster:
        yield Here(cluster, PATIENCE_SECONDS)


@contextlib.contextmanager
def local_site(parameters: Nodes) -> Iterator[Site]:
    """Start as many raylets on this host as the largest cluster has nodes."""
    most, cpus = max(parameters.nodes), max(parameters.workers_per_node)
    with local(most, cpus, parameters.object_store_megabytes) as cluster:
        yield Here(cluster, parameters.wait_seconds)


@contextlib.contextmanager
def compose_site(parameters: Nodes, run_id: str) -> Iterator[Site]:
    """Have as many containers as the largest cluster has nodes; 0 cores each means equal shares of all."""
    most = max(parameters.nodes)
    cores = parameters.node_cores or (os.cpu_count() or 1) / most
    with compose(most, cores, parameters.may_scale, parameters.wait_seconds) as found:
        jobs = Jobs(found.address, found.token)
        jobs.check(run_id)
        yield Elsewhere("compose", jobs, found.start_seconds, {"image": found.image_id})


@contextlib.contextmanager
def address_site(parameters: MultiNode, run_id: str) -> Iterator[Site]:
    """Reach a cluster that is there."""
    jobs = Jobs(parameters.address, token_from_environment())
    jobs.check(run_id)
    yield Elsewhere("address", jobs, 0.0, {})
