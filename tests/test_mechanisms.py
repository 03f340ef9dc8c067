"""Ray's mechanisms: each experiment on a small cluster of this host, what is refused, verdicts, and pages."""

from pathlib import Path

import pandas as pd
import pytest
from fakes import MECHANISMS, tiny_mechanisms
from test_notebooks import papermill

from lab import paths
from lab.analysis.mechanisms import Values, moments, over_time
from lab.analysis.verdicts import Verdict
from lab.clusters.by_command import started_by_command
from lab.data.listing import all_listed
from lab.data.reading import empty, read_table
from lab.data.records import Mechanism
from lab.errors import ClusterError, DataError, ParameterError
from lab.mechanisms import measure as measuring
from lab.mechanisms.balance import lengths
from lab.mechanisms.ground import Ground, Node
from lab.mechanisms.measure import EXPERIMENTS, measure
from lab.mechanisms.recovery import cost
from lab.mechanisms.run import FILE, mechanisms
from lab.mechanisms.stream import Streamed
from lab.published.mechanism_claims import CLAIMS
from lab.report import mechanisms as first_page
from lab.report import placement, recovery
from lab.report.book import Book

SECTIONS = {
    "operations": first_page.operations,
    "objects": first_page.objects,
    "steps": first_page.steps,
    "locality": placement.locality,
    "balance": placement.balance,
    "scheduling": placement.scheduling,
    "elasticity": recovery.elasticity,
    "recovery": recovery.recovery,
}


class Small:
    """Stands for a cluster of one node of one slot."""

    def __init__(self, *experiments: str) -> None:
        self.parameters = tiny_mechanisms(experiments=list(experiments))

    def nodes(self) -> tuple[Node, ...]:
        """Return the one node."""
        return (Node("a", 1, 10**8),)


# --- one run of everything ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the one run that tests look at, made by the notebook on two raylets."""
    folder = tmp_path_factory.mktemp("mechanisms")
    notebook = paths.ROOT / "notebooks" / "mechanisms.ipynb"
    with papermill(folder, MECHANISMS, notebook=notebook) as process:
        _, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors[-3000:]
    return folder / "data"


@pytest.fixture(scope="module")
def rows(folder: Path) -> pd.DataFrame:
    """Return the rows of that run."""
    return read_table(folder / "mechanisms" / "tiny" / FILE)


def of(rows: pd.DataFrame, experiment: str, case: str, quantity: str) -> list[float]:
    """Return the values of one quantity."""
    return Values(rows[rows["experiment"] == experiment]).of(case, quantity).tolist()


@pytest.mark.ray
def test_every_experiment_is_measured(folder: Path, rows: pd.DataFrame) -> None:
    """The run is complete; each experiment has values, and all of them are above 0 where they are times."""
    (listed,) = all_listed(folder, "mechanisms")
    assert listed.state == "complete"
    good = rows[rows["status"] == "ok"]
    assert set(good["experiment"]) == set(EXPERIMENTS)
    assert "failed" not in set(rows["status"]), rows["error_message"].dropna().tolist()
    rates = good[good["unit"].isin(["1/s", "B/s"])]
    assert (rates["value"] > 0).all()


@pytest.mark.ray
def test_too_large_an_object_is_left_out_with_the_reason(rows: pd.DataFrame) -> None:
    """Where the store cannot hold three of an object, a row says so and what to give; others are measured."""
    left = rows[rows["status"] == "skipped"]
    assert set(left["size_bytes"]) == {100_000_000}
    assert set(left["experiment"]) == {"operations", "locality", "balance"}
    assert left["error_message"].str.contains("give object_store_megabytes more").all()


@pytest.mark.ray
def test_our_operations_stand_beside_rays_own(rows: pd.DataFrame) -> None:
    """For each operation there are as many rates of ours as of Ray's benchmark, in turns."""
    mine = rows[rows["experiment"] == "operations"]
    ours, theirs = (mine[mine["quantity"] == one] for one in ("ours", "ray microbenchmark"))
    assert len(set(ours["case"])) == 6
    assert sorted(zip(ours["case"], ours["block"], strict=True)) == sorted(
        zip(theirs["case"], theirs["block"], strict=True)
    )


