"""Tests of lab.measure: the node's counters, the sampler, the measured task, and the facts of a machine."""

import dataclasses
import getpass
import json
import os
import pickle
import platform
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from fakes import NO_LIMITS, comes_true, fail_on_three, no_outcome, slow_square, square

from lab.measure import gpus, node_watch
from lab.measure.environment import code_facts, machine_facts, session_facts, utc_now, versions
from lab.measure.node import (
    Reading,
    cpu_seconds,
    delay_seconds,
    find_cgroup,
    host_id,
    private_memory_bytes,
    read_node,
    usable_cores,
    usable_memory_bytes,
)
from lab.measure.node_watch import NodeWatch
from lab.measure.sampler import Sampler
from lab.measure.task import first_line, measured

pytestmark = pytest.mark.timed

# --- cgroups ---

V1_STAT = "nr_periods 10\nnr_throttled 4\nthrottled_time 2500000000\n"
V2_STAT = (
    "usage_usec 3500000\nuser_usec 3000000\nsystem_usec 500000\nnr_throttled 4\nthrottled_usec 2500000\n"
)
V1_MEMORY = "cache 100\ninactive_file 1\ntotal_inactive_file 300\n"
V2_MEMORY = "anon 100\ninactive_file 300\n"


def folder(root, files):
    """Write files under a root and return it."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture
def version_1(tmp_path):
    """Return the files of a limited cgroup of version 1, as a container sees them."""
    return folder(
        tmp_path / "cpu_and_memory",
        {
            "cpu/cpu.cfs_quota_us": "150000\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "cpu/cpu.stat": V1_STAT,
            "cpuacct/cpuacct.usage": "3500000000\n",
            "memory/memory.limit_in_bytes": "1000000\n",
            "memory/memory.usage_in_bytes": "5000\n",
            "memory/memory.stat": V1_MEMORY,
        },
    )


@pytest.fixture
def version_2(tmp_path):
    """Return the files of a limited cgroup of version 2, as a container sees them."""
    return folder(
        tmp_path / "unified",
        {
            "cgroup.controllers": "cpu memory\n",
            "cpu.max": "150000 100000\n",
            "cpu.stat": V2_STAT,
            "memory.max": "1000000\n",
            "memory.current": "5000\n",
            "memory.stat": V2_MEMORY,
        },
    )


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_limits_and_counters_of_a_cgroup(request, version):
    """Quota, use, throttling and memory without the droppable page cache, from both versions' files."""
    cgroup = find_cgroup(request.getfixturevalue(version))
    assert cgroup.quota_cores == 1.5
    assert cgroup.memory_limit_bytes == 1_000_000
    assert cgroup.cpu_seconds() == 3.5
    assert cgroup.throttled_seconds() == 2.5
    assert cgroup.memory_bytes() == 4700
    assert usable_cores(cgroup) == min(1.5, len(os.sched_getaffinity(0)))
    assert usable_memory_bytes(cgroup) == 1_000_000


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_a_limited_node_is_read_by_its_cgroup(request, version):
    """Under a quota the node's use is the cgroup's, not the host's."""
    reading = read_node(find_cgroup(request.getfixturevalue(version)), "cgroup")
    assert (reading.cpu_seconds, reading.throttled_seconds, reading.memory_bytes) == (3.5, 2.5, 4700)


@pytest.mark.parametrize(
    ("version", "unlimited"),
    [
        (
            "version_1",
            {"cpu/cpu.cfs_quota_us": "-1\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"},
        ),
        ("version_2", {"cpu.max": "max 100000\n", "memory.max": "max\n"}),
    ],
)
def test_a_cgroup_without_limits(request, version, unlimited):
    """Without a limit the host counts: its cores, its memory, and nothing is throttled."""
    cgroup = find_cgroup(folder(request.getfixturevalue(version), unlimited))
    assert (cgroup.quota_cores, cgroup.memory_limit_bytes) == (None, None)
    assert (cgroup.throttled_seconds(), cgroup.memory_bytes()) == (None, None)
    assert usable_cores(cgroup) == len(os.sched_getaffinity(0))
    assert usable_memory_bytes(cgroup) == psutil.virtual_memory().total
    assert read_node(cgroup, "host").cpu_seconds > 3.5


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_any_file_may_be_missing(request, version):
    """Whatever file a kernel or container does not have, the node can be read, from the host if need be."""
    root = request.getfixturevalue(version)
    for path in [path for path in root.rglob("*") if path.is_file()]:
        content = path.read_text()
        path.unlink()
        cgroup = find_cgroup(root)
        reading = read_node(cgroup, "cgroup")
        assert reading.cpu_seconds > 0
        assert reading.memory_bytes > 0
        assert usable_cores(cgroup) > 0
        path.write_text(content)


