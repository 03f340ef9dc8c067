"""Tests of the Validation page: what it simulates, what it reads, and the verdicts that follow."""

import ast
import inspect
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import docker_run, multi_node_run, synthetic_run
from written import write_run

from lab.analysis.coverage import FEWEST, Pool, coverage, pooled, ratio_residuals, residuals
from lab.analysis.laws import LAWS
from lab.analysis.losses import TERMS
from lab.analysis.measures import measures
from lab.analysis.nodes import counted
from lab.data.ledger import write_environment
from lab.data.records import SCHEMA_VERSION, PlantedCause
from lab.data.store import read_run
from lab.data.table import Table
from lab.errors import ClaimError
from lab.report import alarms, laws, made_up, planted, proofs, simulations, validation
from lab.report.book import Book
from lab.report.study import Study
from lab.synthetic import bands, choices
from lab.synthetic.bands import CURVES, of_curves, of_laws
from lab.synthetic.losses import POINT, SCENARIOS, recovered
from lab.synthetic.pairs import Found
from lab.synthetic.sweeps import recorded_noise

pytestmark = pytest.mark.usefixtures("undrawn")

ROW = {"check": "memory", "unit": "B", "block": 0, "node": "a", "lab_value": 1.0, "reference_value": 1.0}


def pages(folder: Path, **runs: Sequence[pd.DataFrame]) -> Book:
    """Return a book of which some experiments have a run."""
    for experiment, frames in runs.items():
        write_run(folder / experiment / "run", frames)
    return Book(folder, folder / "no-pins.yaml")


# --- planted losses ----------------------------------------------------------------------------------------


def test_every_planted_loss_is_on_the_page() -> None:
    """The page lists every loss that was planted, and claims what the test of the account does."""
    found = recovered()
    assert len(found) == len(SCENARIOS) * len(TERMS)
    assert (found["found"] - found["planted"]).abs().max() <= POINT
    text = proofs.planted().text
    assert "every planted loss is found within 1 percentage point" in text
    assert "| a stall | gaps between tasks | 10.00 | " in text
    assert "| a throttled cgroup | waiting inside tasks | 32.00 | " in text


@pytest.mark.parametrize("wrong", [0.02, float("nan")])
def test_a_loss_that_is_not_found_stops_the_build(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    """An account that is off by two points, or knows nothing, contradicts the claim by name."""
    found = recovered()
    found.loc[10, "found"] += wrong
    monkeypatch.setattr(proofs, "losses_found", lambda: found)
    with pytest.raises(ClaimError, match="every planted loss is found"):
        proofs.planted_claim()


# --- processor time ----------------------------------------------------------------------------------------


def test_processes_are_compared_with_their_cgroup(tmp_path: Path) -> None:
    """The made-up windows have 0.93 of 0.95 of their core time in processes; a short one is left out."""
    frames = list(multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=2, cluster="compose"))
    frames[3][["cpu_seconds", "workers_cpu_seconds", "ray_cpu_seconds", "sampler_cpu_seconds"]] *= 10
    mine = frames[3].index[frames[3]["workers"] > 0]
    frames[3].loc[mine[0], "cpu_seconds"] = 1.9
    frames[3].loc[mine[1], "ray_cpu_seconds"] = np.nan
    found = counted(read_run(write_run(tmp_path / "multi_node" / "run", frames)))
    assert (found.short, found.unread) == (1, 1)
    assert len(found.ratios) == len(mine) - 2
    assert found.ratios.to_numpy() == pytest.approx(0.93 / 0.95)


@pytest.mark.parametrize(("share", "outcome"), [(0.985, "holds"), (1.015, "holds"), (0.97, "does not hold")])
def test_processor_time_holds_within_two_per_cent(tmp_path: Path, share: float, outcome: str) -> None:
    """The verdict is that of the median; what is found is printed either way."""
    frames = list(multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=3))
    frames[3]["cpu_seconds"] = 10.0
    frames[3]["workers_cpu_seconds"] = 10.0 * share - 0.5
    frames[3][["ray_cpu_seconds", "sampler_cpu_seconds"]] = 0.25
    made = pages(tmp_path, multi_node=frames)
    assert proofs.processor_verdict(made).outcome == outcome
    text = proofs.processor_time(made).text
    assert f"**{outcome.capitalize()}**" in text
    assert f"{share:.3f}" in text


