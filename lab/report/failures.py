"""The section on trials that are in no mean."""

import pandas as pd

from lab.analysis.trials import LOST
from lab.formats import count
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.study import Study


def trials(study: Study) -> Markdown:
    """List every trial that did not end well, or lost workers."""
    listed = study.failures
    if listed.empty:
        return Markdown("No trial failed, none lost workers and none was interrupted.")
    rows = [
        (
            safe(row["trial_id"]),
            study.name(row["mode"]),
            safe(row["engine"]),
            row["schedule"],
            row["nodes"],
            row["workers"],
            row["status"],
            literal(row["reason"]),
        )
        for _, row in listed.iterrows()
    ]
    head = ("trial", "mode", "engine", "schedule", study.placement.noun, "workers", "status", "reason")
    kinds = set(listed["status"])
    many = " ".join(
        [
            f"{count(len(rows), 'trial')} did not end well, or not with all workers."
            if LOST in kinds
            else f"{count(len(rows), 'trial')} did not end well.",
            *(["Failed trials are crosses in the figures above."] if "failed" in kinds else []),
            *([_lost(listed)] if LOST in kinds else []),
            *(["Interrupted trials were run again."] if "interrupted" in kinds else []),
        ]
    )
    return paragraphs(many, table(head, rows, right=(4, 5)))


def _lost(listed: pd.DataFrame) -> str:
    """Say how many trials lost workers, and that they are in no mean."""
    lost = int((listed["status"] == LOST).sum())
    return (
        f"{count(lost, 'trial')} finished the work after losing workers: no measurement of the configuration "
        "that it is named after, so that it is in no mean and a cross in the figures."
    )
