"""What a run decides of one piece of work: its sweep over sizes, how many to use, and why no further."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.analysis.causes import Cause, Reasons, causes, main
from lab.analysis.choice import Choice, choose
from lab.analysis.extrapolation import Fitted, fit
from lab.analysis.intervals import Estimate
from lab.analysis.losses import Account, account
from lab.analysis.sweeps import Refusal, Sweep
from lab.figures.scaling import LOOP
from lab.report.nodes import alike
from lab.report.study import Study

RANKS = ("ray", "ray_tasks", "ray_actor_pool", "ray_pool")
"""The engines that answers speak of: this lab's dispatch, else another way to use Ray, else any."""


LITTLE = 0.1
"""Of the best throughput, what the smallest size may lose at most for answers to speak of it."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """The series of a mode that answers speak of, and what follows from it."""

    study: Study
    mode: str
    series: str

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Return the workers or nodes that were measured, ascending."""
        return self.study.counts(self.mode, self.series)

    @cached_property
    def throughputs(self) -> NDArray[np.float64]:
        """Return throughput (units/s), blocks by sizes, NaN where a trial failed."""
        rows = self.study.rows(self.mode, self.series)
        table = rows.pivot_table(index="block", columns=self.study.axis.column, values="throughput")
        found: NDArray[np.float64] = table.reindex(columns=list(self.sizes)).to_numpy(dtype=np.float64)
        return np.where(found > 0, found, np.nan)

    @cached_property
    def levels(self) -> Mapping[int, Estimate]:
        """Return the mean throughput (units/s) at every size."""
        return self.study.levels(self.mode, "throughput", (self.series,))[self.series]

    @cached_property
    def choice(self) -> Choice | None:
        """Return how many to use; None where nothing was measured, or nodes take each other's processors."""
        return choose(self.sizes, np.log(self.throughputs)) if self.sweep.own_processors else None

    @cached_property
    def sweep(self) -> Sweep:
        """Return the throughputs over sizes, and whether nodes take each other's processors."""
        own = self.study.axis.column != "nodes" or self.study.placement.own_processors
        work: Literal["fixed", "grows"] = "grows" if self.study.grows else "fixed"
        equal = self.study.axis.column != "nodes" or alike(self.study)
        return Sweep(self.sizes, self.throughputs, work, own_processors=own, equal_nodes=equal)

    @cached_property
    def fitted(self) -> Fitted | Refusal:
        """Return the laws that the sweep follows, or why there are none."""
        return fit(self.sweep)

    @property
    def size(self) -> int:
        """Return the size that answers speak of: the one to use, one that it may be, or the largest.

        Of those that it may be, that is the smallest, but the fastest where that may lose much: answers would
        tell of noise.
        """
        choice = self.choice
        if choice is None or len(self.sizes) < 2:
            return self.sizes[-1]
        if choice.size is None and (choice.loss is None or choice.loss > LITTLE):
            return max(choice.possible, key=lambda one: self.levels[one].value or 0.0)
        return choice.size or choice.possible[0]

    @property
    def more_than_one(self) -> int:
        """Return the size of which answers tell what it gains over one: that to use, or the largest."""
        return self.size if self.size > 1 else self.sizes[-1]

    @property
    def one(self) -> tuple[str, int] | None:
        """Return the configuration of one worker, or node, of the series; None where it was not measured."""
        if 1 in self.sizes:
            return self.series, 1
        alone = (name for name in self.study.rays(self.mode) if name.startswith("1 worker each"))
        return next(((name, 1) for name in alone if 1 in self.study.counts(self.mode, name)), None)

    def beside(self, other: tuple[str, int] | None, size: int | None = None) -> Estimate:
        """Return the ratio of the series at a size to another configuration; n = 0 where there is none."""
        point = (self.series, size or self.size)
        if other is None or other == point or other[1] not in self.study.counts(self.mode, other[0]):
            return Estimate(0)
        return self.study.ratio(self.mode, point, other)

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """Return every cause at the largest size; none where the account of another engine is not kept."""
        if self.study.known[self.series]["engine"] != "ray":
            return ()
        trials = self.study.rows(self.mode, self.series, self.sizes[-1]).index
        return causes_of(self.study, trials)

    @cached_property
    def reasons(self) -> Reasons:
        """Return the causes that hold, the largest first."""
        return main(self.causes)


def account_of(study: Study) -> Account:
    """Return where the core time of a run went; computed once."""
    return study.once("account", lambda: account(study.run))


def causes_of(study: Study, trials: pd.Index) -> tuple[Cause, ...]:
    """Return every cause for the trials of one configuration; computed once."""
    every = account_of(study)
    return study.once(("causes", *trials), lambda: causes(study.run, every, study.measures, trials))


def decide(study: Study, mode: str) -> Decision:
    """Return what a run decides of a mode that has a trial which ended well; computed once."""
    return study.once(("decision", mode), lambda: Decision(study, mode, main_series(study, mode)))


def main_series(study: Study, mode: str) -> str:
    """Return the series that answers speak of: this lab's dispatch, else Ray, else any, else a loop.

    Over nodes, of those the one with fewest workers on most nodes. Raises IndexError where the mode has none.
    """
    engines = {name: str(study.known[name]["engine"]) for name in study.series(mode)}
    ranked = sorted(
        engines, key=lambda name: (*(engines[name] != one for one in RANKS), engines[name] == LOOP)
    )
    if study.axis.column != "nodes":
        return ranked[0]
    alike = [name for name in ranked if _kind(study, name) == _kind(study, ranked[0])]
    return max(alike, key=lambda name: (study.counts(mode, name)[-1], -alike.index(name)))


def _kind(study: Study, name: str) -> tuple[object, object]:
    return study.known[name]["engine"], study.known[name].get("schedule")


def reached_cores(study: Study, counts: tuple[int, ...]) -> int:
    """Return the worker count nearest to the cores, of those above 1 where there are any."""
    several = [one for one in counts if one > 1] or list(counts)
    return min(several, key=lambda one: (abs(one - study.cores), one))