def test_no_cgroup_at_all(tmp_path):
    """Where there are no cgroups, as on macOS, the host's own readings are used."""
    assert find_cgroup(tmp_path / "none") == NO_LIMITS


def test_this_machine_can_be_read():
    """The real cgroup of this process gives a reading, and time only ever adds up."""
    cgroup = find_cgroup()
    before = read_node(cgroup, "host")
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = read_node(cgroup, "host")
    assert after.cpu_seconds > before.cpu_seconds
    assert 0 < after.memory_bytes <= usable_memory_bytes(cgroup)
    assert 0 < usable_cores(cgroup) <= os.cpu_count()


def test_use_of_the_host_leaves_out_what_is_no_use(monkeypatch):
    """Idle, waiting, stolen and guest time (which Linux counts within user time, too) are not use."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
    times = dict(zip(names, (10.0, 1.0, 2.0, 1000.0, 500.0, 0.25, 0.5, 7.0, 3.0, 0.5), strict=True))

    class Times(tuple):
        __slots__ = ()

    for name in names:
        setattr(Times, name, times[name])
    monkeypatch.setattr(psutil, "cpu_times", lambda: Times(times.values()))
    reading = read_node(NO_LIMITS, "host")
    assert reading.cpu_seconds == pytest.approx(10 + 1 + 2 + 0.25 + 0.5)
    assert reading.steal_seconds == 7.0


def test_a_node_that_shares_its_host_is_its_processes():
    """Without limits of their own, nodes on one host are told apart by processes, the network is not."""
    me = psutil.Process()
    before = read_node(NO_LIMITS, "processes", [me])
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    after = read_node(NO_LIMITS, "processes", [me])
    assert 0.1 < after.cpu_seconds - before.cpu_seconds < 0.4
    assert (after.network_received_bytes, after.network_sent_bytes) == (None, None)


def test_the_loopback_is_no_network(monkeypatch):
    """What a node says to itself is not counted."""
    counters = {
        "lo": SimpleNamespace(bytes_recv=1000, bytes_sent=1000),
        "eth0": SimpleNamespace(bytes_recv=3, bytes_sent=5),
        "eth1": SimpleNamespace(bytes_recv=10, bytes_sent=20),
    }
    monkeypatch.setattr(
        psutil, "net_io_counters", lambda pernic, nowrap: counters if pernic and not nowrap else None
    )
    reading = read_node(NO_LIMITS, "host")
    assert (reading.network_received_bytes, reading.network_sent_bytes) == (13, 25)


# --- GPUs ---


class FakeNvml:
    """An NVML whose GPUs answer, or do not."""

    class NVMLError(Exception):
        """Not supported."""

    def __init__(self, use):
        self.use = use

    def nvmlDeviceGetUtilizationRates(self, handle):
        """Return the use of a GPU, or say that this one does not tell."""
        if self.use[handle] is None:
            raise self.NVMLError
        return SimpleNamespace(gpu=self.use[handle])

    def nvmlDeviceGetMemoryInfo(self, handle):
        """Return the memory of a GPU."""
        return SimpleNamespace(used=1000 + handle)


@pytest.mark.parametrize(
    ("use", "expected"), [([], (None, None)), ([20, 60], (40.0, 2001)), ([20, None], (None, None))]
)
def test_gpus_are_read_where_they_answer(monkeypatch, use, expected):
    """Mean use and memory of all; empty where there is none, and where one of them does not tell."""
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(use))
    monkeypatch.setattr(gpus, "gpu_handles", lambda: tuple(range(len(use))))
    assert gpus.read_gpus() == expected


# --- processes ---


def test_private_memory_and_time_survive_ended_processes():
    """A process that has ended, reaped or not, counts 0 and stops nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        both = [psutil.Process(), psutil.Process(child.pid)]
        assert private_memory_bytes(both) > private_memory_bytes(both[:1]) > 0
        child.kill()
        deadline = time.monotonic() + 20
        while both[1].status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.01)
        assert private_memory_bytes(both[1:]) == 0
    assert private_memory_bytes(both[1:]) == 0
    assert cpu_seconds(both[1:]) == 0
    assert cpu_seconds(both) > 0