@pytest.mark.ray
def test_the_steps_of_a_call_come_in_order(rows: pd.DataFrame) -> None:
    """The call comes first, then its body, then the result; Ray's own events are among them."""
    found = moments(Values(rows[rows["experiment"] == "steps"]))["step"].tolist()
    order = ["driver: add.remote(a, b)", "body: it begins", "body: it ends", "driver: ray.get returns"]
    assert [one for one in found if one in order] == order
    assert found[0] == order[0]
    assert sum(one.startswith("Ray: ") for one in found) == 6
    assert set(found) == set(first_page.PARTIES)


@pytest.mark.ray
def test_a_task_goes_to_a_large_input(rows: pd.DataFrame) -> None:
    """By Ray's own choice a task with an input of a megabyte runs on the node that has it."""
    mine = rows[(rows["experiment"] == "locality") & (rows["size_bytes"] == 10**6)]
    assert set(of(mine, "locality", "as Ray places it", "ran with the data")) == {1.0}


@pytest.mark.ray
def test_strategies_place_as_they_say(rows: pd.DataFrame) -> None:
    """SPREAD has shared two tasks out over two nodes at least once, and both kinds of groups were placed."""
    assert min(of(rows, "scheduling", "SPREAD", "on the busiest node")) == 0.5
    for case in ("PACK", "STRICT_SPREAD"):
        assert min(of(rows, "scheduling", case, "time to place the group")) > 0


@pytest.mark.ray
@pytest.mark.parametrize(
    ("experiment", "case"), [("elasticity", "both"), ("recovery", "worker"), ("recovery", "node")]
)
def test_no_work_is_lost(rows: pd.DataFrame, experiment: str, case: str) -> None:
    """Whatever is killed, taken away or added, every task is there exactly once in the end."""
    assert of(rows, experiment, case, "every task once") == [1.0]


@pytest.mark.ray
def test_what_was_cut_off_began_again_after_the_kill(rows: pd.DataFrame) -> None:
    """Of a killed worker's and a killed node's tasks one at least was run again, after the kill."""
    for case in ("worker", "node"):
        (again,) = of(rows, "recovery", case, "tasks run again")
        assert again >= 1
        assert min(of(rows, "recovery", case, "until its work began again")) > 0


@pytest.mark.ray
def test_state_is_kept_where_it_is_written(rows: pd.DataFrame) -> None:
    """Objects are made anew; an actor's state is gone; the head's is there from a file, and else is not."""
    assert set(of(rows, "recovery", "lineage", "computed anew")) == {1.0}
    assert set(of(rows, "recovery", "actor", "state kept")) == {0.0}
    assert set(of(rows, "recovery", "head, state in a file", "state kept")) == {1.0}
    assert set(of(rows, "recovery", "head, state in memory", "state kept")) == {0.0}


@pytest.mark.ray
def test_pages_show_a_run(folder: Path) -> None:
    """Each section shows what was measured of it, and what was left out and why."""
    book = Book(data=folder)
    assert "**Your run** `tiny`" in first_page.which_run(book).text
    for name, section in SECTIONS.items():
        text = section(book).text
        assert len(text) > 100, name
        assert "nan" not in text, name
    assert "Not measured, input" in placement.locality(book).text
    assert "<svg" in first_page.steps(book).text
    assert "<svg" in recovery.elasticity(book).text


