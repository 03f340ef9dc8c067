"""Tests of lab.analysis.nodes: what nodes have for themselves, what they did, and how they lie on hosts."""

import dataclasses

import pandas as pd
import pytest
from synthetic import CORES, HEAD, docker_run, frame, multi_node_run, node_id, synthetic_run

from lab.analysis.measures import measures
from lab.analysis.nodes import latest, node_windows, others_part, own_cores, placement, with_workers
from lab.data.records import NodeFacts, NodeWindow


def placed(**columns):
    """Return two nodes of one trial on one host of 4 cores, with a quota of 1 core each."""
    values = {
        "node_id": ["a", "b"],
        "trial_id": "000-1",
        "host_id": "h",
        "cluster": "compose",
        "cores": 4,
        "quota_cores": [1.0, 1.0],
    }
    return pd.DataFrame({**values, **columns})


def test_nodes_are_those_that_hold_workers():
    """A head that only drives says nothing of the nodes; where none is known to hold workers, all count."""
    nodes = pd.DataFrame({"quota_cores": [1.0, 8.0], "holds_workers": [False, True]})
    assert with_workers(nodes)["quota_cores"].tolist() == [8.0]
    assert with_workers(nodes.assign(holds_workers=False))["quota_cores"].tolist() == [1.0, 8.0]


@pytest.mark.parametrize(
    ("columns", "cores"),
    [
        ({}, [1.0, 1.0]),
        ({"quota_cores": [3.0, 1.0], "cores": 2}, [1.5, 0.5]),
        ({"cluster": "local", "quota_cores": 4.0}, [2.0, 2.0]),
        ({"cluster": "local", "quota_cores": 1.5}, [0.75, 0.75]),
        ({"cluster": "address", "host_id": ["a", "b"], "quota_cores": 4.0}, [4.0, 4.0]),
        ({"trial_id": ["000-1", "001-1"], "cluster": "local", "quota_cores": 4.0}, [4.0, 4.0]),
    ],
)
def test_cores_add_up_to_those_that_there_are(columns, cores):
    """Quotas that fit stay; those that do not, and those that raylets share, are dealt out."""
    assert own_cores(placed(**columns)).tolist() == pytest.approx(cores)


def test_an_unknown_node_has_unknown_cores():
    """Without facts of a node nothing is said of its cores."""
    assert own_cores(placed(host_id=["h", None], quota_cores=[1.0, None])).isna().tolist() == [False, True]


def test_raylets_of_one_host_are_not_counted_as_many_hosts():
    """Four plain raylets on 4 cores with a worker each are busy 4 of 4 cores, not 4 of 16."""
    table = measures(*multi_node_run(cluster="local", nodes=(4,), workers_per_node=(1,), blocks=1))
    row = table[table["nodes"] == 4].iloc[0]
    assert row["cpu_efficiency"] == pytest.approx(row["node_efficiency"])
    assert row["cpu_percent"] == pytest.approx(95.0)


def test_a_head_that_only_drives_is_no_capacity():
    """Its cores and its samples change neither efficiency nor use, even where a task was booked on it."""
    run = list(multi_node_run(nodes=(2,), workers_per_node=(1,), blocks=1))
    before = measures(*run)
    run[2].loc[run[2]["node_id"] == HEAD, "cpu_cores"] = 99.0
    run[4].loc[run[4]["node_id"] == HEAD, "quota_cores"] = 99.0
    lost = run[1].iloc[[3]].assign(node_id=HEAD, attempt=2, status="failed", started_seconds=None)
    run[1] = pd.concat([run[1], lost.assign(finished_seconds=None)], ignore_index=True)
    after = measures(*run)
    columns = ["cpu_efficiency", "cpu_percent", "memory_percent", "node_efficiency"]
    pd.testing.assert_frame_equal(before[columns], after[columns])


def test_a_window_by_hand():
    """1.5 CPU s in 4 s on a quarter core is 150 %; 1 s held back of 4 is 25 %; other nodes have no row."""
    facts = NodeFacts(
        node_id="n",
        session=1,
        cluster="compose",
        holds_workers=True,
        host_id="h",
        cores=2,
        quota_cores=0.25,
        cpu_source="cgroup",
        memory_bytes=1,
        gpus=0,
        cluster_start_seconds=1.0,
    )
    window = NodeWindow(
        trial_id="000-1",
        node_id="n",
        workers=1,
        status="ok",
        began_seconds=1.0,
        ended_seconds=5.0,
        cpu_seconds=1.5,
        workers_cpu_seconds=0.5,
        throttled_seconds=1.0,
    )
    head = dataclasses.replace(window, node_id="head", workers=0)
    rows = node_windows(frame(NodeWindow, [window, head]), frame(NodeFacts, [facts]))
    assert rows["node_id"].tolist() == ["n"]
    found = rows[["seconds", "cpu_percent", "workers_percent", "throttled_percent"]].iloc[0].tolist()
    assert found == [4.0, 150.0, 50.0, 25.0]
    lost = dataclasses.replace(window, status="lost", began_seconds=None, ended_seconds=None)
    assert node_windows(frame(NodeWindow, [lost]), frame(NodeFacts, [facts]))["cpu_percent"].isna().all()


