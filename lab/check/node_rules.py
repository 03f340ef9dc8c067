"""Rules of single nodes: from the condition that each is in to a line. Pure: facts in, words out."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from lab.check.lines import Finding, Line, Verdict, line
from lab.clusters.looked import Node
from lab.clusters.surroundings import FEWEST_FILES
from lab.experiment.run import WORKER_BYTES
from lab.formats import count, listing
from lab.measure.condition import Condition

RAY_BYTES = 250_000_000
"""What Ray's own processes take on a node that only runs tasks."""
FILES_ADVISED = 8192
"""By Ray itself, for clusters of many nodes."""
FEWEST_PROCESSES, PROCESSES_A_WORKER = 512, 64
"""Threads count: those of Ray on a node, and of each worker."""
FULL_SHARE = 0.95
"""Of a disk: Ray puts no object onto one that is fuller (`RAY_local_fs_capacity_threshold`)."""
START_SECONDS, START_CPU_SECONDS = 4.0, 4.0
"""For a worker to start, and beyond that so much processor time where the quota is below a core."""


def node_lines(nodes: Sequence[Node]) -> list[Line]:
    """Return a line for each thing that a node is given or limited by; nodes that are silent have no part."""
    known = [(one, one.condition) for one in nodes if one.condition is not None]
    working = [(one, there) for one, there in known if one.cpus > 0]
    if not known:
        return []
    return [
        line("cpus", _cpus(working), _good_cpus(working)),
        line("memory", _memory(known), f"at least {_least(there.memory_bytes for _, there in known)} a node"),
        line("object store", _store(known), _good_store(known)),
        line("disk", _disk(known), f"at least {_least(there.disk_free_bytes for _, there in known)} free"),
        line("limits", _limits(known), _good_limits([there for _, there in known])),
        line("niceness", _niceness(working), "workers run at the priority of plain processes"),
        line("threads", _threads(working), _good_threads(working)),
        line("first task", _first(known), _good_first(nodes)),
    ]


Known = Sequence[tuple[Node, Condition]]


def _cpus(working: Known) -> Iterator[Finding]:
    of_host = Counter[str]()
    for one, there in working:
        of_host[there.host_id] += int(one.cpus)
    for one, there in working:
        # raylets of one host share its cores
        handed_out = one.cpus if there.quota_cores is not None else of_host[there.host_id]
        usable, physical = there.usable_cores, there.physical_cores or there.cores
        remedy = f"ray start ... --num-cpus={max(1, int(usable))}"
        if one.cpus > max(1, math.ceil(usable)):
            what = f"Ray hands out {one.cpus:g} CPUs for {_cores(there)}: tasks slow each other down"
            yield Finding("bad", what, remedy, one.node_id)
        elif 2 * handed_out <= min(usable, physical):
            what = f"Ray hands out {count(int(one.cpus), 'CPU')} for {_cores(there)}: the rest idles"
            yield Finding("doubtful", what, remedy, one.node_id)


def _cores(there: Condition) -> str:
    """Return the cores that may be used, and by what they are fewer than the host has."""
    if there.quota_cores is not None and there.quota_cores <= there.cpuset_cores:
        return f"{there.quota_cores:g} of {count(there.cores, 'core')} (quota)"
    if there.cpuset_cores < there.cores:
        return f"{there.cpuset_cores} of {count(there.cores, 'core')} (cpuset)"
    return count(there.cores, "core")


def _good_cpus(working: Known) -> str:
    kinds = dict.fromkeys(f"{count(int(one.cpus), 'CPU')}, {_cores(there)}" for one, there in working)
    paired = any((there.physical_cores or there.cores) < there.cores for _, there in working)
    remark = "; two hardware threads share each core, and together do less than two cores" * paired
    return f"a node has {listing(kinds)}{remark}" if kinds else "no node hands out any"


def _memory(known: Known) -> Iterator[Finding]:
    for one, there in known:
        store = one.store_bytes or 0
        needed = store + RAY_BYTES + one.cpus * WORKER_BYTES
        remedy = "ray start ... --object-store-memory=80000000, fewer --num-cpus, or more memory for the node"
        if store + RAY_BYTES > there.memory_bytes:
            what = f"{_size(there.memory_bytes)} do not hold Ray and its object store of {_size(store)}"
            yield Finding("bad", what, remedy, one.node_id)
        elif needed > there.memory_bytes:
            what = (
                f"{_size(there.memory_bytes)}, and Ray, an object store of {_size(store)} and "
                f"{count(int(one.cpus), 'worker')} may need {_size(needed)}"
            )
            yield Finding("doubtful", what, remedy, one.node_id)


