"""A page of one experiment: the run that it shows, and what stands there while no run is complete."""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import yaml

from lab import paths
from lab.data.listing import Listed, all_listed, refused
from lab.data.store import Run, read_run
from lab.errors import DataError
from lab.report.markdown import Markdown, literal, paragraphs
from lab.report.study import Study

PINS = paths.BOOK / "pins.yaml"

NOTHING = "*There is nothing to show here: no trial that ended well has what this section needs.*"

NO_RUN = "*No run yet.*"

COMMANDS = {
    "single_node": "make report",
    "multi_node": "papermill notebooks/multi_node.ipynb out.ipynb -f notebooks/profiles/multi_node_full.yaml",
    "docker": "papermill notebooks/docker.ipynb out.ipynb -f notebooks/profiles/docker_full.yaml",
    "ray_vs_multiprocessing": "make report EXPERIMENT=ray_vs_multiprocessing",
    "break_even": "make report EXPERIMENT=break_even",
    "factoring": "make report EXPERIMENT=factoring",
    "own": "lab run my_job.py:work --items my_job.py:items --workers 1,2",
}
"""What makes a run of each experiment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What a page shows, section by section, and all runs of the experiment, newest first."""

    experiment: str
    runs: tuple[Listed, ...]
    study: Study | None

    def show(self, section: Callable[[Study], Markdown], told: bool = False) -> Markdown:
        """Return a section of the page, or a word on why there is none; `told`: the page has said it."""
        if self.study is None:
            return Markdown(NO_RUN) if told else no_run(self.experiment, self.runs)
        shown = section(self.study)
        return shown if shown.text else Markdown(NOTHING)

    def mention(self, section: Callable[[Study], Markdown]) -> Markdown:
        """Return a section where there is a run and something to show, and nothing at all elsewhere."""
        return Markdown("") if self.study is None else section(self.study)


def page(
    experiment: str, data: Path | None = None, pins: Path = PINS, only: Collection[str] | None = None
) -> Page:
    """Return the page of an experiment's newest complete run, or of the one that the book pins.

    `only`: the runs among which it is chosen, whatever the book pins; all of them without.

    A run that cannot be read keeps no other from being shown: it is listed with the reason, and the page of
    an older one says so. Raises `DataError` where the run that is pinned is not
    there, or not to be shown.
    """
    runs, pinned = all_listed(data or paths.data_folder(), experiment), pinned_run(experiment, pins)
    if only is not None:
        runs, pinned = tuple(one for one in runs if one.run_id in only), None
    if pinned is not None:
        return Page(experiment, runs, Study(_pinned(experiment, pinned, runs, pins), True, runs))
    lines: list[Listed] = []
    chosen: Run | None = None
    for one in runs:
        if chosen is None and one.state == "complete":
            try:
                chosen = read_run(one.directory)
            except DataError as error:
                one = refused(one, error)
        lines.append(one)
    return Page(experiment, tuple(lines), None if chosen is None else Study(chosen, False, tuple(lines)))


def _pinned(experiment: str, pinned: str, runs: Sequence[Listed], pins: Path) -> Run:
    """Return the run that is pinned."""
    chosen = next((one for one in runs if one.run_id == pinned), None)
    if chosen is None or chosen.state != "complete":
        said = {"unfinished": "is not complete"}
        what = said.get(chosen.state, f"is {chosen.state}: {chosen.reason}") if chosen else "is not there"
        raise DataError(
            f"{pins} pins {experiment} to the run {pinned}, which {what} "
            f"(there are: {', '.join(one.run_id for one in runs) or 'none'}): correct the pin or remove it"
        )
    return read_run(chosen.directory)


def pinned_run(experiment: str, pins: Path = PINS) -> str | None:
    """Return the run id that the book pins for an experiment; None where it pins none."""
    if not pins.exists():
        return None
    try:
        found = yaml.safe_load(pins.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise DataError(f"{pins} is not YAML ({error}): write lines such as 'single_node: RUN_ID'") from error
    if not isinstance(found, dict):
        raise DataError(f"{pins} must hold lines such as 'single_node: RUN_ID'")
    value = found.get(experiment)
    return None if value is None else str(value)


def no_run(experiment: str, runs: Sequence[Listed]) -> Markdown:
    """Say that no run is complete, which ones were begun, and how to make one."""
    begun = [
        f"{literal(one.run_id)} ({one.trials} of {one.planned_trials} trials)"
        for one in runs
        if one.state == "unfinished"
    ]
    return paragraphs(
        f"**There is no complete run of the experiment `{experiment}` yet.** "
        f"`{COMMANDS.get(experiment, COMMANDS['single_node'])}` makes one; the page "
        "[Run it yourself](run_it_yourself.md) says how to choose its parameters.",
        f"Begun, but not complete: {', '.join(begun)}. Started again with the same `run_id`, a run does only "
        "what is missing."
        if begun
        else None,
        not_shown(runs),
    )


def not_shown(runs: Sequence[Listed], newer_than: str = "") -> str | None:
    """Name the runs that cannot be shown, each with the reason: all of them, or those newer than another."""
    newer = itertools.takewhile(lambda one: one.run_id != newer_than, runs)
    named = [f"{literal(one.run_id)} ({literal(one.reason)})" for one in newer if one.reason]
    return f"Runs that cannot be shown: {', '.join(named)}." if named else None
