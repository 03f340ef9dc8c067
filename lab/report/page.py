"""A page of one experiment: its run, and what stands there while no run is complete."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.data.listing import Listed
from lab.report.markdown import Markdown, literal, paragraphs
from lab.report.selection import PINS, Selection, select_run
from lab.report.study import Study

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
    """What a page shows, section by section."""

    selection: Selection
    study: Study | None

    def show(self, section: Callable[[Study], Markdown], told: bool = False) -> Markdown:
        """Return a section of the page, or a word on why there is none; `told`: the page has said it."""
        if self.study is None:
            return Markdown(NO_RUN) if told else no_run(self.selection)
        shown = section(self.study)
        return shown if shown.text else Markdown(NOTHING)

    def mention(self, section: Callable[[Study], Markdown]) -> Markdown:
        """Return a section where there is a run and something to show, and nothing at all elsewhere."""
        return Markdown("") if self.study is None else section(self.study)


def page(experiment: str, data: Path | None = None, pins: Path = PINS) -> Page:
    """Return the page of an experiment's newest complete run, or of the one that the book pins."""
    found = select_run(experiment, data, pins)
    return Page(found, None if found.run is None else Study(found.run, found.pinned, found.runs))


def no_run(selection: Selection) -> Markdown:
    """Say that no run is complete, which ones were begun, and how to make one."""
    begun = [
        f"{literal(one.run_id)} ({one.trials} of {one.planned_trials} trials)"
        for one in selection.runs
        if one.state == "unfinished"
    ]
    return paragraphs(
        f"**There is no complete run of the experiment `{selection.experiment}` yet.** "
        f"`{COMMANDS.get(selection.experiment, COMMANDS['single_node'])}` makes one; the page "
        "[Run it yourself](run_it_yourself.md) says how to choose its parameters.",
        f"Begun, but not complete: {', '.join(begun)}. Started again with the same `run_id`, a run does only "
        "what is missing."
        if begun
        else None,
        not_shown(selection.runs),
    )


def not_shown(runs: Sequence[Listed], newer_than: str = "") -> str | None:
    """Name the runs that cannot be shown, each with the reason: all of them, or those newer than another."""
    newer = itertools.takewhile(lambda one: one.run_id != newer_than, runs)
    named = [f"{literal(one.run_id)} ({literal(one.reason)})" for one in newer if one.reason]
    return f"Runs that cannot be shown: {', '.join(named)}." if named else None
