"""Tests of lab.experiment.plan: which trials, in which order."""

from collections import Counter

from fakes import tiny, tiny_docker, tiny_nodes
from hypothesis import given
from hypothesis import strategies as st

from lab.experiment.own_parameters import Own
from lab.experiment.plan import Configuration, docker_plan, multi_node_plan, own_plan, single_node_plan


def lines(parameters, cores=2):
    """Return a plan as lines of text."""
    return [
        f"{one.slot} {one.block} {c.mode} {c.arm} {c.engine} {c.schedule} {c.nodes}x{c.workers_per_node}"
        for one in single_node_plan(parameters, cores)
        for c in [one.configuration]
    ]


TRANSCRIPT = """
0 0 find copy ray dynamic 1x2
1 0 find baseline processes dynamic 1x2
2 0 find baseline serial static 1x1
3 0 find experiment ray dynamic 1x2
4 1 find baseline processes dynamic 1x2
5 1 find experiment ray dynamic 1x2
6 1 find copy ray dynamic 1x2
7 1 find baseline serial static 1x1
""".strip().splitlines()


def test_transcript_of_a_small_plan():
    """Two blocks of one mode, one worker count and one schedule, in the order that seed 7 shuffles."""
    assert lines(tiny(modes="find", workers=2, schedules="dynamic")) == TRANSCRIPT


def test_every_configuration_once_in_every_block():
    """Each block holds the same configurations, each once, and slots count from 0."""
    plan = single_node_plan(tiny(repeats=4, workers=[1, 2, 3]), cores=2)
    blocks = [Counter(one.configuration for one in plan if one.block == block) for block in range(4)]
    assert all(block == blocks[0] for block in blocks)
    assert set(blocks[0].values()) == {1}
    assert [one.slot for one in plan] == list(range(len(plan)))
    assert [one.block for one in plan] == sorted(one.block for one in plan)


def test_trials_on_as_many_workers_stand_together():
    """In a block all modes and schedules of one engine and size are a turn; the A/A arm is one of its own."""
    plan = single_node_plan(tiny(repeats=3, workers=[1, 2, 3]), cores=2)
    turns = [one.turn for one in plan]
    assert turns == sorted(turns)
    sizes = [
        {(o.block, c.arm, c.engine, c.workers) for o in plan if o.turn == turn for c in [o.configuration]}
        for turn in sorted(set(turns))
    ]
    assert all(len(one) == 1 for one in sizes)
    assert len(set.union(*sizes)) == len(sizes) == 3 * (1 + 3 + 3 + 1)


def test_a_function_of_somebodys_never_meets_its_own_workers_again():
    """Each trial of own work has workers of its own: what a function keeps there would speed up the next."""
    parameters = Own(work="a.py:f", items="a.py:g", schedules=("dynamic", "static"), workers=(1, 2))
    turns = [one.turn for one in own_plan(parameters, "work", 2, 10)]
    assert len(set(turns)) == len(turns)


def test_each_block_holds_baselines_and_the_copy():
    """For each mode: one serial loop, plain processes for every worker count, and one A/A copy of Ray."""
    plan = single_node_plan(tiny(repeats=1, workers=[1, 2, 3]), cores=2)
    for mode in ("search", "find"):
        here = [one.configuration for one in plan if one.configuration.mode == mode]
        of = Counter((one.arm, one.engine, one.schedule, one.workers) for one in here)
        assert of["baseline", "serial", "static", 1] == 1
        assert all(of["baseline", "processes", "dynamic", count] == 1 for count in (1, 2, 3))
        assert all(of["experiment", "ray", s, w] == 1 for s in ("dynamic", "static") for w in (1, 2, 3))
        assert [one for one in here if one.arm == "copy"] == [
            Configuration(mode, "copy", "ray", "dynamic", "embedded", 1, 2)
        ]
        assert len(here) == 1 + 3 + 6 + 1


def test_the_copy_takes_as_many_workers_as_cores():
    """The A/A arm copies the configuration nearest to the cores, under the first schedule named."""
    for cores, nearest in ((0, 1), (1, 1), (4, 4), (64, 6)):
        plan = single_node_plan(tiny(workers=[6, 1, 4], schedules=["static", "dynamic"]), cores)
        copies = {one.configuration for one in plan if one.configuration.arm == "copy"}
        assert {(one.workers, one.schedule) for one in copies} == {(nearest, "static")}


def test_the_seed_decides_the_order():
    """Equal seeds give equal plans; other seeds other orders of the same trials."""
    first, again, other = (lines(tiny(seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    unplaced = [sorted(line.split(" ", 1)[1] for line in plan) for plan in (first, other)]
    assert unplaced[0] == unplaced[1]


def test_blocks_are_shuffled_apart():
    """Two blocks have different orders, so that drift hits no configuration twice at the same place."""
    plan = single_node_plan(tiny(workers=[1, 2, 3, 4]), cores=2)
    half = len(plan) // 2
    assert [one.configuration for one in plan[:half]] != [one.configuration for one in plan[half:]]


@given(st.integers(0, 2**63 - 1), st.integers(1, 20), st.integers(1, 64))
def test_any_plan_is_balanced(seed, repeats, cores):
    """Whatever the seed, every configuration comes as often as there are blocks."""
    plan = single_node_plan(tiny(seed=seed, repeats=repeats), cores)
    assert set(Counter(one.configuration for one in plan).values()) == {repeats}


def sizes(plan, **chosen):
    """Return the sizes of the configurations that have these values: nodes and workers on each."""
    ones = {one.configuration for one in plan}
    return sorted(
        (one.nodes, one.workers_per_node)
        for one in ones
        if all(getattr(one, name) == value for name, value in chosen.items())
    )


def test_every_size_of_a_cluster_is_planned():
    """Each number of nodes comes with each number of workers, on the cluster named, and one of them twice."""
    parameters = tiny_nodes(nodes=[1, 2, 4], workers_per_node=[1, 3], modes="search", repeats=1)
    plan = multi_node_plan(parameters)
    assert sizes(plan, arm="experiment") == [(1, 1), (1, 3), (2, 1), (2, 3), (4, 1), (4, 3)]
    assert sizes(plan, arm="copy") == [(4, 1)]
    assert sizes(plan, arm="baseline") == []
    assert {(one.configuration.cluster, one.configuration.engine) for one in plan} == {("local", "ray")}


def test_one_worker_alone_is_in_every_plan():
    """Where one worker on one node is not asked for, it is the baseline: efficiency is relative to it."""
    plan = multi_node_plan(tiny_nodes(nodes=[2], workers_per_node=[2], schedules=["static", "dynamic"]))
    assert set(sizes(plan, arm="baseline")) == {(1, 1)}
    assert len(plan) == 2 * 2 * (2 + 1 + 1)
    assert {one.configuration.schedule for one in plan if one.configuration.arm != "experiment"} == {"static"}


def test_containers_and_host_do_the_same():
    """Each configuration in containers has its counterpart on the host, in the same block."""
    plan = docker_plan(tiny_docker(nodes=[1, 2], workers_per_node=[1, 2], repeats=3))
    assert sizes(plan, arm="experiment") == sizes(plan, arm="baseline")
    assert {one.configuration.cluster for one in plan if one.configuration.arm == "baseline"} == {"local"}
    assert {one.configuration.cluster for one in plan if one.configuration.arm != "baseline"} == {"compose"}
    assert set(Counter((one.block, one.configuration) for one in plan).values()) == {1}
