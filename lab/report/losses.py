"""The sections on losses: where the core time of each configuration went, and what is wrong with files."""

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd

from lab.analysis.alone import SOURCES
from lab.analysis.causes import LEAST, main
from lab.analysis.intervals import Estimate
from lab.analysis.losses import WORK, Account, loss_estimates, share_estimate
from lab.analysis.trials import script_modes
from lab.figures.losses import Bar, stacked
from lab.formats import count, estimate, fixed, listing, percent
from lab.report.caveats import doubts as doubts_of
from lab.report.decision import account_of, causes_of
from lab.report.levels import intervals
from lab.report.loss_tables import (
    CAUSES,
    NAMES,
    Shares,
    meanings,
    node_table,
    share_table,
    single_trials,
    size_name,
    sizes_of,
)
from lab.report.markdown import Markdown, figure, folded, literal, paragraphs, safe, shortened
from lab.report.source import source
from lab.report.study import Study

SCHEDULES = ("dynamic", "static")

VIEW = ["mode", "schedule", "cluster"]
"""What the configurations of one figure or table have in common."""

TOLD = 0.005
"""The least part of the core time that a sentence names."""

SHOWN = 20
"""Doubts that stand on the page."""


@dataclasses.dataclass(frozen=True)
class Selected:
    """The Ray trials of a run that are accounted for, and those of them that the page speaks of.

    `known` are the sound trials with a known account, `main` those of the first of `views`, `largest` those
    with most nodes and, of these, most workers.
    """

    account: Account
    ray: pd.DataFrame
    known: pd.DataFrame
    views: tuple[tuple[str, ...], ...]

    @property
    def main(self) -> pd.DataFrame:
        """Return the trials of the main mode, schedule and cluster."""
        return _chosen(self.known, self.views[0])

    @property
    def size(self) -> tuple[int, int]:
        """Return nodes and workers per node of the largest configuration."""
        return sizes_of(self.main)[-1]

    @property
    def largest(self) -> pd.DataFrame:
        """Return the trials of the largest configuration."""
        nodes, workers = self.size
        return self.main[(self.main["nodes"] == nodes) & (self.main["workers_per_node"] == workers)]


def where_the_time_went(study: Study) -> Markdown:
    """Show where the core time of Ray's configurations went, with intervals, and by node for the largest."""
    selected = _selected(study)
    if selected.known.empty:
        return Markdown("")
    view, *others = selected.views
    estimates, nodes = loss_estimates(selected.main), selected.account.nodes
    largest = nodes[nodes["trial_id"].isin(selected.largest.index)]
    return paragraphs(
        in_one_sentence(study, selected),
        _figure(study, estimates, view),
        _compared(selected.main),
        folded("What the terms mean", meanings()),
        folded(
            f"Shares of the core time, %, {safe(_named(view))}",
            f"In brackets: {intervals(study)}.\n\n{share_table(estimates)}",
        ),
        *(
            [folded(f"By node, {size_name(*selected.size)}, {safe(_named(view))}, %", node_table(largest))]
            if selected.size[0] > 1
            else []
        ),
        *(
            folded(
                f"Shares of the core time, %, {safe(_named(one))}",
                share_table(loss_estimates(_chosen(selected.known, one))),
            )
            for one in others
        ),
        _left_out(selected.ray[~selected.ray.index.isin(selected.known.index)]),
    )


def drawn(study: Study) -> str:
    """Return the figure of where the core time of Ray's configurations went; nothing where none is known."""
    selected = _selected(study)
    if selected.known.empty:
        return ""
    return _figure(study, loss_estimates(selected.main), selected.views[0])


def of_size(study: Study, nodes: int, workers: int) -> str:
    """Say where the core time of a configuration of the main work went, the largest part first."""
    selected = _selected(study)
    found = {} if selected.known.empty else loss_estimates(selected.main).get((nodes, workers), {})
    parts = {term: found[term].value or 0.0 for term in _terms(found)}
    large = sorted((term for term, part in parts.items() if part >= TOLD), key=lambda term: -parts[term])
    told = listing(f"{NAMES[term]} {fixed(100 * parts[term], 1)} %" for term in large)
    return f"Of the core time of {_in_prose(nodes, workers)}: {told}." if large else ""


def _terms(found: Mapping[str, Estimate]) -> list[str]:
    """Return the terms that add up to all core time: useful and slower work as one where one is not known."""
    if not found:
        return []
    # means over different trials would not add up
    left_out = (WORK,) if found["useful"].n == found[WORK].n else ("useful", "slower")
    return [term for term in NAMES if term not in left_out]


