"""The pages on engines: what is said, and that any honest run can be shown."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from timed import LENGTHS, break_even_run, failing, race_run
from written import write_run

from lab.data.engines import ENGINES
from lab.data.records import NodeFacts, NodeWindow, Sample, TaskRecord
from lab.errors import ClaimError
from lab.report import (
    break_even,
    claims_images,
    disturbances,
    engine_costs,
    engines,
    failures,
    front,
    limits,
    noise,
    pays,
    provenance,
    ray_ways,
)
from lab.report import ray_vs_multiprocessing as race
from lab.report.book import Book
from lab.report.markdown import Markdown
from lab.report.page import Page, page
from lab.report.study import Study
from lab.synthetic.runs import facts_row, frame, task

Sections = tuple[Callable[[Study], Markdown], ...]
SHARED: Sections = (
    engines.which_run,
    failures.trials,
    noise.noise,
    noise.drift,
    engines.how_measured,
    limits.limits,
    provenance.files,
    provenance.other_runs,
)
SECTIONS: dict[str, Sections] = {
    "ray_vs_multiprocessing": (
        race.answer,
        race.throughput,
        race.scale,
        race.transfer,
        engine_costs.memory,
        engine_costs.processor_time,
        claims_images.beside,
        claims_images.verdicts,
        *SHARED,
    ),
    "break_even": (
        break_even.answer,
        break_even.overhead,
        break_even.costs,
        break_even.speedups,
        pays.heat_map,
        ray_ways.dispatch,
        ray_ways.repeated,
        *SHARED,
    ),
}
RUNS = {"ray_vs_multiprocessing": race_run, "break_even": break_even_run}
LATER = "2026-02-01T00:00:00.000+00:00"


def shown(folder: Path, experiment: str, timings: pd.DataFrame, **facts: Any) -> Page:
    """Return the page of an experiment with this run."""
    write_run(folder / experiment / "run", [timings], **facts)
    return page(experiment, folder, folder / "no-pins.yaml")


def whole(made: Page, experiment: str) -> str:
    """Return all that a page shows, without its drawings."""
    text = "\n\n".join(made.show(section).text for section in SECTIONS[experiment])
    return re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)


def figures(made: Page, section: Callable[[Study], Markdown]) -> list[str]:
    """Return what a section's figures say to those who hear the page."""
    return re.findall(r"<desc[^>]*>(.*?)</desc>", made.show(section).text, re.DOTALL)


# --- any run can be shown ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", list(SECTIONS))
def test_no_run_says_how_to_make_one(tmp_path: Path, experiment: str) -> None:
    """Without a run the page names the command, and the first page nothing."""
    made = page(experiment, tmp_path, tmp_path / "no-pins.yaml")
    text = whole(made, experiment)
    assert f"`make report EXPERIMENT={experiment}` makes one" in text
    assert "nan" not in text
    assert made.mention(disturbances.warning).text == ""


@pytest.mark.parametrize("experiment", list(SECTIONS))
@pytest.mark.parametrize("blocks", [1, 2])
def test_any_honest_run_can_be_shown(tmp_path: Path, experiment: str, blocks: int) -> None:
    """One block has no intervals; with two, all sections have numbers, and none is nan."""
    text = whole(shown(tmp_path, experiment, RUNS[experiment](blocks=blocks)), experiment)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|<NA>", text)
    assert ("interval" in text) is True
    assert ("no interval, since there is one block only" in text) is (blocks == 1)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", list(SECTIONS))
@pytest.mark.parametrize("engine", ["serial", "pool", "ray"])
def test_any_engine_may_have_failed(tmp_path: Path, experiment: str, engine: str) -> None:
    """An engine of which every timing failed keeps its rows, its reason and its place in the table."""
    timings = failing(RUNS[experiment](blocks=2), engine)
    text = whole(shown(tmp_path, experiment, timings), experiment)
    assert not re.search(r"\bnan\b|\binf\b|<NA>", text)
    assert "`EngineError: it would \\| not start`" in text
    assert ENGINES[engine] in text
    assert "failed; none is left out" in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", list(SECTIONS))
def test_all_may_have_failed(tmp_path: Path, experiment: str) -> None:
    """A run without a single good timing is a page with reasons and without numbers."""
    timings = RUNS[experiment](blocks=1)
    for engine in ENGINES:
        timings = failing(timings, engine)
    text = whole(shown(tmp_path, experiment, timings), experiment)
    assert "0 ended well" in text
    assert not re.search(r"\bnan\b|\binf\b|<NA>", text)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", list(SECTIONS))
