"""Tests of lab.published.report_a: the report's numbers, entered once and complete."""

from lab.published.report_a import cluster, single_node


def test_single_node_has_six_worker_counts():
    """The one machine was measured with 1 to 6 workers, at best with as many as cores."""
    table = single_node()
    assert table["workers"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table.loc[table["throughput"].idxmax(), "workers"] == 2
    assert table["memory_percent"].dropna().tolist() == [29.7, 32.5]


def test_cluster_has_six_sizes_of_three_kinds():
    """The cluster was measured on 1 to 6 nodes with 1, 2 and 6 workers each, best at 5 nodes."""
    table = cluster()
    assert len(table) == 18
    best = table.loc[table.groupby("workers_per_node")["throughput"].idxmax()]
    assert best["nodes"].tolist() == [5, 5, 5]
    assert table["node_efficiency"].dropna().between(0, 1).all()


def test_single_node_and_cluster_agree():
    """One node of the cluster is the one machine."""
    alone = single_node().set_index("workers")["throughput"]
    one = cluster().query("nodes == 1").set_index("workers_per_node")["throughput"]
    assert (one == alone[one.index]).all()


def test_each_call_returns_a_fresh_frame():
    """A caller that changes its frame changes nobody else's."""
    changed = single_node()
    changed["throughput"] = 0.0
    assert (single_node()["throughput"] > 0).all()
