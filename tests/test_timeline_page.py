"""The timeline on a page: what is drawn and said of which trials, and how it zooms, moves and tells."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mishaps import odd_run, run_of
from synthetic import docker_run, multi_node_run, synthetic_run
from written import write_run

from lab.analysis.lanes import FAILED, TASK, WAITING, Span
from lab.analysis.timeline import timeline
from lab.figures.timeline import draw, told
from lab.report import timeline as section
from lab.report.page import Page, page

STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def shown(folder: Path, experiment: str, frames: Any) -> Page:
    """Return the page of an experiment with this run."""
    write_run(folder / experiment / "run", frames)
    return page(experiment, folder, folder / "no-pins.yaml")


def drawn() -> str:
    """Return the timeline of the trial with all kinds of mishaps."""
    return draw(timeline(*odd_run()), "A trial & its <end>")


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (Span(WAITING, 1.0, 1.25), "waiting for work, 250 ms, from 1.000 s"),
        (Span(TASK, 0.0, 2.0, 7, 1, 1.5, None, 1, 0, 2.0), "task 7, 2.00 s, CPU 1.50 s, from 0.000 s"),
        (
            Span(FAILED, 3.0, 3.0, 7, 2, None, "Died: x", 1, 1, 0.0),
            "failed: task 7, attempt 2, without times, from 3.000 s, Died: x",
        ),
        (
            Span(TASK, 0.0, 2.0, attempts=9, in_tasks_seconds=1.5),
            "9 attempts, 2.00 s, 1.50 s of it in tasks, from 0.000 s",
        ),
    ],
)
def test_a_span_says_what_it_was(span: Span, said: str) -> None:
    """State, task, attempt, seconds, processor time and error, as far as they are known."""
    assert told(span) == said


def test_every_span_is_drawn_with_its_words() -> None:
    """Each span is a mark with a title; a failure has a line as well, and foreign text stays text."""
    found = timeline(*odd_run())
    text = drawn()
    workers = "".join(re.findall(r'<svg class="lab-timeline-row worker".*?</svg>', text))
    assert workers.count("<title>") == sum(len(lane.spans) for lane in found.lanes)
    assert workers.count('<g class="failed">') == workers.count("<path") == 3
    assert "ValueError: &lt;/script&gt; |" in workers
    assert 'aria-label="A trial &amp; its &lt;end&gt;"' in text
    assert "did not answer after the window: gone" in text
    assert "the worker was lost" in text
    assert all(line.strip() for line in text.splitlines()), "a blank line ends a block of HTML in Markdown"


def test_nodes_share_the_scale_of_their_readings() -> None:
    """A node that was held back half as long as another has bars half as high."""
    run = run_of(multi_node_run(nodes=(2,), workers_per_node=(1,), blocks=1))
    samples = run.samples
    for node, share in (("000000000001", 0.4), ("000000000002", 0.2)):
        samples.loc[samples["node_id"] == node, "throttled_seconds"] = share
    text = draw(timeline(run, str(run.trials["trial_id"].iloc[-1])), "")
    heights = [float(one) for one in re.findall(r'class="throttled"[^>]* height="([\d.]+)"', text)]
    assert heights[0] == pytest.approx(2 * heights[len(heights) // 2], rel=1e-4)


def test_equal_data_give_equal_bytes() -> None:
    """Nothing in the drawing depends on the time or on chance."""
    assert drawn() == drawn()


def test_nothing_is_drawn_of_a_window_without_length() -> None:
    """A trial that never began has no timeline."""
    frames = list(synthetic_run(workers=(1,), blocks=1))
    trials = frames[0].assign(duration_seconds=None, status="failed")
    run = run_of([trials, *(one.iloc[:0] for one in frames[1:4]), frames[4]])
    assert draw(timeline(run, "000-1"), "") == ""


def test_the_typical_trial_of_the_largest_size_is_shown(tmp_path: Path) -> None:
    """Of several nodes it has most of them; the words say that it is one trial, and how to get its file."""
    made = shown(tmp_path, "multi_node", multi_node_run(blocks=3))
    text = made.show(section.after_the_fact).text
    assert made.study is not None
    trial = re.search(r"Trial (\S+), the one of median throughput of search, 1 worker each", text)
    assert trial is not None
    row = made.study.run.trials.set_index("trial_id").loc[trial[1]]
    assert (row["nodes"], row["workers"]) == (4, 4)
    assert "4 containers on one host; a single trial of " in text
    assert text.count('<div class="lab-timeline"') == 1
    assert f"`lab trace multi_node/run --trial {trial[1]}`" in text
    assert "| node 4 | `000004` | 3 | " in text


@pytest.mark.parametrize(
    ("experiment", "frames", "said"),
    [
        ("single_node", synthetic_run(workers=(1, 2, 4), blocks=2), "search, Ray, dynamic, 4 workers; a"),
        ("docker", docker_run(workers_per_node=(1, 2)), "containers, 2 nodes, 2 workers on each node; a"),
    ],
)
def test_each_experiment_has_its_typical_trial(
    tmp_path: Path, experiment: str, frames: Any, said: str
) -> None:
    """Of a single node it is the trial that the samples are shown of; of Docker one in containers."""
    assert said in shown(tmp_path, experiment, frames).show(section.after_the_fact).text


def test_a_trial_with_failures_is_the_second(tmp_path: Path) -> None:
    """Of the trials in which something failed the worst is shown too, and what went wrong in it."""
    frames = [one.copy() for one in multi_node_run(blocks=2)]
    ids = frames[0].loc[frames[0]["arm"] == "copy", "trial_id"].tolist()
    frames[0].loc[frames[0]["trial_id"] == ids[0], "failed_attempts"] = 1
    frames[0].loc[frames[0]["trial_id"] == ids[1], ["failed_attempts", "lost_workers"]] = [2, 1]
    text = shown(tmp_path, "multi_node", frames).show(section.after_the_fact).text
    assert text.count('<div class="lab-timeline"') == 2
    words = "the one with most failures (status ok, 2 failed attempts, 1 worker lost)"
    assert f"Trial {ids[1]}, {words}; a single trial of " in text


def test_a_run_whose_trials_all_failed_shows_the_worst(tmp_path: Path) -> None:
    """Without a trial that ended well there is still the one with most failures; without tasks, nothing."""
    frames = [one.copy() for one in multi_node_run(blocks=1)]
    frames[0][["status", "digest", "units", "tasks"]] = ["failed", None, None, None]
    text = shown(tmp_path / "with", "multi_node", frames).show(section.after_the_fact).text
    assert "the one with most failures (status failed, 0 failed attempts, 0 workers lost)" in text
    none = [frames[0], frames[1].iloc[:0], *frames[2:]]
    text = shown(tmp_path / "without", "multi_node", none).show(section.after_the_fact).text
    assert "There is nothing to show here" in text


def test_a_long_trial_weighs_no_more_than_a_page_can_carry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more spans than the page may hold neighbours become one, and the caption says so."""
    monkeypatch.setattr(section, "MOST_SPANS", 40)
    text = (
        shown(tmp_path, "single_node", synthetic_run(workers=(2,), blocks=1))
        .show(section.after_the_fact)
        .text
    )
    assert re.search(
        r"Of \d+ spans, neighbours that together last no longer than \S+ m?s are drawn as one\.", text
    )
    workers = "".join(re.findall(r'<svg class="lab-timeline-row worker".*?</svg>', text))
    assert workers.count("<title>") <= 40


