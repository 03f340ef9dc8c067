"""The experiments that compare engines on the lab's own examples: images and primes, and tasks of any length.

Each engine has a process of its own in each block, in which all its trials run: see `lab.experiment.turns`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lab import paths
from lab.clusters.embedded import check_ray_version
from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.store import Run
from lab.engines.sharing import memory_needed, refuse_too_large
from lab.engines.teams import ON_RAY
from lab.experiment.examples import Drawn, made, prepared, search_items
from lab.experiment.parameters import BreakEven, Comparison, RayVersusMultiprocessing, parameters_from
from lab.experiment.plan import Configuration, Plan, equal_batch, in_blocks
from lab.experiment.profiles import with_true_profile
from lab.experiment.run import WORKER_BYTES, Sites, check_memory, run_plan
from lab.experiment.session import Works
from lab.experiment.turns import InTurns
from lab.measure.node import find_cgroup, usable_memory_bytes
from lab.workload import Prepared, bare_body

SERIAL, OWN = "serial", "ray"
"""The plain loop, and the engine that chooses its batches itself: this lab's dispatch on Ray."""

DRIVER_BYTES, RAY_BYTES = 100_000_000, 500_000_000
"""What the driver takes, and Ray's own processes beside its workers."""

PACE = "spin_iterations_per_second"
"""The fact of a session that tells how fast a core was when the lengths of tasks were set."""


