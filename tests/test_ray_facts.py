"""The facts about Ray 2.60 that the lab relies on, seen anew: another version may break any of them."""

import os
import time
from pathlib import Path

import psutil
import pytest
from fakes import Collector, square, tiny

from lab.clusters.embedded import PINNED_RAY, SETTINGS, embedded
from lab.clusters.stores import Stores
from lab.engines import Work, ray_actors
from lab.errors import ClusterError
from lab.experiment.examples import works_of
from lab.experiment.run import WORKER_BYTES
from lab.measure.node import private_memory_bytes

pytestmark = pytest.mark.ray

SLOTS = 6
STORE_MEGABYTES = 100


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Yield an empty home folder, in which Ray could write its token."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(folder))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        yield folder


@pytest.fixture(scope="module")
def cluster(home):  # noqa: ARG001  it must be set before
    """Yield one Ray with more slots than this machine has cores."""
    with embedded(SLOTS, STORE_MEGABYTES, 0) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def team(cluster):  # noqa: ARG001
    """Yield two workers."""
    with ray_actors.team(2) as team:
        yield team


def stores(cluster):
    """Return what reads the object store of this node."""
    return Stores(cluster.here, {cluster.here: cluster.nodes[cluster.here].object_store_bytes})


def processes_of(team):
    """Return the processes of a team's workers."""
    return [psutil.Process(place.pid) for place in team.places]


def ray_workers(cluster):
    """Return the processes that Ray has started since it was ready: its workers, idle ones included."""
    return set(psutil.Process().children(recursive=True)) - set(cluster.driver.ray_processes())


def test_ray_can_be_started_again_in_one_process(home):  # noqa: ARG001
    """A run that goes on in the same kernel starts a second Ray, whose processes take the same token."""
    for _ in range(2):
        with embedded(1, 80, 0) as cluster:
            assert stores(cluster).read() is not None
            assert cluster.workers_on() == (cluster.here,)


def test_no_idle_workers_are_started_ahead(cluster):
    """Before anything is asked for no worker runs, whatever the number of slots."""
    time.sleep(2.0)
    assert ray_workers(cluster) == set()
    names = {process.name() for process in cluster.driver.ray_processes()}
    assert not any("IDLE" in name or "Worker" in name for name in names), names


def test_the_slots_may_exceed_the_cores(cluster):
    """Ray takes the number of CPUs that it is told; the node's facts hold the real one."""
    import ray

    assert ray.cluster_resources()["CPU"] == SLOTS
    assert cluster.nodes[cluster.here].cores == os.cpu_count()


def test_the_node_has_the_id_that_workers_report(cluster, team):
    """Task rows and nodes.csv name the node alike."""
    assert {place.node_id for place in team.places} == {cluster.here}


def test_workers_run_at_niceness_0(team):
    """A Ray worker has the priority of a plain process, not Ray's default of 15."""
    assert {process.nice() for process in processes_of(team)} == {0} == {psutil.Process().nice()}


def test_exactly_the_workers_asked_for_run(cluster, team):
    """Two workers are two processes, whose ids are the ones they report."""
    assert ray_workers(cluster) == set(processes_of(team))


def test_the_token_is_in_force_and_not_written_down(cluster, home):  # noqa: ARG001
    """Authentication by token is on, and no token file appears in the user's home."""
    import ray
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    assert is_token_auth_enabled()
    assert ray.is_initialized()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_AUTH_TOKEN"]
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_no_dashboard_is_open(cluster):
    """With dashboard_port 0 nothing of this Ray listens on the dashboard's usual port."""
    ports = {
        connection.laddr.port
        for process in cluster.driver.ray_processes()
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert 8265 not in ports


def test_every_port_is_on_loopback(cluster, team):
    """Nothing that the embedded Ray listens on can be reached from another machine."""
    processes = (psutil.Process(), *cluster.driver.ray_processes(), *processes_of(team))
    addresses = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert {one.removeprefix("::ffff:") for one in addresses} == {"127.0.0.1"}


def test_available_resources_tell_the_use_of_the_object_store(cluster):
    """What lies in the object store is told, and told again when it is gone."""
    import numpy
    import ray

    store = stores(cluster)
    assert store.read() < 1_000_000
    reference = ray.put(numpy.zeros(30_000_000, dtype=numpy.uint8))
    assert _await(lambda: 30_000_000 <= store.read() < 31_000_000)
    del reference
    assert _await(lambda: store.read() < 1_000_000)
    assert cluster.nodes[cluster.here].object_store_bytes == STORE_MEGABYTES * 10**6


def _await(true, seconds=30.0):
    """Return whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_worker_bytes_is_an_upper_bound(team):
    """A worker that has done each kind of work, at 1024 bits, takes less than WORKER_BYTES."""
    largest = tiny(
        modes=["search", "find", "factor"],
        search_bits=1024,
        search_width=0,
        search_tasks=2,
        find_bits=1024,
        find_tasks=4,
    )
    collector = Collector()
    for mode in ("search", "find", "factor"):
        found = works_of(largest)[mode]
        work = Work(found.function, found.items, time.monotonic() + 100, call=found.call)
        team.run(work, "static", collector)
    assert collector.failed() == []
    for process in processes_of(team):
        assert 0.2 * WORKER_BYTES < private_memory_bytes([process]) < WORKER_BYTES


def test_clocks_of_driver_and_workers_are_one(team):
    """The monotonic clock of a host is the same in every process, so that times can be compared."""
    collector = Collector()
    before = time.monotonic()
    team.run(Work(square, range(20), time.monotonic() + 60), "dynamic", collector)
    times = [time for one in collector.completions for time in (one.measurement.started, one.received)]
    assert before < min(times) <= max(times) < time.monotonic()


def test_a_second_ray_is_refused(cluster):  # noqa: ARG001
    """Where Ray runs in this process already, the lab does not measure on it."""
    with pytest.raises(ClusterError, match="Ray already runs in this process"), embedded(1, 80, 0):
        pass


def test_the_settings_reach_rays_processes(cluster):
    """Ray's own processes have the lab's settings in their environment."""
    for process in cluster.driver.ray_processes():
        if "raylet" in process.name():
            environment = process.environ()
            assert {name: environment.get(name) for name in SETTINGS} == SETTINGS
            break
    else:
        pytest.fail("no raylet was found")


def test_the_pinned_version_is_the_installed_one():
    """These tests ran on the version that the lab names."""
    import ray

    assert ray.__version__ == PINNED_RAY
