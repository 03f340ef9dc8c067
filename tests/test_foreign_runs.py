"""Runs of anybody on the pages: whatever their files hold is shown as text, or named; none of it runs."""

import csv
import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import synthetic
from damage import PLANTED, damaged, files_of, shown, write_files
from hypothesis import HealthCheck, given, settings
from synthetic import multi_node_run, own_run, synthetic_run
from timed import break_even_run
from written import write_run

from lab.data.environment import ENVIRONMENT
from lab.data.listing import all_listed
from lab.data.records import FILES, columns
from lab.errors import ClaimError
from lab.invariants import (
    nothing_left_out,
    one_trial_per_block,
    same_results,
    tasks_add_up,
    work_fits_window,
)
from lab.report.page import page

pytestmark = pytest.mark.usefixtures("undrawn")

FUZZED = int(os.environ.get("LAB_FUZZ", "32"))
"""How many damaged folders are tried; `make fuzz` tries 10,000."""
MANY = FUZZED >= 1000
"""Then all are read, and every fortieth is shown beside the good run, on one of FIRST_PAGES as well."""

FIRST_PAGES = ("index", "how_many", "why", "pays")
"""Pages of several experiments."""
OLD, NEW = "2025-01-01T00:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00"
WORK = {"unit": "u", "words": "w", "source": "a.py:b", "digest": "d", "items": 6, "items_digest": "x"}
KEYS = ("trial_id", "node_id")
"""What rows of several tables are joined by."""
Files = Mapping[str, bytes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with an old, good run of each experiment that is tried."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "TASKS", 6)
        frames: dict[str, Any] = {
            "single_node": synthetic_run(workers=(1, 2), blocks=2, modes=("search",)),
            "multi_node": multi_node_run(nodes=(1, 2), workers_per_node=(1,), blocks=2),
            "own": own_run("work", workers=(1, 2), blocks=2, raising=(1,)),
            "break_even": [break_even_run(blocks=2)],
        }
        for experiment, tables in frames.items():
            facts = {"works": {"work": WORK}} if experiment == "own" else {}
            write_run(folder / experiment / "good", tables, OLD, run_id="good", **facts)
    return folder


def newer(data: Path, experiment: str) -> dict[str, bytes]:
    """Return the files of a newer copy of the good run, under a name of its own."""
    files = files_of(data / experiment / "good")
    environment = json.loads(files[ENVIRONMENT]) | {"run_id": "foreign"}
    environment["sessions"][0]["started_at"] = NEW
    return {**files, ENVIRONMENT: json.dumps(environment).encode()}


def page_of(data: Path, experiment: str, files: Files, *more: str) -> str:
    """Return all that pages show with a foreign run beside the good one: that of its experiment, and more."""
    write_files(data / experiment / "foreign", files)
    text = "\n\n".join(one for page in (experiment, *more) for one in shown(page, data))
    text.encode()
    return text


def live(text: str) -> list[str]:
    """Return what of the planted text is in the page as anything but text: as HTML, Markdown or a role."""
    prose = re.sub(r"`[^`\n]*`", "", text)
    # a figure is a block of HTML: no Markdown in it is read
    outside = re.sub(r"<figure.*?</figure>", "", prose, flags=re.DOTALL)
    return [one for one in ("<img", "</script") if one in prose] + [
        one for one in ("](javascript", "{raw}", "{eval") if one in outside
    ]


def state_of(data: Path, experiment: str, files: Files) -> str:
    """Return the state that the foreign run is listed in; a good run beside it can be shown."""
    write_files(data / experiment / "foreign", files)
    chosen = page(experiment, data, data / "no-pins.yaml")
    assert chosen.study is not None or len(chosen.runs) < 2
    if chosen.study is not None and chosen.study.run.run_id == "foreign":
        try:
            for claim in (same_results, nothing_left_out, one_trial_per_block):
                claim(chosen.study.run)
            if experiment != "break_even":
                tasks_add_up(chosen.study.run)
            work_fits_window(chosen.study.run)
        except ClaimError:
            # what the run that is shown contradicts stops the build, in words
            return "contradicted"
    return next((one.state for one in chosen.runs if one.run_id == "foreign"), "no run")


@pytest.mark.parametrize("experiment", ["single_node", "multi_node", "own", "break_even"])
def test_any_damage_is_text_or_named(data: Path, tmp_path: Path, experiment: str) -> None:
    """Whatever is done to a run's files, no raw error is raised, nothing runs, and a good run is shown."""
    found: list[str] = []
    good, alone = newer(data, experiment), tmp_path

    @settings(max_examples=FUZZED // 4, suppress_health_check=list(HealthCheck), derandomize=not MANY)
    @given(damaged([good]))
    def tried(files: Files) -> None:
        shown = not MANY or len(found) % 40 == 0
        found.append(state_of(data if shown else alone, experiment, files))
        if len(found) % 500 == 0:
            print(experiment, len(found), flush=True)
        if found[-1] == "contradicted" or not shown:
            return
        more = (FIRST_PAGES[len(found) // 40 % 4],) if MANY else ()
        text = page_of(data, experiment, files, *more)
        assert not live(text)
        assert "There is no complete run" not in text

    tried()
    print(experiment, {state: found.count(state) for state in sorted(set(found))}, flush=True)
    assert {"complete", "damaged"} <= set(found) or not MANY


@pytest.mark.parametrize("experiment", ["single_node", "own"])
def test_no_text_of_a_table_is_markup(data: Path, experiment: str) -> None:
    """Tags, links and roles in any column of text, the keys of all tables among them, are shown as text."""
    good = newer(data, experiment)
    for chosen in (KEYS, ("engine",), ("mode",), free_columns() - {*KEYS, "engine", "mode"}):
        changed = {name: planted(good[name], *chosen) for name in FILES}
        assert not live(page_of(data, experiment, {**good, **changed})), chosen


def free_columns() -> set[str]:
    """Return the columns, of all tables, that hold whatever text somebody wrote."""
    every = [one for record in FILES.values() for one in columns(record)]
    return {one.name for one in every if one.kind is str and not one.choices} - {"started_at"}


def planted(content: bytes, *names: str, text: str = PLANTED) -> bytes:
    """Return a table with the planted text before every value of the columns of those names."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    places = [place for place, name in enumerate(rows[0]) if name in names]
    for row in rows[1:]:
        for place in places:
            row[place] = text + row[place]
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue().encode()


@pytest.mark.parametrize("experiment", ["single_node", "own", "break_even"])
def test_no_text_of_the_environment_is_markup(data: Path, experiment: str) -> None:
    """Processor, system, kernel, names and values of versions, commit, works: all are shown as text."""
    good = newer(data, experiment)
    text = page_of(data, experiment, {**good, ENVIRONMENT: planted_facts(good[ENVIRONMENT])})
    assert not live(text)
    assert "&#60;img src" in text
    assert all_listed(data, experiment)[0].state == "complete"


def planted_facts(content: bytes, text: str = PLANTED) -> bytes:
    """Return an environment with the text for each fact that is told, and for names of them."""
    environment = json.loads(content)
    environment["machine"] |= dict.fromkeys(("cpu_model", "system", "kernel", "architecture"), text)
    environment["versions"] |= {text: text, "ray": text}
    environment["code"] = dict.fromkeys(("version", "digest"), text)
    environment["parameters"] |= {"profile": text, "modes": [text]}
    environment["sessions"][0] |= dict.fromkeys(("commit", "host_id", "image"), text)
    texts = ("unit", "words", "source", "digest", "items_digest")
    environment["works"] = {"work": dict.fromkeys(texts, text), text: {}}
    return json.dumps(environment).encode()
