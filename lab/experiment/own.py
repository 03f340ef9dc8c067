"""One's own work as an experiment: prepared, tried on a few items, refused where it cannot work, and run."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lab.clusters.embedded import SETTINGS, check_port, check_ray_version, set_up
from lab.clusters.package import files_to_send
from lab.clusters.slurm import ON_NODES
from lab.data.store import Run
from lab.engines.teams import known_engine
from lab.errors import ParameterError, WorkError
from lab.experiment import commands
from lab.experiment.against import in_turns
from lab.experiment.allocation import slurm_site
from lab.experiment.apart import environment, main_apart, nothing_left
from lab.experiment.facts import Side, told_works
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import parameters_from
from lab.experiment.pilot import Pilot, in_words, pilot, slowest_seconds
from lab.experiment.plan import Plan, own_plan
from lab.experiment.run import Sites, check_memory, run_plan
from lab.experiment.session import Works
from lab.experiment.sites import (
    address_site,
    compose_site,
    embedded_site,
    local_site,
    thread_variables,
)
from lab.items import Copied, repeated
from lab.loading import prepare
from lab.measure.node import find_cgroup, usable_cores, usable_memory_bytes
from lab.workload import Prepared

IN_DRIVER = ("serial", "joblib")
"""Engines that run items in this process, joblib with one worker."""

HERE = ("embedded", "local", "slurm")
"""Clusters whose driver is this process."""

ELSEWHERE = ("compose", "address")
"""Clusters that get the folder of the work: too large a one is refused before anything runs."""


def own(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Run one's own work with the parameters of a notebook's namespace.

    Rows, resume and errors as in `lab.experiment.run.single_node`.
    """
    run = own_work(namespace, {}, data)
    assert run is not None
    return run


def own_work(
    namespace: Mapping[str, Any],
    objects: Mapping[str, Any],
    data: Path | None = None,
    dry_run: bool = False,
    side: Side | None = None,
) -> Run | None:
    """Run one's own work; `objects` are functions and items that were given themselves, not by name.

    Where another version is to be measured in turns, both are, and the first's run is returned; a process of
    one of them is told its `side`. Raises `LabError` before any work starts where something cannot be right;
    None from a dry run.
    """
    check_ray_version()
    parameters = parameters_from(Own, namespace)
    if parameters.against and side is None:
        return in_turns(parameters, objects, data, dry_run)
    parameters = dataclasses.replace(parameters, engines=tuple(map(known_engine, parameters.engines)))
    cgroup = find_cgroup()
    memory, cores = usable_memory_bytes(cgroup), int(usable_cores(cgroup))
    _ready(parameters, memory)
    check_port(parameters.dashboard_port)
    # absolute: work in this process may go to another folder
    data = None if data is None else Path(data).resolve()
    with environment(thread_variables(parameters)), main_apart(), nothing_left():
        is_command = bool(parameters.command.strip())
        mode, prepared = (
            commands.prepared_command(parameters)
            if is_command
            else _own_prepared(parameters, objects, memory)
        )
        plan = own_plan(parameters, mode, cores, len(prepared.items))
        if parameters.cluster in ELSEWHERE and prepared.folder is not None:
            files_to_send(Path(prepared.folder))
        if is_command:
            works, uses_ray = _works(prepared, plan, False), False
            print(commands.in_words(mode, len(plan), prepared, parameters.deadline_seconds), flush=True)
        else:
            works, uses_ray = _tried(parameters, mode, prepared, plan, sum(_nodes_cores(parameters, cores)))
        if side is not None:
            planned = [dataclasses.asdict(one.configuration) for one in plan]
            side.seen.update(works=told_works(works, plan), plan=planned)
        if dry_run:
            return None

        def sites(run_id: str) -> Sites:
            return {
                "embedded": partial(embedded_site, parameters, int(uses_ray)),
                "local": partial(local_site, parameters),
                "compose": partial(compose_site, parameters, run_id),
                "address": partial(address_site, parameters, run_id),
                "slurm": partial(slurm_site, parameters, data, run_id),
            }

        return run_plan("own", parameters, works, plan, data, cgroup, sites, side=side)


