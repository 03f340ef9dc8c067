"""The page of own work: the newest complete run of each piece of work in full, and the others as a list."""

import dataclasses
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab import paths
from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.listing import Listed, all_listed, refused
from lab.data.store import read_run
from lab.errors import LabError
from lab.report import provenance
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.own_told import place_of, titled, told
from lab.report.page import no_run
from lab.report.provenance import where
from lab.report.source import link
from lab.report.study import Study

if TYPE_CHECKING:
    from lab.report.book import Book

EXPERIMENT = "own"


@dataclasses.dataclass(frozen=True)
class OwnPage:
    """The newest complete run of each work that can be read, newest first, and all other runs.

    Of runs that were published with the lab fewer sections are folded below the answer.
    """

    found: tuple[tuple[Listed, Study], ...]
    not_read: tuple[Listed, ...]
    published: Collection[str]

    @property
    def studies(self) -> tuple[Study, ...]:
        """Return the runs that can be read."""
        return tuple(study for _, study in self.found)

    @cached_property
    def shown(self) -> tuple[tuple[Study, str], ...]:
        """Return each run that can be shown, and its text."""
        return tuple((study, text) for _, study, text in self._told if not isinstance(text, LabError))

    @cached_property
    def others(self) -> tuple[Listed, ...]:
        """Return the runs that are not shown."""
        failed = [refused(one, text) for one, _, text in self._told if isinstance(text, LabError)]
        return (*failed, *self.not_read)

    @cached_property
    def _told(self) -> list[tuple[Listed, Study, str | LabError]]:
        found: list[tuple[Listed, Study, str | LabError]] = []
        for one, study in self.found:
            place = sum(not isinstance(text, LabError) for *_, text in found)
            try:
                found.append((one, study, told(study, place, one.run_id in self.published)))
            except LabError as error:
                # one run that cannot be shown must not keep those of other people from being shown
                found.append((one, study, error))
        return found

    def works(self) -> Markdown:
        """Return every work in full; without any, a word on how to make a run."""
        if not self.shown:
            return no_run(EXPERIMENT, self.others)
        return paragraphs(self._contents(), *(text for _, text in self.shown))

    def _contents(self) -> str | None:
        """Return links to the works, where there are several."""
        if len(self.shown) < 2:
            return None
        rows = [
            (f'<a href="#{place_of(place)}">{titled(study)}</a>', where(study), literal(study.run.run_id))
            for place, (study, _) in enumerate(self.shown)
        ]
        return table(("work", "where", "newest complete run"), rows)

    def other_runs(self) -> Markdown:
        """List the runs that are not shown: older, unfinished and damaged ones, and why."""
        rows = [
            (
                literal(one.run_id),
                safe(one.work),
                provenance.day(one.started_at),
                "complete, older" if one.state == "complete" else one.told,
                literal(one.reason) if one.reason else "",
                link(one.directory, ENVIRONMENT),
            )
            for one in self.others
        ]
        head = ("run", "work", "begun", "state", "reason", "files")
        return Markdown(table(head, rows) if rows else "There is no other run.")


def works(book: "Book") -> Markdown:
    """Return every own work in full; without any, a word on how to make a run."""
    return book.own.works()


def other_runs(book: "Book") -> Markdown:
    """List the runs of own work that are not shown."""
    return book.own.other_runs()


def own_page(data: Path | None = None, published: Collection[str] = ()) -> OwnPage:
    """Return the page of the newest complete run of each work; what cannot be read is listed."""
    found: list[tuple[Listed, Study]] = []
    others: list[Listed] = []
    seen: set[object] = set()
    for one in all_listed(data or paths.data_folder(), EXPERIMENT):
        work = _work(one)
        if one.state != "complete" or work in seen:
            others.append(one)
            continue
        try:
            found.append((one, Study(read_run(one.directory))))
            seen.add(work)
        except LabError as error:
            others.append(refused(one, error))
    return OwnPage(tuple(found), tuple(others), published)


def _work(one: Listed) -> object:
    """Return what tells a run's work from others: name, source, growth, kind of cluster; None if damaged."""
    if one.state != "complete":
        return None
    found = read_environment(one.directory)
    parameters = found.get("parameters", {})
    # the same function on one machine and over containers tells two things
    kind = parameters.get("scaling", "strong"), str(parameters.get("cluster"))
    works = [(mode, str(facts.get("source"))) for mode, facts in found.get("works", {}).items()]
    return (kind, *works) if works else one.directory
