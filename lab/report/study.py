"""A run as its page reads it: measures per trial, series over workers or nodes, ratios over blocks."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar, cast

import pandas as pd

from lab.analysis.attempts import unplaced
from lab.analysis.configurations import Levels, average, compare, select
from lab.analysis.disturbances import Disturbance, disturbances, used_by_others
from lab.analysis.engines import largest_work, with_most_workers, worker_counts
from lab.analysis.intervals import Estimate
from lab.analysis.measures import measures
from lab.analysis.nodes import Placement, others_part, placement, with_workers
from lab.analysis.noise import CopyComparison, copy_comparisons
from lab.analysis.trials import odd
from lab.data.listing import Listed
from lab.data.store import Run
from lab.figures.curves import Axis
from lab.figures.style import looks_of
from lab.report.markdown import safe, shortened
from lab.report.series import COUNTED, GROWING, UNITS, Wanted, kind_of, series_of

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Study:
    """One run with what its page derives from it."""

    run: Run
    pinned: bool = False
    runs: tuple[Listed, ...] = ()
    done: dict[object, Any] = dataclasses.field(default_factory=dict)
    """What was computed once: sections of several pages ask for the same."""

    def once(self, key: object, computed: Callable[[], T]) -> T:
        """Return what is computed of this run; a second time under that key it is not computed again."""
        if key not in self.done:
            self.done[key] = computed()
        return cast(T, self.done[key])

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Return one row per trial that ended well."""
        run = self.run
        return measures(run.trials, run.tasks, run.samples, run.windows, run.nodes)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Return the trials that did not end well, or lost workers, each with the reason."""
        return odd(self.run.trials)

    @property
    def experiment(self) -> str:
        """Return the name of the experiment."""
        return str(self.run.environment.get("experiment", self.run.directory.parent.name))

    @cached_property
    def kind(self) -> str:
        """Return the kind of run, which decides what its series go over: one node, several, or Docker."""
        return kind_of(self.experiment, self.run.trials)

    @property
    def embedded(self) -> bool:
        """Tell whether all of it ran on the driver's own machine, which samples it."""
        return set(self.run.trials["cluster"]) == {"embedded"}

    @cached_property
    def known(self) -> Mapping[str, Wanted]:
        """Return the series of the run and how their trials are found."""
        return series_of(self.kind, self.run.trials)

    @cached_property
    def placement(self) -> Placement:
        """Return how the nodes lie on hosts, and what they are called."""
        return placement(self.run.windows, self.run.nodes)

    @cached_property
    def axis(self) -> Axis:
        """Return what the series run over."""
        column = COUNTED[self.kind]
        label = {"workers": "workers", "nodes": self.placement.noun}.get(column, "workers on each node")
        return Axis(column, label, looks_of(tuple(self.known)))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters that the run was given."""
        found: Mapping[str, Any] = self.run.environment.get("parameters", {})
        return found

    @property
    def grows(self) -> bool:
        """Tell whether the work of a trial grows with its workers; a run that does not say has fixed work."""
        return self.parameters.get("scaling") == "weak"

    @property
    def machine(self) -> Mapping[str, Any]:
        """Return what is known of the machine that drove the run."""
        found: Mapping[str, Any] = self.run.environment.get("machine", {})
        return {name: value for name, value in found.items() if value is not None}

    @property
    def cores(self) -> int:
        """Return the whole cores that a node may use, at least 1: of the machine where no node is listed."""
        if len(self.run.nodes):
            return max(1, int(with_workers(self.run.nodes)["quota_cores"].min()))
        return max(1, int(self.machine.get("quota_cores") or self.machine.get("cores") or 1))

    @property
    def memory_bytes(self) -> float | None:
        """Return the memory that a node may use, or the machine; None where it is not known."""
        if len(self.run.nodes):
            return float(with_workers(self.run.nodes)["memory_bytes"].min())
        found = self.machine.get("memory_bytes")
        return None if found is None else float(found)

    @property
    def workers(self) -> int:
        """Return the most workers that engines were compared with."""
        return worker_counts(self.run.trials)[-1]

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Return the measures that compare engines: with most workers, and of the plain loop."""
        return with_most_workers(self.measures, self.workers)

    def work(self, mode: str) -> dict[str, object]:
        """Return the work of a mode that engines are compared on; empty where none of it ended well."""
        return largest_work(self.compared, mode)

    def of_work(self, mode: str) -> pd.DataFrame:
        """Return the measures of that work, of a trial for each engine and block."""
        chosen = self.work(mode)
        return select(self.compared, chosen) if chosen else self.compared.head(0)

    @cached_property
    def copies(self) -> tuple[CopyComparison, ...]:
        """Return the comparisons of a configuration with itself: the A/A arm."""
        return copy_comparisons(self.measures)

    @cached_property
    def disturbances(self) -> tuple[Disturbance, ...]:
        """Return every kind of disturbance of the run."""
        run = self.run
        machine = int(self.machine.get("cores") or self.cores)
        return disturbances(run.trials, run.windows, run.nodes, self.others, machine)

    @property
    def blocks(self) -> int:
        """Return how many times the plan was repeated."""
        return int(self.run.trials["block"].nunique())

    @property
    def works(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what the run says of the work of each mode; older runs say nothing."""
        found: Mapping[str, Mapping[str, Any]] = self.run.environment.get("works", {})
        return found

    @cached_property
    def every_mode(self) -> tuple[str, ...]:
        """Return the modes that were tried, in the order of the works that the run lists, or of UNITS."""
        tried = dict.fromkeys(self.run.trials["mode"].astype(str))
        return tuple(mode for mode in dict.fromkeys([*self.works, *UNITS, *tried]) if mode in tried)

    @property
    def modes(self) -> tuple[str, ...]:
        """Return the modes that have a trial which ended well, besides copies for the noise."""
        found = set(self.measures.loc[self.measures["arm"] != "copy", "mode"])
        return tuple(mode for mode in self.every_mode if mode in found)

    def unit(self, mode: str) -> str:
        """Return what the throughput of a mode counts, as figures have it: 'primes/s'."""
        found = str(self.works.get(mode, {}).get("unit") or UNITS.get(mode, "items"))
        return f"{shortened(found)}/s"

    def name(self, mode: str) -> str:
        """Return the name of a mode for prose, where none of its characters is read as Markdown or HTML."""
        return safe(shortened(mode))

    def lead(self, mode: str) -> str:
        """Return how the caption of a figure of a mode begins."""
        return f"{'Mode' if mode in UNITS else 'Work:'} {self.name(mode)}{GROWING * self.grows}"

    def title(self, mode: str) -> str:
        """Return the name of a mode as a line begins with it; that of somebody's work stays as it is."""
        return self.name(mode).capitalize() if mode in UNITS else self.name(mode)

    @property
    def main_mode(self) -> str:
        """Return the mode that the answers are read from; raises IndexError without any."""
        return self.modes[0]

    @property
    def others(self) -> pd.Series:
        """Return the part of the cores that others used in each trial, where it is known."""
        run = self.run
        part = (
            used_by_others(self.measures, self.cores)
            if self.embedded
            else others_part(run.trials, run.windows, run.nodes).reindex(self.measures.index)
        )
        return part.dropna().astype(float)

    def rows(self, mode: str, series: str | None = None, x: int | None = None) -> pd.DataFrame:
        """Return the measures of a mode, of one of its series, or of one x of that."""
        if series is not None and series not in self.known:
            return self.measures.head(0)
        at = {} if x is None else {self.axis.column: x}
        wanted = {"mode": mode, **(self.known[series] if series else {}), **at}
        return self.once((mode, series, x), lambda: select(self.measures, wanted))

    def series(self, mode: str) -> tuple[str, ...]:
        """Return the series that a mode has trials of."""
        return tuple(name for name in self.known if not self.rows(mode, name).empty)

    def rays(self, mode: str) -> tuple[str, ...]:
        """Return the series of a mode that ran on Ray."""
        return tuple(name for name in self.series(mode) if self.known[name]["engine"] == "ray")

    @cached_property
    def unplaced(self) -> frozenset[str]:
        """Return the trials of engines that report all results at the end: no task has its worker."""
        return unplaced(self.run.tasks)

    def placed(self, mode: str, series: str) -> bool:
        """Tell whether the workers of a series' tasks are known, and when the driver got each result."""
        return self.unplaced.isdisjoint(self.rows(mode, series).index)

    def counts(self, mode: str, series: str) -> tuple[int, ...]:
        """Return the worker counts of a series, or its numbers of nodes, ascending."""
        return tuple(sorted(int(count) for count in self.rows(mode, series)[self.axis.column].unique()))

    def levels(self, mode: str, metric: str, names: Sequence[str] | None = None) -> Levels:
        """Return the mean of a metric over blocks, of each series at each of its workers or nodes."""
        frames = {name: self.rows(mode, name) for name in (self.series(mode) if names is None else names)}
        column = self.axis.column
        return {
            name: {int(str(x)): average(metric, mine[metric].tolist()) for x, mine in rows.groupby(column)}
            for name, rows in frames.items()
            if len(rows)
        }

    def ratio(self, mode: str, first: tuple[str, int], second: tuple[str, int]) -> Estimate:
        """Return the ratio of the throughputs of two configurations, each a series and its x, over blocks."""
        one, other = ({**self.known[name], self.axis.column: x} for name, x in (first, second))
        return self.once((mode, first, second), lambda: compare(self.rows(mode), "throughput", one, other))