def _store(known: Known) -> Iterator[Finding]:
    for one, there in known:
        shared, store = there.shared_memory_bytes, one.store_bytes or 0
        if there.store_in_memory is False or (shared is not None and store > shared):
            what = (
                f"an object store of {_size(store)} does not fit into shared memory of {_size(shared or 0)} "
                "and lies on the disk"
            )
            remedy = f"docker run --shm-size={math.ceil(store / 0.9e6)}m, or less --object-store-memory"
            yield Finding("bad", what, remedy, one.node_id)


def _good_store(known: Known) -> str:
    sizes = dict.fromkeys(_size(one.store_bytes or 0) for one, _ in known)
    return f"{listing(sizes)} a node, in shared memory"


def _disk(known: Known) -> Iterator[Finding]:
    remedy = "df -h /tmp; free some space, or ray start ... --temp-dir=FOLDER on a larger disk (the head's)"
    for one, there in known:
        used = 1 - there.disk_free_bytes / max(1, there.disk_bytes)
        if used >= FULL_SHARE:
            what = (
                f"the disk for spilled objects is {used:.0%} full, and Ray writes none above {FULL_SHARE:.0%}"
            )
            yield Finding("bad", what, remedy, one.node_id)
        elif there.disk_free_bytes < (one.store_bytes or 0):
            what = (
                f"the disk for spilled objects has {_size(there.disk_free_bytes)}, less than the object store"
            )
            yield Finding("doubtful", what, remedy, one.node_id)


def _limits(known: Known) -> Iterator[Finding]:
    for one, there in known:
        needed = FEWEST_PROCESSES + PROCESSES_A_WORKER * one.cpus
        files, most = there.open_files, there.most_open_files
        if files is not None and files < FEWEST_FILES:
            what = f"a process may open {files} files, and Ray needs {FEWEST_FILES}"
            yield Finding("bad", what, f"ulimit -n {FILES_ADVISED} before ray start", one.node_id)
        elif most is not None and most < FILES_ADVISED:
            what = f"a process may open {most} files at most, and Ray advises {FILES_ADVISED}"
            yield Finding("doubtful", what, f"ulimit -n {FILES_ADVISED} before ray start", one.node_id)
        if there.processes is not None and there.processes < needed:
            verdict: Verdict = "bad" if there.processes < FEWEST_PROCESSES else "doubtful"
            what = f"{there.processes} processes and threads may be, and Ray may need {needed:.0f}"
            remedy = f"ulimit -u {2 * needed:.0f}, or docker run --pids-limit={2 * needed:.0f}"
            yield Finding(verdict, what, remedy, one.node_id)


def _good_limits(there: Sequence[Condition]) -> str:
    files = min((one.open_files for one in there if one.open_files is not None), default=None)
    processes = min((one.processes for one in there if one.processes is not None), default=None)
    return f"{_any(files)} open files a process, {_any(processes)} processes and threads"


def _any(limit: int | None) -> str:
    return "any number of" if limit is None else f"{limit:,}"


def _niceness(working: Known) -> Iterator[Finding]:
    for one, there in working:
        if there.niceness != 0:
            what = f"workers run at niceness {there.niceness}: whatever else runs there goes before them"
            yield Finding("doubtful", what, "export RAY_worker_niceness=0 before ray start", one.node_id)


def _threads(working: Known) -> Iterator[Finding]:
    for one, there in working:
        library, most = max(there.threads.items(), key=lambda pair: pair[1], default=("", 1))
        at_once = most * max(1, int(one.cpus))
        if most > 1 and at_once > math.ceil(there.usable_cores):
            what = (
                f"numpy's {library} takes {most} threads in each worker, {at_once} in all where "
                f"{_cores(there)} may be used"
            )
            yield Finding("doubtful", what, "export OMP_NUM_THREADS=1 before ray start", one.node_id)


def _good_threads(working: Known) -> str:
    found = dict.fromkeys(
        f"{count(most, 'thread')} of {name}" for _, there in working for name, most in there.threads.items()
    )
    return f"{listing(found)} in each worker" if found else "no numerical library has threads of its own"


def _first(known: Known) -> Iterator[Finding]:
    for one, there in known:
        allowed = START_SECONDS + START_CPU_SECONDS / min(1.0, there.usable_cores)
        if (one.first_task_seconds or 0.0) > allowed:
            what = f"the first task took {one.first_task_seconds:.0f} s to start: node or disk are busy"
            yield Finding("doubtful", what, "top on the node, while nothing else should run", one.node_id)


def _good_first(nodes: Sequence[Node]) -> str:
    times = [one.first_task_seconds for one in nodes if one.first_task_seconds is not None]
    return f"{max(times, default=0.0):.1f} s until the first task runs, on the slowest node"


def _least(sizes: Iterator[int]) -> str:
    return _size(min(sizes))


def _size(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