# --- the sampler ---


@pytest.fixture
def sample():
    """Return a function that samples this process while something is done, from a fake node."""
    clock = SimpleNamespace(reads=0)

    def read():
        clock.reads += 1
        return Reading(
            cpu_seconds=float(clock.reads),
            machine_cpu_seconds=2.0 * clock.reads,
            steal_seconds=0.5 * clock.reads,
            throttled_seconds=None,
            memory_bytes=1000,
            network_received_bytes=10 * clock.reads,
            network_sent_bytes=None,
            gpu_percent=None,
            gpu_memory_bytes=None,
        )

    def start(during=lambda: None, interval=0.05, queue=lambda: 3, store=lambda: 7, samples=0):
        one = Sampler("000-1", "node", read, [psutil.Process()], interval, queue, store)
        with one:
            during()
            assert comes_true(lambda: len(one.samples) >= samples)
            one.left = time.monotonic()
        return one

    return start


def test_samples_lie_inside_the_window(sample):
    """Every sample is later than the begin, in order, and taken at the end at the latest."""
    one = sample(samples=3)
    times = [sample.at_seconds for sample in one.samples]
    assert len(times) >= 3
    assert times == sorted(times)
    assert times[0] > 0
    # only the last may be taken after the work has ended, and before the sampler has
    assert all(at <= one.left - one.began for at in times[:-1])
    assert times[-1] <= time.monotonic() - one.began


def test_nothing_is_sampled_after_the_end(sample):
    """Once the window is over the thread has ended and the list stays as it is."""
    one = sample(lambda: time.sleep(0.1))
    count = len(one.samples)
    time.sleep(0.2)
    assert len(one.samples) == count
    assert "sampler" not in {thread.name for thread in threading.enumerate()}


def test_a_sample_holds_what_it_was_asked_for(sample):
    """Queue, object store and memory are asked for; rates are per second since the reading before."""
    one = sample(samples=2)
    first, second = one.samples[:2]
    assert (first.trial_id, first.node_id, first.queue_length, first.object_store_bytes) == (
        "000-1",
        "node",
        3,
        7,
    )
    assert first.cpu_cores == pytest.approx(1 / first.at_seconds, rel=0.01)
    assert second.cpu_cores == pytest.approx(1 / (second.at_seconds - first.at_seconds), rel=0.01)
    assert second.steal_cores == pytest.approx(0.5 * second.cpu_cores)
    assert first.throttled_seconds is None
    assert first.lab_memory_bytes > 1_000_000
    assert (first.network_received_bytes, first.network_sent_bytes) == (10, None)
    assert one.last.steal_seconds - one.first.steal_seconds == 0.5 * len(one.samples)


def test_the_samplers_cost_is_counted(sample):
    """The processor time of its own thread is measured, and grows from sample to sample."""

    def expensive_queue():
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return 0

    one = sample(lambda: time.sleep(0.3), queue=expensive_queue)
    costs = [sample.sampler_cpu_seconds for sample in one.samples]
    assert costs == sorted(costs)
    assert one.cpu_seconds >= costs[-1] >= 0.01 * len(one.samples)


def test_the_driver_does_not_pay_for_the_sampler(sample):
    """What the window's own thread burns is not the sampler's cost."""

    def burn():
        end = time.thread_time() + 0.3
        while time.thread_time() < end:
            pass

    assert sample(burn, interval=60).cpu_seconds < 0.1


def test_a_moment_has_no_rates(sample):
    """A window much shorter than the interval has one sample, whose rates are unknown rather than noise."""
    one = sample(lambda: None, interval=60)
    (only,) = one.samples
    assert (only.cpu_cores, only.steal_cores) == (None, None)
    assert only.queue_length == 3