def test_what_is_not_known_is_not_zero(tmp_path: Path, experiment: str) -> None:
    """Without memory, processor time, start-up and sampler the page is shown all the same."""
    timings = RUNS[experiment](blocks=2)
    unknown = [
        "memory_before_bytes",
        "peak_memory_bytes",
        "object_store_bytes",
        "driver_memory_bytes",
        "cpu_seconds",
    ]
    timings[[*unknown, "startup_seconds", "sampler_cpu_seconds", "steal_seconds", "load_before"]] = None
    text = whole(shown(tmp_path, experiment, timings), experiment)
    assert not re.search(r"\bnan\b|<NA>", text)
    assert "What the sampler cost is not known." in text


@pytest.mark.parametrize("experiment", list(SECTIONS))
def test_a_run_of_unequal_results_stops_the_build(tmp_path: Path, experiment: str) -> None:
    """That results are equal is a claim: one wrong digest, and the page says which run and work has it."""
    timings = RUNS[experiment](blocks=2)
    timings.loc[3, "digest"] = "another"
    made = shown(tmp_path, experiment, timings)
    with pytest.raises(ClaimError, match="returned the same results"):
        made.show(engines.how_measured)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", list(SECTIONS))
def test_tasks_and_a_node_change_no_number(tmp_path: Path, experiment: str) -> None:
    """A run of today also has its node, and rows of tasks: the pages on engines say the same of it."""
    trials = RUNS[experiment](blocks=2)
    before = shown(tmp_path / "before", experiment, trials)
    timed = trials[trials["mode"] != "spin"]
    tasks = [
        task(row.trial_id, place, place * 0.1, place * 0.1 + 0.05, 0.05)
        for row in timed.itertuples()
        for place in range(row.planned_tasks)
    ]
    node = facts_row(0, 2.0, "embedded")
    frames = [trials, frame(TaskRecord, tasks), frame(Sample, []), frame(NodeWindow, [])]
    write_run(tmp_path / "after" / experiment / "run", [*frames, frame(NodeFacts, [node])])
    after = page(experiment, tmp_path / "after", tmp_path / "no-pins.yaml")
    # what is known of the node, and the efficiencies that its tasks have in the A/A arm, are more than before
    more = (engines.which_run, limits.limits, noise.noise, engines.how_measured, provenance.files)
    for section in SECTIONS[experiment]:
        if section not in more:
            assert after.show(section).text == before.show(section).text
    assert not re.search(r"\bnan\b|<NA>", whole(after, experiment))
    assert ("| images | node efficiency |" in after.show(noise.noise).text) is (experiment != "break_even")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", list(SECTIONS))
def test_somebody_s_own_engine_stands_beside_the_others(tmp_path: Path, experiment: str) -> None:
    """An engine that the lab does not know has its own name everywhere, and none of it is markup."""
    trials = RUNS[experiment](blocks=2)
    trials["engine"] = trials["engine"].replace("futures", "my_engine <b>| $x$")
    made = shown(tmp_path, experiment, trials)
    text = whole(made, experiment)
    assert "my_engine ?b?? ?x?" in text
    assert "<b>" not in text
    assert not re.search(r"\bnan\b|<NA>", text)


# --- Ray versus multiprocessing ---------------------------------------------------------------------------


def test_the_answer_of_the_race(tmp_path: Path) -> None:
    """The fastest engine, and each way to use Ray beside multiprocessing over all counts of images."""
    text = shown(tmp_path, "ray_vs_multiprocessing", race_run()).show(race.answer).text
    assert text.startswith(
        "On 50 images of 6.20 MB with 2 workers, **Ray, batched had the highest mean of 10 ways"
    )
    assert re.search(
        r"Over 10, 30 and 50 of them, \*Ray, batched\* reached 1\.0\d+ of the throughput of "
        r"multiprocessing\.Pool \(95 % interval 1\.0\d+ to 1\.0\d+, n = 5\): Ray is [\d.]+ % faster\. Ray's",
        text,
    )
    for name in ("Ray tasks", "ray.util.ActorPool", "ray.util.multiprocessing.Pool"):
        assert f"{name} 0." in text or f"{name} 1." in text


