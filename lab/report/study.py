"""A run as its page reads it: measures per trial, series over workers or nodes, ratios over blocks."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from lab.analysis.attempts import unplaced
from lab.analysis.configurations import compare, compare_over_workers, configurations, failures, select
from lab.analysis.disturbances import Disturbance, disturbances
from lab.analysis.intervals import Estimate
from lab.analysis.measures import measures
from lab.analysis.nodes import Placement, others_part, placement
from lab.data.listing import Listed
from lab.data.store import Run
from lab.figures.curves import Axis
from lab.figures.style import looks_of
from lab.report.markdown import safe
from lab.report.selection import Selection
from lab.report.series import COUNTED, LOOP, Wanted, kind_of, name_of, series_of

UNITS = {"search": "primes", "find": "primes", "factor": "numbers"}
"""What the modes of runs count that do not say so themselves, the steadier work first."""

PROCESSES = name_of("processes")

MOST_LETTERS = 60
"""Letters of the name of somebody's work, or of its unit, that a page shows."""


@dataclasses.dataclass(frozen=True)
class Study:
    """One run with what its page derives from it."""

    run: Run
    pinned: bool = False
    runs: tuple[Listed, ...] = ()

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Return one row per trial that ended well."""
        run = self.run
        return measures(run.trials, run.tasks, run.samples, run.windows, run.nodes)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Return the trials that did not end well, or lost workers."""
        return failures(self.run.trials)

    @property
    def experiment(self) -> str:
        """Return the name of the experiment."""
        return str(self.run.environment.get("experiment", "single_node"))

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
    def cores(self) -> int:
        """Return the whole cores that a node may use, at least 1."""
        return max(1, int(self.run.nodes["quota_cores"].min())) if len(self.run.nodes) else 1

    @property
    def memory_bytes(self) -> float | None:
        """Return the memory that a node may use; None without nodes."""
        return float(self.run.nodes["memory_bytes"].min()) if len(self.run.nodes) else None

    @cached_property
    def disturbances(self) -> tuple[Disturbance, ...]:
        """Return every kind of disturbance of the run."""
        run = self.run
        return disturbances(run.trials, run.windows, run.nodes, self.others)

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
        """Return the modes that have a trial which ended well."""
        found = set(self.measures["mode"])
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
        return f"{'Mode' if mode in UNITS else 'Work:'} {self.name(mode)}"

    def heading(self, mode: str) -> str:
        """Return a mode and what its throughput counts, as they stand above a figure of it."""
        return f"**{self.title(mode)}: {safe(self.unit(mode))}**"

    def title(self, mode: str) -> str:
        """Return the name of a mode as a line begins with it; that of somebody's work stays as it is."""
        return self.name(mode).capitalize() if mode in UNITS else self.name(mode)

    @property
    def main_mode(self) -> str:
        """Return the mode that the answers are read from; raises IndexError without any."""
        return self.modes[0]

    @property
    def others(self) -> pd.Series:
        """Return the part of the cores that others used in each trial: all in use, less what the lab took."""
        found, run = self.measures, self.run
        if not self.embedded:
            part = others_part(run.trials, run.windows, run.nodes)
            return part.reindex(found.index).dropna().astype(float)
        # a serial trial's tasks run in the driver, whose processor time holds theirs
        tasks = found["cpu_efficiency"].where(found["engine"] != "serial", 0.0)
        lab = found[["driver_cpu_cores", "system_cpu_cores", "sampler_cpu_cores"]]
        rest = found["cpu_percent"] / 100 - tasks - lab.sum(axis="columns", skipna=False) / self.cores
        return rest.clip(lower=0).dropna().astype(float)

    def rows(self, mode: str, series: str | None = None) -> pd.DataFrame:
        """Return the measures of a mode, or of one of its series."""
        if series is not None and series not in self.known:
            return self.measures.head(0)
        return select(self.measures, {"mode": mode, **(self.known[series] if series else {})})

    def series(self, mode: str) -> tuple[str, ...]:
        """Return the series that a mode has trials of."""
        return tuple(name for name in self.known if not self.rows(mode, name).empty)

    def main_series(self, mode: str) -> str:
        """Return the series that answers speak of: this lab's dispatch, else Ray, else any, else a loop.

        Of several the dynamic, then the first. Raises IndexError where the mode has none.
        """
        engines = {name: str(self.known[name]["engine"]) for name in self.series(mode)}
        ranks = ("ray", "ray_tasks", "ray_actor_pool", "ray_pool")
        return sorted(
            engines, key=lambda name: (*(engines[name] != one for one in ranks), engines[name] == LOOP)
        )[0]

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

    def levels(self, mode: str, metric: str, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Return series, workers or nodes, n, value, low, high of a metric; one row per point of a series."""
        parts = [
            configurations(self.rows(mode, name), [metric]).assign(series=name)
            for name in (self.series(mode) if names is None else names)
            if not self.rows(mode, name).empty
        ]
        columns = ["series", self.axis.column, "n", "value", "low", "high"]
        return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)

    def ratio(
        self, mode: str, first: tuple[str, int], second: tuple[str, int], metric: str = "throughput"
    ) -> Estimate:
        """Return the ratio of two configurations, each a series and its x, over their blocks."""
        sides = [{"mode": mode, **self.known[name], self.axis.column: x} for name, x in (first, second)]
        return compare(self.measures, metric, *sides)

    def cost(self, mode: str, series: str) -> tuple[tuple[int, ...], Estimate]:
        """Return worker counts and the ratio of a series to as many plain processes, pooled over them.

        The counts are those that both have: 2 or more workers, or else 1. None of them gives n = 0.
        """
        shared = set(self.counts(mode, series)) & set(self.counts(mode, PROCESSES))
        counts = tuple(sorted({one for one in shared if one > 1} or shared))
        if not counts:
            return (), Estimate(0, None, None, None)
        ray, plain = ({"mode": mode, **self.known[name]} for name in (series, PROCESSES))
        return counts, compare_over_workers(self.measures, "throughput", ray, plain, counts)

    def speedups(self, mode: str) -> pd.DataFrame:
        """Return each series' throughput relative to its own at one worker or node, as `levels` does."""
        return self.ratio_frame(
            (name, count, self.ratio(mode, (name, count), (name, 1)))
            for name in self.series(mode)
            if self.known[name]["engine"] != LOOP and 1 in self.counts(mode, name)
            for count in self.counts(mode, name)
        )

    def ratios_to(self, mode: str, baseline: str) -> pd.DataFrame:
        """Return Ray's throughput relative to a baseline with as many workers, in the form of `levels`."""
        counts = set(self.counts(mode, baseline))
        return self.ratio_frame(
            (name, count, self.ratio(mode, (name, count), (baseline, count)))
            for name in self.rays(mode)
            for count in self.counts(mode, name)
            if count in counts
        )

    def ratio_frame(self, rows: Iterable[tuple[str, int, Estimate]]) -> pd.DataFrame:
        """Return series, x and estimate as a frame in the form of `levels`."""
        return pd.DataFrame(
            [(name, count, one.n, one.value, one.low, one.high) for name, count, one in rows],
            columns=["series", self.axis.column, "n", "value", "low", "high"],
        ).astype({"value": float, "low": float, "high": float})

    def failed(self, mode: str) -> list[tuple[str, int]]:
        """Return series and x of the trials of a mode that failed or lost workers."""
        ended = self.failures[self.failures["status"] != "interrupted"]
        return [
            (name, int(x))
            for name, wanted in self.known.items()
            for x in select(ended, {"mode": mode, **wanted})[self.axis.column]
        ]

    def dots(self, mode: str) -> pd.DataFrame:
        """Return series, x and value of the throughput of single trials."""
        parts: list[pd.DataFrame] = [
            self.rows(mode, name)[[self.axis.column, "throughput"]]
            .rename(columns={"throughput": "value"})
            .assign(series=name)
            for name in self.series(mode)
        ]
        return pd.concat(parts)

    def typical_trial(self, mode: str, series: str, x: int) -> str:
        """Return the trial of median throughput of a configuration; of two in the middle, the slower."""
        rows = self.rows(mode, series)
        ordered = rows[rows[self.axis.column] == x].sort_values("throughput")
        return str(ordered.index[(len(ordered) - 1) // 2])


def shortened(text: str) -> str:
    """Return foreign text on one line, of MOST_LETTERS at most."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 1] + "…"


def estimate_of(rows: pd.DataFrame) -> Estimate:
    """Return the estimate of a frame of one row; n = 0 where it has none."""
    if rows.empty:
        return Estimate(0, None, None, None)
    row = rows.iloc[0]
    value, low, high = (None if pd.isna(row[name]) else float(row[name]) for name in ("value", "low", "high"))
    return Estimate(int(row["n"]), value, low, high)


def study(selection: Selection[Run]) -> Study | None:
    """Return the study of the selected run; None where there is none."""
    return None if selection.run is None else Study(selection.run, selection.pinned, selection.runs)
