"""The composition root: the one call that a notebook makes."""

import dataclasses
import datetime
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lab import paths
from lab.clusters.embedded import check_port, check_ray_version, embedded
from lab.errors import DataError, ParameterError
from lab.ledger import Ledger
from lab.measure.environment import code_facts, machine_facts, session_facts, utc_now, versions
from lab.measure.node import Cgroup, find_cgroup, usable_cores, usable_memory_bytes
from lab.parameters import SingleNode, parameters_from
from lab.plan import PlannedTrial, single_node_plan
from lab.profiles import with_true_profile
from lab.records import Trial
from lab.store import Run, file_digests, read_run
from lab.trial import Setting, run_trial
from lab.workloads import WORKLOADS
from lab.workloads.factoring import factor_tasks
from lab.workloads.primes import default_width, find_tasks, search_tasks

WORKER_BYTES = 150_000_000
"""What a Ray worker of this lab takes at most, privately; a test measures it."""

ROW_BYTES = 150
"""An upper bound of the mean size of a row of tasks.csv; a test measures it."""

Payloads = Mapping[str, tuple[Any, ...]]


def single_node(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Run the single-node experiment with the parameters of a notebook's namespace and return its rows.

    Rows go to `data`, by default to the folder that `lab.paths` tells.
    A run id that is there already is gone on with: only slots without an ended trial are run. Raises
    `ParameterError`, `DataError` or `ClusterError` before any work starts.
    """
    check_ray_version()
    parameters = with_true_profile(parameters_from(SingleNode, namespace))
    cgroup = find_cgroup()
    check_memory(max(parameters.workers), parameters.object_store_megabytes, usable_memory_bytes(cgroup))
    payloads = {mode: payloads_of(mode, parameters) for mode in parameters.modes}
    plan = single_node_plan(parameters, cores=int(usable_cores(cgroup)))
    data = data or paths.data_folder()
    directory = data / "single_node" / (parameters.run_id or new_run_id(parameters.profile))
    check_disk(data, sum(len(payloads[one.configuration.mode]) for one in plan))
    check_port(parameters.dashboard_port)
    with Ledger(directory, facts_of("single_node", directory.name, parameters, len(plan), cgroup)) as ledger:
        _carry_out(plan, payloads, parameters, ledger, cgroup)
    return read_run(directory)


def check_memory(workers: int, object_store_megabytes: int, memory_bytes: int) -> None:
    """Refuse more workers than the memory holds."""
    needed = workers * WORKER_BYTES + object_store_megabytes * 10**6
    if needed > memory_bytes:
        raise ParameterError(
            f"workers is up to {workers}: with {WORKER_BYTES / 1e6:.0f} MB each and an object store of "
            f"{object_store_megabytes} MB they need {needed / 1e9:.1f} GB, this machine has "
            f"{memory_bytes / 1e9:.1f} GB; choose fewer workers or a smaller object_store_megabytes"
        )


def check_disk(data: Path, tasks: int) -> None:
    """Refuse to begin where the rows will not fit on the disk."""
    existing = next(folder for folder in (data, *data.parents) if folder.exists())
    free, needed = shutil.disk_usage(existing).free, tasks * ROW_BYTES + 10_000_000
    if free < needed:
        raise DataError(
            f"the disk is full: {existing} has {free / 1e6:.0f} MB free, this run may write "
            f"{needed / 1e6:.0f} MB; free some space or run fewer tasks"
        )


def payloads_of(mode: str, parameters: SingleNode) -> tuple[Any, ...]:
    """Return the seeded work of a mode: the same for every configuration."""
    seed = parameters.seed
    if mode == "search":
        width = parameters.search_width or default_width(parameters.search_bits)
        try:
            return search_tasks(parameters.search_bits, width, parameters.search_tasks, seed)
        except ParameterError as error:
            raise ParameterError(
                f"search_bits, search_width and search_tasks do not go together: {error}"
            ) from None
    if mode == "factor":
        return factor_tasks(parameters.factor_bits, parameters.factor_tasks, seed)
    sizes = zip(parameters.find_bits, parameters.find_tasks, strict=True)
    return tuple(target for bits, count in sizes for target in find_tasks(bits, count, seed))


def new_run_id(profile: str) -> str:
    """Return an id from the time in UTC and the profile's name."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{profile}"


def facts_of(
    experiment: str, run_id: str, parameters: SingleNode, planned_trials: int, cgroup: Cgroup
) -> dict[str, Any]:
    """Return the content of environment.json; all but the session must be equal when a run goes on."""
    values = {name: getattr(parameters, name) for name in parameters.__dataclass_fields__}
    return {
        "experiment": experiment,
        "run_id": run_id,
        "parameters": {**values, "run_id": run_id},
        "planned_trials": planned_trials,
        "code": code_facts(),
        "versions": versions(),
        "machine": machine_facts(cgroup),
        "session": session_facts(),
    }


def _carry_out(
    plan: Sequence[PlannedTrial], payloads: Payloads, parameters: SingleNode, ledger: Ledger, cgroup: Cgroup
) -> None:
    """Run every slot that has no ended trial yet, and show how far it is."""
    write_interrupted(plan, ledger)
    open_slots = slots_to_run(plan, ledger)
    name = ledger.directory.name
    begun = "going on with" if len(open_slots) < len(plan) else "new"
    print(f"{begun} run {name}: {len(open_slots)} of {len(plan)} trials to do, rows go to {ledger.directory}")
    if not open_slots:
        return
    ledger.begin_session()
    cpus = max(parameters.workers)
    with embedded(cpus, parameters.object_store_megabytes, parameters.dashboard_port, cgroup) as cluster:
        for node in cluster.nodes:
            ledger.append(dataclasses.replace(node, session=ledger.session))
        setting = Setting(ledger, cluster, cgroup, parameters.sample_seconds, parameters.deadline_seconds)
        try:
            run_slots(open_slots, payloads, setting, show_progress)
        except KeyboardInterrupt:
            told = f"stopped; all finished trials are kept. Go on with the same command and: -r run_id {name}"
            print(f"\n{told}", file=sys.stderr, flush=True)
            raise
    ledger.note(finished_at=utc_now(), files=file_digests(ledger.directory))


def show_progress(slots: Sequence[PlannedTrial]) -> Iterable[PlannedTrial]:
    """Yield the slots behind a bar with the time that is left."""
    bar = tqdm(slots, unit="trial", file=sys.stderr, ncols=79, mininterval=0.5)
    for planned in bar:
        one = planned.configuration
        bar.set_postfix_str(f"{one.mode}, {one.engine} x{one.workers}")
        yield planned


def run_slots(
    slots: Sequence[PlannedTrial],
    payloads: Payloads,
    setting: Setting,
    progress: Callable[[Sequence[PlannedTrial]], Iterable[PlannedTrial]],
) -> None:
    """Run the slots in order; all trials of a mode must come to one digest."""
    earlier = setting.ledger.earlier_trials()
    good = earlier[earlier["status"] == "ok"]
    digests: dict[str, str] = dict(zip(good["mode"], good["digest"], strict=True))
    for planned in progress(slots):
        mode = planned.configuration.mode
        attempt = int((earlier["slot"] == planned.slot).sum()) + 1
        trial = run_trial(
            planned, attempt, WORKLOADS[mode].function, payloads[mode], digests.get(mode), setting
        )
        if trial.status == "ok" and trial.digest is not None:
            digests.setdefault(mode, trial.digest)


def slots_to_run(plan: Sequence[PlannedTrial], ledger: Ledger) -> tuple[PlannedTrial, ...]:
    """Return the slots of the plan that have no trial that ended, well or not."""
    trials = ledger.earlier_trials()
    ended = set(trials.loc[trials["status"] != "interrupted", "slot"])
    return tuple(planned for planned in plan if planned.slot not in ended)


def write_interrupted(plan: Sequence[PlannedTrial], ledger: Ledger) -> None:
    """Give a row to each trial that a kill cut off after its first task rows: a failure is no gap."""
    known = set(ledger.earlier_trials()["trial_id"])
    by_slot = {planned.slot: planned for planned in plan}
    for trial_id in ledger.trial_ids_with_tasks():
        if trial_id not in known:
            slot, attempt = map(int, trial_id.split("-"))
            ledger.append(cut_off(by_slot[slot], trial_id, attempt))


def cut_off(planned: PlannedTrial, trial_id: str, attempt: int) -> Trial:
    """Return the row of a trial whose process was killed."""
    one = planned.configuration
    return Trial(
        trial_id=trial_id,
        slot=planned.slot,
        attempt=attempt,
        block=planned.block,
        mode=one.mode,
        arm=one.arm,
        engine=one.engine,
        schedule=one.schedule,
        nodes=one.nodes,
        workers_per_node=one.workers_per_node,
        workers=one.workers,
        status="interrupted",
        error_kind="Killed",
        error_message="the process ended before the trial did",
    )