def test_without_cgroups_processor_time_cannot_be_told(tmp_path: Path) -> None:
    """A machine that is read as a whole has no second counter."""
    made = pages(tmp_path, single_node=synthetic_run(workers=(1, 2), blocks=2))
    assert proofs.processor_verdict(made).outcome == "not decided"
    assert "| single_node | 0 | not known |" in proofs.processor_time(made).text


# --- intervals ---------------------------------------------------------------------------------------------


def test_residuals_are_logs_less_their_mean() -> None:
    """Throughputs 1 and 4 of one configuration are off their mean by the log of 2, down and up."""
    table = measures(*synthetic_run(workers=(1,), blocks=2, modes=("search",)))
    table["throughput"] = np.where(table["block"] == 0, 1.0, 4.0)
    for one in residuals(table):
        assert one == pytest.approx([-np.log(2), np.log(2)])
    # both sides of a ratio change alike, so that the ratio does not
    ratios = ratio_residuals(table)
    assert len(ratios) == len(residuals(table)) // 2
    assert all(one == pytest.approx([0.0, 0.0]) for one in ratios)


def test_the_pool_is_in_units_of_spread_or_as_recorded() -> None:
    """-2, 0, 2 have the spread 2 and are widened by sqrt(3/2); a constant and a single value have none."""
    vectors = [np.array([-2.0, 0.0, 2.0]), np.zeros(3), np.zeros(1), np.empty(0)]
    scaled, recorded = (pooled(vectors, own_spread=one) for one in (True, False))
    assert scaled.values == pytest.approx(np.array([-1, 0, 1]) * 1.5**0.5)
    assert scaled.scaled_over is not None
    assert scaled.scaled_over.tolist() == [3, 3, 3]
    assert recorded.values == pytest.approx(np.array([-2, 0, 2]) * 1.5**0.5)
    assert recorded.scaled_over is None
    assert len(pooled([], own_spread=True).values) == 0


@pytest.mark.parametrize("blocks", [3, 5, 10])
@pytest.mark.parametrize("widest", [1.0, 10.0])
def test_normal_noise_is_covered_as_promised(blocks: int, widest: float) -> None:
    """On normal noise, of configurations alike or up to ten times as noisy, coverage is 95 % to one point."""
    generator = np.random.default_rng(0)
    spreads = np.geomspace(1.0, widest, 300)
    vectors = [one - one.mean() for one in spreads[:, None] * generator.normal(0, 0.01, (300, blocks))]
    found = coverage(pooled(vectors, own_spread=True), blocks)
    assert found.value == pytest.approx(0.95, abs=0.01)
    assert found.low < found.value < found.high


def test_mixing_scales_covers_more() -> None:
    """As recorded, normal noise of unequal scales is covered in more than 95 %: the tails are too heavy."""
    noise = np.geomspace(1.0, 10.0, 300)[:, None] * np.random.default_rng(0).normal(0, 0.01, (300, 5))
    vectors = [one - one.mean() for one in noise]
    assert coverage(pooled(vectors, own_spread=False), 5).value > 0.96


def test_skewed_noise_is_covered_less() -> None:
    """Student's t on five exponential values holds their mean in about 88 %: the simulation says so."""
    pool = np.random.default_rng(0).exponential(1.0, 5000)
    assert coverage(Pool(pool - pool.mean()), 5).value == pytest.approx(0.88, abs=0.02)


def test_little_noise_is_not_drawn_from() -> None:
    """Below two blocks or FEWEST recorded values coverage is unknown, not 0."""
    assert coverage(Pool(np.linspace(-1, 1, FEWEST - 1)), 5).value is None
    assert coverage(Pool(np.linspace(-1, 1, FEWEST)), 1).value is None


