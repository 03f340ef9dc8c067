"""What one trial leaves: its own row, and a row for each attempt at a task."""

import dataclasses

from lab.data.columns import column


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
        "what ran the tasks: serial (a loop in the driver), processes (plain Python processes), ray, another "
        "of those that the page on engines tells of, or the name of your own",
    )
    schedule: str = column(
        "",
        "dynamic (tasks handed out as workers get free) or static (equal shares)",
        choices=("dynamic", "static"),
    )
    cluster: str = column(
        "",
        "where it ran: embedded (Ray in the notebook's process), local (several raylets on its host), "
        "compose (containers on one host), address (a cluster that was there) or slurm (an allocation)",
        choices=("embedded", "local", "compose", "address", "slurm"),
    )
    nodes: int = column("nodes", "nodes that hold workers")
    workers_per_node: int = column("workers", "workers on each node")
    workers: int = column("workers", "workers in all")
    status: str = column("", "ok, failed or interrupted", choices=("ok", "failed", "interrupted"))
    error_kind: str | None = column("", "type of the error that ended the trial", default=None)
    error_message: str | None = column("", "first line of that error", default=None)
    started_at: str | None = column(
        "UTC",
        "when the trial began, before any workers were started for it; empty after a kill",
        default=None,
    )
    startup_seconds: float | None = column(
        "s",
        "cold start: from asking for workers to all answering, with Ray itself where each engine has a "
        "process of its own; one start serves all trials of a block on as many workers of an engine, but "
        "for own work",
        default=None,
    )
    warmup_seconds: float | None = column("s", "one warm-up task on every worker", default=None)
    duration_seconds: float | None = column(
        "s", "the window: from the first submission to the last completion, warm-up excluded", default=None
    )
    planned_tasks: int | None = column("tasks", "tasks of the trial's work", default=None)
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
    task_cpu_seconds: float | None = column(
        "CPU s",
        "processor time of the tasks' bodies; empty where tasks are too short to measure",
        default=None,
    )
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
    transfer: str | None = column(
        "",
        "how an item got to its worker: seed (made there), value (pickled with the task) or shared (Ray's "
        "object store, or a file in memory that processes map); empty where none was chosen",
        choices=("seed", "value", "shared"),
        default=None,
    )
    batching: str | None = column(
        "",
        "none (one task a call), equal (all calls of one size, a quarter of a worker's share: the default of "
        "multiprocessing.Pool.map) or own (the engine chooses as it goes); empty where none was chosen",
        choices=("none", "equal", "own"),
        default=None,
    )
    batch: int | None = column("tasks", "tasks in a call; empty where the engine chooses", default=None)
    task_seconds: float | None = column(
        "s",
        "length that a task was made for, on an idle core; empty for tasks of no stated length",
        default=None,
    )
    item_bytes: int | None = column(
        "B", "true size of what an item stands for, such as an image; empty where unknown", default=None
    )
    cpu_seconds: float | None = column(
        "CPU s",
        "processor time of the driver and all that it started, Ray's own included, sampler left out; this "
        "and the memory below are read where each engine has a process of its own",
        default=None,
    )
    memory_before_bytes: int | None = column(
        "B", "proportional set size of all of these processes, before the work", default=None
    )
    peak_memory_bytes: int | None = column(
        "B", "the largest such size while it ran, as sampled", default=None
    )
    driver_memory_bytes: int | None = column(
        "B", "the largest resident size of the driver alone", default=None
    )
    object_store_bytes: int | None = column(
        "B", "in Ray's object store right after the work, part of the peak", default=None
    )


def work_of(mode: str, tasks: int | None, task_seconds: float | None) -> str:
    """Return the name of what has one result, however it is handed out: kind of work, number and length."""
    length = "" if task_seconds is None or task_seconds != task_seconds else f" of {task_seconds:g} s"
    return f"{mode}, {tasks} tasks{length}"


@dataclasses.dataclass(slots=True, kw_only=True)
class TaskRecord:
    """One attempt at one task; times are seconds since the window began, on the driver's clock.

    It is not frozen: there is one for each task, and a frozen one takes three times as long to make.
    """

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
    step: str | None = column(
        "",
        "what the task was, of work that makes its tasks as it goes: the item it belongs to, counted from 0, "
        "its kind, and what it was told; the last step of an item has the item's index as its task, and its "
        "result alone is one of the trial's",
        default=None,
    )
