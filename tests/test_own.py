"""The page of own work: any number of works, each in full; numbers as in the rows; foreign text as text."""

import html
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import multi_node_run, own_run
from written import write_run

from lab.data.store import read_run
from lab.errors import DataError
from lab.report import losses, own, own_answers, provenance, waiting
from lab.report.markdown import safe
from lab.report.own import OwnPage, own_page
from lab.report.study import Study

Frames = tuple[pd.DataFrame, ...]


def facts(name: str = "work", **changes: Any) -> dict[str, Any]:
    """Return what a run says of one work."""
    known = {
        "unit": "pages",
        "words": "It reads a page.",
        "same_results": True,
        "source": "my_job.py:work",
        "digest": "0123456789abcdef",
        "items": 48,
        "items_digest": "fedcba9876543210",
        "items_bytes": 1234,
    }
    return {"works": {name: {**known, **changes}}, "parameters": {"profile": "custom"}}


def written(data: Path, run_id: str, frames: Frames, day: int = 1, **facts_of_run: Any) -> Path:
    """Write a run of own work, begun on that day of January."""
    begun = f"2026-01-{day:02d}T00:00:00.000+00:00"
    return write_run(data / "own" / run_id, frames, begun, **(facts_of_run or facts()))


def only(made: OwnPage) -> tuple[Study, str]:
    """Return the only work that a page shows."""
    assert len(made.shown) == 1, made.others
    return made.shown[0]


def mean(trials: pd.DataFrame, engine: str, workers: int) -> float:
    """Return the geometric mean of the throughput of a configuration, from its rows alone."""
    rows = trials[(trials.engine == engine) & (trials.workers == workers) & (trials.arm != "copy")]
    return math.exp(np.log(rows.units.astype(float) / rows.duration_seconds).mean())


def cell(text: str, question: str) -> str:
    """Return the answer beside a question of the table."""
    (found,) = re.findall(rf"^\| {re.escape(question)} \| (.*) \|$", text, re.MULTILINE)
    return str(found)


def first_number(text: str) -> float:
    """Return the first number in a text."""
    return float(re.findall(r"-?[\d,]*\.?\d+", text)[0].replace(",", ""))


def plain(text: str) -> str:
    """Return the words of a page without its figures."""
    return re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the folded sections out but for the one that may contradict its data: figures take seconds."""
    monkeypatch.setattr(own, "FOLDED", {"How it was measured": ("", (provenance.how_measured,))})


def test_the_answer_is_that_of_the_rows(tmp_path: Path) -> None:
    """Best throughput, the three ratios and the seconds of an item are those that the rows give by hand."""
    frames = own_run(blocks=4)
    written(tmp_path, "mine", frames)
    study, text = only(own_page(tmp_path))
    trials, tasks = frames[:2]
    counts = (1, 2, 4, 6)
    best = max(counts, key=lambda one: mean(trials, "ray", one))
    highest = mean(trials, "ray", best)
    near = {"rel": 0.01}
    told = own_answers.in_sentences(study, "work")
    assert told.startswith("**It pays to use Ray here**: ")
    assert first_number(told) == pytest.approx(highest / mean(trials, "serial", 1), **near)
    assert first_number(cell(text, "highest mean throughput")) == pytest.approx(highest, **near)
    assert f"pages/s, Ray, dynamic, {best} workers on 4 cores" in cell(text, "highest mean throughput")
    for question, engine, workers in (
        ("beside one Ray worker", "ray", 1),
        ("beside a plain loop", "serial", 1),
        ("beside as many plain processes", "processes", best),
    ):
        ratio = highest / mean(trials, engine, workers)
        assert first_number(cell(text, question)) == pytest.approx(ratio, rel=0.01), question
    loops = trials.loc[trials.engine == "serial", "trial_id"]
    mine = tasks[tasks.trial_id.isin(loops) & ~tasks.warmup]
    lasted = (mine.finished_seconds - mine.started_seconds).groupby(mine.trial_id)
    takes = cell(text, "one item takes")
    assert first_number(takes) == pytest.approx(1000 * lasted.quantile(0.5).mean(), **near)
    assert first_number(takes.split("percentile")[1]) == pytest.approx(
        1000 * lasted.quantile(0.95).mean(), **near
    )
    assert "Use 4 workers" in cell(text, "how many to use")
    assert cell(text, "items that raised") == f"none of {len(trials) * 48:,} attempts"
    assert "ceiling: one loop on each core" in text
    assert "reference report" not in text


def test_what_an_item_costs_is_time_beyond_the_loop(tmp_path: Path) -> None:
    """With one worker, an item's cost is the difference of seconds for each item, block by block."""
    trials, *others = own_run(blocks=4)
    ray = (trials.engine == "ray") & (trials.workers == 1)
    loop = trials[trials.engine == "serial"].set_index("block").duration_seconds
    trials.loc[ray, "duration_seconds"] = trials.loc[ray, "block"].map(loop + 48 * 0.005)
    study = Study(read_run(written(tmp_path, "mine", (trials, *others))))
    workers, cost = own_answers.item_cost(study, "work", "Ray, dynamic")
    assert workers == 1
    assert cost.value == pytest.approx(0.005)
    assert "Ray 5.0" in own_answers.facts(study, "work")
    assert "4 workers would break even at items of 1.67 ms" in own_answers.facts(study, "work")