def test_ray_is_asked_once_a_second_at_most(sample):
    """The object store, which is dear to ask for, is asked for less often than the rest."""
    asked = []
    one = sample(samples=5, store=lambda: asked.append(1) or 7)
    assert 1 <= len(asked) <= 1 + one.samples[-1].at_seconds
    assert len(asked) < len(one.samples)
    assert {sample.object_store_bytes for sample in one.samples} == {7}


def test_a_reader_that_raises_is_reported_at_the_end(sample):
    """An error in the thread does not stop the work, and is not lost either."""

    def broken():
        raise OSError("this sensor is gone")

    done = []
    with pytest.raises(OSError, match="this sensor is gone"):
        sample(lambda: (time.sleep(0.2), done.append(1)), queue=broken)
    assert done == [1]


def test_an_error_of_the_work_comes_first(sample):
    """Where work and sampler both fail, the work's error is the one that is raised."""

    def broken():
        raise OSError("this sensor is gone")

    def work():
        time.sleep(0.2)
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        sample(work, queue=broken)


# --- the node watch ---


def test_a_station_watches_a_window():
    """Counters between begin and end, and samples in between, of the node and of the workers."""
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    watch = NodeWatch(lambda: ())
    try:
        began = watch.begin("000-1", "node", [worker.pid], "processes", 0.05, queue_length=lambda: 7)
        assert comes_true(lambda: cpu_seconds([psutil.Process(worker.pid)]) > 0.3)
        assert comes_true(lambda: len(watch._sampler.samples) >= 3)
        window = watch.end()
    finally:
        worker.kill()
        worker.wait()
    seen = window.counters
    assert (window.began, seen.workers, seen.status) == (began, 1, "ok")
    assert len(window.samples) >= 3
    assert {sample.queue_length for sample in window.samples} == {7}
    # the node is read before the worker at the begin, and after it at the end
    assert 0.1 < seen.workers_cpu_seconds <= seen.cpu_seconds + 1e-6
    assert seen.ray_cpu_seconds == 0
    assert 0 < seen.sampler_cpu_seconds <= window.own_cpu_seconds
    # one that is gone is left out
    watch.begin("000-2", "node", [worker.pid], "host", 0.05)
    assert watch.end().counters.workers == 0


@pytest.mark.timed
def test_the_time_without_a_processor_is_known():
    """A process that shares one processor with another is ready and waits for about as long as it runs."""
    pinned = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    both = [subprocess.Popen([sys.executable, "-c", pinned]) for _ in range(2)]
    try:
        processes = [psutil.Process(one.pid) for one in both]
        assert comes_true(lambda: min(cpu_seconds([one]) for one in processes) > 0.5)
        assert delay_seconds(processes) > cpu_seconds(processes) / 2
    finally:
        for one in both:
            one.kill()
            one.wait()
    assert delay_seconds(processes) is None


def test_a_worker_that_watches_its_node_is_counted_once():
    """The node watch's own process may be a worker: its sampling is taken off the worker's processor time."""
    watch = NodeWatch(lambda: ())
    watch.begin("000-1", "node", [os.getpid()], "processes", 0.01)
    memory = private_memory_bytes([psutil.Process()])
    time.sleep(1.0)
    window = watch.end()
    assert window.samples[0].lab_memory_bytes < 1.5 * memory
    seen = window.counters
    # processor time of a process ticks 100 times a second
    assert abs(seen.workers_cpu_seconds + seen.sampler_cpu_seconds - window.own_cpu_seconds) < 0.03


def test_a_second_of_a_worker_is_not_one_of_ray_too():
    """A process that is both told as a worker and found as Ray's own is counted as a worker alone."""
    me = psutil.Process()
    watch = NodeWatch(lambda: (me,))
    watch.begin("000-1", "node", [os.getpid()], "processes", 10)
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    seen = watch.end().counters
    assert seen.ray_cpu_seconds == 0
    assert 0.25 < seen.cpu_seconds < 0.6