def test_intervals_on_made_up_noise_hold_what_they_promise(tmp_path: Path) -> None:
    """The made-up runs scatter normally: the verdict is that the claim holds, with its numbers."""
    made = pages(
        tmp_path,
        single_node=synthetic_run(workers=(1, 2, 4, 6), blocks=5),
        docker=docker_run(nodes=(1, 2), workers_per_node=(1, 2), blocks=10),
    )
    assert simulations.coverage_verdict(made).outcome == "holds"
    text = simulations.intervals(made).text
    assert "| single_node | mean | 5 |" in text
    assert "| docker | ratio of two configurations | 10 |" in text
    assert "of 20,000 repetitions each" in text


def test_intervals_that_miss_are_said_to(tmp_path: Path) -> None:
    """Where one trial in nine is three times as slow, noise is too skewed, and the page says so."""
    frames = list(synthetic_run(workers=range(1, 7), blocks=5, modes=("search",)))
    slow = frames[0]["slot"] % 9 == 0
    frames[0].loc[slow, "duration_seconds"] *= 3
    made = pages(tmp_path, single_node=frames)
    one = simulations.coverage_verdict(made)
    assert one.outcome == "does not hold"
    assert "outside: mean of single_node" in one.evidence


def test_false_alarms_have_their_verdict(tmp_path: Path) -> None:
    """The rate is over modes of runs, with its interval; one block has none."""
    made = pages(tmp_path, single_node=synthetic_run(workers=(1, 2), blocks=5), docker=docker_run(blocks=5))
    one = simulations.alarm_verdict(made)
    assert one.outcome in ("holds", "not decided")
    assert "n = 3)" in one.evidence
    assert "intervals did." in one.evidence
    few = pages(tmp_path / "few", single_node=synthetic_run(workers=(1,), blocks=1))
    assert simulations.alarm_verdict(few).outcome == "not decided"


# --- laws ------------------------------------------------------------------------------------------------


def test_laws_and_curves_are_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each law has a row with its coverage, each curve one below it, and both claims a verdict."""
    monkeypatch.setattr(bands, "of_laws", partial(of_laws, sweeps=40))
    monkeypatch.setattr(bands, "of_curves", partial(of_curves, sweeps=40))
    monkeypatch.setattr(choices, "of_curves", partial(choices.of_curves, sweeps=5))
    text = laws.laws(pages(tmp_path, single_node=synthetic_run(workers=(1, 2), blocks=6))).text
    assert text.startswith("**Not decided**: 90 % bands of laws hold the truth as often as they promise.")
    assert "In 40 sweeps of 5 blocks for each of 6 laws" in text
    for name in (*(law.name for law in LAWS), "Gustafson", *CURVES):
        assert f"| {name} | 40 | " in text


def test_without_noise_laws_are_not_decided(tmp_path: Path) -> None:
    """A run of one block tells no noise to draw from: both claims are not decided, and say why."""
    made = pages(tmp_path, single_node=synthetic_run(workers=(1,), blocks=1))
    for one in (laws.law_verdict(made), laws.curve_verdict(made)):
        assert one.outcome == "not decided"
        assert "too little noise" in one.evidence


# --- the file of proofs ------------------------------------------------------------------------------------


def test_the_published_proofs_are_of_this_code() -> None:
    """The committed file is read and not computed anew; where this fails: `lab validate --proofs`."""
    book = Book()
    runs = tuple(one.name for one in made_up.noisy(book))
    found = made_up._read(book.data / made_up.FILE, runs)
    assert found is not None
    noise = recorded_noise(Study(read_run(folder)).measures for folder in made_up.noisy(book))
    assert noise is not None
    name, curve = next(iter(choices.CURVES.items()))
    assert found.choices[0] == choices._chosen(name, curve, noise, choices.SWEEPS)


def test_proofs_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is read again for the same runs; of other code or damaged it is computed."""
    monkeypatch.setattr(bands, "of_laws", partial(of_laws, sweeps=5))
    monkeypatch.setattr(bands, "of_curves", partial(of_curves, sweeps=5))
    monkeypatch.setattr(choices, "of_curves", partial(choices.of_curves, sweeps=5))
    made = pages(tmp_path, single_node=synthetic_run(workers=(1, 2), blocks=6))
    computed, file = made_up.made_up(made), made_up.write(made)
    assert computed is not None
    assert [one.sweeps for one in computed.laws] == [5] * (len(LAWS) + 1)
    computations: list[object] = []
    monkeypatch.setattr(made_up, "compute", lambda *given: computations.append(given))
    read = made_up.made_up(made)
    assert read is not None
    assert (read.choices, read.runs, computations) == (computed.choices, ("run",), [])
    for one, other in zip((*computed.laws, *computed.curves), (*read.laws, *read.curves), strict=True):
        assert (one.name, sorted(one.inside), sorted(one.outside)) == (
            *(other.name, sorted(other.inside)),
            sorted(other.outside),
        )
    key = file.read_text().splitlines()[1].split(",")[0]
    for old, new in [(key, "of other code"), (",5\n", ",five\n"), ("flat", "hilly"), ("part", "parts")]:
        file.write_text(file.read_text().replace(old, new))
        assert made_up.made_up(made) is None
    assert len(computations) == 4


