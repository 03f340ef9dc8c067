"""Tests of answers for a purpose: `lab answer`, the refusals in words, whose run it is."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from synthetic import multi_node_run, synthetic_run
from written import write_run

from lab.analysis.causes import Cause, Reasons
from lab.analysis.intervals import Estimate
from lab.cli import main
from lab.report import front, how_many, why
from lab.report.answers import beside_processes, beside_processes_in_all
from lab.report.book import Book
from lab.report.decision import decide
from lab.report.page import page
from lab.report.purposes import as_values, in_words

pytestmark = pytest.mark.usefixtures("undrawn")

COUNTS = (1, 2, 3, 4, 6)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a run of one node over five worker counts, five blocks each."""
    run = synthetic_run(workers=COUNTS, blocks=5, modes=("search",))
    write_run(tmp_path / "single_node" / "mine", run)
    return tmp_path


def asked(data: Path, *options: str) -> int:
    """Return the exit status of `lab answer mine`."""
    return main(["answer", "mine", "--data", str(data), *options])


def test_a_target_within_reach_names_the_fewest(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the sizes measured the fewest whose throughput is enough with 90 % probability is named."""
    assert asked(data, "--json") == 0
    (values,) = json.loads(capsys.readouterr().out)
    assert values["sizes"] == list(COUNTS)
    assert values["unit"] == "primes/s"
    rates = decide(page("single_node", data, data / "no").study, "search").throughputs.mean(axis=0)
    assert asked(data, "--target", str(0.9 * rates[1]), "--json") == 0
    (values,) = json.loads(capsys.readouterr().out)
    assert (values["target"]["size"], values["target"]["source"]) == (2, "measured")


def test_the_title_claims_no_gain_that_is_not_decided(tmp_path: Path) -> None:
    """Where blocks differ by more than two workers could gain, the title says so, with the interval."""
    run = list(synthetic_run(workers=(1, 2), blocks=4, modes=("search",)))
    wild = run[0]["block"].mod(2).eq(0) == run[0]["workers"].eq(2)
    run[0] = run[0].assign(
        duration_seconds=run[0]["duration_seconds"].where(~wild, 4 * run[0]["duration_seconds"])
    )
    write_run(tmp_path / "single_node" / "wild", run)
    title = front.finding(Book(tmp_path, tmp_path / "no"))
    assert title.startswith("Whether 2 workers are faster than one is not decided (")


@pytest.mark.parametrize(("low", "nothing"), [(3.95, True), (3.7, False), (None, False)])
def test_where_the_most_are_as_fast_as_they_ideally_were_nothing_holds_them_back(
    monkeypatch: pytest.MonkeyPatch, low: float | None, nothing: bool
) -> None:
    """Without a certain cause the answer is that nothing does, where the gain is ideal for certain."""
    found = Estimate(5, 4.0, low, None if low is None else 4.1)
    study = SimpleNamespace(grows=False, axis=SimpleNamespace(column="nodes"))
    one = Cause("tail", Estimate(5, 0.01, 0.0, 0.05), None, "not decided", None, {})
    decision = SimpleNamespace(
        study=study,
        sizes=(1, 4),
        sweep=SimpleNamespace(equal_nodes=True),
        one=("Ray", 1),
        series="Ray",
        beside=lambda *_: found,
        causes=(one,),
        reasons=Reasons((), 0.05),
    )
    monkeypatch.setattr(why, "at_size", lambda _, size: f"{size} nodes")
    told, sure = why.in_short(decision)  # type: ignore[arg-type]
    assert ("It still scales. With 4 nodes, the work is done 4.00 (3.95 to 4.10) times" in told) is nothing
    assert ("no single cause of 3 % or more is certain" in told) is not nothing
    # the level is that of the ratio, not that of the causes, which hold together
    assert sure == ("95 % intervals, n = 5" if nothing else "not decided")


@pytest.mark.parametrize(
    ("largest", "said"), [(True, "fewer workers would be slower"), (False, "Fewer workers")]
)
def test_fewer_workers_are_advised_only_where_they_are_no_slower(largest: bool, said: str) -> None:
    """Against slower work side by side fewer workers help, but not where the most are the fastest."""
    cause = Cause("slower", Estimate(5, 0.3, 0.2, 0.4), None, "holds", None, {})
    told = why._remedy(SimpleNamespace(choice=SimpleNamespace(largest=largest)), cause)  # type: ignore[arg-type]
    assert said.lower() in told


def test_each_kind_of_work_is_told_beside_processes(tmp_path: Path) -> None:
    """A run of two kinds of work has a clause for each, since Ray may cost one and not the other."""
    run = synthetic_run(workers=(1, 2), blocks=5)
    write_run(tmp_path / "single_node" / "two", run)
    study = page("single_node", tmp_path, tmp_path / "no").study
    assert study is not None
    found = beside_processes_in_all(study)
    each = [beside_processes(study, mode) for mode in study.modes]
    assert len(each) > 1
    assert (
        found.answer.lower()
        == (
            "; ".join(f"{mode}: {one.answer[:-1]}" for mode, one in zip(study.modes, each, strict=True)) + "."
        ).lower()
    )
    assert found.sure.count("n = 5") == len(each)


def test_an_amount_of_work_by_then_is_a_target(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So many units in so many hours ask for as many a second; one without the other is refused."""
    assert asked(data, "--work", "7200", "--hours", "2", "--json") == 0
    (values,) = json.loads(capsys.readouterr().out)
    assert values["target"]["units_per_second"] == 1.0
    assert asked(data, "--work", "7200") == 1
    assert "--work and --hours belong together" in capsys.readouterr().err
    assert asked(data, "--work", "7200", "--hours", "0") == 1
    assert "--hours must be above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--target", "0"), "a target must be above 0 units/s, but got 0"),
        (("--target", "-3"), "a target must be above 0 units/s, but got -3"),
        (("--price", "-1"), "a price per node-hour must be 0 or more, but got -1"),
    ],
)
def test_impossible_wishes_are_refused(
    data: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    """A target of nothing and a price below nothing get a sentence that says what is accepted."""
    assert asked(data, *options) == 1
    assert said in capsys.readouterr().err


def test_a_run_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown run is named, with the command that lists all."""
    assert asked(tmp_path) == 1
    assert "there is no run mine" in capsys.readouterr().err


def test_what_is_beyond_reach_is_refused(data: Path) -> None:
    """A target beyond what the laws reach has no size, and the sentence says what they reach."""
    decision = decide(page("single_node", data, data / "no").study, "search")
    (told,) = in_words(decision, target=1e6)
    assert "no answer. No size gets there: the laws that fit reach" in told
    assert as_values(decision, target=1e6)["target"]["refused"] == "beyond reach"
    (told,) = in_words(decision, price=0.4)
    fastest = max(decision.sizes, key=lambda size: decision.levels[size].value or 0.0)
    assert told.startswith(f"The cheapest is {fastest} workers")
    assert "The node costs the same, however many workers it has." in told


def test_too_little_data_predicts_nothing(tmp_path: Path) -> None:
    """Two sizes follow any law: the page asks for more sizes instead of a prediction."""
    write_run(tmp_path / "single_node" / "two", synthetic_run(workers=(1, 2), blocks=5, modes=("search",)))
    text = how_many.page(Book(tmp_path, tmp_path / "no-pins.yaml")).text
    assert "**No prediction.** 2 sizes measured: a law takes 4. Measure 3 and 4 workers." in text


def test_runs_are_yours_unless_they_were_published(tmp_path: Path) -> None:
    """The list of published runs tells them apart; yours stand first, the others are folded below."""
    run = synthetic_run(workers=(1, 2), blocks=2, modes=("search",))
    write_run(tmp_path / "single_node" / "theirs", run)
    (tmp_path / "published.txt").write_text("theirs\n")
    book = Book(tmp_path, tmp_path / "no-pins.yaml")
    assert "**Published run**, `theirs`" in front.first(book).text
    write_run(tmp_path / "multi_node" / "mine", multi_node_run(blocks=2))
    text = front.first(Book(tmp_path, tmp_path / "no-pins.yaml")).text
    assert text.index("**Your run**, `mine`") < text.index("What the published runs found")
    assert text.index("What the published runs found") < text.index("**Published run**, `theirs`")
    # one of yours of the same kind hides no published one
    write_run(tmp_path / "single_node" / "yours", run)
    text = front.first(Book(tmp_path, tmp_path / "no-pins.yaml")).text
    assert text.index("**Your run**, `yours`") < text.index("**Published run**, `theirs`")


def test_why_names_a_cause_with_its_remedy(data: Path) -> None:
    """On the made-up machine the cores are what is missing, and only more of them help."""
    text = why.page(Book(data, data / "no-pins.yaml")).text
    assert "all 4 cores are at work" in text
    assert "only more cores help" in text
    assert "Causes that are ruled out, or not decided" in text
    assert text.index("moment by moment") < text.rindex("<svg")