@pytest.mark.ray
def test_a_cluster_elsewhere_sends_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job on a cluster that runs measures there; its rows come here, and its address stays out of them."""
    with started_by_command() as head:
        monkeypatch.setenv("RAY_AUTH_TOKEN", head.token or "")
        there = {"cluster": "address", "address": head.address, "object_kilobytes": [1]}
        found = mechanisms(MECHANISMS | there | {"experiments": ["locality", "elasticity"]}, tmp_path)
    assert set(found.loc[found["status"] == "ok", "experiment"]) == {"locality"}
    (left,) = found.loc[found["status"] != "ok", "error_message"]
    assert "on the cluster local alone" in left
    assert head.address not in (tmp_path / "mechanisms" / "tiny" / "environment.json").read_text()


# --- what is refused, and what goes wrong ---------------------------------------------------------------


def test_a_cluster_too_small_is_a_row() -> None:
    """An experiment that needs two nodes is left out on one, with the reason."""
    found = list(measure(Small("steps", "locality", "scheduling", "elasticity")))  # type: ignore[arg-type]
    assert [one.experiment for one in found] == ["steps", "locality", "scheduling", "elasticity"]
    assert {one.status for one in found} == {"skipped"}
    assert {one.error_message for one in found} == {"it needs 2 nodes with a CPU, and this cluster has 1"}


def test_an_experiment_that_fails_is_a_row_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure ends its own experiment alone."""

    def fails(_: Ground) -> list[Mechanism]:
        raise ClusterError("the cluster has ended")

    def works(_: Ground) -> list[Mechanism]:
        return [Mechanism(experiment="balance", case="one", quantity="a", unit="1", value=1.0)]

    both = {"operations": (1, fails), "balance": (1, works)}
    monkeypatch.setattr(measuring, "EXPERIMENTS", both)
    first, second = measure(Small("operations", "balance"))  # type: ignore[arg-type]
    assert (first.status, first.error_message) == ("failed", "ClusterError: the cluster has ended")
    assert second.value == 1.0


def test_faults_on_somebody_elses_cluster_are_said_twice() -> None:
    """Recovery at an address is refused, unless it is said once more; without it nothing is killed."""
    there = {"cluster": "address", "address": "http://127.0.0.1:8265"}
    with pytest.raises(ParameterError, match="faults = 'yes, on this cluster'"):
        tiny_mechanisms(**there)
    assert tiny_mechanisms(**there, faults="yes, on this cluster").faults
    assert not tiny_mechanisms(**there, experiments=["operations"]).faults


def test_an_embedded_ray_has_one_node() -> None:
    """More nodes than one are refused for an embedded Ray, with another kind of cluster named."""
    with pytest.raises(ParameterError, match="or the cluster local"):
        tiny_mechanisms(cluster="embedded")


def test_a_run_that_is_there_is_not_gone_on_with(tmp_path: Path) -> None:
    """A run id that is taken is refused before anything starts."""
    taken = tmp_path / "mechanisms" / "tiny"
    taken.mkdir(parents=True)
    (taken / "environment.json").write_text("{}")
    with pytest.raises(DataError, match="choose another run_id"):
        mechanisms(MECHANISMS, tmp_path)


# --- numbers --------------------------------------------------------------------------------------------


def test_skewed_and_equal_work_are_of_one_sum() -> None:
    """Lengths are seeded, add up to the same, and none is longer than a perfect balance allows."""
    equal, skewed = (lengths(4, one, 0.1, 7) for one in (False, True))
    assert skewed == lengths(4, True, 0.1, 7) != lengths(4, True, 0.1, 8)
    assert sum(equal) == pytest.approx(sum(skewed)) == pytest.approx(len(equal) * 0.1)
    assert max(skewed) <= sum(skewed) / 4
    assert max(skewed) > 3 * min(skewed)


def test_what_a_kill_cost_is_told_from_the_begins() -> None:
    """Of two tasks, one of which began at 1 and again at 3, a kill at 2 cost one second of work."""
    begins = [(0, "a", 11, 1.0), (1, "a", 12, 1.5), (0, "a", 13, 3.0)]
    found = cost("worker", Streamed([(0, "a", 3.5), (1, "a", 1.9)], begins), 2.0, 0)
    values = {one.quantity: one.value for one in found if not one.quantity.startswith("done")}
    assert values == {
        "until a new worker took a task": 1.0,
        "until its work began again": 1.0,
        "work lost": 1.0,
        "tasks run again": 1.0,
        "every task once": 1.0,
    }
    twice = cost("worker", Streamed([(0, "a", 3.5), (0, "a", 3.6)], begins), 2.0, 0)
    assert 0.0 in [one.value for one in twice if one.quantity == "every task once"]


def table_of(*rows: Mechanism) -> Values:
    """Return records as a table, as they would be read."""
    found = pd.DataFrame([{name: getattr(one, name) for name in one.__slots__} for one in rows])
    return Values(pd.concat([empty(Mechanism), found]) if rows else empty(Mechanism))