def in_one_sentence(study: Study, selected: Selected) -> str:
    """Say how much of the core time of the largest configuration was useful, and what cost most."""
    useful, work = (share_estimate(selected.largest, term) for term in ("useful", WORK))
    did = (
        f"{estimate(work, '%', 100)} was work of the tasks, not seen to be slower than alone"
        if useful.n and (useful.value or 0.0) > (work.value or 0.0)
        else f"{estimate(useful, '%', 100)} was useful work"
        if useful.n
        else f"{estimate(work, '%', 100)} was work of the tasks, useful or slower (no worker was measured "
        "alone)"
    )
    return f"Of the core time of {_in_prose(*selected.size)}, {did}; {_lost(study, selected)}."


def doubts(study: Study) -> Markdown:
    """List what is wrong with the run's files, and what that makes unknown."""
    found = doubts_of(study.run)
    if not found and script_modes(study.run.environment):
        return Markdown("A script has no rows of tasks: no account is made of what its workers did.")
    if not found:
        return Markdown(
            "No row is missing, repeated or impossible: every node has its window and its samples, every "
            "task its times, and no clock jumped."
        )
    shown = "\n".join(f"- {literal(text)}" for text in found[:SHOWN])
    more = f"And {len(found) - SHOWN:,} more." if len(found) > SHOWN else None
    head = f"{count(len(found), 'doubt')} about the files of this run. What one makes unknown is in no mean."
    return paragraphs(head, shown, more)


def _selected(study: Study) -> Selected:
    found = account_of(study)
    ray = found.trials[(found.trials["engine"] == "ray") & (found.trials["arm"] != "copy")]
    known = ray[ray["sound"] & ray["available"].notna()]
    return Selected(found, ray, known, _views(known, study.every_mode))


def _views(known: pd.DataFrame, modes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return mode, schedule and cluster of each figure or table, those of the experiment arm first."""
    asked = set(known.loc[known["arm"] == "experiment", "cluster"])
    every = known[VIEW].drop_duplicates().itertuples(index=False, name=None)
    return tuple(
        sorted(every, key=lambda one: (one[2] not in asked, modes.index(one[0]), SCHEDULES.index(one[1])))
    )


def _chosen(trials: pd.DataFrame, view: Sequence[str]) -> pd.DataFrame:
    return trials[(trials[VIEW] == list(view)).all(axis="columns")]


def _in_prose(nodes: int, workers: int) -> str:
    return f"{count(nodes, 'node')} with {count(workers, 'worker')}{' each' * (nodes > 1)}"


def _named(view: Sequence[str]) -> str:
    mode, schedule, cluster = view
    return f"{shortened(mode)}, {schedule}, cluster {cluster}"


def _lost(study: Study, selected: Selected) -> str:
    """Say what cost most, or which part no loss exceeds."""
    every = causes_of(study, selected.largest.index)
    found = main(tuple(cause for cause in every if cause.name != "cores"))
    if found.causes:
        first = found.causes[0]
        return f"the largest loss was {CAUSES[first.name]}, {estimate(first.share, '%', 100)}"
    if found.bound is None:
        return "with one trial of this size, no loss can be told from noise"
    none = f"no single cause of {percent(LEAST, 1)} or more is certain"
    return f"{none}, and none was seen above {fixed(100 * found.bound, 1)} %"


def _figure(study: Study, estimates: Shares, view: Sequence[str]) -> str:
    bars = []
    for size, found in estimates.items():
        drawn = _netted({term: found[term].value or 0.0 for term in _terms(found)})
        first = next(iter(drawn.values()))
        note = f"{fixed(100 * first, 0)} % {'useful' if 'useful' in drawn else 'tasks'}"
        bars.append(Bar(size_name(*size), note, drawn))
    caption = (
        f"{study.lead(view[0])}, {view[1]} schedule. Means of the trials' shares. "
        "The parts of a bar add up to 100 %; where tasks took less processor time than alone, useful work is "
        "drawn as what they took."
    )
    svg = stacked(f"Where the core time went, {_named(view)}", bars, NAMES)
    return figure(svg, caption, source(study, "tasks.csv", "windows.csv"))


def _netted(shares: dict[str, float]) -> dict[str, float]:
    """Return shares none of which is below 0 and still add up: gains are taken off the work, the first."""
    first, *others = shares
    gains = sum(min(0.0, shares[term]) for term in others)
    return {first: shares[first] + gains, **{term: max(0.0, shares[term]) for term in others}}


def _compared(main: pd.DataFrame) -> str | None:
    """Say of how many trials the speed of one worker alone is not known."""
    none = int((main["alone"] == SOURCES[1]).sum())
    if not none:
        return None
    return (
        f"In {count(none, 'trial')} useful and slower work are not told apart: no sound trial has "
        "one worker alone on this kind of cluster."
    )


def _left_out(odd: pd.DataFrame) -> str | None:
    if odd.empty:
        return None
    return folded(f"{count(len(odd), 'trial')} in no mean, each on its own, %", single_trials(odd))
