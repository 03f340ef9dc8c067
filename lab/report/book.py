"""The book: every run that its pages show, each read once."""

import dataclasses
from functools import cached_property
from pathlib import Path

from lab import paths
from lab.report.own import OwnPage, own_page
from lab.report.page import Page, page
from lab.report.selection import PINS
from lab.report.study import Study


@dataclasses.dataclass(frozen=True)
class Book:
    """The pages of a folder of measurements; what a page shows is computed when it is first asked for."""

    data: Path = dataclasses.field(default_factory=paths.data_folder)
    pins: Path = PINS
    pages: dict[str, Page] = dataclasses.field(default_factory=dict)

    def page(self, experiment: str) -> Page:
        """Return the page of an experiment's run."""
        if experiment not in self.pages:
            self.pages[experiment] = page(experiment, self.data, self.pins)
        return self.pages[experiment]

    def studies(self, *experiments: str) -> tuple[Study, ...]:
        """Return the runs that the pages of these experiments show, of those that have one."""
        found = (self.page(one).study for one in experiments)
        return tuple(study for study in found if study is not None)

    @cached_property
    def own(self) -> OwnPage:
        """Return the page of somebody's own work."""
        return own_page(self.data)
