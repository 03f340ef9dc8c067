"""The sections on what went wrong: trials that are in no mean, attempts that failed, and noise."""

import pandas as pd

from lab.analysis.configurations import copy_comparison
from lab.analysis.intervals import proportion_estimate
from lab.analysis.trials import LOST
from lab.formats import count, percent, short_estimate
from lab.report import answers
from lab.report.markdown import Markdown, literal, paragraphs, table
from lab.report.study import Study


def failures(study: Study) -> Markdown:
    """List every trial that did not end well, and count the attempts at tasks that failed."""
    return paragraphs(trials(study).text, _attempts(study))


def _attempts(study: Study) -> str:
    attempts = int(study.measures["attempts"].fillna(0).sum())
    failed = int(study.measures["failed_attempts"].fillna(0).sum())
    rate = proportion_estimate(failed, attempts)
    return (
        f"In the trials that ended well, {failed:,} of {count(attempts, 'attempt')} at a task failed: "
        f"{percent(rate.value)} (exact 95 % interval {percent(rate.low, 2)} to {percent(rate.high, 2)})."
        if attempts
        else "No trial ended well."
    )


def trials(study: Study) -> Markdown:
    """List every trial that did not end well, or lost workers."""
    listed = study.failures
    if listed.empty:
        return Markdown("No trial failed, none lost workers and none was interrupted.")
    rows = [
        (
            row["trial_id"],
            row["mode"],
            row["engine"],
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


def noise(study: Study) -> Markdown:
    """Show how a configuration compares with a copy of itself, and what difference the run could detect."""
    rows, disturbed = [], []
    for one in copy_comparison(study.measures, "throughput"):
        low, high = one.ratio.low, one.ratio.high
        seen = "not known" if one.detectable_ratio is None else percent(one.detectable_ratio - 1, 2)
        rows.append((one.mode, short_estimate(one.ratio), one.ratio.n, seen))
        if low is not None and high is not None and not low <= 1 <= high:
            disturbed.append(one.mode)
    if not rows:
        return Markdown("")
    head = ("mode", "copy / experiment (95 % interval)", "n", "a single paired comparison would detect")
    said = (
        f"In {', '.join(disturbed)} the interval leaves out 1: by chance, as one in twenty does, or because "
        "something disturbed the machine. Read small differences there with care."
        if disturbed
        else "No copy differs from its original by more than these trials could tell."
        if any(row[2] > 1 for row in rows)
        else "One block cannot tell noise from difference."
    )
    return paragraphs(table(head, rows, right=(1, 2, 3)), said, answers.quietness(study))