def test_throughput_over_time_counts_results_in_whole_bins() -> None:
    """Four results in each whole bin of a quarter of a second are sixteen a second; the ends are left out."""
    moment = [0.0625 * place for place in range(20)]
    done = {"experiment": "recovery", "case": "node", "quantity": "done", "unit": "1", "value": 1.0}
    found = over_time(table_of(*(Mechanism(**done, at_seconds=at) for at in moment)), "node", "done")
    assert found["at_seconds"].tolist() == [0.25, 0.5, 0.75]
    assert found["rate"].tolist() == [16.0, 16.0, 16.0]


def verdict_of(experiment: str, claim: str, *rows: Mechanism) -> Verdict:
    """Return the verdict on one claim."""
    return next(one for one in CLAIMS[experiment](table_of(*rows), 0.95) if claim in one.claim)


@pytest.mark.parametrize(
    ("ours", "outcome"),
    [
        ([100, 101, 99, 100, 100], "holds"),
        ([150, 151, 149, 150, 150], "does not hold"),
        ([50, 200, 90, 110, 100], "not decided"),
    ],
)
def test_our_rates_agree_do_not_agree_or_it_is_open(ours: list[float], outcome: str) -> None:
    """The ratio to Ray's own benchmark decides in all three ways."""
    facts = {"experiment": "operations", "case": "object get", "unit": "1/s"}
    rows = [Mechanism(**facts, quantity="ours", block=b, value=v) for b, v in enumerate(ours)]
    rows += [Mechanism(**facts, quantity="ray microbenchmark", block=b, value=100.0) for b in range(5)]
    assert verdict_of("operations", "object get", *rows).outcome == outcome


@pytest.mark.parametrize(
    ("kept", "outcome"),
    [([1.0] * 80, "holds"), ([0.0] * 10, "does not hold"), ([1.0] * 10, "not decided")],
)
def test_what_is_kept_decides_in_all_ways(kept: list[float], outcome: str) -> None:
    """An actor's state that is always there in many cases, never there, or always there in few."""
    facts = {"experiment": "recovery", "case": "actor", "quantity": "state kept", "unit": "1"}
    rows = [Mechanism(**facts, block=block, value=value) for block, value in enumerate(kept)]
    assert verdict_of("recovery", "actor", *rows).outcome == outcome


def spread_over(nodes: int, slots: int, *busiest: float) -> Verdict:
    """Return the verdict on SPREAD for parts of the tasks on the busiest node."""
    facts = {"experiment": "scheduling", "case": "SPREAD", "quantity": "on the busiest node", "unit": "1"}
    rows = table_of(*(Mechanism(**facts, nodes=nodes, value=one) for one in busiest)).rows
    return CLAIMS["scheduling"](Values(rows, slots=slots), 0.95)[0]


def test_tasks_that_cannot_be_shared_out_evenly_may_be_spread_all_the_same() -> None:
    """Three tasks on two nodes are two and one at best; how even four are follows from the slots."""
    assert spread_over(2, 6, *[2 / 3] * 80).outcome == "holds"
    assert spread_over(2, 8, *[0.75] * 10).outcome == "does not hold"
    assert spread_over(2, 8, 0.5, 0.75).outcome == "not decided"
    assert spread_over(2, 0, *[0.5] * 10).outcome == "not decided"


def test_cases_that_share_a_fate_count_once() -> None:
    """The objects of one kill are one case; a head that never answered was not there in time."""
    facts = {"experiment": "recovery", "unit": "1", "value": 1.0}
    anew = {**facts, "case": "lineage", "quantity": "computed anew"}
    five = [Mechanism(**anew, block=block) for block in range(5) for _ in range(10)]
    found = verdict_of("recovery", "objects that were lost", *five)
    assert found.outcome == "not decided"
    assert "5 of 5" in found.evidence
    assert "So few cannot decide it; 72 that are all alike would." in found.evidence
    many = [Mechanism(**anew, block=block) for block in range(72)]
    assert verdict_of("recovery", "objects that were lost", *many).outcome == "holds"
    case = {**facts, "case": "head, state in a file"}
    kept = [Mechanism(**case, quantity="state kept", block=block) for block in range(10)]
    soon = {**case, "quantity": "until it answered", "unit": "s"}
    took = [
        Mechanism(**{**soon, "value": value}, block=block) for block, value in enumerate([0.02] * 9 + [1.0])
    ]
    assert verdict_of("recovery", "30 ms", *kept, *took[:8]).outcome == "not decided"
    assert verdict_of("recovery", "30 ms", *kept, *took[:2]).outcome == "does not hold"
    told = verdict_of("recovery", "30 ms", *kept, *took)
    assert "9 of 10" in told.evidence
    assert "The longest took 1.00 s." in told.evidence


