"""Several raylets on this host: exactly N nodes with W workers each, a watch on each, what is refused."""

import dataclasses
import hashlib
import time
from collections import Counter

import psutil
import pytest
from fakes import LOCAL, comes_true

from lab.clusters import attached, by_command
from lab.clusters.addresses import Head
from lab.clusters.attached import Cluster
from lab.clusters.local import local
from lab.engines import ray_actors
from lab.errors import ClusterError
from lab.experiment.examples import works_of
from lab.experiment.parameters import MultiNode, parameters_from
from lab.experiment.run import multi_node

pytestmark = pytest.mark.ray

SWEEP = LOCAL | {
    "nodes": [1, 2],
    "workers_per_node": [1, 2],
    "repeats": 1,
    "schedules": ["dynamic", "static"],
}


def serial_digest(parameters, mode):
    """Return the digest that a plain loop over the work comes to."""
    work = works_of(parameters)[mode]
    outcomes = [work.call(work.function)(item).outcome for item in work.items]
    return hashlib.sha256("".join(one.digest for one in outcomes).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a sweep over sizes of a cluster of two raylets, run as the notebook runs it."""
    return multi_node(SWEEP, tmp_path_factory.mktemp("data"))


def test_every_size_runs_and_finds_the_same(run):
    """All sizes end well, and their results are those of a plain loop."""
    assert run.complete
    assert set(run.trials["status"]) == {"ok"}, run.trials["error_message"].dropna().tolist()
    parameters = parameters_from(MultiNode, SWEEP)
    for mode in parameters.modes:
        digests = set(run.trials.loc[run.trials["mode"] == mode, "digest"])
        assert digests == {serial_digest(parameters, mode)}


def test_exactly_as_many_workers_as_asked_for_are_on_each_node(run):
    """N nodes with W workers each: neither more nodes, nor another spread, nor a worker on the head."""
    head = set(run.nodes.loc[~run.nodes["holds_workers"], "node_id"])
    warmups = run.tasks[run.tasks["warmup"]]
    for trial in run.trials.itertuples():
        own = warmups[warmups["trial_id"] == trial.trial_id]
        spread = Counter(own["node_id"])
        assert len(own) == trial.workers
        assert list(spread.values()) == [trial.workers_per_node] * trial.nodes
        assert not set(spread) & head


def test_every_node_in_use_is_watched(run):
    """Each trial has a window and samples for the head and for every node with workers, and no other."""
    for trial in run.trials.itertuples():
        windows = run.windows[run.windows["trial_id"] == trial.trial_id]
        assert set(windows["status"]) == {"ok"}
        assert sorted(windows["workers"]) == [0] + [trial.workers_per_node] * trial.nodes
        sampled = set(run.samples.loc[run.samples["trial_id"] == trial.trial_id, "node_id"])
        assert sampled == set(windows["node_id"])
        tasks = run.tasks[(run.tasks["trial_id"] == trial.trial_id) & ~run.tasks["warmup"]]
        assert set(tasks["node_id"]) <= sampled
        assert windows["began_seconds"].max() <= 0
        assert (windows["ended_seconds"] >= trial.duration_seconds).all()


def test_clocks_of_one_host_are_one(run):
    """Nodes on this host have no offset beyond what the pings can tell."""
    apart = run.windows["clock_offset_seconds"].abs() - run.windows["clock_uncertainty_seconds"]
    assert apart.max() <= 0


def test_times_are_ordered(run):
    """A task is submitted, begun, ended and received in this order, on the driver's clock."""
    tasks = run.tasks[~run.tasks["warmup"]]
    order = ["submitted_seconds", "started_seconds", "finished_seconds", "received_seconds"]
    assert (tasks[order].diff(axis=1).iloc[:, 1:] >= -0.005).all(axis=None)


def test_nodes_that_share_a_host_are_told_apart_by_their_processes(run):
    """One host's id on all of them, and each node's use of processors is that of its own processes."""
    assert run.nodes["host_id"].nunique() == 1
    assert set(run.nodes["cpu_source"]) == {"processes"}
    assert sorted(run.nodes["holds_workers"]) == [False, True, True]
    used = run.windows[run.windows["workers"] > 0]
    parts = used[["workers_cpu_seconds", "ray_cpu_seconds", "sampler_cpu_seconds"]].sum(axis="columns")
    # processor time of a process ticks 100 times a second
    assert (used["cpu_seconds"] - parts).abs().max() < 0.1


@pytest.fixture(scope="module")
def cluster():
    """Yield two raylets on this host."""
    with local(2, 2, 80) as cluster:
        yield cluster


def test_only_what_is_alive_counts(cluster):
    """The head holds no workers; more nodes than are alive are an error that counts them, after a while."""
    assert len(cluster.workers_on()) == 2
    assert cluster.here not in cluster.workers_on()
    with pytest.raises(
        ClusterError, match="3 nodes are asked for, and 2 that may hold workers are alive after"
    ):
        cluster.need(3, 0.1)


def test_a_node_with_other_code_is_refused(cluster, monkeypatch):
    """Nodes that would measure with other code, or on other packages, are named with both versions."""
    report = cluster.driver.report()
    other = dataclasses.replace(report, code="feedfacefeedface")
    monkeypatch.setattr(cluster.driver, "report", lambda: other)
    with pytest.raises(
        ClusterError, match=r"has another version of the lab \(\w+\) than the head \(feedface"
    ):
        Cluster("local", 0.0, cluster.driver).need(2, 60.0)
    older = dataclasses.replace(report, versions=report.versions | {"numpy": "1.0"})
    monkeypatch.setattr(cluster.driver, "report", lambda: older)
    with pytest.raises(ClusterError, match=r"has numpy [\d.]+ and the head 1\.0: install the same versions"):
        Cluster("local", 0.0, cluster.driver).need(2, 60.0)


def test_each_node_tells_of_its_own_object_store(cluster):
    """50 MB that lie on one node are in that node's samples, from when they came until they went."""
    import numpy
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Holder:
        def hold(self, size):
            self.held = ray.put(numpy.ones(size, dtype=numpy.uint8)) if size else None

    with ray_actors.team(2, 2) as team:
        (full, _) = (place.node_id for place in team.places)
        whole = next(one["NodeID"] for one in ray.nodes() if one["NodeID"].startswith(full))
        strategy = NodeAffinitySchedulingStrategy(whole, soft=False)
        holder = ray.remote(Holder).options(num_cpus=0, scheduling_strategy=strategy).remote()
        ray.get(holder.hold.remote(0))
        origin = cluster.begin("009-2", team, 0.2, True, lambda: 0)

        def hold(size):
            """Put so many bytes there; return when they were put, and when the driver knew of them."""
            put = time.monotonic() - origin
            ray.get(holder.hold.remote(size))
            known = lambda: cluster._stores.used_bytes(full, time.monotonic())  # noqa: E731
            assert comes_true(lambda: known() is not None and size <= known() < size + 1_000_000)
            return put, time.monotonic() - origin

        hold(0)
        time.sleep(0.5)
        put, came = hold(50_000_000)
        time.sleep(1.0)
        went, gone = hold(0)
        time.sleep(0.5)
        watched = cluster.end()
        ray.kill(holder)
    assert {sample.node_id for sample in watched.samples} == {cluster.here, *cluster.workers_on()}
    there = [sample for sample in watched.samples if sample.node_id == full]
    held = [sample.object_store_bytes for sample in there if came < sample.at_seconds < went]
    assert held
    assert all(50_000_000 <= one < 51_000_000 for one in held)
    free = [one for one in there if one.at_seconds < put or one.at_seconds > gone]
    assert {one.at_seconds < put for one in free} == {True, False}
    others = [one for one in watched.samples if one.node_id != full]
    assert all(one.object_store_bytes < 1_000_000 for one in [*free, *others])


def test_rays_own_processes_are_those_of_the_node_but_the_workers(cluster):  # noqa: ARG001
    """Seen from a worker: its raylet and both agents, once each, and neither it nor an idle worker."""
    import ray

    def seen():
        import psutil

        from lab.measure.node_watch import processes_of_ray

        def title(process):
            try:
                return process.cmdline()[0].strip()
            except (psutil.Error, IndexError):
                return ""  # it has just ended

        own, raylet = psutil.Process(), psutil.Process().parent()
        found = processes_of_ray()
        workers = [one.pid for one in raylet.children() if one not in found]
        return own.pid, raylet.pid, [one.pid for one in found], list(map(title, found)), workers

    with ray_actors.team(2, 2) as team:
        own, raylet, found, titles, workers = ray.get(ray.remote(seen).options(num_cpus=1).remote())
        there = {place.pid for place in team.places}
    assert found[0] == raylet
    assert len(set(found)) == len(found)
    assert {"ray::DashboardAgent", "ray::RuntimeEnvAgent"} <= set(titles)
    assert own in workers
    assert not there & set(found)
    assert there & set(workers)


def test_a_node_that_dies_is_marked(cluster, monkeypatch):
    """A node whose watcher does not answer has its row, as lost, with the reason; the others have theirs."""
    import ray

    monkeypatch.setattr(attached, "ANSWER_SECONDS", 5.0)
    with ray_actors.team(2, 2) as team:
        cluster.begin("009-1", team, 0.1, True, lambda: 0)
        lost = team.places[0].node_id
        ray.kill(team.node_watches[lost])
        watched = cluster.end()
    status = {window.node_id: (window.status, window.error_message) for window in watched.windows}
    assert status.pop(lost)[0] == "lost"
    assert "Actor" in next(one.error_message for one in watched.windows if one.node_id == lost)
    assert set(status.values()) == {("ok", None)}
    assert lost not in {sample.node_id for sample in watched.samples}


@pytest.mark.parametrize(("lost", "starts"), [(0, 3), (1, 4), (2, 2)])
def test_a_node_that_ends_is_started_once_more(
    lost: int, starts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a head and two workers the first that ends is started again; where that ends, too, it is said."""
    started: list[psutil.Popen] = []

    def start(*_: object) -> psutil.Popen:
        started.append(psutil.Popen(["true"]))
        started[-1].wait()
        return started[-1]

    def listed(*_: object) -> object:
        return {"data": {"result": {"result": [{"state": "ALIVE"}] * (len(started) - lost)}}}

    monkeypatch.setattr(by_command, "start_node", start)
    monkeypatch.setattr(Head, "ask", listed)
    monkeypatch.setattr(by_command.Path, "read_text", lambda _: "gave up")
    if lost < by_command.STARTS:
        with by_command.started_by_command():
            assert len(started) == starts
    else:
        with (
            pytest.raises(ClusterError, match="0 of 1 nodes came up by `ray start`, which says: gave up"),
            by_command.started_by_command(),
        ):
            pass
        assert len(started) == starts
