"""The composition root: one call for each notebook."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lab import paths
from lab.check.kept import before_run
from lab.clusters.embedded import check_port, check_ray_version
from lab.data.ledger import Ledger
from lab.data.store import Run, file_digests, read_run
from lab.errors import DataError, ParameterError
from lab.experiment.allocation import slurm_site
from lab.experiment.examples import works_of
from lab.experiment.facts import Side, facts_of, in_words, new_folder
from lab.experiment.parameters import Docker, Experiment, MultiNode, SingleNode, parameters_from
from lab.experiment.plan import Plan, docker_plan, multi_node_plan, single_node_plan
from lab.experiment.profiles import with_true_profile
from lab.experiment.session import Assignment, Works
from lab.experiment.sites import Job, Site, address_site, compose_site, embedded_site, local_site
from lab.experiment.trial import unmeasured
from lab.measure.company import company
from lab.measure.environment import utc_now
from lab.measure.node import Cgroup, find_cgroup, usable_cores, usable_memory_bytes

WORKER_BYTES = 150_000_000
"""What a Ray worker of this lab takes at most, privately; a test measures it."""

ROW_BYTES = 150
"""An upper bound of the mean size of a row of tasks.csv; a test measures it."""

BESIDE = (
    "Another run of this lab is measured on this machine: the two disturb each other, and environment.json "
    "says so. For numbers to rely on, stop one (Ctrl-C) and go on with it when the other has ended."
)

Sites = Mapping[str, Callable[[], AbstractContextManager[Site]]]
"""How each kind of cluster in a plan is got."""


def single_node(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Run the single-node experiment with the parameters of a notebook's namespace and return its rows.

    Rows go to `data`, by default to the folder that `lab.paths` tells.
    A run id that is there already is gone on with: only slots without an ended trial are run. Raises
    `ParameterError`, `DataError` or `ClusterError` before any work starts.
    """
    check_ray_version()
    parameters = with_true_profile("single_node", parameters_from(SingleNode, namespace))
    cgroup = find_cgroup()
    check_memory(max(parameters.workers), 1, parameters.object_store_megabytes, usable_memory_bytes(cgroup))
    check_port(parameters.dashboard_port)
    plan = single_node_plan(parameters, cores=int(usable_cores(cgroup)))
    sites = {"embedded": partial(embedded_site, parameters)}
    return run_plan("single_node", parameters, works_of(parameters), plan, data, cgroup, lambda _: sites)


