"""The section on trials that are in no mean."""

import pandas as pd

from lab.analysis.trials import LOST
from lab.data.engines import label
from lab.formats import count
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, folded, literal, paragraphs, safe, table
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
            f"{lost} finished the work after losing workers: no measurement of the configuration that it is "
            "named after, so that it is in no mean and a cross in the figures."
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