@pytest.mark.parametrize(
    ("engines", "factor", "said"),
    [
        (("ray", "serial"), 1.0, "**It pays to use Ray here**: "),
        (("ray", "serial"), 20.0, "**It does not pay to use Ray here**: 0."),
        (("ray",), 1.0, "**Whether it pays to use Ray cannot be told** from this run: no block has"),
        (("pool", "serial"), 1.0, "**It pays to use multiprocessing.Pool here**: "),
        (("serial",), 1.0, "**Whether it pays to use Ray cannot be told**: only a plain loop ended well."),
    ],
)
def test_whether_it_pays(tmp_path: Path, engines: tuple[str, ...], factor: float, said: str) -> None:
    """The verdict follows the interval, and an engine that was not measured has none."""
    trials, *others = own_run(engines=engines)
    trials.loc[trials.engine == "ray", "duration_seconds"] *= factor
    study = Study(read_run(written(tmp_path, "mine", (trials, *others))))
    text = own_answers.in_sentences(study, "work")
    assert said in text
    assert ("Ray was not asked for." in text) == ("ray" not in engines)


def test_an_interval_that_allows_both_decides_nothing(tmp_path: Path) -> None:
    """Where Ray's blocks lie on both sides of the plain loop's, it cannot be told."""
    trials, *others = own_run(workers=(1,), engines=("ray", "serial"))
    for block, factor in enumerate((0.5, 1.0, 2.0)):
        trials.loc[(trials.engine == "ray") & (trials.block == block), "duration_seconds"] *= factor
    study = Study(read_run(written(tmp_path, "mine", (trials, *others))))
    assert "**Whether it pays to use Ray cannot be told**: 1" in own_answers.in_sentences(study, "work")


def test_engines_that_report_at_the_end_have_no_latency(tmp_path: Path) -> None:
    """Their waiting, queue and timeline are said to be unknown, the account of others stays as it was."""
    with_pool, without = (own_run(engines=("ray", "serial", *more)) for more in (("pool",), ()))
    study = Study(read_run(written(tmp_path, "with", with_pool)))
    other = Study(read_run(written(tmp_path, "without", without)))
    pool = study.rows("work", "multiprocessing.Pool")
    assert pool[["wait_p50_seconds", "latency_p95_seconds", "queue_mean"]].isna().all(axis=None)
    assert pool[["run_p50_seconds", "throughput", "node_efficiency"]].notna().all(axis=None)
    text = waiting.latency(study).text
    assert "multiprocessing.Pool reports all results at the end" in text
    assert "| multiprocessing.Pool |" not in text
    assert "reports all results at the end" not in waiting.latency(other).text
    assert losses.doubts(study).text == losses.doubts(other).text
    assert "useful work" in losses.sentence(study)
    text = only_pool(tmp_path)
    assert "reports all results at the end" in text
    assert "lab-timeline-row" not in text


def only_pool(folder: Path) -> str:
    """Return the page of a run of no engine but pool."""
    written(folder / "alone", "mine", own_run(engines=("pool",)))
    return only(own_page(folder / "alone"))[1]


def test_a_run_over_nodes_is_shown_over_nodes(tmp_path: Path) -> None:
    """On several containers the answer speaks of nodes, beside one of them and beside one Ray worker."""
    frames = multi_node_run(modes=("work",), schedules=("dynamic",), workers_per_node=(2,))
    written(tmp_path, "mine", frames)
    study, text = only(own_page(tmp_path))
    assert study.axis.column == "nodes"
    assert "pages/s, 2 workers each, 4 containers on one host" in cell(text, "highest mean throughput")
    trials = frames[0].assign(workers=frames[0].nodes)
    many = trials[(trials.workers_per_node == 2)]
    ratio = mean(many, "ray", 4) / mean(many, "ray", 1)
    assert first_number(cell(text, "beside one node")) == pytest.approx(ratio, rel=0.01)
    alone = mean(trials[trials.workers_per_node == 1], "ray", 1)
    assert first_number(cell(text, "beside one Ray worker")) == pytest.approx(
        mean(many, "ray", 4) / alone, rel=0.01
    )
    assert "ideal: as many times as nodes" in text
    assert "reference report" not in text


