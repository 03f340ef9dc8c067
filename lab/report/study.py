"""A run as its page reads it: measures per trial, series over workers or nodes, ratios over blocks."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from lab.analysis.configurations import compare, compare_over_workers, configurations, failures, select
from lab.analysis.disturbances import Disturbance, disturbances
from lab.analysis.intervals import Estimate
from lab.analysis.measures import measures
from lab.analysis.nodes import Placement, others_part, placement
from lab.data.listing import Listed
from lab.data.store import Run
from lab.figures.curves import Axis
from lab.figures.style import looks_of
from lab.report.selection import Selection
from lab.report.series import COUNTED, Wanted, series_of

UNITS = {"search": "primes/s", "find": "primes/s", "factor": "numbers/s"}
"""What the throughput of each mode counts."""


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
    def known(self) -> Mapping[str, Wanted]:
        """Return the series of the run and how their trials are found."""
        return series_of(self.experiment, self.run.trials)

    @cached_property
    def placement(self) -> Placement:
        """Return how the nodes lie on hosts, and what they are called."""
        return placement(self.run.windows, self.run.nodes)

    @cached_property
    def axis(self) -> Axis:
        """Return what the series run over."""
        column = COUNTED[self.experiment]
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
    def modes(self) -> tuple[str, ...]:
        """Return the modes that have a trial which ended well, the steadier work first."""
        found = set(self.measures["mode"])
        return tuple(mode for mode in ("search", "find", "factor") if mode in found)

    @property
    def main_mode(self) -> str:
        """Return the mode that the answers are read from; raises IndexError without any."""
        return self.modes[0]

    @property
    def others(self) -> pd.Series:
        """Return the part of the cores that others used in each trial: all in use, less what the lab took."""
        found, run = self.measures, self.run
        if self.experiment != "single_node":
            part = others_part(run.trials, run.windows, run.nodes)
            return part.reindex(found.index).dropna().astype(float)
        # a serial trial's tasks run in the driver, whose processor time holds theirs
        tasks = found["cpu_efficiency"].where(found["engine"] != "serial", 0.0)
        lab = found[["driver_cpu_cores", "system_cpu_cores", "sampler_cpu_cores"]]
        rest = found["cpu_percent"] / 100 - tasks - lab.sum(axis="columns", skipna=False) / self.cores
        return rest.clip(lower=0).dropna().astype(float)

    def rows(self, mode: str, series: str | None = None) -> pd.DataFrame:
        """Return the measures of a mode, or of one of its series."""
        return select(self.measures, {"mode": mode, **(self.known[series] if series else {})})

    def series(self, mode: str) -> tuple[str, ...]:
        """Return the series that a mode has trials of."""
        return tuple(name for name in self.known if not self.rows(mode, name).empty)

    def ray_series(self, mode: str) -> str | None:
        """Return the Ray series that the answers speak of: dynamic, or else static, few workers; or none."""
        return next(iter(self.rays(mode)), None)

    def rays(self, mode: str) -> tuple[str, ...]:
        """Return the series of a mode that ran on Ray."""
        return tuple(name for name in self.series(mode) if self.known[name]["engine"] == "ray")

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
        shared = set(self.counts(mode, series)) & set(self.counts(mode, "plain processes"))
        counts = tuple(sorted({one for one in shared if one > 1} or shared))
        if not counts:
            return (), Estimate(0, None, None, None)
        ray, plain = ({"mode": mode, **self.known[name]} for name in (series, "plain processes"))
        return counts, compare_over_workers(self.measures, "throughput", ray, plain, counts)

    def speedups(self, mode: str) -> pd.DataFrame:
        """Return each series' throughput relative to its own at one worker or node, as `levels` does."""
        return self.ratio_frame(
            (name, count, self.ratio(mode, (name, count), (name, 1)))
            for name in self.series(mode)
            if name != "serial loop" and 1 in self.counts(mode, name)
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
        parts = [
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