# --- as a browser shows it ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium; without one, skip, or fail where LAB_REQUIRE_BROWSER is set."""
    if CHROMIUM is None:
        if os.environ.get("LAB_REQUIRE_BROWSER"):
            pytest.fail("LAB_REQUIRE_BROWSER is set and there is no Chromium on the PATH")
        pytest.skip("there is no Chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Return a page from disk that holds the timeline, its style and its script; any error fails the test."""
    path = tmp_path / "page.html"
    links = f'<link rel="stylesheet" href="{(STATIC / "timeline.css").as_uri()}">'
    script = f'<script src="{(STATIC / "timeline.js").as_uri()}"></script>'
    body = f'<figure class="lab-chart">{drawn()}</figure><div style="height: 3000px"></div>'
    path.write_text(f'<!doctype html><meta charset="utf-8">{links}{script}<body>{body}', encoding="utf-8")
    context = browser.new_context(viewport={"width": 900, "height": 700}, offline=True)
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda one: errors.append(str(one)))
    made.goto(path.as_uri())
    yield made
    context.close()
    assert errors == []


def stretch(opened: Any) -> tuple[float, float]:
    """Return begin and length of what all rows show; they show the same."""
    boxes = opened.eval_on_selector_all(
        "svg.lab-timeline-row", "all => all.map(one => one.getAttribute('viewBox'))"
    )
    assert len(set(boxes)) == 1
    begin, _, length, _ = map(float, boxes[0].split())
    return begin, length


