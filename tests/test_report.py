"""The report: which run is shown, what is said of it, and that any honest run can be shown."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import own_run, synthetic_run
from written import PARAMETERS, write_run

from lab import paths
from lab.analysis.replay import random_searches
from lab.data.records import FILES, columns
from lab.errors import DataError
from lab.report import (
    answers,
    claims_single_node,
    failures,
    front,
    limits,
    noise,
    pages,
    provenance,
    scaling,
    timeline,
    usage,
    waiting,
)
from lab.report.book import Book
from lab.report.disturbances import warning
from lab.report.handbook import KINDS, columns_of, parameters_of, refusal
from lab.report.markdown import Markdown, figure, folded, literal, table
from lab.report.own import own_page
from lab.report.page import Page, page
from lab.report.source import link
from lab.report.study import Study

SECTIONS: tuple[Callable[[Study], Markdown], ...] = (
    answers.answer,
    scaling.throughput,
    scaling.against_processes,
    usage.usage,
    usage.over_time,
    scaling.efficiency,
    waiting.latency,
    waiting.queue,
    timeline.after_the_fact,
    claims_single_node.verdicts,
    claims_single_node.replay,
    failures.trials,
    failures.errors,
    noise.noise,
    noise.drift,
    provenance.which_run,
    provenance.how_measured,
    limits.limits,
    provenance.files,
    provenance.other_runs,
)
LATER = "2026-02-01T00:00:00.000+00:00"
Frames = list[pd.DataFrame]


@pytest.fixture(scope="module")
def small() -> tuple[pd.DataFrame, ...]:
    """Return the frames of a small honest run; not to be changed."""
    return synthetic_run(workers=(1, 2, 6), blocks=2)


def shown(data: Path) -> Page:
    """Return the page of a data folder, without pins."""
    return page("single_node", data, data / "no-pins.yaml")


def whole_text(made: Page) -> str:
    """Return all that a page shows."""
    return "\n\n".join(made.show(section).text for section in SECTIONS)


# --- which run -------------------------------------------------------------------------------------------


def test_the_newest_complete_run_is_shown(tmp_path: Path, small: Frames) -> None:
    """A newer run takes the older one's place, and the older one is listed with its files."""
    write_run(tmp_path / "single_node" / "zz-older", small, cpu_model="Older processor")
    write_run(tmp_path / "single_node" / "aa-newer", small, LATER, cpu_model="Newer processor")
    made = shown(tmp_path)
    assert (
        "Run `aa-newer`, the newest complete one, of 2026-02-01: Newer"
        in made.show(provenance.which_run).text
    )
    assert (
        "| `zz-older` | 2026-01-01 | quick | Older processor, 4 cores | complete |"
        in made.show(provenance.other_runs).text
    )


def test_an_unfinished_run_is_listed_and_not_shown(tmp_path: Path, small: Frames) -> None:
    """A run that was cut short does not take the complete one's place, however new it is."""
    write_run(tmp_path / "single_node" / "whole", small)
    write_run(tmp_path / "single_node" / "cut", small, LATER, planned_trials=999)
    made = shown(tmp_path)
    assert "Run `whole`" in made.show(provenance.which_run).text
    assert "of 999 trials" in made.show(provenance.other_runs).text