OF_PROOFS = ("lab.analysis.", "lab.synthetic.")


def test_the_key_is_of_all_code_that_proofs_depend_on() -> None:
    """A module of lab.analysis or lab.synthetic that one of them imports is one of them."""
    known = {one.__name__ for one in made_up.CODE}
    for module in made_up.CODE:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(OF_PROOFS):
                assert node.module in known


# --- other instruments -------------------------------------------------------------------------------------


def write_checks(data: Path, rows: list[dict[str, object]], run: str = "one") -> Path:
    """Write a validation run and return its folder."""
    folder = data / "validation" / run
    folder.mkdir(parents=True)
    moment = f"2026-0{2 if run.startswith('202602') else 1}-01T00:00:00.000+00:00"
    session = {"started_at": moment, "finished_at": moment}
    facts = {"schema_version": SCHEMA_VERSION, "planned_trials": len(rows), "sessions": [session]}
    (folder / "environment.json").write_text(json.dumps(facts))
    pd.DataFrame([{"schema_version": SCHEMA_VERSION, **row} for row in rows]).to_csv(
        folder / "checks.csv", index=False
    )
    return folder


def rows_of(check: str, unit: str, pairs: Sequence[tuple[float | None, float | None]]) -> list[dict]:
    """Return rows of one check."""
    return [
        {**ROW, "check": check, "unit": unit, "block": block, "lab_value": ours, "reference_value": theirs}
        for block, (ours, theirs) in enumerate(pairs)
    ]


def test_no_validation_run_is_said_to_be_missing(tmp_path: Path) -> None:
    """Without a run the section says so and how to make one."""
    assert validation.read_checks(tmp_path) is None
    assert validation.instruments(Book(tmp_path)).text == "*No run yet.* `make validate` makes one."


def test_the_newest_validation_run_is_read(tmp_path: Path) -> None:
    """The run that began last is shown."""
    write_checks(tmp_path, [ROW], "20260101-b")
    write_checks(tmp_path, [ROW, ROW], "20260201-a")
    found = validation.read_checks(tmp_path)
    assert found is not None
    assert (found.directory.name, len(found.rows)) == ("20260201-a", 2)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({name: value for name, value in ROW.items() if name != "unit"}, " has another header"),
        ({**ROW, "lab_value": "fast"}, ", line 2, column lab_value: 'fast' is not a number"),
    ],
)
def test_a_damaged_validation_run_is_named(tmp_path: Path, row: dict[str, object], told: str) -> None:
    """A file that cannot be read is named with what is wrong in it, and an older run is shown."""
    write_checks(tmp_path, [row], "20260201-a")
    assert f"`20260201-a` (`checks.csv{told}" in validation.instruments(Book(tmp_path)).text
    write_checks(tmp_path, [ROW], "20260101-b")
    found = validation.read_checks(tmp_path)
    assert found is not None
    assert found.directory.name == "20260101-b"


NEAR = [(1.0 + 0.001 * place, 1.0) for place in range(10)]