def centre(opened: Any, selector: str) -> tuple[float, float]:
    """Return the middle of the first element that a selector finds."""
    box = opened.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.browser
def test_pointing_at_a_span_tells_what_it_was(opened: Any) -> None:
    """Node, worker, task, seconds and CPU seconds stand in the tip, which goes with the pointer."""
    tip = opened.locator(".lab-timeline-tip")
    assert not tip.is_visible()
    opened.mouse.move(*centre(opened, ".lab-timeline-row.worker rect.task"))
    assert re.match(
        r"node 1 \(\S+\), worker 0: task \d+, [\d.]+ m?s, CPU [\d.]+ m?s, from ", tip.text_content()
    )
    opened.mouse.move(450, 690)
    assert not tip.is_visible()


@pytest.mark.browser
def test_buttons_wheel_and_drag_zoom_and_move_all_rows(opened: Any) -> None:
    """The wheel zooms with Ctrl only, about the pointer; without, the page scrolls. Dragging moves."""
    start, whole = stretch(opened)
    assert start == 0.0
    opened.get_by_role("button", name="Zoom in").click()
    begin, length = stretch(opened)
    assert length == pytest.approx(whole / 1.6)
    assert begin + length / 2 == pytest.approx(whole / 2)
    x, y = centre(opened, ".lab-timeline-row.worker")
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(x - 60, y, steps=4)
    opened.mouse.up()
    assert stretch(opened)[0] > begin
    assert stretch(opened)[1] == pytest.approx(length)
    opened.keyboard.down("Control")
    opened.mouse.wheel(0, -50)
    opened.keyboard.up("Control")
    opened.wait_for_function(f"document.querySelector('.lab-timeline-row').viewBox.baseVal.width < {length}")
    length = stretch(opened)[1]
    opened.mouse.wheel(0, 50)
    opened.wait_for_function("window.scrollY > 0")
    assert stretch(opened)[1] == length
    opened.get_by_role("button", name="Show the whole window").click()
    assert stretch(opened) == (0.0, whole)


@pytest.mark.browser
def test_the_keyboard_reaches_every_span(opened: Any) -> None:
    """Arrows go along a row and from row to row, plus and nought zoom, Escape hides the words."""
    tip = opened.locator(".lab-timeline-tip")
    opened.locator(".lab-timeline-plots").focus()
    opened.keyboard.press("ArrowRight")
    assert tip.text_content().startswith("queue: ")
    for _ in range(20):
        opened.keyboard.press("ArrowDown")
        if ", worker 0: " in tip.text_content():
            break
    first = tip.text_content()
    opened.keyboard.press("ArrowRight")
    assert ", worker 0: " in tip.text_content() != first
    whole = stretch(opened)[1]
    for _ in range(8):
        opened.keyboard.press("+")
    assert stretch(opened)[1] < whole / 20
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    chosen = opened.locator(".chosen").bounding_box()
    row = opened.locator(".lab-timeline-axis").bounding_box()
    assert chosen["x"] < row["x"] + row["width"]
    assert chosen["x"] + chosen["width"] > row["x"]
    opened.keyboard.press("0")
    assert stretch(opened) == (0.0, whole)
    opened.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.browser
def test_two_fingers_zoom_and_the_tip_stays_inside(opened: Any) -> None:
    """Two pointers that go apart zoom in; the words never stick out of the timeline."""
    whole = stretch(opened)[1]
    opened.evaluate(
        """() => {
          const plots = document.querySelector('.lab-timeline-plots');
          const send = (type, id, x) => plots.dispatchEvent(new PointerEvent(
            type, {pointerId: id, clientX: x, clientY: 200, button: 0, pointerType: 'touch', bubbles: true}));
          plots.setPointerCapture = () => {};
          send('pointerdown', 1, 400); send('pointerdown', 2, 500);
          send('pointermove', 2, 600); send('pointermove', 1, 300);
          send('pointerup', 1, 300); send('pointerup', 2, 600);
        }"""
    )
    assert stretch(opened)[1] == pytest.approx(whole / 3, rel=0.01)
    opened.get_by_role("button", name="Show the whole window").click()
    opened.set_viewport_size({"width": 390, "height": 800})
    for mark in (".tail", ".gone", "g.failed"):
        opened.mouse.move(*centre(opened, f".lab-timeline-row.worker {mark}"))
        assert opened.locator(".lab-timeline-tip").is_visible(), mark
        assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
