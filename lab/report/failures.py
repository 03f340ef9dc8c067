"""The sections on failures: trials that are in no mean, and attempts at tasks, with exact intervals."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis.configurations import select
from lab.analysis.error_rates import error_rates
from lab.analysis.intervals import Estimate, proportion_estimate
from lab.analysis.trials import LOST
from lab.data.engines import label
from lab.figures import curves as figures
from lab.formats import count, percent
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, figure, folded, literal, paragraphs, safe, table
from lab.report.series import EQUAL
from lab.report.source import source
from lab.report.study import Study

ALIKE = ["mode", "engine", "status", "reason"]
"""What trials share that stand in one line."""


def trials(study: Study) -> Markdown:
    """Show why trials did not end well, or lost workers; below it every one of them."""
    listed = study.failures
    if listed.empty:
        return Markdown("No trial failed, none lost workers and none was interrupted.")
    groups = listed.groupby(ALIKE, sort=False).size().reset_index(name="trials")
    rows = [
        (study.name(row["mode"]), label(row["engine"]), row["status"], row["trials"], literal(row["reason"]))
        for _, row in groups.iterrows()
    ]
    return paragraphs(
        _in_words(listed),
        table(("mode", "engine", "status", "trials", "reason"), rows, right=(3,)),
        folded("Every trial that did not end well", _each(study, listed)),
    )


def _in_words(listed: pd.DataFrame) -> str:
    """Say how many trials did not end well, and what became of them."""
    kinds, many = set(listed["status"]), count(len(listed), "trial")
    told = [f"{many} did not end well{', or not with all workers' * (LOST in kinds)}."]
    if "failed" in kinds:
        told.append("Failed trials are in no mean, and crosses in the figures.")
    if LOST in kinds:
        lost = count(int((listed["status"] == LOST).sum()), "trial")
        told.append(
            f"{lost} finished the work after losing workers: no measurement of the configuration of that "
            "name, but a cross in the figures, and in no mean."
        )
    if "interrupted" in kinds:
        told.append("Interrupted trials were run again.")
    return " ".join(told)


def _each(study: Study, listed: pd.DataFrame) -> str:
    rows = [
        (
            safe(row["trial_id"]),
            study.name(row["mode"]),
            label(row["engine"]),
            row["schedule"],
            *(row[name] for name in ("nodes", "workers")),
            *(ABSENT if pd.isna(row[name]) else row[name] for name in ("planned_tasks", "batch")),
            row["status"],
        )
        for _, row in listed.iterrows()
    ]
    head = ("trial", "mode", "engine", "schedule", study.placement.noun, "workers", "tasks", "tasks a call")
    return table((*head, "status"), rows, right=range(4, 8))


def errors(study: Study) -> Markdown:
    """Show the error rate of every configuration with its exact interval, and the failures by kind."""
    found = error_rates(study.run.trials, study.run.tasks)
    found = found[found["attempts"] > 0]
    if found.empty:
        return Markdown("")
    whole = proportion_estimate(int(found["failed"].sum()), int(found["attempts"].sum()))
    told = (
        f"Over all trials that were not interrupted, those that failed or lost workers among them, "
        f"{int(found['failed'].sum()):,} of {count(whole.n, 'attempt')} at a task failed: {_rate(whole)}."
    )
    parts = [part for mode in study.every_mode for part in _drawn(study, found[found["mode"] == mode], mode)]
    return paragraphs(
        told,
        _by_kind(found) if whole.value else _bounds(found),
        *parts,
        folded("Error rate of every configuration", _rates(study, found)),
    )


def _bounds(found: pd.DataFrame) -> str:
    """Say up to which rate no failure at all would be no surprise."""
    most, fewest = max(one.high or 0.0 for one in found["rate"]), int(found["attempts"].min())
    return (
        f"Nothing failed, so there is nothing to draw. In a single configuration, of {fewest:,} attempts or "
        f"more, the exact 95 % interval of the rate ends at {percent(most, 2)} at most."
    )


def _by_kind(found: pd.DataFrame) -> str:
    kinds: dict[str, int] = {}
    for one in found["kinds"]:
        kinds = {kind: kinds.get(kind, 0) + one.get(kind, 0) for kind in {**kinds, **one}}
    return f"By kind: {', '.join(f'{literal(kind)} {times:,}' for kind, times in sorted(kinds.items()))}."


def _drawn(study: Study, found: pd.DataFrame, mode: str) -> list[str]:
    """Return the figure of a mode in which attempts failed: a series per load or engine, as elsewhere."""
    rows = {name: select(found, wanted) for name, wanted in study.known.items()}
    if not any(mine["failed"].sum() for mine in rows.values()):
        return []
    rates = {
        name: {int(row[study.axis.column]): row["rate"] for _, row in mine.iterrows()}
        for name, mine in rows.items()
    }
    drawn = figures.error_rate(rates, f"Error rate against {study.axis.label}, {mode}", study.axis)
    caption = (
        f"{study.lead(mode)}. Attempts at a task that failed, with exact (Clopper–Pearson) 95 % intervals."
    )
    return [figure(drawn, caption, source(study))]


def _rates(study: Study, found: pd.DataFrame) -> str:
    rows = [
        (
            study.name(row["mode"]),
            safe(row["engine"]) + EQUAL * (row["batching"] == "equal"),
            *(row[name] for name in ("schedule", "nodes", "workers_per_node")),
            f"{row['attempts']:,}",
            row["failed"],
            _rate(row["rate"]),
            _listed(row["kinds"]),
            f"{row['arm']}, {row['cluster']}",
        )
        for _, row in found.iterrows()
    ]
    head = (
        *("mode", "engine", "schedule", study.placement.noun, "workers each", "attempts", "failed"),
        *("rate (exact 95 % interval)", "kinds", "arm, cluster"),
    )
    return table(head, rows, right=range(3, 8))


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{literal(kind)} {times}" for kind, times in kinds.items()) or "–"


def _rate(rate: Estimate) -> str:
    return f"{percent(rate.value)} ({percent(rate.low, 2)} to {percent(rate.high, 2)})"
