"""A run that compares engines as its page reads it."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from lab.analysis import timings as analysis
from lab.analysis.configurations import select
from lab.analysis.disturbances import Disturbance
from lab.analysis.noise import CopyComparison
from lab.data.listing import Listed
from lab.data.store import Timings, read_timings
from lab.report.selection import Selection


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One run with what its page derives from it."""

    run: Timings
    pinned: bool = False
    runs: tuple[Listed, ...] = ()

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Return one row per timing that ended well, of the most workers and of the plain loop."""
        found = analysis.measures(self.run.timings)
        return found[(found["workers"] == self.workers) | (found["engine"] == "serial")]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return those of the experiment itself."""
        return select(self.measures, {"arm": "experiment"})

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Return the timings that did not end well."""
        return analysis.failures(self.run.timings)

    @property
    def experiment(self) -> str:
        """Return the name of the experiment."""
        return str(self.run.environment.get("experiment", self.run.directory.parent.name))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters that the run was given."""
        found: Mapping[str, Any] = self.run.environment.get("parameters", {})
        return found

    @property
    def machine(self) -> Mapping[str, Any]:
        """Return what is known of the machine."""
        found: Mapping[str, Any] = self.run.environment.get("machine", {})
        return found

    @property
    def cores(self) -> int:
        """Return the whole cores that the run may use, at least 1."""
        return max(1, int(self.machine.get("quota_cores") or self.machine.get("cores") or 1))

    @property
    def memory_bytes(self) -> float | None:
        """Return the memory that the run may use; None where it is not known."""
        found = self.machine.get("memory_bytes")
        return None if found is None else float(found)

    @property
    def blocks(self) -> int:
        """Return how many times the plan was repeated."""
        return int(self.run.timings["block"].nunique())

    @property
    def workers(self) -> int:
        """Return the workers of every engine but the plain loop: the most, where they differ."""
        return self.counts[-1]

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the numbers of workers that engines were timed with, ascending; the loop is not asked."""
        several = self.run.timings[self.run.timings["engine"] != "serial"]["workers"]
        return tuple(sorted(int(one) for one in several.unique())) or (1,)

    @cached_property
    def disturbances(self) -> tuple[Disturbance, ...]:
        """Return what disturbed the run."""
        return analysis.noise_of(self.run.timings, self.cores)

    @cached_property
    def copies(self) -> tuple[CopyComparison, ...]:
        """Return the A/A comparisons."""
        return analysis.copies(self.measures)

    def copy(self, mode: str, metric: str = "throughput") -> CopyComparison | None:
        """Return the A/A comparison of a workload by a metric; None without one."""
        return next((one for one in self.copies if (one.mode, one.metric) == (mode, metric)), None)

    def work(self, mode: str) -> dict[str, object]:
        """Return the work of a workload that engines are compared on; empty where it was not timed."""
        return analysis.work(self.rows, mode)

    def of_work(self, mode: str) -> pd.DataFrame:
        """Return one timing per engine and block of that work; no rows where it was not timed."""
        chosen = self.work(mode)
        return select(self.rows, chosen) if chosen else self.rows.head(0)

    @cached_property
    def earlier(self) -> "Comparison | None":
        """Return the complete run before this one; None where there is none."""
        complete = [one for one in self.runs if one.state == "complete"]
        places = [place for place, one in enumerate(complete) if one.run_id == self.run.run_id]
        before = complete[places[0] + 1 :] if places else []
        return Comparison(read_timings(before[0].directory)) if before else None


def comparison(selection: Selection[Timings]) -> Comparison | None:
    """Return the comparison of the selected run; None where there is none."""
    return None if selection.run is None else Comparison(selection.run, selection.pinned, selection.runs)
