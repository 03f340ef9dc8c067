"""Where trials are carried out: on a Ray in this process, or by a job on a cluster elsewhere."""

import base64
import contextlib
import dataclasses
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lab.clusters.addresses import token_from_environment
from lab.clusters.attached import Cluster
from lab.clusters.compose import compose
from lab.clusters.embedded import embedded
from lab.clusters.jobs import Jobs
from lab.clusters.local import local
from lab.clusters.wire import Message
from lab.data.ledger import Ledger
from lab.data.records import Trial
from lab.errors import ClusterError, DataError, EngineError, LabError, ParameterError, WorkError
from lab.experiment.factoring_parameters import Factoring
from lab.experiment.job import Request
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import Experiment, MultiNode, Nodes, SingleNode
from lab.experiment.session import Assignment, Works, run_slots
from lab.experiment.setting import SETTINGS, Setting
from lab.measure.environment import code_facts, versions
from lab.workload import Body, Prepared

PATIENCE_SECONDS = 60.0
"""How long an embedded Ray may take to show its node."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What numerical libraries read when they are loaded."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What a site is asked to do, and whom it tells when a trial starts."""

    experiment: str
    parameters: Experiment
    works: Works
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

    def __init__(
        self, cluster: Cluster, wait_seconds: float, after_failure: Callable[[], None] = lambda: None
    ) -> None:
        self._cluster, self._wait_seconds, self._after_failure = cluster, wait_seconds, after_failure

    def carry_out(self, job: Job) -> None:
        """Run the trials in this process."""
        settings = settings_of(job.parameters) | {"wait_seconds": self._wait_seconds}
        sample, deadline, stall, wait = (settings[name] for name in SETTINGS)
        setting = Setting(job.ledger, self._cluster, sample, deadline, stall, wait)
        setting = dataclasses.replace(setting, after_failure=self._after_failure)

        def told(ones: Sequence[Assignment]) -> Iterable[Assignment]:
            for one in ones:
                # on a Ray that has ended no trial has failed: it ends the run, which is gone on with
                self._cluster.need(1, self._wait_seconds)
                job.started(one)
                yield one

        run_slots(job.assignments, job.works, job.ledger.digests(), setting, told)


class Carrier(Protocol):
    """What brings a request to a job, and the job's messages back: `Jobs`, or a log that was saved."""

    def run(
        self,
        request: Mapping[str, Any],
        run_id: str,
        receive: Callable[[Message], None],
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
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
            job.works,
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

        self._jobs.run(
            dataclasses.asdict(request),
            job.ledger.directory.name,
            receive,
            folder_of(job.works),
            thread_variables(job.parameters),
        )


def request_for(
    experiment: str,
    parameters: Experiment,
    works: Works,
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
        trials=[
            {
                "slot": one.planned.slot,
                "block": one.planned.block,
                "turn": one.planned.turn,
                "attempt": one.attempt,
                **dataclasses.asdict(one.planned.configuration),
            }
            for one in assignments
        ],
        settings=settings_of(parameters),
        digests=digests,
        start_seconds=start_seconds,
        code=code_facts()["digest"],
        versions=versions(),
        works=base64.b64encode(pickle.dumps(_elsewhere(works), 5)).decode(),
    )


def settings_of(parameters: Experiment) -> dict[str, float]:
    """Return how trials are watched and given up."""
    names = ("sample_seconds", "deadline_seconds", "stall_seconds")
    return {
        **{name: getattr(parameters, name) for name in names},
        "wait_seconds": getattr(parameters, "wait_seconds", PATIENCE_SECONDS),
    }


def thread_variables(parameters: Experiment) -> dict[str, str]:
    """Return the environment that gives numerical libraries so many threads; empty where they choose."""
    threads = getattr(parameters, "threads", 0)
    return dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}


def folder_of(works: Works) -> Path | None:
    """Return the one folder that the work's files lie in; None where none is needed."""
    folders = {one.folder for one in works.values() if one.folder is not None}
    return Path(folders.pop()) if folders else None


def _elsewhere(works: Works) -> dict[str, Prepared]:
    """Return the work as another machine needs it: its files are in the working folder there."""
    return {
        mode: dataclasses.replace(
            one,
            folder=None,
            facts={},
            function=one.function.elsewhere() if isinstance(one.function, Body) else one.function,
        )
        for mode, one in works.items()
    }


def refusal(told: Mapping[str, Any]) -> LabError:
    """Return the error that the job has told of."""
    kinds = (ClusterError, DataError, EngineError, ParameterError, WorkError)
    known = {kind.__name__: kind for kind in kinds}
    return known.get(told["kind"], LabError)(told["message"])


@contextlib.contextmanager
def embedded_site(
    parameters: SingleNode | MultiNode | Factoring | Own, spare_cpus: int = 0
) -> Iterator[Site]:
    """Start Ray in this process, with CPUs beyond the workers where the work starts tasks of its own."""
    workers = parameters.workers_per_node if isinstance(parameters, MultiNode) else parameters.workers
    cpus, port = max(workers) + spare_cpus, getattr(parameters, "dashboard_port", 0)
    with embedded(cpus, parameters.object_store_megabytes, port) as cluster:
        yield Here(cluster, PATIENCE_SECONDS)


@contextlib.contextmanager
def local_site(parameters: Nodes | Factoring | Own) -> Iterator[Site]:
    """Start as many raylets on this host as the largest cluster has nodes."""
    most = max(parameters.nodes)
    cpus = max(parameters.workers_per_node if isinstance(parameters, Nodes) else parameters.workers)
    with local(most, cpus, parameters.object_store_megabytes) as cluster:
        yield Here(cluster, parameters.wait_seconds)


@contextlib.contextmanager
def compose_site(parameters: Nodes | Factoring | Own, run_id: str) -> Iterator[Site]:
    """Have as many containers as the largest cluster has nodes; 0 cores each means equal shares of all."""
    most = max(parameters.nodes)
    cores = parameters.node_cores or (os.cpu_count() or 1) / most
    with compose(most, cores, parameters.may_scale, parameters.wait_seconds) as found:
        jobs = Jobs(found.address, found.token)
        jobs.check(run_id)
        yield Elsewhere("compose", jobs, found.start_seconds, {"image": found.image_id})


@contextlib.contextmanager
def address_site(parameters: MultiNode | Factoring | Own, run_id: str) -> Iterator[Site]:
    """Reach a cluster that is there."""
    jobs = Jobs(parameters.address, token_from_environment())
    jobs.check(run_id)
    yield Elsewhere("address", jobs, 0.0, {})