def test_others_are_what_the_lab_did_not_use():
    """Of machines of their own: 2 of 4 cores in use, less 1 of workers, 0.2 of Ray, 0.1 of the sampler."""
    run = multi_node_run(cluster="address", nodes=(2,), workers_per_node=(1,), blocks=1)
    windows = run[3].copy()
    seconds = windows["ended_seconds"]
    for column, cores in (("cpu", 2.0), ("workers_cpu", 1.0), ("ray_cpu", 0.2), ("sampler_cpu", 0.1)):
        windows[f"{column}_seconds"] = cores * seconds
    found = others_part(run[0], windows, run[4])
    assert found.tolist() == pytest.approx([0.7 / CORES] * len(run[0]))


def test_others_are_unknown_where_a_node_reads_itself_alone():
    """A container's cgroup and a raylet's processes tell nothing of others."""
    for cluster in ("compose", "local"):
        run = multi_node_run(cluster=cluster, nodes=(2,), blocks=1)
        assert others_part(run[0], run[3], run[4]).empty


def test_the_driver_on_a_node_is_of_the_lab():
    """On the driver's own node its processor time and its sampler's count as the lab's."""
    run = synthetic_run(workers=(1,), blocks=1, modes=("search",))
    trials = run[0].assign(driver_cpu_seconds=0.5, sampler_cpu_seconds=0.25)
    windows = run[3].assign(cpu_seconds=4.0, workers_cpu_seconds=1.0, ray_cpu_seconds=0.25)
    found = others_part(trials, windows, run[4])
    assert found.tolist() == pytest.approx((2.0 / (CORES * windows["ended_seconds"])).tolist())


@pytest.mark.parametrize(
    ("run", "noun", "one", "shared", "own"),
    [
        (synthetic_run(workers=(1,), blocks=1), "nodes", "node", False, True),
        (multi_node_run(blocks=1), "containers on one host", "container", True, True),
        (multi_node_run(cluster="local", blocks=1), "raylets on one host", "raylet", True, False),
        (multi_node_run(cluster="address", blocks=1), "nodes", "node", False, True),
        (docker_run(blocks=1), "nodes on one host", "node", True, False),
    ],
)
def test_where_nodes_lie(run, noun, one, shared, own):
    """Nodes are named after their kind and host, and have processors of their own or not."""
    found = placement(run[3], run[4])
    assert (found.noun, found.one, found.shared, found.own_processors) == (noun, one, shared, own)


def test_quotas_that_exceed_the_host_are_no_processors_of_ones_own():
    """Four containers of 1.5 cores do not fit 4 cores, and two of them do."""
    run = multi_node_run(nodes=(1, 2, 4), blocks=1)
    nodes = run[4].assign(quota_cores=1.5)
    assert not placement(run[3], nodes).own_processors
    few = run[3][~run[3]["trial_id"].isin(run[0].loc[run[0]["nodes"] == 4, "trial_id"])]
    assert placement(few, nodes).own_processors
    assert placement(few, nodes).most_quota_cores == 3.0


def test_nodes_of_an_address_may_share_a_host():
    """Equal boot ids within a trial are noticed, whatever the cluster is called; without quotas, too."""
    run = multi_node_run(cluster="address", nodes=(1, 2, 4), blocks=1)
    one = placement(run[3], run[4].assign(host_id="the-one"))
    assert (one.noun, one.own_processors) == ("nodes on one host", False)
    hosts = run[4]["node_id"].map({node_id(0): "a", node_id(1): "a", node_id(2): "b", node_id(3): "b"})
    assert placement(run[3], run[4].assign(host_id=hosts.fillna("c"))).noun == "nodes on shared hosts"


def test_one_machine_after_another_shares_nothing():
    """An embedded Ray that was started twice is two nodes of one host, but never at one time."""
    run = synthetic_run(workers=(1,), blocks=2, modes=("search",))
    again = run[4].assign(node_id="other", session=2)
    windows = run[3].copy()
    windows.loc[windows.index[3:], "node_id"] = "other"
    assert not placement(windows, pd.concat([run[4], again])).shared


def test_a_node_that_is_listed_twice_counts_once():
    """The facts of the later session stand."""
    nodes = multi_node_run(blocks=1)[4]
    both = pd.concat([nodes, nodes.assign(session=2)])
    assert len(latest(both)) == len(nodes)
    assert set(latest(both)["session"]) == {2}


def test_no_trials_place_nothing():
    """Without windows the kind of the nodes still names them, and no processors are promised."""
    run = multi_node_run(blocks=1)
    found = placement(run[3].iloc[:0], run[4])
    assert (found.noun, found.own_processors, found.host_cores) == ("containers on one host", False, None)
