"""History: changes of level among runs, what changed with them, gaps, and which runs are stale."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import own_run
from written import write_run

from lab import paths
from lab.analysis.history import levels
from lab.data import code
from lab.data.code import changed_since, measuring_digest
from lab.report.book import Book
from lab.report.histories import histories
from lab.report.history import _title, shown
from lab.report.provenance import which_run
from lab.report.source import stale

pytestmark = pytest.mark.usefixtures("undrawn")

SERIES = 1000
MACHINE = {"cpu_model": "Made-up processor", "cores": 4, "quota_cores": 4.0}


# --- changes of level ---


@pytest.mark.parametrize("runs", [4, 5, 8, 30])
@pytest.mark.parametrize("noise", ["normal", "heavy tails", "uniform"])
def test_false_alarms_are_as_rare_as_promised(runs: int, noise: str) -> None:
    """Of series without a change at most 5 % have one, whatever the noise, up to what so many may scatter."""
    generator = np.random.default_rng(runs)
    draw: dict[str, Callable[[int], Any]] = {
        "normal": generator.standard_normal,
        "heavy tails": lambda many: generator.standard_t(4, many),
        "uniform": lambda many: generator.uniform(-1, 1, many),
    }
    alarms = sum(len(levels(draw[noise](runs))) > 1 for _ in range(SERIES))
    assert alarms / SERIES <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SERIES)


def test_planted_changes_are_found_where_they_are() -> None:
    """Of 8 runs that scatter by 1 %, a step of 5 % after the fourth is found and placed, nearly always."""
    generator = np.random.default_rng(1)
    step = np.where(np.arange(8) < 4, 0.0, np.log(0.95))
    found = [levels(generator.normal(step, 0.01)) for _ in range(300)]
    placed = [one for one in found if [part.begin for part in one] == [0, 4]]
    assert len(placed) >= 0.85 * len(found)
    ratios = [one[1].ratio for one in placed]
    holding = [
        one for one in ratios if one is not None and one.low and one.high and one.low <= 0.95 <= one.high
    ]
    assert len(holding) >= 0.95 * len(ratios)


def test_several_levels_and_none() -> None:
    """Down and up again are two changes; equal runs, few runs and no runs have none."""
    ripple = 0.01 * np.array([1, -1, 1, -1, 1, -1])
    found = levels([*ripple, *(ripple - 0.2), *(ripple + 0.1)])
    assert [(one.begin, one.end) for one in found] == [(0, 6), (6, 12), (12, 18)]
    assert [round(np.log(one.ratio.value or 1), 2) for one in found if one.ratio is not None] == [-0.2, 0.3]
    assert [len(levels(one)) for one in ([1.0] * 9, [1.0, 2.0, 3.0], [1.0], [])] == [1, 1, 1, 0]
    # one odd run is no new level
    assert len(levels([*ripple, 5.0])) == 1


# --- the page ---


def ran(folder: Path, day: int, slower: float = 1.0, several: bool = False, **changes: Any) -> Path:
    """Write a complete made-up run of a day, so many times as slow; of several schedules and transfers."""
    trials, tasks, samples, windows, nodes = own_run(engines=("ray",), workers=(1, 2), blocks=3)
    if several:
        fewer = trials["workers"] == 1
        trials["schedule"] = np.where(fewer, "static", "dynamic")
        trials["transfer"] = np.where(fewer, "shared", "value")
    trials["duration_seconds"] *= slower * (1 + 0.01 * np.sin(2.4 * day))
    work = {"source": "my_job.py:work", "digest": "1" * 16, "items_digest": "2" * 16, "unit": "items"}
    facts: dict[str, Any] = {
        "works": {"work": work | changes.pop("work", {})},
        "parameters": {"profile": "custom", "seed": day, **changes.pop("parameters", {})},
        "started_at": f"2026-01-{day:02d}T00:00:00.000+00:00",
    }
    return write_run(
        folder / "own" / f"run{day:02d}", (trials, tasks, samples, windows, nodes), **facts | changes
    )


def page(data: Path) -> str:
    """Return the page of the runs in a folder."""
    return shown(Book(data)).text


def test_one_run_is_no_history_yet(tmp_path: Path) -> None:
    """With a single run of each work the page says so, and names them."""
    ran(tmp_path, 1)
    text = page(tmp_path)
    assert "There is no history yet" in text
    assert "One run is no history yet: 1 work with a single run." in text
    assert "`run01`" in text
    assert "There is no history yet" in page(tmp_path / "nothing")


def test_a_change_is_dated_and_explained(tmp_path: Path) -> None:
    """From the first slower run on the level is another; what runs record that changed with it is named."""
    for day in range(1, 9):
        versions = {"python": "3.11.0", "ray": "2.59.0" if day < 5 else "2.60.0"}
        ran(tmp_path, day, 1.0 if day < 5 else 1.25, versions=versions, work={"digest": str(day // 5) * 16})
    text = page(tmp_path)
    assert "**The level changed once.** From `run05` (2026-01-05) on the level is 0.8" in text
    assert "With it changed: code of the work 0000000 to 1111111 and Ray 2.59.0 to 2.60.0." in text
    assert text.count("<figure") == 1
    assert "with Ray, 2 workers" in text
    (found,) = histories(Book(tmp_path))
    assert re.fullmatch(r"The level changed once: × 0\.8\d*", _title(found))


def test_a_configuration_names_what_its_runs_have_several_of(tmp_path: Path) -> None:
    """Of several schedules and transfers, that which is shown is told."""
    for day in (1, 2):
        ran(tmp_path, day, several=True)
    text = page(tmp_path)
    assert "with Ray, dynamic, transfer value, 2 workers" in text


def test_runs_that_differ_by_chance_alone_have_no_change(tmp_path: Path) -> None:
    """Where no change is found the level stands there with its interval, and that it proves nothing."""
    for day in range(1, 7):
        ran(tmp_path, day)
    assert "**No change is found** in 6 runs" in page(tmp_path)
    for day in range(4, 7):
        for path in (tmp_path / "own" / f"run{day:02d}").iterdir():
            path.unlink()
    assert "**3 runs: too few to tell a change" in page(tmp_path)
    assert [_title(one) for one in histories(Book(tmp_path))] == ["Too few runs to tell a change"]


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    """A run that was not finished has a place and no level, in the figure, in words and in the table."""
    for day in range(1, 5):
        ran(tmp_path, day, **({"planned_trials": 99} if day == 2 else {}))
    (found,) = histories(Book(tmp_path))
    assert [one.found.n for one in found.entries] == [3, 0, 3, 3]
    text = page(tmp_path)
    assert "Missing levels at days since the first run" in text
    assert "(9 of 99 trials)" in text


@pytest.mark.parametrize(
    "other",
    [
        {"machine": MACHINE | {"cores": 8}},
        {"work": {"items_digest": "3" * 16}},
        {"work": {"source": "other.py:work"}},
        {"parameters": {"threads": 2}},
        {"against": {"run_id": "run02", "role": "B"}},
    ],
)
def test_what_is_another_history(tmp_path: Path, other: dict[str, Any]) -> None:
    """Another kind of machine, work, items or parameter, and the other version beside a run, are apart."""
    for day in (1, 2, 4):
        ran(tmp_path, day)
    ran(tmp_path, 3, **other)
    found = sorted(len(one.entries) for one in histories(Book(tmp_path)))
    assert found == ([3] if "against" in other else [1, 3])


def test_other_sizes_and_blocks_are_the_same_history(tmp_path: Path) -> None:
    """Runs that measured more beside it share the configuration that all of them have."""
    ran(tmp_path, 1, parameters={"workers": [1, 2, 8], "repeats": 9, "threads": 1})
    ran(tmp_path, 2, against={"run_id": "run03", "role": "A"})
    (found,) = histories(Book(tmp_path))
    assert len(found.known) == 2


# --- stale ---


def test_a_run_is_stale_where_its_code_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's measuring and the example of a run are compared by digest; what is not known is not told."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "examples").mkdir()
    (tmp_path / "lab" / "measure.py").write_text("x = 1\n")
    example = tmp_path / "examples" / "job.py"
    example.write_text("def work(item): ...\n")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    environment: dict[str, Any] = {
        "code": {"digest": measuring_digest()},
        "parameters": {"work": "examples/job.py:work"},
        "works": {
            "work": {
                "source": "job.py:work",
                "digest": hashlib.sha256(example.read_bytes()).hexdigest()[:16],
            }
        },
    }
    assert (changed_since(environment), stale(environment, "; ")) == ((), "")
    example.write_text("def work(item): return item\n")
    assert changed_since(environment) == ("examples/job.py",)
    (tmp_path / "lab" / "measure.py").write_text("x = 2\n")
    code._todays.cache_clear()
    assert stale(environment, "; ") == "; stale: the lab's measuring and examples/job.py changed since"
    assert changed_since(environment | {"parameters": {"work": "elsewhere/job.py:work"}}) == (
        "the lab's measuring",
    )
    assert changed_since({}) == ()


def test_a_page_says_stale_beside_its_run(tmp_path: Path) -> None:
    """The line that names a run says so, and not of a run of today's code."""
    from lab.data.store import read_run
    from lab.report.study import Study

    old = Study(read_run(ran(tmp_path, 1)))
    new = Study(read_run(ran(tmp_path, 2, code={"version": "0", "digest": measuring_digest()})))
    assert "stale: the lab's measuring changed since" in which_run(old).text
    assert "stale" not in which_run(new).text