@pytest.mark.parametrize(
    ("check", "unit", "pairs", "outcome"),
    [
        ("task times", "s", [(0.1 + 0.0001 * place, 0.1) for place in range(12)], "holds"),
        ("task times", "s", [(0.1 + 0.01 * place, 0.1) for place in range(12)], "does not hold"),
        ("task times", "s", [(0.1, 0.1)], "not decided"),
        ("memory", "B", NEAR, "holds"),
        ("memory", "B", [(1.1 * ours, theirs) for ours, theirs in NEAR], "does not hold"),
        ("memory", "B", [(0.5, 1.0), (2.0, 1.0)], "not decided"),
        ("measuring on/off", "1/s", [(0.995, 1.0), (0.994, 1.0), (0.996, 1.0)], "holds"),
        ("measuring on/off", "1/s", [(0.9, 1.0), (1.1, 1.0), (0.9, 1.0)], "not decided"),
        ("measuring on/off", "1/s", [(0.97, 1.0), (0.971, 1.0), (0.972, 1.0)], "does not hold"),
        ("measuring on/off", "1/s", [(0.97, 1.0)], "not decided"),
    ],
)
def test_each_check_has_its_verdict(
    tmp_path: Path, check: str, unit: str, pairs: list[tuple[float, float]], outcome: str
) -> None:
    """The verdict follows from the interval and the limit of the check."""
    write_checks(tmp_path, rows_of(check, unit, pairs))
    found = validation.read_checks(tmp_path)
    assert found is not None
    place = ("task times", "memory", "measuring on/off").index(check)
    judged = validation.verdicts(found, 0.95)
    assert judged[place].outcome == outcome
    assert [one.outcome for one in judged].count("not decided") >= 2


def test_values_of_one_block_count_as_one() -> None:
    """Nodes that were compared in the same block are no further evidence: the interval is over blocks."""
    blocks = rows_of("memory", "B", NEAR)
    twice = pd.DataFrame([*blocks, *blocks])
    assert validation.ratio(twice) == validation.ratio(pd.DataFrame(blocks))
    assert validation.ratio(twice).n == len(NEAR)


def test_values_without_a_partner_are_counted_and_left_out(tmp_path: Path) -> None:
    """An unknown value is no 0: the row counts as one without a partner, in a check without a claim, too."""
    rows = [
        *rows_of("memory", "B", [*NEAR, (None, 1.0), (1.0, None)]),
        *rows_of("processor time", "CPU s", [(2.0, 1.0), (2.0, 1.0)]),
        *({**one, "node": "there"} for one in rows_of("measuring on/off", "1/s", NEAR)),
        *({**one, "node": "here"} for one in rows_of("measuring on/off", "1/s", NEAR)),
    ]
    write_checks(tmp_path, rows)
    text = validation.instruments(Book(tmp_path)).text
    assert "| memory | 10 | lab / reference (B) | 1.00" in text
    assert text.splitlines()[4].endswith("| 2 |")
    assert "| processor time | 2 | lab / reference (CPU s) | 2.00 (2.00 to 2.00) | 0 |" in text
    assert "| measuring on/off, there | 10 |" in text
    assert "| measuring on/off, here | 10 |" in text