def multi_node(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Run the experiment over several nodes, on the kind of cluster that the parameters name.

    Rows, resume and errors as in `single_node`.
    """
    check_ray_version()
    parameters = with_true_profile("multi_node", parameters_from(MultiNode, namespace))
    cgroup = find_cgroup()
    if parameters.cluster in ("embedded", "local"):
        most = max(parameters.nodes), max(parameters.workers_per_node)
        memory = usable_memory_bytes(cgroup)
        check_memory(most[0] * most[1], most[0], parameters.object_store_megabytes, memory)

    def sites(run_id: str) -> Sites:
        return {
            "embedded": partial(embedded_site, parameters),
            "local": partial(local_site, parameters),
            "compose": partial(compose_site, parameters, run_id),
            "address": partial(address_site, parameters, run_id),
            "slurm": partial(slurm_site, parameters, data, run_id),
        }

    plan = multi_node_plan(parameters)
    return run_plan("multi_node", parameters, works_of(parameters), plan, data, cgroup, sites)


def docker(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Run the comparison of containers with their host, both at once and trial by trial in turn.

    Rows, resume and errors as in `single_node`.
    """
    check_ray_version()
    parameters = with_true_profile("docker", parameters_from(Docker, namespace))
    cgroup = find_cgroup()
    most = max(parameters.nodes), max(parameters.workers_per_node)
    # the same once more in containers
    workers, memory = 2 * most[0] * most[1], usable_memory_bytes(cgroup)
    check_memory(workers, 2 * most[0], parameters.object_store_megabytes, memory)

    def sites(run_id: str) -> Sites:
        return {
            "compose": partial(compose_site, parameters, run_id),
            "local": partial(local_site, parameters),
        }

    plan = docker_plan(parameters)
    return run_plan("docker", parameters, works_of(parameters), plan, data, cgroup, sites)


def check_memory(workers: int, nodes: int, object_store_megabytes: int, memory_bytes: int) -> None:
    """Refuse more workers than the memory holds."""
    needed = workers * WORKER_BYTES + nodes * object_store_megabytes * 10**6
    if needed > memory_bytes:
        raise ParameterError(
            f"up to {workers} workers on {nodes} nodes of this machine: with {WORKER_BYTES / 1e6:.0f} MB for "
            f"each worker and an object store of {object_store_megabytes} MB for each node they need "
            f"{needed / 1e9:.1f} GB, this machine has {memory_bytes / 1e9:.1f} GB; choose fewer workers or a "
            "smaller object_store_megabytes"
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


def run_plan(
    experiment: str,
    parameters: Experiment,
    works: Works,
    plan: Plan,
    data: Path | None,
    cgroup: Cgroup,
    sites: Callable[[str], Sites],
    session: Mapping[str, Any] | None = None,
    side: Side | None = None,
) -> Run:
    """Check what can be checked beforehand, carry the plan out, and return the rows.

    `session` holds facts of the session that are not measured here; a side ends with its block.
    """
    data = data or paths.data_folder()
    written = (works[one.configuration.work] for one in plan)
    check_disk(data, sum(len(one.items) if one.rows else 1 for one in written))
    print(in_words(parameters), flush=True)
    checks = before_run(data, {one.configuration.cluster for one in plan}, getattr(parameters, "address", ""))
    folder = data / experiment
    directory = folder / parameters.run_id if parameters.run_id else new_folder(folder, parameters.profile)
    facts = facts_of(experiment, directory.name, parameters, works, plan, cgroup)
    facts["session"] |= {**checks, **(session or {})}
    if side is not None:
        facts["against"], facts["session"] = side.against, facts["session"] | side.session
        plan = tuple(one for one in plan if one.block <= side.last_block)
    with Ledger(directory, facts) as ledger:
        _carry_out(experiment, parameters, works, plan, ledger, sites(directory.name))
    return read_run(directory)


def _carry_out(
    experiment: str, parameters: Experiment, works: Works, plan: Plan, ledger: Ledger, sites: Sites
) -> None:
    """Run every slot that has no ended trial yet, and show how far it is."""
    write_interrupted(plan, ledger)
    to_do = slots_to_run(plan, ledger)
    name = ledger.directory.name
    begun = "going on with" if len(to_do) < len(plan) else "new"
    print(f"{begun} run {name}: {len(to_do)} of {len(plan)} trials to do, rows go to {ledger.directory}")
    if not to_do:
        return
    with company() as others, ExitStack() as stack:
        if beside := others():
            print(BESIDE, file=sys.stderr, flush=True)
        # all at once, and before there is a run: trials of several clusters take turns
        used = dict.fromkeys(one.planned.configuration.cluster for one in to_do)
        ready = {kind: stack.enter_context(sites[kind]()) for kind in used}
        ledger.begin_session()
        ledger.note(
            ready_at=utc_now(),
            other_runs_at_start=beside,
            **{key: value for site in ready.values() for key, value in site.facts.items()},
        )
        try:
            with _bar(len(to_do)) as started:
                for kind, ones in groupby(to_do, key=lambda one: one.planned.configuration.cluster):
                    ready[kind].carry_out(Job(experiment, parameters, works, tuple(ones), ledger, started))
        except KeyboardInterrupt as stop:
            told = f"stopped; all finished trials are kept. To go on: lab resume {name}"
            print(f"\n{told}", file=sys.stderr, flush=True)
            stop.add_note(told)
            raise
        beside = others()
    ledger.note(finished_at=utc_now(), other_runs_at_end=beside, files=file_digests(ledger.directory))


@contextmanager
def _bar(trials: int) -> Iterator[Callable[[Assignment], None]]:
    """Show a bar with the time that is left; yields what is to be told when a trial starts."""
    with tqdm(total=trials, unit="trial", file=sys.stderr, ncols=79, mininterval=0.5) as bar:
        seen: list[Assignment] = []

        def started(one: Assignment) -> None:
            bar.update(1 if seen else 0)
            seen.append(one)
            it = one.planned.configuration
            nodes = f" on {it.nodes}" if it.nodes > 1 else ""
            bar.set_postfix_str(f"{it.mode}, {it.engine} x{it.workers}{nodes}")

        yield started
        bar.update(1 if seen else 0)


def slots_to_run(plan: Plan, ledger: Ledger) -> tuple[Assignment, ...]:
    """Return the slots of the plan that have no trial that ended, well or not."""
    trials = ledger.earlier_trials()
    ended = set(trials.loc[trials["status"] != "interrupted", "slot"])
    return tuple(
        Assignment(planned, int((trials["slot"] == planned.slot).sum()) + 1)
        for planned in plan
        if planned.slot not in ended
    )


def write_interrupted(plan: Plan, ledger: Ledger) -> None:
    """Give a row to each trial that a kill cut off after its first task rows: a failure is no gap."""
    known = set(ledger.earlier_trials()["trial_id"])
    by_slot = {planned.slot: planned for planned in plan}
    for trial_id in ledger.trial_ids_with_tasks():
        if trial_id not in known:
            slot, attempt = map(int, trial_id.split("-"))
            told = "the process ended before the trial did"
            ledger.append(unmeasured(by_slot[slot], attempt, told, error_kind="Killed"))
