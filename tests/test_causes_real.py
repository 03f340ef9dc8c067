"""Tests of causes that real work has: the examples on an embedded Ray show those that are known of them."""

from pathlib import Path
from typing import Any

import pytest

from lab import paths, run
from lab.analysis.causes import Cause, causes, main
from lab.analysis.intervals import Estimate, ratio_estimate
from lab.analysis.losses import account
from lab.analysis.measures import measures
from lab.analysis.verdicts import Range, judge
from lab.data.store import Run

REPEATS = 4
GAIN_REPEATS = 5
"""Where a gain is judged by its interval."""


def made_by(tmp_path: Path, work: str, **parameters: Any) -> Run:
    """Return a run of one and two Ray workers."""
    asked: dict[str, Any] = {"engines": ["ray"], "workers": [1, 2], "repeats": REPEATS, **parameters}
    made = run(work, data=tmp_path, **asked)
    assert isinstance(made, Run)
    return made


def measured(tmp_path: Path, work: str, **parameters: Any) -> dict[str, Cause]:
    """Return the causes of two Ray workers on an example, both of the A/A arm."""
    return causes_of(made_by(tmp_path, str(paths.ROOT / "examples" / work), **parameters))


def causes_of(made: Run) -> dict[str, Cause]:
    """Return the causes of two workers, both of the A/A arm."""
    found = account(made)
    rows = measures(made.trials, made.tasks, made.samples, made.windows, made.nodes)
    two = found.trials.index[found.trials["workers"] == 2]
    return {cause.name: cause for cause in causes(made, found, rows, two)}


def wrongly_named(found: dict[str, Cause], *planted: str) -> set[str]:
    """Return the causes that hold and were not planted; neighbours of the machine are no mistake."""
    named = {cause.name for cause in main(tuple(found.values())).causes}
    return named - {*planted, "neighbours"}


@pytest.mark.ray
@pytest.mark.timed
@pytest.mark.parametrize(("example", "items"), [("shared_lock.py", 30), ("serial_share.py", 12)])
def test_work_that_others_wait_for_is_waiting(tmp_path: Path, example: str, items: int) -> None:
    """Two workers wait inside tasks for what only one of them can have, more than one worker alone does."""
    found = measured(tmp_path, f"{example}:work", items=list(range(items)))
    assert found["waiting"].outcome == "holds"
    assert found["waiting"].facts["here"] > found["waiting"].facts["alone"]
    assert wrongly_named(found, "waiting") == set()


@pytest.mark.ray
@pytest.mark.timed
def test_libraries_with_threads_of_their_own_are_threads(tmp_path: Path) -> None:
    """Matrix products on two threads in each worker use more processor time than one thread could."""
    found = measured(tmp_path, "blas.py:work", items=list(range(8)), threads=2)
    assert found["threads"].outcome == "holds"
    assert wrongly_named(found, "threads", "slower") == set()


SUMS = """
def one(steps):
    total = 0
    for number in range(steps):
        total += number % 7
    return total

def several(items):
    return [one(steps) for steps in items]
"""


def gained(before: Run, after: Run) -> Estimate:
    """Return how many times as fast two workers did the same work afterwards, over blocks."""
    sides = []
    for made in (before, after):
        two = made.trials[(made.trials["workers"] == 2) & (made.trials["status"] == "ok")]
        sides.append(two.groupby("block")["duration_seconds"].mean().astype(float).tolist())
    return ratio_estimate(*sides)


def promise(cause: Cause) -> Range:
    """Return the interval of the gain that a cause promises."""
    assert cause.gain is not None
    assert cause.gain.low is not None
    assert cause.gain.high is not None
    return Range(cause.gain.low, cause.gain.high)


@pytest.mark.ray
@pytest.mark.timed
def test_batches_gain_what_was_promised(tmp_path: Path) -> None:
    """Tasks shorter than their hand-over are short, nothing else is; batches gain what was promised."""
    work = tmp_path / "sums_of_few.py"
    work.write_text(SUMS)
    steps = [500] * 8_000
    before = made_by(tmp_path, f"{work}:one", items=steps, repeats=GAIN_REPEATS)
    found = causes_of(before)
    short = found["short"]
    assert short.outcome == "holds"
    assert wrongly_named(found, "short", "driver") == set()
    batch = round(float(short.facts["batch"]))
    assert batch > 1
    batches = [steps[at : at + batch] for at in range(0, len(steps), batch)]
    check_gain(before, made_after(tmp_path, f"{work}:several", batches), short)


@pytest.mark.ray
@pytest.mark.timed
def test_smaller_tasks_gain_what_was_promised(tmp_path: Path) -> None:
    """One long task at the end is a tail, and nothing else; cut into short ones, it gains what was promised.

    The gain's low end counts that the worker that waited for the end then shares its core's hyperthreads.
    """
    work = tmp_path / "sums_of_many.py"
    work.write_text(SUMS)
    steps = 300_000
    items = [steps] * 20 + [40 * steps]
    before = made_by(tmp_path, f"{work}:one", items=items, repeats=GAIN_REPEATS)
    found = causes_of(before)
    tail = found["tail"]
    assert tail.outcome == "holds"
    assert tail.facts["largest_seconds"] > 5 * tail.facts["mean_seconds"]
    assert wrongly_named(found, "tail") == set()
    check_gain(before, made_after(tmp_path, f"{work}:one", [steps] * 60), tail)


def made_after(tmp_path: Path, work: str, items: list[Any]) -> Run:
    """Return a run of two workers on the same work in other tasks."""
    return made_by(tmp_path, work, items=items, workers=[2], repeats=GAIN_REPEATS)


def check_gain(before: Run, after: Run, cause: Cause) -> None:
    """There is a gain, and the interval that the cause promised does not exclude it."""
    found = gained(before, after)
    assert found.value is not None
    assert found.value > 1
    assert judge(found, promise(cause)) != "does not hold"