def test_the_summary_counts_the_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any run the planted losses alone hold; with a validation run its claims are among them."""
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    made = pages(tmp_path)
    text = validation.summary(made).text
    assert text.startswith("**1 of 10 claims hold.** Not decided: ")
    assert "Of 10 claims about the measurements in this book, 1 holds and 9 are not decided." in text
    write_checks(tmp_path, rows_of("memory", "B", [(2.0, 1.0), (2.01, 1.0), (2.02, 1.0)]))
    text = validation.summary(made).text
    assert "hold.** Does not hold: memory agrees with docker stats. Not decided: " in text
    assert (
        "Of 13 claims about the measurements in this book, 1 holds, 1 does not and 11 are not decided."
        in text
    )


@pytest.mark.parametrize(
    ("marks", "powers", "alarmed", "found"),
    [
        ((False,) * 200, (0.0,) * 200, "holds", "holds"),
        ((True,) * 200, (0.0,) * 200, "does not hold", "does not hold"),
        ((False, True) * 5, (0.5,) * 10, "does not hold", "not decided"),
        ((False,) * 10, (0.0,) * 10, "not decided", "holds"),
    ],
)
def test_verdicts_on_pairs_come_out_in_all_their_ways(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    marks: tuple[bool, ...],
    powers: tuple[float, ...],
    alarmed: str,
    found: str,
) -> None:
    """Alarms are judged by an exact interval, and slow-downs by what was found beyond what was printed."""
    pairs = [Found(paired, loss, marks, powers) for paired in (True, False) for loss in (0.0, 0.05)]
    monkeypatch.setattr(alarms, "found", lambda _: tuple(pairs))
    made = pages(tmp_path)
    assert alarms.alarm_verdict(made).outcome == alarmed
    assert alarms.power_verdict(made).outcome == found


def test_sections_without_a_run_say_so(tmp_path: Path) -> None:
    """Nothing is computed of a run that is not there."""
    made = pages(tmp_path)
    for section in (
        proofs.processor_time,
        simulations.intervals,
        simulations.false_alarms,
        laws.laws,
        alarms.pairs,
    ):
        assert section(made).text == "*No run yet.*"


def test_the_account_of_many_nodes_is_timed() -> None:
    """The page says how many rows a second the account of a thousand nodes went through."""
    text = proofs.scale().text
    assert "1,000 nodes" in text
    assert "rows per second" in text


# --- planted causes ----------------------------------------------------------------------------------------


def write_planted(data: Path, name: str, named: Sequence[tuple[str, str, str]], ended: bool = True) -> None:
    """Write a run of the benchmark: of each row what was planted, what was named, and what by mistake."""
    moment = "2026-01-01T00:00:00.000+00:00"
    session = {"started_at": moment} | ({"finished_at": moment} if ended else {})
    facts = {"schema_version": SCHEMA_VERSION, "experiment": "causes", "run_id": name, "planned_trials": 9}
    write_environment(data / "causes" / name, {**facts, "sessions": [session]})
    table = Table(data / "causes" / name / "causes.csv", PlantedCause)
    table.extend(
        [
            PlantedCause(
                round=1,
                cluster="compose",
                planted=one,
                named=all_ or None,
                mistaken=wrong or None,
                duration_seconds=1.0,
            )
            for one, all_, wrong in named
        ]
    )
    table.close()


@pytest.mark.parametrize(
    ("right", "wrong", "outcome"),
    [(90, 0, "holds"), (10, 0, "not decided"), (9, 1, "not decided"), (40, 50, "does not hold")],
)
def test_planted_causes_that_were_found_are_counted(
    tmp_path: Path, right: int, wrong: int, outcome: str
) -> None:
    """A run counts where the cause was named and none by mistake; ten of ten alone prove nothing."""
    assert planted.verdict(Book(tmp_path)).outcome == "not decided"
    assert planted.COMMAND in planted.causes(Book(tmp_path)).text
    write_planted(tmp_path, "one", [("tail", "tail", "")] * right)
    # a run that was cut short counts, too
    if wrong:
        write_planted(tmp_path, "two", [("data", "tail", "tail")] * wrong, ended=False)
    book = Book(tmp_path)
    assert planted.verdict(book).outcome == outcome
    text = planted.causes(book).text
    assert f"| compose | unequal tasks, the tail | {right} | {right} | {right} | none |" in text
    assert ("| compose | data that travels |" in text) == bool(wrong)
    assert not wrong or f"| {wrong} | 0 | 0 | unequal tasks, the tail ({wrong}) |" in text


def test_what_comes_with_a_planted_cause_is_no_mistake(tmp_path: Path) -> None:
    """The cause is found beside others that its nature brings along; a mistake beside it makes it wrong."""
    rows = [("data", "data short", ""), ("data", "data tail", "tail"), ("data", "", "")]
    write_planted(tmp_path, "one", rows)
    assert (
        "| data that travels | 3 | 2 | 1 | unequal tasks, the tail (1) |"
        in planted.causes(Book(tmp_path)).text
    )