def test_no_difference_is_said_as_such(tmp_path: Path) -> None:
    """Engines that are equally fast are not told apart, and not ranked in the sentence."""
    equal = dict.fromkeys([name for name in ENGINES if name != "serial"], 1.0)
    timings = race_run(slowness=equal, noise=0.03)
    text = shown(tmp_path, "ray_vs_multiprocessing", timings).show(race.answer).text
    assert re.search(
        r"Not measurably slower than .* \(a difference below [\d.]+ % could have been missed\)", text
    )
    assert "whether they differ by 2 % is not decided" in text or "as fast, within 2 %" in text


def test_the_table_and_the_figure_have_every_engine(tmp_path: Path) -> None:
    """The fastest stands first, what failed last, as a row of its own and not as a gap."""
    made = shown(tmp_path, "ray_vs_multiprocessing", failing(race_run(), "joblib"))
    text = made.show(race.throughput).text
    begins = ("| Ray, batched |", "| plain", "| joblib")
    rows = [line for line in text.splitlines() if line.startswith(begins)]
    assert "| 5.0" in rows[0]
    assert rows[-1].endswith("| 0, failed |")
    (said,) = figures(made, race.throughput)
    assert said.index("Ray, batched") < said.index("plain loop 2.5") < said.index("joblib (loky) failed")


def test_memory_stands_beside_the_driver_s(tmp_path: Path) -> None:
    """Ray's planted 700 MiB are shown, and that the driver's number misses 83.65 % of them."""
    text = shown(tmp_path, "ray_vs_multiprocessing", race_run()).show(engine_costs.memory).text
    (row,) = [line for line in text.splitlines() if line.startswith("| Ray, batched |")]
    assert "| 700" in row
    assert "83.6" in row


def test_report_b_stands_beside_ours(tmp_path: Path) -> None:
    """Its seconds, its ratio at two of each beside ours, and three lines on what is wrong with it."""
    text = shown(tmp_path, "ray_vs_multiprocessing", race_run()).show(claims_images.beside).text
    assert "| 2 cores of multiprocessing | 162 | 179 | 182 |" in text
    assert "| time, 10 images | 0.45 | 0.9" in text
    assert "the range over 10, 30 and 50 images), CPU-seconds taken (here, 50 images) | 0.57" in text
    assert "| here, Ray, batched, 2 workers (95 % interval) | here, Ray tasks, 2 workers" in text
    lines = claims_images.flaws().text.splitlines()
    assert len(lines) == 3
    assert "core-seconds 174–221 with Ray, 324–391 with multiprocessing, over its 10, 30 and 50" in lines[0]


def test_a_container_s_limits_are_named(tmp_path: Path) -> None:
    """A run in a container says what it was limited to."""
    machine = {
        "cpu_model": "Made-up",
        "cores": 8,
        "quota_cores": 2.0,
        "memory_bytes": 2**32,
        "container": True,
    }
    made = shown(tmp_path, "ray_vs_multiprocessing", race_run(blocks=1), machine=machine)
    text = made.show(engines.which_run).text
    assert "4.00 GiB, in a container limited to 2.00 cores; 2 workers of every engine; 1 block" in text
    free = machine | {"quota_cores": 8.0}
    made = shown(tmp_path / "free", "ray_vs_multiprocessing", race_run(blocks=1), machine=free)
    assert "in a container; 2 workers" in made.show(engines.which_run).text


# --- break-even -------------------------------------------------------------------------------------------


def test_the_rule_for_this_machine(tmp_path: Path) -> None:
    """The planted 600 µs of a Ray task are its break-even length with two workers, in one sentence."""
    text = shown(tmp_path, "break_even", break_even_run()).show(break_even.answer).text
    found = re.search(
        r"one Ray task a call pays off against a plain loop from (\d+) µs \(95 % interval", text
    )
    assert found is not None
    assert int(found[1]) == pytest.approx(600, rel=0.06)
    batch = re.search(r"put at least (\d+) tasks of 100 µs into a call", text)
    assert batch is not None
    assert int(batch[1]) == pytest.approx(120, rel=0.06)
    assert text.endswith("Ray's documentation advises about 10 ms or more.")


def test_lengths_outside_of_those_timed_are_said(tmp_path: Path) -> None:
    """Batches pay off at every length; what never pays off is said as well."""
    timings = break_even_run(lengths=LENGTHS[:4])
    text = shown(tmp_path, "break_even", timings).show(break_even.costs).text
    assert "| Ray tasks, equal batches | 5" in text or "| Ray tasks, equal batches | 4" in text
    assert "| at every length |" in text
    assert "| at no length |" in text


