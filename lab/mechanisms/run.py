"""One call for the notebook: measure Ray's mechanisms on a cluster into a run of their own."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lab import paths
from lab.check.kept import before_run
from lab.clusters.addresses import token_from_environment
from lab.clusters.compose import compose
from lab.clusters.embedded import SETTINGS, check_ray_version, embedded
from lab.clusters.jobs import Jobs
from lab.clusters.local import raylets
from lab.clusters.surroundings import changing
from lab.clusters.wire import Message
from lab.data.environment import ENVIRONMENT
from lab.data.ledger import Ledger
from lab.data.reading import read_table
from lab.data.records import Mechanism
from lab.data.store import file_digests
from lab.errors import DataError
from lab.experiment.facts import facts_here, in_words, new_folder
from lab.experiment.mechanism_parameters import Mechanisms
from lab.experiment.parameters import parameters_from
from lab.experiment.profiles import with_true_profile
from lab.experiment.run import check_memory
from lab.experiment.sites import refusal
from lab.measure.company import company
from lab.measure.environment import code_facts, utc_now
from lab.measure.node import find_cgroup, usable_memory_bytes
from lab.mechanisms.ground import Ground
from lab.mechanisms.measure import measure

FILE = "mechanisms.csv"
ENTRYPOINT = "python -m lab.mechanisms.job"
RAY_SETTINGS: Mapping[str, str] = SETTINGS | {
    # Ray's own default: the steps of a call are told by its events
    "RAY_task_events_report_interval_ms": "1000",
    # a dead node is noticed within seconds; by Ray's default it is half a minute
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
"""What a Ray that is started here is set to."""

Take = Callable[[Mechanism], None]


def mechanisms(namespace: Mapping[str, Any], data: Path | None = None) -> pd.DataFrame:
    """Measure the mechanisms with the parameters of a notebook's namespace, and return the rows.

    Rows go to `data/mechanisms/<run_id>/`. An experiment that this cluster is too small for, or that fails,
    is a row with the reason, and the others run. A run is not gone on with. Raises `LabError`.
    """
    check_ray_version()
    parameters = with_true_profile("mechanisms", parameters_from(Mechanisms, namespace))
    data, cgroup = data or paths.data_folder(), find_cgroup()
    nodes, store = parameters.nodes, parameters.object_store_megabytes
    if parameters.cluster in ("embedded", "local"):
        check_memory(nodes * parameters.node_slots, nodes, store, usable_memory_bytes(cgroup))
    print(in_words(parameters), flush=True)
    checks = before_run(data, {parameters.cluster}, parameters.address)
    folder = data / "mechanisms"
    directory = folder / parameters.run_id if parameters.run_id else new_folder(folder, parameters.profile)
    if (directory / ENVIRONMENT).exists():
        raise DataError(
            f"{directory} is there already, and such a run is not gone on with: choose another run_id"
        )
    facts = _facts(parameters, directory.name)
    facts["session"] |= checks
    with Ledger(directory, facts, {FILE: Mechanism}) as ledger, company() as others:
        print(f"new run {directory.name}: rows go to {directory / FILE}", flush=True)
        ledger.begin_session()
        ledger.note(other_runs_at_start=others())
        _carry_out(parameters, directory.name, ledger)
        ledger.sync()
        ledger.note(finished_at=utc_now(), other_runs_at_end=others(), files=file_digests(directory, [FILE]))
    return read_table(directory / FILE)


def _facts(parameters: Mechanisms, run_id: str) -> dict[str, Any]:
    values = dataclasses.asdict(parameters) | {"run_id": run_id}
    # an address is nobody's business
    del values["address"]
    own = parameters.cluster in ("embedded", "local")
    return {
        "experiment": "mechanisms",
        "run_id": run_id,
        "parameters": values,
        "planned_trials": 0,
        "ray_settings": dict(RAY_SETTINGS) if own else {},
        "settings": changing(os.environ, RAY_SETTINGS),
        **facts_here(find_cgroup()),
    }


def _carry_out(parameters: Mechanisms, run_id: str, ledger: Ledger) -> None:
    if parameters.cluster in ("embedded", "local"):
        with _started(parameters) as ground:
            for row in measure(ground, _tell):
                ledger.append(row)
    elif parameters.cluster == "compose":
        cores = (os.cpu_count() or 1) / parameters.nodes
        with compose(parameters.nodes, cores, True, parameters.wait_seconds) as found:
            ledger.note(image=found.image_id)
            _elsewhere(Jobs(found.address, found.token, entrypoint=ENTRYPOINT), parameters, run_id, ledger)
    else:
        jobs = Jobs(parameters.address, token_from_environment(), entrypoint=ENTRYPOINT)
        _elsewhere(jobs, parameters, run_id, ledger)


@contextlib.contextmanager
def _started(parameters: Mechanisms) -> Iterator[Ground]:
    """Start Ray here."""
    slots, store = parameters.node_slots, parameters.object_store_megabytes
    if parameters.cluster == "embedded":
        with embedded(slots, store, 0, RAY_SETTINGS):
            yield Ground(parameters)
    else:
        # the driver's node takes tasks as well: what it does itself is not sent over
        with raylets(parameters.nodes - 1, slots, store, RAY_SETTINGS, head_cpus=slots) as found:
            yield Ground(parameters, found)


def _elsewhere(jobs: Jobs, parameters: Mechanisms, run_id: str, ledger: Ledger) -> None:
    """Have a job measure, and take its rows as they come."""

    def receive(message: Message) -> None:
        if message.kind == "refused":
            raise refusal(message.content)
        if message.kind == "begins":
            _tell(message.content["name"])
        elif message.kind == "row":
            ledger.append(Mechanism(**message.content))

    jobs.check(run_id)
    request = {"parameters": dataclasses.asdict(parameters), "code": code_facts()["digest"]}
    jobs.run(request, run_id, receive)


def _tell(name: str) -> None:
    print(f"measuring {name}", file=sys.stderr, flush=True)
