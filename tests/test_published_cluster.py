"""Tests of lab.published.cluster_claims: each claim about a cluster can hold, fail and be beyond telling."""

import pandas as pd
import pytest
from synthetic import multi_node_run

from lab.analysis.intervals import Estimate, ratio_estimate
from lab.analysis.measures import measures
from lab.published.cluster_claims import (
    cluster_verdicts,
    docker_verdict,
    efficiency_falls,
    efficiency_slopes,
    falls_faster,
    throughput_peaks,
)

NOISE = (-0.01, 0.0, 0.01)


def rows(column, by_nodes, workers=1, noise=NOISE):
    """Return measures of one column by number of nodes, disturbed by a part of it in each block."""
    return pd.DataFrame(
        [
            {
                "mode": "search",
                "block": block,
                "nodes": nodes,
                "workers_per_node": workers,
                column: value * (1 + part * (-1) ** nodes),
            }
            for block, part in enumerate(noise)
            for nodes, value in by_nodes.items()
        ]
    )


@pytest.mark.parametrize(
    ("throughput", "outcome"),
    [
        ({4: 9.6, 5: 10.5, 6: 9.2}, "holds"),
        ({4: 9.6, 5: 10.5, 6: 12.0}, "does not hold"),
        ({4: 9.6, 5: 8.0, 6: 7.0}, "does not hold"),
        ({4: 9.6, 5: 10.5, 6: 10.4}, "not decided"),
        ({4: 9.6, 5: 10.5}, "not decided"),
        ({5: 10.5, 6: 9.2}, "not decided"),
    ],
)
def test_the_peak(throughput, outcome):
    """It holds where 5 nodes beat the next smaller number and 6 fall behind, both beyond doubt."""
    assert throughput_peaks(rows("throughput", throughput)).outcome == outcome


def test_what_is_missing_is_named():
    """Without 6 containers the reason says so, in the page's own words."""
    verdict = throughput_peaks(rows("throughput", {4: 9.6, 5: 10.5}), "containers")
    assert verdict.evidence == "There is no trial with 6 containers."


@pytest.mark.parametrize(
    ("efficiency", "noise", "outcome"),
    [
        ({1: 1.0, 2: 0.9, 3: 0.8}, NOISE, "holds"),
        ({1: 0.7, 2: 0.8, 3: 0.9}, NOISE, "does not hold"),
        ({1: 0.9, 2: 0.901}, (-0.1, 0.0, 0.1), "not decided"),
        ({1: 0.9, 2: 0.899, 3: 0.898}, (0.0, 0.0), "does not hold"),
        ({1: 0.9, 2: 0.9, 3: 0.9}, (0.0, 0.0), "does not hold"),
        ({2: 0.9}, NOISE, "not decided"),
        ({1: 1.0, 2: 0.9}, (0.0,), "not decided"),
    ],
)
def test_efficiency_over_nodes(efficiency, noise, outcome):
    """It falls where it loses half a point a node for certain; a flat one and one of 0.1 points do not."""
    assert efficiency_falls(rows("node_efficiency", efficiency, noise=noise)).outcome == outcome


def test_the_slope_by_hand():
    """0.995 .89 .79 .77 .65 .62 over 1 to 6 nodes falls by 7.5 points a node, in the report and here."""
    curve = dict(enumerate((0.995, 0.89, 0.79, 0.77, 0.65, 0.62), start=1))
    table = rows("node_efficiency", curve, noise=(0.0, 0.0))
    assert efficiency_slopes(table).tolist() == pytest.approx([-1.3075 / 17.5] * 2)
    evidence = efficiency_falls(table).evidence
    assert "changed by -7.47 points" in evidence
    assert "in the report by -7.5 points" in evidence


@pytest.mark.parametrize(
    ("many", "outcome"),
    [
        ({1: 0.75, 2: 0.55, 3: 0.42}, "holds"),
        ({1: 0.9, 2: 0.89, 3: 0.88}, "does not hold"),
        ({1: 0.9}, "not decided"),
    ],
)
def test_more_workers_make_it_fall_faster(many, outcome):
    """The slope with most workers on a node is compared with that with fewest, block by block."""
    few = rows("node_efficiency", {1: 0.995, 2: 0.92, 3: 0.85}, 1)
    table = pd.concat([few, rows("node_efficiency", many, 6)])
    assert falls_faster(table).outcome == outcome


def test_a_baseline_on_one_node_hides_no_load():
    """One worker on one node, there as a baseline alone, does not take the place of the load measured."""
    run = multi_node_run(nodes=(2, 4, 5, 6), workers_per_node=(2,), schedules=("dynamic",), blocks=3)
    table = measures(*run)
    verdicts = cluster_verdicts(table[table["arm"] != "copy"], "containers")
    assert [one.outcome for one in verdicts] == ["does not hold", "holds", "not decided"]
    assert "With 2 workers on each" in verdicts[1].evidence


def test_no_trials_tell_nothing():
    """Of an empty frame nothing can be told, and nothing breaks."""
    table = measures(*multi_node_run(blocks=1)).iloc[:0]
    assert {one.outcome for one in cluster_verdicts(table)} == {"not decided"}


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ((0.99, 1.0, 1.01), "holds"),
        ((0.979, 0.98, 0.981), "holds"),
        ((1.099, 1.1, 1.101), "holds"),
        ((0.899, 0.9, 0.901), "does not hold"),
        ((0.9, 1.0, 1.1), "not decided"),
        ((1.0,), "not decided"),
    ],
)
def test_docker_is_free(ratios, outcome):
    """The claim holds where a loss beyond the margin is ruled out, and fails where one is certain."""
    assert docker_verdict(ratio_estimate(ratios, [1.0] * len(ratios)), 0.05).outcome == outcome


def test_unlike_cores_tell_nothing_of_docker():
    """Where the two sides had unlike cores, the reason takes the verdict."""
    found = Estimate(3, 0.501, 0.499, 0.503)
    verdict = docker_verdict(found, 0.05, "the cores were unlike.")
    assert verdict.outcome == "not decided"
    assert verdict.evidence.endswith("But the cores were unlike.")