def test_a_pinned_run_wins(tmp_path: Path, small: Frames) -> None:
    """The run that book/pins.yaml names is shown though there is a newer one, and the page says so."""
    write_run(tmp_path / "single_node" / "older", small)
    write_run(tmp_path / "single_node" / "newer", small, LATER)
    pins = tmp_path / "pins.yaml"
    pins.write_text("single_node: older\n")
    made = page("single_node", tmp_path, pins)
    assert "Run `older`, which the book pins" in made.show(provenance.which_run).text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "single_node: gone",
            r"pins single_node to the run gone, which is not there .*there are: torn, cut, whole",
        ),
        ("single_node: cut", r"the run cut, which is not complete"),
        ("single_node: torn", r"the run torn, which is damaged: environment\.json is damaged"),
        ("- single_node", r"must hold lines such as 'single_node: RUN_ID'"),
        ("single_node: [", r"is not YAML"),
    ],
)
def test_a_wrong_pin_gets_a_clear_error(tmp_path: Path, small: Frames, text: str, message: str) -> None:
    """A pin that cannot be followed is never passed over in silence."""
    write_run(tmp_path / "single_node" / "whole", small)
    write_run(tmp_path / "single_node" / "cut", small, LATER, planned_trials=999)
    torn = write_run(tmp_path / "single_node" / "torn", small)
    (torn / "environment.json").write_text("{")
    (tmp_path / "pins.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        page("single_node", tmp_path, tmp_path / "pins.yaml")


def test_pins_of_nothing_pin_nothing(tmp_path: Path, small: Frames) -> None:
    """An empty file of pins, or one of other experiments, leaves the newest complete run."""
    write_run(tmp_path / "single_node" / "whole", small)
    (tmp_path / "pins.yaml").write_text("# none\n")
    study = page("single_node", tmp_path, tmp_path / "pins.yaml").study
    assert study is not None
    assert not study.pinned


@pytest.mark.parametrize("unfinished", [True, False])
def test_no_complete_run_makes_a_page_that_says_so(tmp_path: Path, small: Frames, unfinished: bool) -> None:
    """Without a complete run the page says once how to make one; each section says that there is none."""
    if unfinished:
        write_run(tmp_path / "single_node" / "cut", small, planned_trials=999)
    made = shown(tmp_path)
    first = made.show(SECTIONS[0]).text
    assert "There is no complete run" in first
    assert "`make report` makes one" in first
    assert ("`cut` (" in first) == unfinished
    assert {made.show(section, told=True).text for section in SECTIONS[1:]} == {"*No run yet.*"}


def test_a_damaged_newest_run_is_told_of_on_the_page_of_an_older_one(tmp_path: Path, small: Frames) -> None:
    """An older run never stands in for the newest in silence: the page says which is not shown, and why."""
    write_run(tmp_path / "single_node" / "older", small)
    newer = write_run(tmp_path / "single_node" / "newer", small, LATER)
    (newer / "trials.csv").write_text("other,columns\n1,2\n")
    made = shown(tmp_path)
    text = made.show(provenance.which_run).text
    assert "Run `older`" in text
    assert "Runs that cannot be shown: `newer` (`trials.csv was not written by this lab" in text
    assert "| damaged: `trials.csv was not" in made.show(provenance.other_runs).text


def test_damaged_runs_alone_leave_a_page_that_names_them(tmp_path: Path, small: Frames) -> None:
    """Where no run can be shown, the page says why of each, and how to make another."""
    only = write_run(tmp_path / "single_node" / "only", small)
    (only / "tasks.csv").unlink()
    text = shown(tmp_path).show(SECTIONS[0]).text
    assert "Runs that cannot be shown: `only` (`tasks.csv is missing" in text


# --- what is said ----------------------------------------------------------------------------------------


def test_the_answers_are_those_of_the_data(tmp_path: Path) -> None:
    """How far, why, how many and the cost of Ray are those of the made-up law: level beyond the cores."""
    write_run(tmp_path / "single_node" / "run", synthetic_run(blocks=5, modes=("search",)))
    text = shown(tmp_path).show(answers.answer).text
    assert "| **How far does it scale?** | 4 workers: 3." in text
    assert "of the ideal of 4. | ± 5.1 %, n = 5 |" in text
    assert "| **Why no further?** | With 6 workers, " in text
    assert "| **How many workers?** | 4 or 6 workers; 4 lose at most " in text
    assert "| **Ray or plain processes?** |" in text
    assert "of their throughput, over 2, 4 and 6 workers" in text


def test_a_machine_where_ray_costs_more_gets_another_sentence(tmp_path: Path) -> None:
    """Sentences are chosen by the data: where every Ray window is a half longer, Ray costs about a third."""
    trials, *others = synthetic_run(blocks=5, modes=("search",))
    ray = trials["engine"] == "ray"
    trials.loc[ray, "duration_seconds"] *= 1.5
    write_run(tmp_path / "single_node" / "run", (trials, *others))
    assert "Ray costs 3" in shown(tmp_path).show(answers.answer).text


def test_a_machine_that_is_not_quiet_gets_a_warning(tmp_path: Path) -> None:
    """Where others used a part of the cores, the first page says so; where they did not, it says nothing."""
    frames = synthetic_run(workers=(1, 2), blocks=2, modes=("search",))
    write_run(tmp_path / "quiet" / "single_node" / "run", frames)
    frames[2]["cpu_cores"] += 1.0
    write_run(tmp_path / "busy" / "single_node" / "run", frames)
    quiet, busy = shown(tmp_path / "quiet"), shown(tmp_path / "busy")
    assert quiet.mention(warning).text == ""
    assert "| 10 % | 0 of 16 |" in quiet.show(noise.noise).text
    assert "used more than 10 % of the cores in 16 of 16 trials" in busy.mention(warning).text
    book = Book(tmp_path / "busy", tmp_path / "no-pins.yaml")
    assert "On run the machine was not quiet" in front.trust(book).text
    assert "tasks that keep a GPU busy" in front.trust(book).text
    frames[2]["gpu_percent"] = 90.0
    write_run(tmp_path / "gpu" / "single_node" / "run", frames)
    assert "GPU" not in front.trust(Book(tmp_path / "gpu", tmp_path / "no-pins.yaml")).text
    assert busy.show(claims_single_node.verdicts).text.count("| **not decided** |") == 4
    assert "But the machine was not quiet: in 4 of 4 trials" in busy.show(claims_single_node.verdicts).text
    assert "not quiet" not in quiet.show(claims_single_node.verdicts).text


def test_the_reference_report_stands_beside_ours(tmp_path: Path, small: Frames) -> None:
    """Its ratios, CPU use, memory and efficiency curve are in the tables, and each claim has its verdicts."""
    write_run(tmp_path / "single_node" / "run", small)
    made = shown(tmp_path)
    assert "| 1.81 |" in made.show(scaling.throughput).text
    assert "| 84.4 |" in made.show(usage.usage).text
    assert "| 0.650 |" in made.show(claims_single_node.replay).text
    verdicts = made.show(claims_single_node.verdicts).text
    assert verdicts.count("(search, dynamic)") == verdicts.count("(find, static)") == 4
    assert all(
        any(f"**{one}**" in line for one in ("holds", "does not hold", "not decided"))
        for line in verdicts.splitlines()[2:]
    )


def test_the_replay_draws_each_size_from_its_own_tasks(tmp_path: Path, small: Frames) -> None:
    """Tasks are told apart by their place in the work; the numbers of tasks are the reference report's."""
    write_run(tmp_path / "single_node" / "run", small)
    study = shown(tmp_path).study
    assert study is not None
    assert [(bits, len(pool), tasks) for bits, pool, tasks in claims_single_node.replay_batches(study)] == [
        (512, 34, 50),
        (1024, 14, 20),
    ]


def test_few_recorded_times_explain_nothing(tmp_path: Path, small: Frames) -> None:
    """With 34 and 14 recorded times nothing is said of the report's curve."""
    write_run(tmp_path / "single_node" / "run", small)
    text = shown(tmp_path).show(claims_single_node.replay).text
    assert "cannot be told from so few recorded times (34, 14)" in text
    assert "The explanation" not in text


@pytest.mark.parametrize(
    ("chosen", "bits", "said"),
    [
        (random_searches, 1024, r"\*\*At [45] of 5 cluster sizes above one the explanation holds\*\*"),
        (lambda bits, *_: np.linspace(1, 1.01, 100) * bits, 1024, r"\*\*At [01] of 5 cluster sizes"),
        (random_searches, 256, r"cannot be told: this run's sizes are not the report's"),
    ],
)
def test_the_replay_says_whether_the_explanation_holds(
    tmp_path: Path,
    small: Frames,
    monkeypatch: pytest.MonkeyPatch,
    chosen: Callable[..., Any],
    bits: int,
    said: str,
) -> None:
    """Searches of random length explain the curve, tasks of nearly one length do not."""
    batches = [(512, chosen(512, 10**9, 1.0).tolist(), 50), (bits, chosen(bits, 10**9, 10.0).tolist(), 20)]
    monkeypatch.setattr(claims_single_node, "replay_batches", lambda _: batches)
    write_run(tmp_path / "single_node" / "run", small)
    assert re.search(said, shown(tmp_path).show(claims_single_node.replay).text)


def test_interrupted_trials_are_no_crosses(tmp_path: Path, small: Frames) -> None:
    """An attempt that was interrupted and run again is listed as that; no cross is spoken of."""
    trials = small[0]
    cut = trials.iloc[[5]].assign(status="interrupted", trial_id="005-0", digest=None)
    frames = [pd.concat([trials, cut]), *small[1:]]
    write_run(tmp_path / "single_node" / "run", frames, planned_trials=len(trials))
    text = shown(tmp_path).show(failures.trials).text
    assert "1 trial did not end well. Interrupted trials were run again." in text
    assert "cross" not in text


def slowed(frames: Frames, factors: dict[int, float]) -> Frames:
    """Return the frames with the Ray trials of some worker counts so many times as long."""
    trials = frames[0].copy()
    for workers, factor in factors.items():
        chosen = (trials["engine"] == "ray") & (trials["workers"] == workers)
        trials.loc[chosen, "duration_seconds"] *= factor
    return [trials, *frames[1:]]


@pytest.mark.parametrize(
    ("blocks", "factors", "said"),
    [
        (5, {2: 4.0}, "Use 1 worker. Going from 1 to 2 brings -"),
        (5, {}, "Use 2 workers. Going from 1 to 2 brings +"),
        (1, {}, "1 or 2 workers. One repeat tells nothing: run 5."),
    ],
)
def test_how_many_workers_to_use(tmp_path: Path, blocks: int, factors: dict[int, float], said: str) -> None:
    """The fewest near the best are named with what the last one brought; one block cannot tell."""
    frames = list(synthetic_run(workers=(1, 2), blocks=blocks, modes=("search",)))
    write_run(tmp_path / "single_node" / "run", slowed(frames, factors))
    assert said in shown(tmp_path).show(answers.answer).text


def test_one_block_speaks_of_no_intervals(tmp_path: Path) -> None:
    """Where there are no intervals, nothing is said of twenty of them."""
    write_run(tmp_path / "single_node" / "run", synthetic_run(workers=(1, 2), blocks=1, modes=("search",)))
    text = shown(tmp_path).show(limits.limits).text
    assert "With 1 block there are no intervals" in text
    assert "twenty" not in text


def test_the_reference_report_is_cited() -> None:
    """The page gives title, year and language."""
    assert all(one in provenance.reference_report().text for one in ("lab report", "2025", "in Chinese"))


def test_failed_trials_are_listed_and_drawn(tmp_path: Path, small: Frames) -> None:
    """A failed trial has its row with the reason, and a cross; its message is not read as Markdown."""
    trials = small[0].copy()
    place = trials.index[(trials["engine"] == "ray") & (trials["arm"] == "experiment")][0]
    trials.loc[place, ["status", "error_kind", "error_message"]] = [
        "failed",
        "EngineError",
        "lost | *all* `w`",
    ]
    write_run(tmp_path / "single_node" / "run", (trials, *small[1:]))
    made = shown(tmp_path)
    text = made.show(failures.trials).text
    assert "1 trial did not end well" in text
    assert "`EngineError: lost \\| *all* 'w'`" in text
    assert "failed trial" in made.show(scaling.throughput).text
    assert "83" not in text


# --- any honest run --------------------------------------------------------------------------------------


def without(frames: Frames, kept: Callable[[pd.DataFrame], pd.Series]) -> Frames:
    """Return the frames with the trials that are kept, in new slots, and what belongs to them."""
    trials = frames[0][kept(frames[0])].assign(slot=lambda some: range(len(some)))
    ids = set(trials["trial_id"])
    return [trials, *(one[one["trial_id"].isin(ids)] for one in frames[1:4]), frames[4]]


def failed(frames: Frames, which: Callable[[pd.DataFrame], pd.Series]) -> Frames:
    """Return the frames with some trials failed."""
    trials = frames[0].copy()
    outcome = ["status", "digest", "units", "tasks", "duration_seconds"]
    trials.loc[which(trials), outcome] = ["failed", None, None, None, None]
    return [trials, *frames[1:]]


def unmeasured(frames: Frames) -> Frames:
    """Return the frames without any value that may be unknown in the samples, nor system times."""
    samples = frames[2].copy()
    samples[["cpu_cores", "memory_bytes", "lab_memory_bytes", "object_store_bytes"]] = None
    trials = frames[0].copy()
    trials[["sampler_cpu_seconds", "steal_seconds", "system_cpu_seconds", "startup_seconds"]] = None
    windows = frames[3].copy()
    windows[["cpu_seconds", "workers_cpu_seconds", "ray_cpu_seconds", "throttled_seconds"]] = None
    return [trials, frames[1], samples, windows, frames[4]]


HONEST: dict[str, tuple[Callable[[], Frames], dict[str, Any]]] = {
    "one block": (lambda: list(synthetic_run(workers=(1, 2), blocks=1)), {}),
    "one worker count": (lambda: list(synthetic_run(workers=(3,), blocks=2)), {}),
    "one worker": (lambda: list(synthetic_run(workers=(1,), blocks=2)), {}),
    "without one worker": (lambda: list(synthetic_run(workers=(2, 4), blocks=2)), {}),
    "many workers": (lambda: list(synthetic_run(workers=range(1, 16), blocks=1, modes=("find",))), {}),
    "only find, other sizes": (
        lambda: list(synthetic_run(workers=(1, 2), blocks=2, modes=("find",))),
        {"parameters": {**PARAMETERS, "find_bits": [256], "find_tasks": [48]}},
    ),
    "only factor": (lambda: list(synthetic_run(workers=(1, 2), blocks=2, modes=("factor",))), {}),
    "only static": (
        lambda: without(
            list(synthetic_run(blocks=2)), lambda t: ~((t.engine == "ray") & (t.schedule == "dynamic"))
        ),
        {},
    ),
    "no baselines": (lambda: without(list(synthetic_run(blocks=2)), lambda t: t.arm != "baseline"), {}),
    "no ray": (lambda: without(list(synthetic_run(blocks=2)), lambda t: t.engine != "ray"), {}),
    "only a loop": (lambda: without(list(synthetic_run(blocks=2)), lambda t: t.engine == "serial"), {}),
    "ray failed": (lambda: failed(list(synthetic_run(blocks=2)), lambda t: t.engine == "ray"), {}),
    "all failed": (lambda: failed(list(synthetic_run(workers=(1, 2), blocks=2)), lambda t: t.slot >= 0), {}),
    "one ended well": (lambda: failed(list(synthetic_run(blocks=2)), lambda t: t.slot > 0), {}),
    "nothing sampled": (lambda: unmeasured(list(synthetic_run(workers=(1, 2), blocks=2))), {}),
    "bare environment": (
        lambda: list(synthetic_run(workers=(1, 2), blocks=2)),
        {"machine": {}, "versions": {}, "code": {}, "parameters": {}},
    ),
}


@pytest.mark.parametrize("kind", HONEST)
@pytest.mark.filterwarnings("error")
def test_any_honest_run_can_be_shown(tmp_path: Path, kind: str) -> None:
    """However little a run measured, every section is shown, and no unknown is a number."""
    frames, facts = HONEST[kind]
    write_run(tmp_path / "single_node" / "run", frames(), **facts)
    made = shown(tmp_path)
    for section in SECTIONS:
        text = made.show(section).text
        assert text.strip(), section.__name__
        words = text.replace("dominant", "").replace("<NA>", "nan")
        for wrong in (" nan", "nan ", "(nan", " inf", "None", "Timestamp", "np.float"):
            assert wrong not in words, (section.__name__, wrong, text[max(0, words.find(wrong) - 80) :][:200])


# --- the parts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_every_column_is_explained(file: str) -> None:
    """The table of a file holds all its columns with their meanings."""
    text = columns_of(file).text
    for column in columns(FILES[file]):
        assert f"| `{column.name}` |" in text
        assert column.meaning in text


@pytest.mark.parametrize("experiment", ["single_node", "multi_node", "docker"])
def test_every_parameter_is_explained(experiment: str) -> None:
    """The table of parameters of each experiment holds all of them with what they accept."""
    text = parameters_of(experiment).text
    for name in KINDS[experiment].__dataclass_fields__:
        assert f"| `{name}` |" in text
    assert "a whole number from 16 to 16384" in text
    assert all("| – | – |" not in line for line in text.splitlines())


def test_a_refusal_is_the_lab_s_own_message() -> None:
    """The handbook quotes what the lab says."""
    assert "did you mean workers?" in refusal("worker", "4").text


def test_foreign_text_cannot_break_a_page() -> None:
    """A bar, a line break or a backquote in a value leaves a table and a literal whole."""
    assert table(("a", "b"), [("x|y", "1\n2")], right=(1,)) == "| a | b |\n| :-- | --: |\n| x\\|y | 1 2 |"
    assert literal("a `b`\nc") == "`a 'b' c`"


def test_a_figure_holds_no_blank_line() -> None:
    """A blank line would end the block of HTML inside Markdown; what is folded needs them around it."""
    assert figure("<svg>\n\n</svg>", "Caption.").count("\n\n") == 0
    assert (
        folded("more", "| a |")
        == '<details class="lab-details"><summary>more</summary>\n\n| a |\n\n</details>'
    )


def test_files_are_linked_inside_the_project_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the project gets a link that the book follows; another is named."""
    (tmp_path / "trials.csv").touch()
    assert link(tmp_path, "trials.csv") == "`trials.csv`"
    monkeypatch.setattr(paths, "ROOT", tmp_path.parent)
    assert link(tmp_path, "trials.csv") == f"[trials.csv](/{tmp_path.name}/trials.csv)"


@pytest.mark.usefixtures("undrawn")
def test_an_example_that_was_published_is_told_in_short(tmp_path: Path) -> None:
    """A reader's own run has every section; one that was published with the lab has the answer and why."""
    found = write_run(tmp_path / "own" / "one", own_run(blocks=2))
    text, short = own_page(tmp_path).works().text, own_page(tmp_path, {found.name}).works().text
    assert "Latency and queue" in text
    assert "Latency and queue" not in short
    for one in (text, short):
        assert "How far does it scale?" in one
        assert "Where the time went" in one


@pytest.mark.parametrize(
    ("changed", "anew"),
    [
        ("own", ["first", "history", "own"]),
        ("single_node", ["first", "history", "single_node"]),
        ("kills", ["history"]),
        ("published.txt", ["first", "history", "own"]),
        (pages.CODE, ["first", "history", "own", "plain", "single_node"]),
        ("", []),
    ],
)
def test_a_page_is_built_anew_where_its_data_or_the_code_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, anew: list[str]
) -> None:
    """A page is built anew with the data that its sections asked for; all pages with the code."""
    sections = {
        "first": ["front.first"],
        "own": ["own.works"],
        "single_node": ["scaling.throughput", "single_node"],
        "history": ["history.shown"],
    }
    uses = {}
    book = Book(tmp_path)
    for name, words in sections.items():
        book.asked.clear()
        pages.section(book, words, False, set())
        uses[name] = set(book.asked)
    before = dict.fromkeys(("own", "single_node", "kills", "published.txt", pages.CODE), "as it was")
    environment = SimpleNamespace(
        all_docs={*sections, "plain"},
        lab_uses=uses,
        lab_digests=before,
    )
    monkeypatch.setattr(pages, "digests", lambda _: before | ({changed: "other"} if changed else {}))
    assert pages.after_a_change(None, environment) == anew


@pytest.mark.usefixtures("undrawn")
def test_the_same_work_on_another_kind_of_cluster_stands_beside_it(tmp_path: Path) -> None:
    """A newer run over containers does not hide that of one machine; one of the same kind does."""
    for name, cluster in (("one", "embedded"), ("two", "compose"), ("three", "embedded")):
        write_run(tmp_path / "own" / name, own_run(blocks=2), parameters={**PARAMETERS, "cluster": cluster},
                  works={"work": {"source": "a.py:f"}})  # fmt: skip
    found = own_page(tmp_path)
    clusters = [study.parameters["cluster"] for study, _ in found.shown]
    assert sorted(clusters) == ["compose", "embedded"]
    assert len(found.others) == 1