def ray_vs_multiprocessing(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Compare engines on images and on the search for primes, and return the rows.

    Rows, resume and errors as in `lab.experiment.run.single_node`; an engine that is not installed has failed
    rows, and the others run.
    """
    return compare("ray_vs_multiprocessing", namespace, data)


def break_even(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
    """Compare engines on tasks of stated lengths, and return the rows; the rest as above."""
    return compare("break_even", namespace, data)


def compare(
    experiment: str,
    namespace: Mapping[str, Any],
    data: Path | None = None,
    session: Mapping[str, Any] | None = None,
) -> Run:
    """Compare engines; the rest as above.

    `session` holds facts of the session that are known elsewhere only, such as the commit.
    """
    parameters = parameters_of(experiment, namespace)
    cgroup, data = find_cgroup(), data or paths.data_folder()
    if set(parameters.engines) & ON_RAY:
        check_ray_version()
    memory = usable_memory_bytes(cgroup)
    check_memory(max(parameters.workers), 1, parameters.object_store_megabytes, memory)
    facts = dict(session or {})
    if isinstance(parameters, RayVersusMultiprocessing):
        _refuse_too_large(parameters, memory)
        plan, works = versus_plan(parameters), versus_works(parameters)
    else:
        facts[PACE] = pace_of(data / experiment / parameters.run_id)
        assert isinstance(parameters, BreakEven)
        plan = break_even_plan(parameters)
        works = break_even_works(plan, facts[PACE])
    # there is nothing to start before the first turn
    site = InTurns(parameters.object_store_megabytes)
    sites: Sites = {"embedded": lambda: nullcontext(site)}
    return run_plan(experiment, parameters, works, plan, data, cgroup, lambda _: sites, facts)


def parameters_of(experiment: str, namespace: Mapping[str, Any]) -> Comparison:
    """Return the checked parameters of one of the experiments here, whose profile's label is true."""
    return with_true_profile(experiment, parameters_from(EXPERIMENTS[experiment], namespace))


EXPERIMENTS: Mapping[str, type[Comparison]] = {
    "ray_vs_multiprocessing": RayVersusMultiprocessing,
    "break_even": BreakEven,
}


def _turns(
    parameters: Comparison, pieces: Callable[[Configuration], Sequence[Configuration]]
) -> list[Sequence[Configuration]]:
    """Return what each engine does in a block: pieces of work, made of what is the same for all of them.

    The loop has one worker. The A/A arm copies the last engine, at its most: this lab's dispatch on Ray,
    where it takes part.
    """
    turns = [
        Configuration("", "experiment", engine, "dynamic", "embedded", 1, workers)
        for engine in parameters.engines
        for workers in ((1,) if engine == SERIAL else parameters.workers)
    ]
    copied = max(turns, key=lambda one: (one.engine == OWN, one.workers))
    return [pieces(one) for one in (*turns, dataclasses.replace(copied, arm="copy"))]


def versus_plan(parameters: RayVersusMultiprocessing) -> Plan:
    """Return images by every transfer and in every number, and the search for primes, on every engine."""

    def pieces(turn: Configuration) -> list[Configuration]:
        batching, batch = ("own", None) if turn.engine == OWN else ("none", 1)
        one = dataclasses.replace(turn, batching=batching, batch=batch)
        images = [
            dataclasses.replace(one, mode="images", tasks=tasks, transfer=transfer)
            for transfer in parameters.transfers
            for tasks in parameters.image_tasks
        ]
        search = [dataclasses.replace(one, mode="search", tasks=parameters.search_tasks)]
        wanted = {"images": images, "search": search}
        return [piece for workload in parameters.workloads for piece in wanted[workload]]

    return in_blocks(parameters, _turns(parameters, pieces))


def break_even_plan(parameters: BreakEven) -> Plan:
    """Return tasks of every length on every engine, one a call and in equal batches.

    A window has as many tasks as fill `window_seconds` of one core, at least two for each worker. Without
    batches it has at most `most_calls`, since a call may cost a hundred times as much as its task.
    """

    def pieces(turn: Configuration) -> list[Configuration]:
        return [piece for length in parameters.task_seconds for piece in _spins(turn, length, parameters)]

    return in_blocks(parameters, _turns(parameters, pieces))


def _spins(turn: Configuration, length: float, parameters: BreakEven) -> list[Configuration]:
    """Return the windows of one length: in batches, and one by one. The loop has neither, it is one batch."""
    tasks = max(2 * max(parameters.workers), round(parameters.window_seconds / length))

    def spins(tasks: int, batching: str, batch: int | None) -> Configuration:
        return dataclasses.replace(
            turn, mode="spin", tasks=tasks, task_seconds=length, batching=batching, batch=batch
        )

    if turn.engine == SERIAL:
        return [spins(tasks, "equal", tasks)]
    if turn.engine == OWN:
        return [spins(tasks, "own", None)]
    batch = equal_batch(tasks, turn.workers)
    batched = [spins(tasks, "equal", batch)] if batch > 1 else []
    return [*batched, spins(min(tasks, parameters.most_calls), "none", 1)]


def versus_works(parameters: RayVersusMultiprocessing) -> Works:
    """Return images in every number and by every transfer, and the ranges to search, the same for all."""
    found: dict[str, Prepared] = {}
    if "search" in parameters.workloads:
        ranges = search_items(parameters)
        found[f"search, {len(ranges)}"] = prepared("search", ranges)
    for tasks in parameters.image_tasks if "images" in parameters.workloads else ():
        size, seed = (parameters.image_megabytes, parameters.complexity), parameters.seed
        images = made("images.py:seeded", *size, tasks, seed)
        work = prepared("images", images)
        work = dataclasses.replace(work, facts={**work.facts, "item_bytes": images[0].bytes})
        for transfer in parameters.transfers:
            items = images if transfer == "seed" else Drawn(images)
            found[f"images, {tasks}, {transfer}"] = dataclasses.replace(work, items=items)
    return found


def break_even_works(plan: Plan, pace: float) -> Works:
    """Return loops of every length, at so many iterations a second, in every number."""
    spins = {one.configuration.work: one.configuration for one in plan}
    one_task = prepared("spin", [1])
    return {
        name: dataclasses.replace(
            one_task, items=[_iterations(one, pace)] * (one.tasks or 1), call=bare_body, rows=False
        )
        for name, one in spins.items()
    }


def _iterations(one: Configuration, pace: float) -> int:
    return max(1, round((one.task_seconds or 0.0) * pace))


def pace_of(directory: Path) -> float:
    """Return spin iterations a second: those of the run's first session, or those of an idle core now."""
    if (directory / ENVIRONMENT).exists():
        first = read_environment(directory)["sessions"][0]
        if PACE in first:
            return float(first[PACE])
    return float(made("spin.py:iterations_per_second"))


def _refuse_too_large(parameters: RayVersusMultiprocessing, memory_bytes: int) -> None:
    """Raise `ParameterError` for images that do not fit the memory: the most of them, by every transfer."""
    if "images" not in parameters.workloads:
        return
    (image,) = made("images.py:seeded", parameters.image_megabytes, parameters.complexity, 1, 0)
    tasks = max(parameters.image_tasks)
    for transfer in parameters.transfers:
        needed = memory_needed(
            [image.bytes] * tasks,
            transfer,
            workers=max(parameters.workers),
            worker_bytes=WORKER_BYTES,
            work_bytes=made("images.py:memory_bytes", image),
            base_bytes=DRIVER_BYTES + (RAY_BYTES if set(parameters.engines) & ON_RAY else 0),
            # plain processes are each sent the whole work
            in_hand=tasks if "processes" in parameters.engines else 1,
            unit="images",
        )
        refuse_too_large(needed, memory_bytes, "images")