def test_items_that_raise_are_told_by_type_and_message(tmp_path: Path) -> None:
    """Every kind of error stands with its message, its number, and how many items it concerns."""
    frames = own_run(raising=(3, 17))
    written(tmp_path, "mine", frames)
    study, text = only(own_page(tmp_path))
    trials = len(frames[0])
    assert f"| `ValueError` | `no <b>page</b> \\|` | {2 * trials} | 2 | 3 |" in own_answers.raised(study).text
    told = cell(text, "items that raised")
    assert told.startswith(f"{2 * trials} of {48 * trials:,} attempts failed, ")
    assert told.endswith(": 2 items, told below")
    assert "the rows add up to the totals" in provenance.how_measured(study).text


@pytest.mark.usefixtures("short")
def test_each_work_is_shown_once_by_its_newest_complete_run(tmp_path: Path) -> None:
    """Two works and five runs: the newest complete of each in full, the older and the unfinished listed."""
    frames = own_run(workers=(1, 2), engines=("ray", "serial"), blocks=2)
    named = own_run("other", workers=(1, 2), engines=("ray", "serial"), blocks=2)
    written(tmp_path, "older", frames, 1)
    written(tmp_path, "newer", frames, 2)
    written(tmp_path, "cut", frames, 3, **facts(), planned_trials=99)
    written(tmp_path, "second", named, 4, **facts("other", source="b.py:other"))
    written(tmp_path, "moved", frames, 5, **facts(source="c.py:work"))
    made = own_page(tmp_path)
    assert [study.run.run_id for study, _ in made.shown] == ["moved", "second", "newer"]
    text, listed = made.works().text, made.other_runs().text
    assert text.count("<h2 ") == 3
    assert '| <a href="#own-work-2">other</a> | `second` |' in text
    assert "| `cut` | my&#95;job.py&#58;work | 2026-01-03 | 8 of 99 trials |" in listed
    assert "| `older` | my&#95;job.py&#58;work | 2026-01-01 | complete, older |" in listed
    assert "newer" not in listed


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            lambda run: (run / "trials.csv").write_text("a,b\n1,2\n"),
            "`trials.csv was not written",
        ),
        (lambda run: (run / "nodes.csv").unlink(), "`nodes.csv is missing"),
        (lambda run: (run / "environment.json").write_text("{"), "`environment.json is damaged"),
        (lambda run: changed(run, works=["no", "object"]), "`environment.json is damaged"),
        (lambda run: changed(run, works={"work": "text"}), "`environment.json is damaged"),
        (lambda run: another_digest(run), "more than one digest in work"),
    ],
)
def test_a_damaged_run_keeps_no_other_from_being_shown(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    """The newest run cannot be read or shown: it is listed with the reason, and the one before is shown."""
    frames = own_run(workers=(1, 2), engines=("ray", "serial"), blocks=2)
    written(tmp_path, "whole", frames, 1)
    damage(written(tmp_path, "broken", frames, 2))
    made = own_page(tmp_path)
    assert only(made)[0].run.run_id == "whole"
    listed = made.other_runs().text
    assert "| `broken` |" in listed
    assert reason in listed
    assert str(tmp_path) not in listed


def changed(run: Path, **facts_of_run: Any) -> None:
    """Write other facts into the environment of a run."""
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts_of_run}))


def another_digest(run: Path) -> None:
    """Give one trial other results."""
    path = run / "trials.csv"
    path.write_text(path.read_text().replace("digest-of-work", "another", 1))


@pytest.mark.usefixtures("short")
def test_work_whose_results_may_differ_is_not_compared(tmp_path: Path) -> None:
    """It says of itself that its results differ, so that unequal digests contradict nothing."""
    frames = own_run(workers=(1, 2), engines=("ray", "serial"), blocks=2)
    another_digest(written(tmp_path, "mine", frames, **facts(same_results=False)))
    assert "Results may differ from trial to trial" in only(own_page(tmp_path))[1]


