"""What nodes leave: facts of each, what they did in a window, and samples in between."""

import dataclasses

from lab.data.columns import column


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
    workers_delay_seconds: float | None = column(
        "s",
        "time for which the workers' main threads were ready and waited for a processor, as Linux counts it",
        default=None,
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
    machine_cpu_seconds: float | None = column(
        "CPU s",
        "processor time of all that ran on the node's machine, other nodes and others' processes too",
        default=None,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One node of the cluster, as found when the cluster was ready."""

    node_id: str = column("", "Ray's id of the node, first 12 digits")
    session: int = column("", "1, or more where the run was started again")
    cluster: str = column(
        "",
        "the kind of cluster, as in trials.csv",
        choices=("embedded", "local", "compose", "address", "slurm"),
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
