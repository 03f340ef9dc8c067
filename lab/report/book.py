"""The book: every run that its pages show, each read once."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from lab import paths
from lab.report import provenance
from lab.report.made_up import MadeUp, made_up
from lab.report.markdown import Markdown, paragraphs, table
from lab.report.own import OwnPage, own_page
from lab.report.page import PINS, Page, no_run, page
from lab.report.study import Study

EVERY = "*"
"""Stands for every experiment."""
PUBLISHED = "published.txt"


T = TypeVar("T")


class once(Generic[T]):
    """A property of a book that is computed once; whenever it is read, the book notes what it was made of."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __get__(self, book: "Book", _: type) -> T:
        if self not in book.kept:
            before = set(book.asked)
            book.asked.clear()
            book.kept[self] = self.compute(book), set(book.asked)
            book.asked.update(before)
        found, made_of = book.kept[self]
        book.asked.update(made_of)
        kept: T = found
        return kept


@dataclasses.dataclass(frozen=True)
class Book:
    """The pages of a folder of measurements; what a page shows is computed when it is first asked for.

    `asked` has the parts of the data that were asked for: experiments, and files beside their folders.
    """

    data: Path = dataclasses.field(default_factory=paths.data_folder)
    pins: Path = PINS
    pages: dict[tuple[str, bool], Page] = dataclasses.field(default_factory=dict)
    asked: set[str] = dataclasses.field(default_factory=set)
    kept: dict[Any, tuple[Any, set[str]]] = dataclasses.field(default_factory=dict)

    def folder(self, *parts: str) -> Path:
        """Return the folder of the data, of which these parts are read; without any, all of it."""
        self.asked.update(parts or (EVERY,))
        return self.data

    def page(self, experiment: str, published: bool = False) -> Page:
        """Return the page of an experiment's run; `published`: of the newest that was published."""
        self.asked.add(experiment)
        if (experiment, published) not in self.pages:
            only = self.published if published else None
            self.pages[experiment, published] = page(experiment, self.data, self.pins, only)
        return self.pages[experiment, published]

    def studies(self, *experiments: str) -> tuple[Study, ...]:
        """Return the runs that the pages of these experiments show, of those that have one."""
        found = (self.page(one).study for one in experiments)
        return tuple(study for study in found if study is not None)

    def with_published(self, *experiments: str) -> Iterator[Study]:
        """Yield the runs that pages show, and beside one of yours the newest published one of its kind."""
        for experiment in experiments:
            shown = self.page(experiment).study
            mine = shown is not None and not self.is_published(shown)
            beside = self.page(experiment, published=True).study if mine else None
            yield from (one for one in (shown, beside) if one is not None)

    @once
    def own(self) -> OwnPage:
        """Return the page of somebody's own work."""
        return own_page(self.folder("own"), self.published)

    @once
    def sweeps(self) -> tuple[Study, ...]:
        """Return the runs that tell how far work scales: yours, the newest first, then the published ones."""
        known = (*self.with_published("single_node", "multi_node"), *self.own.studies)
        found = [study for study in known if study.modes]
        yours = [study for study in found if not self.is_published(study)]
        published = [study for study in found if self.is_published(study)]
        return (*sorted(yours, key=provenance.began, reverse=True), *published)

    @once
    def made_up(self) -> MadeUp | None:
        """Return what became of made-up sweeps; None where the runs recorded too little noise."""
        return made_up(self)

    @once
    def published(self) -> frozenset[str]:
        """Return the runs that were published with the lab, as data/published.txt lists them."""
        listed = self.folder(PUBLISHED) / PUBLISHED
        return frozenset(listed.read_text(encoding="utf-8").split()) if listed.exists() else frozenset()

    def is_published(self, study: Study) -> bool:
        """Tell whether a run was published with the lab; any other is yours."""
        return study.run.run_id in self.published

    def badge(self, study: Study) -> str:
        """Return whose run it is, and what was measured where and when, in one line."""
        whose = "Published run" if self.is_published(study) else "Your run"
        return f"**{whose}**, {provenance.in_short(study)}."

    def of_sweeps(
        self, shown: Callable[[Study], Markdown], head: str, in_short: Callable[[Study], str]
    ) -> Markdown:
        """Return a page of all sweeps: the first in full, and of every other a line under that head."""
        if not self.sweeps:
            return no_run("single_node", self.page("single_node").runs)
        first, *others = self.sweeps
        lines = [(provenance.named_briefly(one), in_short(one)) for one in others]
        rows = [line for line in lines if line[1]]
        more = f"**Other runs**\n\n{table(('run', head), rows)}" if rows else None
        return paragraphs(self.badge(first), shown(first).text, more)