def test_without_a_run_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    """No run, or none that is complete: the command is named, and what was begun."""
    text = own_page(tmp_path).works().text
    assert "There is no complete run" in text
    assert "`lab run my_job.py:work --items my_job.py:items --workers 1,2`" in text
    written(tmp_path, "cut", own_run(workers=(1,), blocks=1), **facts(), planned_trials=99)
    assert "`cut` (5 of 99 trials)" in own_page(tmp_path).works().text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ['<img src=x onerror="alert(1)">', "_$x^$_ | *b* `c` [d](e)", "工作 😀" * 40]
)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    """No name, unit or word of a run is read as HTML, Markdown or a formula, and long ones are cut."""
    said = facts(name, unit=name, words=f"{name} {{eval}}`x`", source=f"{name}.py:work")
    written(tmp_path, "mine", own_run(name, workers=(1, 2), blocks=2, raising=(1,)), **said)
    made = own_page(tmp_path)
    text = plain(only(made)[1])
    assert "<img" not in re.sub("`[^`]*`", "", text)
    assert "[d](e)" not in re.sub("`[^`]*`", "", text)
    assert "*b*" not in re.sub("`[^`]*`", "", text)
    heading = re.findall(r"<h2 id=.own-work-1.>(.*)</h2>", text)[0]
    assert html.unescape(heading) == (name if len(name) <= 60 else f"{name[:59]}…")
    assert "<img" not in made.shown[0][1].split("<desc")[1].split("</desc>")[0]


def test_safe_text_has_no_character_of_markdown_or_html() -> None:
    """All that either would read stands as a reference, what cannot be printed is shown as missing."""
    assert safe("a_b *c* <d>\u202e\x00") == "a&#95;b &#42;c&#42; &#60;d&#62;\ufffd\ufffd"
    assert html.unescape(safe("1/2 (3) [x]{y}!")) == "1/2 (3) [x]{y}!"


def little(frames: Frames, kept: Callable[[pd.DataFrame], pd.Series]) -> Frames:
    """Return the frames with all trials failed but those that are kept."""
    trials = frames[0].copy()
    gone = ~kept(trials)
    trials.loc[gone, ["status", "digest", "units", "tasks", "duration_seconds"]] = ["failed", *[None] * 4]
    return (trials, *frames[1:])


LITTLE: dict[str, Callable[[], Frames]] = {
    "one block": lambda: own_run(workers=(1, 2), blocks=1),
    "one worker": lambda: own_run(workers=(1,), blocks=2),
    "many workers, no loop": lambda: own_run(workers=(3, 8), engines=("ray", "ray_tasks"), blocks=2),
    "all engines but Ray": lambda: own_run(workers=(1, 2), engines=("joblib", "dask", "futures"), blocks=2),
    "all failed": lambda: little(own_run(workers=(1, 2)), lambda t: t.slot < 0),
    "one ended well": lambda: little(own_run(workers=(1, 2)), lambda t: t.slot < 1),
    "Ray failed": lambda: little(own_run(workers=(1, 2)), lambda t: t.engine != "ray"),
    "nodes failed": lambda: little(multi_node_run(modes=("work",), blocks=2), lambda t: t.nodes == 1),
    "all nodes failed": lambda: little(multi_node_run(modes=("work",), blocks=2), lambda t: t.slot < 0),
}


@pytest.mark.parametrize("kind", LITTLE)
@pytest.mark.filterwarnings("error")
def test_any_honest_run_can_be_shown(tmp_path: Path, kind: str) -> None:
    """However little was measured, the page is shown, and no unknown is a number."""
    written(tmp_path, "mine", LITTLE[kind]())
    text = plain(only(own_page(tmp_path))[1]).replace("<NA>", "nan")
    for wrong in (" nan", "nan ", "(nan", " inf", "None", "Timestamp", "np.float"):
        assert wrong not in text, text[max(0, text.find(wrong) - 80) :][:200]


@pytest.mark.usefixtures("short")
def test_a_run_without_works_is_shown_by_its_modes(tmp_path: Path) -> None:
    """A run that says nothing of its work has items for a unit, and is a work of its own."""
    written(tmp_path, "mine", own_run(workers=(1, 2), blocks=2), 1, works={})
    assert "items/s" in only(own_page(tmp_path))[1]


def test_a_foreign_column_is_an_error(tmp_path: Path) -> None:
    """A file with a column that the lab does not know is damage, also of own work."""
    run = written(tmp_path, "mine", own_run(workers=(1,), blocks=1))
    path = run / "nodes.csv"
    path.write_text(path.read_text().replace("gpus,", "cards,", 1))
    with pytest.raises(DataError, match=r"missing: \['gpus'\], foreign: \['cards'\]"):
        read_run(run)
