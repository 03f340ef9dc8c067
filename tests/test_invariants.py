"""Claims: sentences that hold in every honest run, and the errors of data that contradict them."""

from pathlib import Path

import pandas as pd
import pytest
from synthetic import synthetic_run
from written import write_run

from lab import invariants
from lab.data.store import Run, read_run
from lab.errors import ClaimError


@pytest.fixture
def frames() -> list[pd.DataFrame]:
    """Return the frames of a small honest run."""
    return list(synthetic_run(workers=(1, 2), blocks=2, modes=("search",)))


def stored(folder: Path, frames: list[pd.DataFrame]) -> Run:
    """Return the frames as a run that was written and read."""
    return read_run(write_run(folder / "the-run", frames))


def test_an_honest_run_bears_all_claims(tmp_path: Path, frames: list[pd.DataFrame]) -> None:
    """Every claim of an honest run is a sentence with the run's own numbers."""
    sentences = invariants.claims(stored(tmp_path, frames))
    assert sentences[1] == "Of 16 planned trials, 16 ended well and 0 failed; none is left out."
    assert sentences[0] == "Each of the 8 configurations ran 2 times, once in every block."


def test_a_failed_trial_contradicts_nothing(tmp_path: Path, frames: list[pd.DataFrame]) -> None:
    """A run with a failed trial and one interrupted attempt is honest, and both are counted rightly."""
    trials = frames[0]
    trials.loc[3, ["status", "error_kind", "digest"]] = ["failed", "DeadlineError", None]
    cut = trials.iloc[[5]].assign(status="interrupted", trial_id="005-0", digest=None)
    run = read_run(
        write_run(tmp_path / "the-run", [pd.concat([trials, cut]), *frames[1:]], planned_trials=len(trials))
    )
    assert invariants.claims(run)[1] == "Of 16 planned trials, 15 ended well and 1 failed; none is left out."


def test_unequal_digests_stop_the_build(tmp_path: Path, frames: list[pd.DataFrame]) -> None:
    """The error names the sentence, the run and the mode."""
    frames[0].loc[0, "digest"] = "another"
    with pytest.raises(
        ClaimError, match=r"returned the same results.*the-run.*more than one digest in search"
    ):
        invariants.same_results(stored(tmp_path, frames))


def test_a_trial_that_is_left_out_stops_the_build(tmp_path: Path, frames: list[pd.DataFrame]) -> None:
    """A row taken out of trials.csv is noticed: the plan has one slot more."""
    planned = len(frames[0])
    frames[0] = frames[0].drop(index=2)
    run = read_run(write_run(tmp_path / "the-run", frames, planned_trials=planned))
    with pytest.raises(ClaimError, match="15 ended trials in 15 slots, of 16 planned"):
        invariants.nothing_left_out(run)
    with pytest.raises(ClaimError, match="1 missing from one"):
        invariants.one_trial_per_block(run)


def test_a_task_that_is_left_out_stops_the_build(tmp_path: Path, frames: list[pd.DataFrame]) -> None:
    """A slow task taken out of tasks.csv is noticed: the trial's totals no longer fit."""
    window = frames[1][~frames[1]["warmup"]]
    gone = window.index[10]
    frames[1] = frames[1].drop(index=gone)
    with pytest.raises(ClaimError, match=window.loc[gone, "trial_id"]):
        invariants.tasks_add_up(stored(tmp_path, frames))


def test_more_work_than_time_stops_the_build(tmp_path: Path, frames: list[pd.DataFrame]) -> None:
    """A window that is shorter than the work in it cannot be."""
    frames[0].loc[0, "duration_seconds"] /= 2
    run = stored(tmp_path, frames)
    with pytest.raises(ClaimError, match="node efficiency is above 1 in 000-1"):
        invariants.work_fits_window(run)


def test_require_returns_what_holds() -> None:
    """A sentence that holds is returned as it is."""
    assert invariants.require("It is so.", True, "here", "nothing") == "It is so."