def test_who_beats_whom_is_a_heat_map(tmp_path: Path) -> None:
    """Ray's dispatch is faster than Dask's single calls for certain; where neither is, there is no tint."""
    made = shown(tmp_path, "break_even", break_even_run())
    (said,) = figures(made, pays.heat_map)
    assert re.search(r"Dask distributed, 10 µs: [\d.]+ \(faster\)", said)
    assert re.search(r"plain loop, 100 ms: [12]\.\d+ \(faster\)", said)
    assert "(alike)" in said


def test_a_cost_that_is_not_told_is_not_drawn(tmp_path: Path) -> None:
    """Of tasks of a second, a cost of microseconds cannot be told; the point is left out and it is said."""
    made = shown(tmp_path, "break_even", break_even_run())
    (said,) = figures(made, break_even.overhead)
    assert "multiprocessing.Pool: 6" in said or "multiprocessing.Pool: 5" in said
    assert "at 1 s" not in said
    assert "no point is drawn" in made.show(break_even.overhead).text


def test_costs_are_compared_with_the_run_before(tmp_path: Path) -> None:
    """With two complete runs, the newer stands beside the older; one that was cut short does not count."""
    folder = tmp_path / "break_even"
    write_run(folder / "before", [break_even_run(seed=3)])
    write_run(
        folder / "cut", [break_even_run(blocks=1)], "2026-01-15T00:00:00.000+00:00", planned_trials=9999
    )
    text = shown(tmp_path, "break_even", break_even_run(), started_at=LATER).show(ray_ways.repeated).text
    assert "the cost of a task repeats from run to run" in text
    assert "`before`, core-µs" in text
    assert "| holds |" in text


def test_one_run_repeats_nothing(tmp_path: Path) -> None:
    """With one run it is said that it cannot be told; with another machine's, that it need not agree."""
    write_run(tmp_path / "break_even" / "a", [break_even_run(blocks=2)], cpu_model="Another")
    made = page("break_even", tmp_path, tmp_path / "no-pins.yaml")
    assert "No earlier complete run can be read" in made.show(ray_ways.repeated).text
    made = shown(tmp_path, "break_even", break_even_run(blocks=2), started_at=LATER)
    assert "what a task costs need not be the same" in made.show(ray_ways.repeated).text


def test_the_first_page_has_both_in_short(tmp_path: Path) -> None:
    """Each experiment has a line on the first page, and what to choose follows from them."""
    shown(tmp_path, "ray_vs_multiprocessing", race_run(blocks=2))
    shown(tmp_path, "break_even", break_even_run(blocks=2))
    text = front.first(Book(tmp_path, tmp_path / "no-pins.yaml")).text
    assert "| **Memory and start-up?** | Ray, batched: 700" in text
    assert "| **From which task length?** | Against a plain loop: one Ray task a call, from " in text
    assert "- Tasks of 100 µs? Put " in text
    assert "**Your run**, `run`" in text


def test_steal_is_warned_of(tmp_path: Path) -> None:
    """A hypervisor that took a tenth of the machine is on top of the page."""
    timings = race_run(blocks=2)
    timings["steal_seconds"] = 0.4 * timings["duration_seconds"]
    made = shown(tmp_path, "ray_vs_multiprocessing", timings)
    warned = made.mention(disturbances.warning).text
    assert "The hypervisor gave more than 2.0 % of the host's core time to others in 132 of 132" in warned
    # steal is of the whole machine, however few of its cores a quota leaves the lab
    limits = {"cpu_model": "Made-up processor", "cores": 100, "quota_cores": 2.0}
    limited = shown(tmp_path / "limited", "ray_vs_multiprocessing", timings, machine=limits)
    assert limited.mention(disturbances.warning).text == ""


def test_of_several_numbers_of_workers_the_most_are_shown(tmp_path: Path) -> None:
    """A run with one worker and with more speaks of the most, and says so."""
    rows = race_run()
    fewer = rows[rows["engine"] != "serial"].assign(workers=1, duration_seconds=1000.0)
    fewer["trial_id"], fewer["slot"] = "9" + fewer["trial_id"], fewer["slot"] + 9000
    made = shown(tmp_path, "ray_vs_multiprocessing", pd.concat([rows, fewer]))
    assert made.study is not None
    assert set(made.study.compared["workers"]) == {1, int(rows["workers"].max())}
    assert (made.study.compared["duration_seconds"] < 1000).all()
    assert all(one.ratio.n == 5 for one in made.study.copies)
    assert "(timed with 1 and" in made.show(engines.which_run).text
