"""The composition root of the experiments that compare engines: one call for each notebook."""

import dataclasses
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from lab import paths
from lab.clusters.embedded import check_ray_version
from lab.comparison.plan import Plan, break_even_plan, versus_plan
from lab.comparison.turn import Assignment, failed, take
from lab.data.ledger import Ledger
from lab.data.records import TIMINGS, Timing
from lab.data.store import ENVIRONMENT, Timings, file_digests, read_environment, read_timings
from lab.engines.teams import ON_RAY
from lab.errors import EngineError
from lab.experiment.parameters import BreakEven, Comparison, RayVersusMultiprocessing, parameters_from
from lab.experiment.primes import search_items
from lab.experiment.profiles import with_true_profile
from lab.experiment.run import WORKER_BYTES, check_disk, check_memory, facts_of, new_run_id
from lab.measure.environment import utc_now
from lab.measure.node import find_cgroup, usable_memory_bytes
from lab.workloads.images import size_of
from lab.workloads.spin import iterations_per_second
from lab.workloads.transfer import memory_needed, refuse_too_large

START_SECONDS = 180.0
"""On top of a window's own deadline: what an engine may take to start, warm up and end."""

END_SECONDS = 5.0
"""What a process that sends no more rows may take to be gone."""

DRIVER_BYTES, RAY_BYTES = 100_000_000, 500_000_000
"""What the driver takes, and Ray's own processes beside its workers."""

EXPERIMENTS: Mapping[str, tuple[type[Comparison], Callable[[Any], Plan]]] = {
    "ray_vs_multiprocessing": (RayVersusMultiprocessing, versus_plan),
    "break_even": (BreakEven, break_even_plan),
}
"""The experiments that compare engines, with their parameters and plan."""


def ray_vs_multiprocessing(namespace: Mapping[str, Any], data: Path | None = None) -> Timings:
    """Compare engines on images and on the search for primes, and return the rows.

    Rows go to `data`, by default to the folder that `lab.paths` tells. A run id that is there already is gone
    on with. Raises `ParameterError` or `DataError` before any work starts; an engine that is not installed
    has failed rows, and the others run.
    """
    parameters = parameters_from(RayVersusMultiprocessing, namespace)
    return compare("ray_vs_multiprocessing", with_true_profile("ray_vs_multiprocessing", parameters), data)


def break_even(namespace: Mapping[str, Any], data: Path | None = None) -> Timings:
    """Compare engines on tasks of stated lengths, and return the rows; the rest as above."""
    parameters = parameters_from(BreakEven, namespace)
    return compare("break_even", with_true_profile("break_even", parameters), data)


def compare(
    experiment: str,
    parameters: Comparison,
    data: Path | None = None,
    session: Mapping[str, Any] | None = None,
) -> Timings:
    """Compare engines with checked parameters, whose profile's label is true; the rest as above.

    `session` holds facts of the session that are known elsewhere only, such as the commit.
    """
    if isinstance(parameters, RayVersusMultiprocessing):
        _refuse_impossible(parameters)
    return _run(experiment, parameters, EXPERIMENTS[experiment][1](parameters), data, session or {})


def _refuse_impossible(parameters: RayVersusMultiprocessing) -> None:
    """Raise `ParameterError` for ranges that do not fit together, and images that do not fit the memory."""
    search_items(parameters)
    if "images" in parameters.workloads:
        for transfer in parameters.transfers:
            most = max(parameters.image_tasks)
            needed = memory_needed(
                size_of(parameters.image_megabytes),
                parameters.complexity,
                most,
                transfer,
                workers=max(parameters.workers),
                worker_bytes=WORKER_BYTES,
                base_bytes=DRIVER_BYTES + (RAY_BYTES if set(parameters.engines) & ON_RAY else 0),
                # plain processes are each sent the whole work
                in_hand=most if "processes" in parameters.engines else 1,
            )
            refuse_too_large(needed, usable_memory_bytes(find_cgroup()))


def _run(
    experiment: str, parameters: Comparison, plan: Plan, data: Path | None, session: Mapping[str, Any]
) -> Timings:
    """Check what can be checked beforehand, carry the plan out, and return the rows."""
    cgroup, data = find_cgroup(), data or paths.data_folder()
    if set(parameters.engines) & ON_RAY:
        check_ray_version()
    memory = usable_memory_bytes(cgroup)
    check_memory(max(parameters.workers), 1, parameters.object_store_megabytes, memory)
    directory = data / experiment / (parameters.run_id or new_run_id(parameters.profile))
    check_disk(data, len(plan))
    facts = facts_of(experiment, directory.name, parameters, {}, len(plan), cgroup)
    facts["session"] |= session
    with Ledger(directory, facts, TIMINGS) as ledger:
        _carry_out(parameters, plan, ledger)
    return read_timings(directory)