def _ready(parameters: Own, memory_bytes: int) -> None:
    """Refuse what this machine cannot hold, and set Ray up, before the file of the work imports it."""
    if parameters.cluster in ("embedded", "local"):
        nodes = max(parameters.nodes)
        check_memory(max(parameters.workers) * nodes, nodes, parameters.object_store_megabytes, memory_bytes)
    if parameters.cluster in HERE:
        set_up(ON_NODES if parameters.cluster == "slurm" else SETTINGS)


def _tried(parameters: Own, mode: str, prepared: Prepared, plan: Plan, at_once: int) -> tuple[Works, bool]:
    """Try a few items and say what the run will do; return the works, and whether they use Ray themselves."""
    limit = min(parameters.deadline_seconds, parameters.stall_seconds / 2)
    found = pilot(mode, prepared, limit, with_ray=set(parameters.used_engines) == {"ray"})
    prepared = dataclasses.replace(prepared, warm=found.warm)
    works = _works(prepared, plan, found.changes_items)
    _refuse_unfit(parameters, mode, prepared, plan, found, at_once)
    print("\n".join(in_words(mode, prepared, plan, found, at_once)), flush=True)
    return works, found.uses_ray


def _works(prepared: Prepared, plan: Plan, changes_items: bool) -> Works:
    """Return the work by name, with as many items as each trial has."""
    found = {}
    for name, tasks in {one.configuration.work: one.configuration.tasks for one in plan}.items():
        items = prepared.items if tasks is None else repeated(prepared.items, tasks)
        found[name] = dataclasses.replace(prepared, items=Copied(items) if changes_items else items)
    return found


def _own_prepared(parameters: Own, objects: Mapping[str, Any], memory_bytes: int) -> tuple[str, Prepared]:
    given = {
        name: objects.get(name, getattr(parameters, name)) for name in ("work", "units", "digest", "set_up")
    }
    if not given["work"]:
        raise ParameterError(
            "work is empty: name the function, as in my_job.py:work, or a script as it is: "
            "--command 'python my_script.py'"
        )
    return prepare(
        given.pop("work"),
        objects.get("items", parameters.items),
        unit=parameters.unit,
        words=parameters.words,
        same_results=parameters.same_results,
        fail_fast=parameters.fail_fast,
        memory_bytes=memory_bytes,
        **given,
    )


def _nodes_cores(parameters: Own, cores: int) -> list[int]:
    """Return the cores of each node, as far as they are known before there is a cluster."""
    if parameters.cluster in ("embedded", "local"):
        return [max(1, cores)]
    return [max(1, round(parameters.node_cores))] * max(parameters.nodes)


def _refuse_unfit(
    parameters: Own, mode: str, prepared: Prepared, plan: Plan, found: Pilot, cores: int
) -> None:
    """Raise for what the pilot shows cannot work: trials beyond their deadline, Ray within other engines."""
    longest = slowest_seconds(plan, len(prepared.items), found.item_seconds, cores)
    if longest > parameters.deadline_seconds:
        raise ParameterError(
            f"a trial of {mode} would take about {longest:.0f} s, and deadline_seconds is "
            f"{parameters.deadline_seconds:g}: give fewer items, more workers, or a later deadline"
        )
    here = [one for one in parameters.used_engines if one in IN_DRIVER]
    if found.thread and here:
        raise WorkError(
            f"{mode} leaves a thread running ({found.thread}), and {', '.join(here)} would run it in this "
            "process, which then never ends: start it with daemon=True, join it, or name other engines "
            "(--engines ray,processes)"
        )
    others = [one for one in parameters.used_engines if one != "ray"]
    if found.uses_ray and others:
        raise WorkError(
            f"{mode} uses Ray itself (ray.init, or tasks and actors of its own), which {', '.join(others)} "
            "cannot run beside the lab's: give engines ray alone (--engines ray), or name the function that "
            "does the work"
        )
