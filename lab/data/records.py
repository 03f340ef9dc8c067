"""What the lab writes down: one frozen dataclass per CSV file, each column with its unit and meaning.

The column table is the dataclasses themselves: `columns(Trial)` is what the store writes and checks,
and what the Method page prints. An unknown value is `None` here and an empty field in the file.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from lab.data.engines import ENGINES

SCHEMA_VERSION = 2
"""Raised whenever a column is renamed, removed or changes its meaning."""


def column(unit: str, meaning: str, choices: tuple[str, ...] = (), **default: Any) -> Any:
    """Return a dataclass field that carries its unit, its meaning and, where they are few, its values."""
    return dataclasses.field(metadata={"unit": unit, "meaning": meaning, "choices": choices}, **default)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One timed run of one configuration."""

    trial_id: str = column("", "slot and attempt, as in 012-1; the key of this run's trials")
    slot: int = column("", "place in the plan, counted from 0")
    attempt: int = column("", "1, or more where an earlier attempt of the slot was cut short")
    block: int = column("", "the repeat that the trial belongs to: every configuration once per block")
    mode: str = column("", "the work: search, find or factor, or the name of your own")
    arm: str = column(
        "",
        "experiment, baseline, or copy (the A/A arm: an experiment once more)",
        choices=("experiment", "baseline", "copy"),
    )
    engine: str = column(
        "",
        "what ran the tasks: serial (a loop in the driver), processes (plain Python processes), ray, or "
        "another of those that the page on engines tells of",
        choices=tuple(ENGINES),
    )
    schedule: str = column(
        "",
        "dynamic (tasks handed out as workers get free) or static (equal shares)",
        choices=("dynamic", "static"),
    )
    cluster: str = column(
        "",
        "where it ran: embedded (Ray in the notebook's process), local (several raylets on its host), "
        "compose (containers on one host) or address (a cluster that was there)",
        choices=("embedded", "local", "compose", "address"),
    )
    nodes: int = column("nodes", "nodes that hold workers")
    workers_per_node: int = column("workers", "workers on each node")
    workers: int = column("workers", "workers in all")
    status: str = column("", "ok, failed or interrupted", choices=("ok", "failed", "interrupted"))
    error_kind: str | None = column("", "type of the error that ended the trial", default=None)
    error_message: str | None = column("", "first line of that error", default=None)
    started_at: str | None = column(
        "UTC", "when the trial began, before its workers were started; empty after a kill", default=None
    )
    startup_seconds: float | None = column(
        "s", "cold start: from asking for workers to all answering", default=None
    )
    warmup_seconds: float | None = column("s", "one warm-up task on every worker", default=None)
    duration_seconds: float | None = column(
        "s", "the window: from the first submission to the last completion, warm-up excluded", default=None
    )
    tasks: int | None = column("tasks", "tasks finished in the window", default=None)
    failed_attempts: int | None = column(
        "attempts", "attempts at a task that failed in the window", default=None
    )
    lost_workers: int | None = column(
        "workers", "workers that were lost before the last task was done", default=None
    )
    units: int | None = column(
        "units", "primes found, numbers factored, or what your own work counts", default=None
    )
    digest: str | None = column(
        "", "of all results in task order; equal work gives equal digests", default=None
    )
    task_cpu_seconds: float | None = column("CPU s", "processor time of the tasks' bodies", default=None)
    driver_cpu_seconds: float | None = column(
        "CPU s",
        "processor time of the driver in the window, serial work included, sampler excluded",
        default=None,
    )
    system_cpu_seconds: float | None = column(
        "CPU s",
        "processor time of Ray's own processes on the driver's node in the window (idle ones run beside "
        "baselines too)",
        default=None,
    )
    sampler_cpu_seconds: float | None = column(
        "CPU s", "processor time of the sampler on the driver's node in the window", default=None
    )
    steal_seconds: float | None = column(
        "CPU s",
        "time the hypervisor gave to others, in the window, as the driver's node saw it",
        default=None,
    )
    load_before: float | None = column(
        "", "one-minute load average of the driver's host before the trial's workers started", default=None
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One attempt at one task; times are seconds since the window began, on the driver's clock."""

    trial_id: str = column("", "the trial")
    task: int = column("", "index of the task in the trial's work")
    attempt: int = column("", "1, or more where a worker was lost under the task")
    warmup: bool = column("", "true for the task that a worker ran before the window; never in a result")
    node_id: str = column("", "the node, as in nodes.csv")
    worker: int = column(
        "",
        "the worker, counted from 0 within the trial; -1 where it is not known: lost, or of an engine that "
        "reports all results at the end",
    )
    submitted_seconds: float = column("s", "when the driver handed the task to the engine")
    started_seconds: float | None = column(
        "s", "when the body began: the worker's monotonic clock, set to the driver's", default=None
    )
    finished_seconds: float | None = column(
        "s", "when the body ended: the worker's monotonic clock, set to the driver's", default=None
    )
    received_seconds: float | None = column("s", "when the driver knew of the result", default=None)
    cpu_seconds: float | None = column("CPU s", "processor time of the thread of the body", default=None)
    status: str = column("", "ok or failed", choices=("ok", "failed"))
    error_kind: str | None = column("", "type of the error", default=None)
    error_message: str | None = column("", "first line of the error", default=None)
    units: int | None = column("units", "as in trials.csv", default=None)
    digest: str | None = column("", "of the task's result", default=None)
    result_bytes: int | None = column("B", "size of the pickled result", default=None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading of one node inside a trial's window."""

    trial_id: str = column("", "the trial")
    node_id: str = column("", "the node, as in nodes.csv")
    at_seconds: float = column("s", "when it was read, since the window began")
    cpu_cores: float | None = column(
        "cores", "cores in use on the node since the last, read as cpu_source in nodes.csv says", default=None
    )
    steal_cores: float | None = column(
        "cores", "cores that the hypervisor gave to others since the last", default=None
    )
    throttled_seconds: float | None = column(
        "s", "time the cgroup's quota held the node back since the last", default=None
    )
    memory_bytes: int | None = column(
        "B", "memory in use on the node (its cgroup where limited)", default=None
    )
    lab_memory_bytes: int | None = column(
        "B",
        "private memory of the lab's processes on the node: the workers, the driver on its node and, for "
        "engine ray, Ray's own",
        default=None,
    )
    object_store_bytes: int | None = column(
        "B",
        "bytes in the node's object store, as its raylet tells the head; the driver asks once a second",
        default=None,
    )
    network_received_bytes: int | None = column("B", "received by the node since the last", default=None)
    network_sent_bytes: int | None = column("B", "sent by the node since the last", default=None)
    gpu_percent: float | None = column(
        "%", "mean use of the node's GPUs; empty where NVML does not answer", default=None
    )
    gpu_memory_bytes: int | None = column(
        "B", "memory in use on the node's GPUs; empty likewise", default=None
    )
    queue_length: int | None = column(
        "tasks", "submitted minus completed, as the driver sees it", default=None
    )
    sampler_cpu_seconds: float | None = column(
        "CPU s", "processor time of the sampler since the window began", default=None
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeWindow:
    """What one node did in one trial's window, from its counters before and after."""

    trial_id: str = column("", "the trial")
    node_id: str = column("", "the node, as in nodes.csv")
    workers: int = column("workers", "workers of the trial on the node; 0 on a head that only drives")
    status: str = column("", "ok, or lost: the node did not answer after the window", choices=("ok", "lost"))
    error_message: str | None = column("", "first line of why it did not answer", default=None)
    clock_offset_seconds: float | None = column(
        "s", "the node's monotonic clock minus the driver's, from the fastest of several pings", default=None
    )
    clock_uncertainty_seconds: float | None = column(
        "s", "half the round trip of that ping: the offset is known to within it", default=None
    )
    began_seconds: float | None = column(
        "s", "when the counters were first read, since the window began", default=None
    )
    ended_seconds: float | None = column("s", "when they were read last", default=None)
    cpu_seconds: float | None = column(
        "CPU s", "processor time of the node, read as cpu_source in nodes.csv says", default=None
    )
    workers_cpu_seconds: float | None = column(
        "CPU s", "processor time of the trial's worker processes on the node, sampling excluded", default=None
    )
    ray_cpu_seconds: float | None = column(
        "CPU s", "processor time of Ray's own processes on the node", default=None
    )
    sampler_cpu_seconds: float | None = column(
        "CPU s",
        "processor time of the thread that samples the node, in the driver or in a worker",
        default=None,
    )
    throttled_seconds: float | None = column("s", "time the cgroup's quota held the node back", default=None)
    steal_seconds: float | None = column(
        "CPU s", "time the hypervisor gave to others, on the whole host", default=None
    )
    network_received_bytes: int | None = column("B", "received by the node", default=None)
    network_sent_bytes: int | None = column("B", "sent by the node", default=None)
    cpu_megahertz: float | None = column(
        "MHz", "the processors' mean clock rate right after the window, where it can be read", default=None
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One node of the cluster, as found when the cluster was ready."""

    node_id: str = column("", "Ray's id of the node, first 12 digits")
    session: int = column("", "1, or more where the run was started again")
    cluster: str = column(
        "", "the kind of cluster, as in trials.csv", choices=("embedded", "local", "compose", "address")
    )
    holds_workers: bool = column("", "false for a head that only drives")
    host_id: str = column("", "digest of the host's boot id: equal ids are one machine")
    cpu_model: str | None = column("", "the processor's name", default=None)
    cores: int = column("cores", "logical processors that the node sees")
    quota_cores: float = column("cores", "cores that the node may use (cgroup quota and affinity)")
    cpu_source: str = column(
        "",
        "how its use of processors is read: cgroup (its own limited one), host (all of the machine), or "
        "processes (those under its raylet, where nodes share a host without limits)",
        choices=("cgroup", "host", "processes"),
    )
    memory_bytes: int = column("B", "memory that the node may use")
    object_store_bytes: int | None = column("B", "capacity of the node's object store", default=None)
    gpus: int = column("GPUs", "GPUs that NVML reports")
    cluster_start_seconds: float = column("s", "from asking for the cluster until it was ready")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One value of the lab beside that of another instrument."""

    check: str = column(
        "",
        "what is compared: task times and task begins with Ray's own events, memory with docker stats, "
        "throughput while measuring with that without, processor time of the processes with the cgroup's",
        choices=("task times", "task begins", "memory", "measuring on/off", "processor time"),
    )
    unit: str = column("", "of both values", choices=("s", "B", "1/s", "CPU s"))
    block: int = column("", "the pair of windows, measuring on and off, that it comes from; else 0")
    node: str = column(
        "", "Ray's id of the node, first 12 digits, or the kind of cluster for all of its nodes"
    )
    lab_value: float | None = column("as told", "what the lab measured, or got while measuring", default=None)
    reference_value: float | None = column(
        "as told", "what the other instrument says, or was got without measuring", default=None
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One timed run of one piece of work on one engine, for comparing engines."""

    trial_id: str = column("", "slot and attempt, as in 012-1; the key of this run's timings")
    slot: int = column("", "place in the plan, counted from 0")
    attempt: int = column("", "1, or more where an earlier attempt of the slot was cut short")
    block: int = column("", "the repeat that it belongs to: everything is timed once per block")
    arm: str = column(
        "", "experiment, or copy (the A/A arm: an engine once more)", choices=("experiment", "copy")
    )
    engine: str = column("", "what ran the tasks, as told on the page on engines", choices=tuple(ENGINES))
    workers: int = column("workers", "worker processes, each with one core's worth of work")
    workload: str = column(
        "",
        "images (blur and equalise), search (for primes) or spin (a loop of a stated length)",
        choices=("images", "search", "spin"),
    )
    transfer: str | None = column(
        "",
        "how an image got to its worker: seed (made there), value (pickled with the task) or shared (Ray's "
        "object store, or a file in memory that plain processes map); empty for other work",
        choices=("seed", "value", "shared"),
        default=None,
    )
    batching: str = column(
        "",
        "none (one task a call), equal (all calls of one size, a quarter of a worker's share: the default of "
        "multiprocessing.Pool.map) or own (the engine chooses as it goes)",
        choices=("none", "equal", "own"),
    )
    batch: int | None = column("tasks", "tasks in a call; empty where the engine chooses", default=None)
    tasks: int = column("tasks", "tasks of the work")
    task_seconds: float | None = column(
        "s",
        "length that a spin task's loop was set for, on an idle core; empty for others",
        default=None,
    )
    status: str = column("", "ok, failed or interrupted", choices=("ok", "failed", "interrupted"))
    error_kind: str | None = column("", "type of the error that ended it", default=None)
    error_message: str | None = column("", "first line of that error", default=None)
    started_at: str | None = column("UTC", "when it began, before its warm-up", default=None)
    startup_seconds: float | None = column(
        "s",
        "cold start of the engine, with Ray itself where it needs one: until all workers have answered; one "
        "start serves all timings of an engine in a block",
        default=None,
    )
    warmup_seconds: float | None = column("s", "a few tasks on every worker, before the clock", default=None)
    duration_seconds: float | None = column(
        "s",
        "from handing the work over to the last result, images on their way included, warm-up excluded",
        default=None,
    )
    units: int | None = column("units", "images, primes, or loops done", default=None)
    digest: str | None = column(
        "", "of all results in task order; equal work gives equal digests", default=None
    )
    task_cpu_seconds: float | None = column(
        "CPU s", "processor time of the tasks' bodies; empty for spin, which is not measured", default=None
    )
    cpu_seconds: float | None = column(
        "CPU s",
        "processor time of the whole process tree, Ray's own included, sampler left out",
        default=None,
    )
    memory_before_bytes: int | None = column(
        "B", "proportional set size of the whole process tree, before the work", default=None
    )
    peak_memory_bytes: int | None = column(
        "B", "the largest such size while it ran, as sampled", default=None
    )
    object_store_bytes: int | None = column(
        "B", "in Ray's object store right after the work, part of the size above", default=None
    )
    sampler_cpu_seconds: float | None = column("CPU s", "processor time of the sampler", default=None)
    steal_seconds: float | None = column("CPU s", "time the hypervisor gave to others", default=None)
    load_before: float | None = column("", "one-minute load average before the warm-up", default=None)
    framework: str = column("", "report B's column: the package that ran it")
    data_size_mb: float | None = column(
        "MB",
        "report B's column: the true size of an image, in 10^6 bytes; empty for other work",
        default=None,
    )
    num_tasks: int = column("tasks", "report B's column: equals tasks")
    complexity: float | None = column(
        "pixels", "report B's column: here the blur's standard deviation; empty for other work", default=None
    )
    execution_time: float | None = column("s", "report B's column: equals duration_seconds", default=None)
    memory_used: float | None = column(
        "MB", "report B's column: the largest resident size of the driver alone", default=None
    )


FILES: Mapping[str, type] = {
    "trials.csv": Trial,
    "tasks.csv": TaskRecord,
    "samples.csv": Sample,
    "windows.csv": NodeWindow,
    "nodes.csv": NodeFacts,
}
"""What every run of an experiment has; the first is that of the trials."""

TIMINGS: Mapping[str, type] = {"timings.csv": Timing}
"""What a run has that compares engines."""

COMPARISONS = ("ray_vs_multiprocessing", "break_even")
"""The experiments that compare engines."""

CHECKS: Mapping[str, type] = {"checks.csv": Check}
"""What a validation has."""


def files_of(experiment: str) -> Mapping[str, type]:
    """Return the files of a run of an experiment, the one with the trials first."""
    return TIMINGS if experiment in COMPARISONS else FILES


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: name, Python type, whether it may be empty, unit, meaning, and values if few."""

    name: str
    kind: type
    optional: bool
    unit: str
    meaning: str
    choices: tuple[str, ...]


def columns(record: type) -> tuple[Column, ...]:
    """Return the columns of a record type, in the order of the file."""
    hints = get_type_hints(record)
    return tuple(
        Column(
            field.name,
            next(kind for kind in getattr(hints[field.name], "__args__", (hints[field.name],))),
            type(None) in getattr(hints[field.name], "__args__", ()),
            field.metadata["unit"],
            field.metadata["meaning"],
            field.metadata["choices"],
        )
        for field in dataclasses.fields(record)
    )