class FakeProcess:
    """A process by title, with those that it has started, as psutil tells of it."""

    def __init__(self, pid, title, *below, name="python"):
        self.pid, self.title, self.below, self._name, self.above = pid, title, below, name, None
        for one in below:
            one.above = self

    def name(self):
        """Return the name of the program."""
        return self._name

    def cmdline(self):
        """Return the words of the title; a process that renames itself has one, with blanks at its end."""
        return [self.title + " " * 20, ""] if self.title.startswith("ray::") else self.title.split()

    def ppid(self):
        """Return the id of the process above."""
        return self.above.pid

    def parent(self):
        """Return the process above."""
        return self.above

    def parents(self):
        """Return all above, the nearest first."""
        return [] if self.above is None else [self.above, *self.above.parents()]

    def children(self, recursive=False):
        """Return what was started by this one or below it."""
        deeper = [deep for one in self.below for deep in one.children(recursive)] if recursive else []
        return [*self.below, *deeper]


STARTS = {
    "container": ("/opt/lab/bin/python3 /opt/lab/bin/ray start --block --num-cpus=1", {2, 3, 4, 5, 6, 7, 8}),
    "Python": ("/opt/lab/bin/python3 -m pytest start", {6, 7, 8}),
}


@pytest.mark.parametrize("start", STARTS)
def test_rays_own_processes_are_all_but_the_workers(monkeypatch, start):
    """The agents, titled as workers are, and `ray start` with all below; no worker, nor what it started."""
    job = FakeProcess(12, "python -m lab.experiment.job", FakeProcess(13, "gcc"))
    workers = (
        FakeProcess(9, "ray::Worker.run"),
        FakeProcess(10, "ray::IDLE"),
        FakeProcess(11, "ray::JobSupervisor", job),
    )
    agents = (FakeProcess(7, "ray::DashboardAgent"), FakeProcess(8, "ray::RuntimeEnvAgent"))
    raylet = FakeProcess(6, "raylet --raylet_socket_name=raylet", *agents, *workers, name="raylet")
    dashboard = FakeProcess(3, "python dashboard.py", FakeProcess(4, "python -c forkserver"))
    title, expected = STARTS[start]
    starter = FakeProcess(2, title, dashboard, FakeProcess(5, "python log_monitor.py"), raylet)
    FakeProcess(1, "/sbin/docker-init -- node worker", starter)
    for one in (workers[0], job):
        monkeypatch.setattr(node_watch.psutil, "Process", lambda one=one: one)
        found = [process.pid for process in node_watch.processes_of_ray()]
        assert sorted(found) == sorted(expected)


def test_a_station_begins_anew_where_a_window_was_cut_off():
    """A window that nobody ended does not go on being sampled."""
    watch = NodeWatch(lambda: ())
    watch.begin("000-1", "node", [], "host", 0.05)
    watch.begin("000-2", "node", [], "host", 0.05)
    assert {sample.trial_id for sample in watch.end().samples} == {"000-2"}
    assert "sampler" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match="not begun"):
        watch.end()


def test_a_station_reports_its_node():
    """Facts of the node, with what must be equal on all nodes."""
    report = NodeWatch().report()
    assert report.cores == os.cpu_count()
    assert (report.code, report.versions) == (code_facts()["digest"], versions())


# --- the measured task ---


def test_a_task_measures_itself():
    """Begin, end, processor time and size of the result, on the worker's own clocks."""
    before = time.monotonic()
    found = measured(slow_square)(3)
    assert before <= found.started <= found.finished - 0.05
    assert found.finished <= time.monotonic()
    assert 0 <= found.cpu_seconds < found.finished - found.started
    assert found.outcome == square(3)
    assert found.result_bytes == len(pickle.dumps(square(3)))


def test_a_tasks_error_is_measured_too():
    """An exception of the workload becomes kind and first line; its times stay."""
    found = measured(fail_on_three)(3)
    assert (found.outcome, found.result_bytes) == (None, None)
    assert (found.error_kind, found.error_message) == ("ValueError", 'three is "not" allowed,')
    assert found.finished >= found.started
    assert measured(no_outcome)(1).error_message == "a workload returns an Outcome, not function"


def test_first_lines_are_short():
    """A long or empty message stays one line of 300 characters at most."""
    assert first_line(ValueError("x" * 1000 + "\nsecond")) == "x" * 300
    assert first_line(ValueError("\n\n one\ntwo")) == "one"
    assert first_line(ValueError()) == ""


# --- facts about the environment ---