def test_a_stream_that_lost_tasks_is_not_forgotten() -> None:
    """Where an experiment ended early, the streams before that one do not decide."""
    facts = {"experiment": "recovery", "unit": "1", "value": 1.0}
    once = [Mechanism(**facts, case="node", quantity="every task once", block=block) for block in range(80)]
    assert verdict_of("recovery", "lost with its node", *once).outcome == "holds"
    ended = Mechanism(
        experiment="recovery",
        case="all",
        quantity="not measured",
        unit="1",
        status="failed",
        error_message="3 lost",
    )
    assert verdict_of("recovery", "lost with its node", *once, ended).outcome == "not decided"


@pytest.mark.parametrize(
    ("without", "again", "outcomes"),
    [(8, 16, ("holds", "holds")), (8, 8, ("holds", "does not hold")), (16, 16, ("does not hold", "holds"))],
)
def test_each_node_does_as_much_as_before(without: int, again: int, outcomes: tuple[str, str]) -> None:
    """Two nodes do 16 tasks in each bin; one alone should do 8, and two again 16."""
    rates, rows = [16] * 4 + [without] * 6 + [again] * 6, []
    ends = [0.25 * (place - 4 + one / rate) for place, rate in enumerate(rates) for one in range(rate)]
    for block in range(5):
        facts = {"experiment": "elasticity", "unit": "1", "nodes": 2, "block": block}
        both, joins = {**facts, "case": "both", "value": 1.0}, {**facts, "case": "a node joins"}
        rows += [Mechanism(**both, quantity="done, since a node left", at_seconds=at) for at in ends]
        rows += [
            Mechanism(**both, quantity="every task once"),
            Mechanism(**joins, quantity="moment", value=0.5),
            Mechanism(**joins, quantity="until it took a task", value=1.0),
        ]
    found = CLAIMS["elasticity"](table_of(*rows), 0.95)[1:]
    assert tuple(one.outcome for one in found) == outcomes


def test_the_end_of_a_repeat_is_no_collapse() -> None:
    """Of a stream whose last task ends two seconds after all others, the empty time between is not drawn."""
    facts = {"experiment": "recovery", "case": "node", "quantity": "done", "unit": "1", "value": 1.0}
    rows = [Mechanism(**facts, at_seconds=at) for at in [*(0.03125 * place for place in range(64)), 4.0]]
    values = table_of(*rows)
    assert over_time(values, "node", "done")["rate"].min() == 0
    assert over_time(recovery._busy(values, "node", "done"), "node", "done")["rate"].min() == 32


def test_turns_of_one_repeat_are_one_value() -> None:
    """A hundred turns of two repeats are two values, each the mean of its turns."""
    facts = {"experiment": "operations", "case": "object get", "quantity": "ours", "unit": "1/s"}
    rows = [Mechanism(**facts, block=turn, value=100.0 + 50 * (turn >= 50)) for turn in range(100)]
    values = Values(table_of(*rows).rows, repeats=2)
    assert values.in_turns("object get", "ours").tolist() == [100.0, 150.0]


@pytest.mark.parametrize("experiment", CLAIMS)
def test_nothing_is_decided_without_values(experiment: str) -> None:
    """Of no rows every claim is not decided, and says that nothing was measured."""
    for one in CLAIMS[experiment](table_of(), 0.95):
        assert (one.outcome, one.evidence) == ("not decided", "It was not measured.")


@pytest.mark.parametrize("name", SECTIONS)
def test_pages_without_a_run_name_the_command(tmp_path: Path, name: str) -> None:
    """Where there is no run each section says so, and the page names what makes one."""
    book = Book(data=tmp_path)
    assert SECTIONS[name](book).text == "*No run yet.*"
    assert "`make report EXPERIMENT=mechanisms PROFILE=full` makes one" in first_page.which_run(book).text