def _carry_out(parameters: Comparison, plan: Plan, ledger: Ledger) -> None:
    """Time every slot that has no row yet that ended, and show how far it is."""
    to_do = slots_to_run(plan, ledger)
    name = ledger.directory.name
    begun = "going on with" if len(to_do) < len(plan) else "new"
    print(f"{begun} run {name}: {len(to_do)} of {len(plan)} timings to do, rows go to {ledger.directory}")
    if not to_do:
        return
    pace = pace_of(ledger)
    ledger.begin_session()
    ledger.note(spin_iterations_per_second=pace)
    known, told = _digests(ledger), set[str]()
    bar = tqdm(total=len(to_do), unit="timing", file=sys.stderr, ncols=79, mininterval=0.5)
    try:
        with bar:
            for (_, turn), ones in groupby(to_do, key=lambda one: (one.planned.block, one.planned.turn)):
                bar.set_postfix_str(f"{turn.engine} x{turn.workers}")
                for timing in timings_of(list(ones), parameters, pace):
                    ledger.append(judged(timing, known))
                    ledger.sync()
                    _tell(timing, told)
                    bar.update()
    except KeyboardInterrupt as stop:
        kept = f"stopped; all that was timed is kept. To go on: lab resume {name}"
        print(f"\n{kept}", file=sys.stderr, flush=True)
        stop.add_note(kept)
        raise
    ledger.note(finished_at=utc_now(), files=file_digests(ledger.directory, TIMINGS))


def _tell(timing: Timing, told: set[str]) -> None:
    """Say once why timings of an engine fail: its other rows, and the other engines, go on."""
    said = f"{timing.engine} failed: {timing.error_kind}: {timing.error_message}"
    if timing.status != "ok" and said not in told:
        told.add(said)
        tqdm.write(said, file=sys.stderr)


def slots_to_run(plan: Plan, ledger: Ledger) -> tuple[Assignment, ...]:
    """Return the slots of the plan that have no timing yet."""
    done = set(ledger.earlier_trials()["slot"])
    return tuple(Assignment(planned, 1) for planned in plan if planned.slot not in done)


def pace_of(ledger: Ledger) -> float:
    """Return spin iterations a second: those of the run's first session, or those of an idle core now."""
    if (ledger.directory / ENVIRONMENT).exists():
        first = read_environment(ledger.directory)["sessions"][0]
        if "spin_iterations_per_second" in first:
            return float(first["spin_iterations_per_second"])
    return iterations_per_second()


def judged(timing: Timing, known: dict[tuple[Any, ...], str]) -> Timing:
    """Return the timing, failed where its results differ from those of earlier ones of the same work."""
    if timing.status != "ok" or timing.digest is None:
        return timing
    expected = known.setdefault(work_key(dataclasses.asdict(timing)), timing.digest)
    if expected == timing.digest:
        return timing
    told = f"its results differ: digest {timing.digest}, where the same work came to {expected} before"
    return dataclasses.replace(timing, status="failed", error_kind="ResultsDiffer", error_message=told)


def work_key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    """Return what makes two pieces of work the same, however they are handed out."""
    return row["workload"], int(row["tasks"]), row["task_seconds"] or 0.0


def _digests(ledger: Ledger) -> dict[tuple[Any, ...], str]:
    rows = ledger.earlier_trials()
    good = rows[rows["status"] == "ok"].fillna({"task_seconds": 0.0})
    return {work_key(row): str(row["digest"]) for row in good.to_dict("records")}


def timings_of(ones: Sequence[Assignment], parameters: Comparison, pace: float) -> Iterator[Timing]:
    """Yield the rows of a turn, as its process sends them; where that dies, another does the rest."""
    left = list(ones)
    while left:
        with _process(left, parameters, pace) as (process, rows):
            patience = 2 * parameters.deadline_seconds + START_SECONDS
            while left and (timing := _next(rows, patience)) is not None:
                left.pop(0)
                yield timing
            process.join(START_SECONDS if not left else END_SECONDS)
            told = _why(process.exitcode, patience)
        if left:
            yield failed(left.pop(0), EngineError(told))


@contextmanager
def _process(
    ones: Sequence[Assignment], parameters: Comparison, pace: float
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a turn's process; yields it, and the connection that it sends its rows through."""
    context = multiprocessing.get_context("spawn")
    rows, its = context.Pipe(duplex=False)
    process = context.Process(target=take, args=(its, ones, parameters, pace))
    process.start()
    its.close()
    try:
        yield process, rows
    finally:
        _end(process.pid)
        process.join()
        rows.close()


def _next(connection: Connection, seconds: float) -> Timing | None:
    """Return the next row; None where the process is gone, or sends nothing for so long."""
    try:
        row: Timing | None = connection.recv() if connection.poll(seconds) else None
    except (EOFError, ConnectionResetError):
        return None
    return row


def _why(exitcode: int | None, seconds: float) -> str:
    if exitcode is None:
        return f"its process sent nothing for {seconds:.0f} s"
    if exitcode < 0:
        memory = " (the kernel kills so where memory runs out)" if exitcode == -9 else ""
        return f"its process was killed by signal {-exitcode}{memory}"
    return f"its process ended with exit code {exitcode}"


def _end(pid: int | None) -> None:
    """Kill what is left of a process and of all that it started."""
    if pid is None or not psutil.pid_exists(pid):
        return
    root = psutil.Process(pid)
    for one in (*root.children(recursive=True), root):
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