def private_words():
    """Return the names of this machine, its user and his places: what must never be published."""
    words = {getpass.getuser(), socket.gethostname(), platform.node(), str(Path.home()), os.getcwd()}
    words |= {os.environ.get(name, "") for name in ("USER", "LOGNAME", "HOSTNAME", "HOME", "RAY_AUTH_TOKEN")}
    for addresses in psutil.net_if_addrs().values():
        words |= {one.address.split("%")[0] for one in addresses}
    boot = Path("/proc/sys/kernel/random/boot_id")
    machine = Path("/etc/machine-id")
    words |= {path.read_text().strip() for path in (boot, machine) if path.exists()}
    return {word for word in words if len(word) > 2}


def published_facts():
    """Return all facts of environment.json but the parameters."""
    return {
        "code": code_facts(),
        "versions": versions(),
        "machine": machine_facts(find_cgroup()),
        "session": session_facts(),
    }


def test_facts_tell_nothing_private():
    """No user, host, address, token, home path or boot id of this machine is in what is published."""
    text = "\n".join(str(value) for group in published_facts().values() for value in group.values()).lower()
    words = text.split()
    for private in private_words():
        if len(private) > 4 or "/" in private:
            assert private.lower() not in text, private
        else:  # such as root or vm: no word of its own
            assert private.lower() not in words, private


def test_facts_are_told_in_full():
    """What a reader needs to judge a number is there: versions, GMP, cores, memory, kernel, commit, load."""
    facts = published_facts()
    assert {"python", "ray", "gmp", "gmpy2", "python-flint", "numpy"} <= set(facts["versions"])
    machine = facts["machine"]
    assert machine["cores"] == os.cpu_count()
    assert machine["memory_bytes"] > 2**28
    assert machine["kernel"] == platform.release()
    assert machine["cpu_model"]
    assert all(value is not None for value in machine.values())
    assert {"started_at", "commit", "host_id", "load_before"} <= set(facts["session"])
    assert json.loads(json.dumps(facts)) == facts


def test_a_container_is_told_by_its_mark(tmp_path, monkeypatch):
    """The machine's facts say whether the run was in a container, which Docker and Podman mark by a file."""
    mark = tmp_path / "mark"
    monkeypatch.setattr("lab.measure.environment.CONTAINER_MARKS", (mark, tmp_path / "other"))
    assert machine_facts(find_cgroup())["container"] is False
    mark.touch()
    assert machine_facts(find_cgroup())["container"] is True


def test_facts_that_must_not_change_do_not():
    """Code, versions and machine are the same when asked again: a run can go on with them."""
    first, second = published_facts(), published_facts()
    for name in ("versions", "machine"):
        assert first[name] == second[name]


def test_the_digest_of_the_code_is_the_codes(tmp_path, monkeypatch):
    """Another byte or name of any source file that measures gives another digest; anything else does not."""
    from lab import paths

    monkeypatch.setattr(paths, "ROOT", folder(tmp_path, {"lab/a.py": "x = 1\n", "lab/b/c.py": ""}))
    first = code_facts()["digest"]
    folder(
        tmp_path,
        {"lab/notes.txt": "", "tests/test_a.py": "", "lab/analysis/e.py": "", "lab/trace.py": ""},
    )
    assert code_facts()["digest"] == first
    folder(tmp_path, {"lab/a.py": "x = 2\n"})
    second = code_facts()["digest"]
    (tmp_path / "lab/b/c.py").rename(tmp_path / "lab/b/d.py")
    assert len({first, second, code_facts()["digest"]}) == 3


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    """Outside a repository, or where git is not installed, the commit is empty and nothing fails."""
    from lab import paths

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert session_facts()["commit"] is None
    monkeypatch.setenv("PATH", "")
    assert session_facts()["uncommitted_changes"] is None


def test_the_host_id_is_stable_and_says_nothing():
    """Equal on every call, and a digest only."""
    assert host_id() == host_id()
    assert re.fullmatch(r"[0-9a-f]{12}", host_id())


def test_times_are_aware():
    """The time is in UTC and says so."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", utc_now())


def test_readings_are_records():
    """A reading is frozen: what was read does not change."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_node(NO_LIMITS, "host").cpu_seconds = 0.0
