"""Trials one after another on a cluster that is there, in this process or in a job on a head."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

from lab.data.records import work_of
from lab.errors import EngineError
from lab.experiment.expected import Expected
from lab.experiment.plan import PlannedTrial
from lab.experiment.setting import Kept, Setting
from lab.experiment.trial import run_trial
from lab.workload import Prepared

Works = Mapping[str, Prepared]
"""The works of a run by name, `Configuration.work`: the same for every configuration."""


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """A planned trial, and the number of the attempt at it."""

    planned: PlannedTrial
    attempt: int


def run_slots(
    assignments: Sequence[Assignment],
    works: Works,
    digests: MutableMapping[str, str],
    setting: Setting,
    progress: Callable[[Sequence[Assignment]], Iterable[Assignment]],
) -> None:
    """Run the trials in order; all trials of a work must come to one digest, which `digests` keeps.

    Trials of one turn share their workers, unless the setting has a team for all. Raises `EngineError` after
    the first trial that failed of work that is to fail fast.
    """
    expected: dict[str, Expected] = {}
    turn, of_turn = None, setting
    with contextlib.ExitStack() as workers:
        for one in progress(assignments):
            planned = one.planned.configuration
            work = works[planned.work]
            engine = "command" if work.command else planned.engine
            if setting.kept is None and (one.planned.turn is None or one.planned.turn != turn):
                workers.close()
                turn, kept = one.planned.turn, Kept(setting.engines[engine])
                workers.callback(kept.end)
                of_turn = dataclasses.replace(setting, kept=kept)
            same = work_of(planned.mode, len(work.items), planned.task_seconds)
            known = expected.setdefault(same, Expected(digests.get(same)))
            trial = run_trial(one.planned, one.attempt, work, known, of_turn)
            if trial.status == "ok" and trial.digest is not None:
                digests.setdefault(same, trial.digest)
            elif work.fail_fast:
                raise EngineError(
                    f"trial {trial.trial_id} failed, and fail_fast is set: {trial.error_message}"
                )
