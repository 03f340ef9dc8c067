"""The Validation page: all claims about the measurements, and other instruments beside the lab's."""

import dataclasses
from pathlib import Path

import pandas as pd

from lab import paths
from lab.analysis.intervals import Estimate, median_estimate, ratio_estimate
from lab.data.store import ENVIRONMENT, read_table
from lab.formats import count, estimate, listing, percent, seconds, short_estimate
from lab.published.single_node_claims import Outcome, Verdict, outcome_of
from lab.report import proofs, simulations
from lab.report.markdown import Markdown, literal, paragraphs, table
from lab.report.page import NO_RUN, Page
from lab.report.provenance import link

FILE = "checks.csv"
COMMAND = "make validate"

TASK_TIMES, MEMORY, COST = "task times", "memory", "measuring on/off"
"""The checks that have a claim; others are shown without a verdict."""

DIFFERENCES = (TASK_TIMES, "task begins")
"""Checks of which differences are taken, and not ratios."""

TASK_SECONDS = 0.002
MEMORY_PART = 0.05
LEAST_THROUGHPUT = 0.99
"""The limits of the claims: median difference of task times, ratio of memory, throughput while measuring."""


@dataclasses.dataclass(frozen=True)
class Checks:
    """One validation run: its folder, and the rows of checks.csv."""

    directory: Path
    rows: pd.DataFrame

    def of(self, check: str) -> pd.DataFrame:
        """Return the rows of a check of which both values are known."""
        mine = self.rows[self.rows["check"] == check]
        return mine.dropna(subset=["lab_value", "reference_value"])


def summary(*pages: Page) -> Markdown:
    """Say how many of the claims about the laboratory hold, and list them with their evidence."""
    checks = read_checks()
    judged = [
        Verdict("planted losses are found", "holds", proofs.planted_claim()),
        proofs.processor_verdict(*pages),
        simulations.coverage_verdict(*pages),
        simulations.alarm_verdict(*pages),
        *(() if checks is None else verdicts(checks)),
    ]
    holds, fails, untold = (
        sum(one.outcome == outcome for one in judged)
        for outcome in ("holds", "does not hold", "cannot be told")
    )
    told = [
        f"{holds} {'holds' if holds == 1 else 'hold'}",
        *([f"{fails} {'does' if fails == 1 else 'do'} not"] if fails else []),
        *([f"{untold} cannot be told"] if untold else []),
    ]
    said = f"Of {count(len(judged), 'claim')} about the measurements in this book, {listing(told)}."
    rows = [(f"**{one.outcome}**", one.claim, one.evidence) for one in judged]
    return paragraphs(said, table(("here it", "claim", "evidence"), rows))


def read_checks(data: Path | None = None) -> Checks | None:
    """Return the newest validation run, by the name of its folder; None where there is none.

    Raises `DataError` that names the file where it is damaged or of another version.
    """
    folder = (data or paths.data_folder()) / "validation"
    found = sorted(folder.glob(f"*/{FILE}"), key=lambda path: path.parent.name)
    return Checks(found[-1].parent, read_table(found[-1])) if found else None


def instruments(data: Path | None = None) -> Markdown:
    """Show every check of the newest validation run beside its claim."""
    found = read_checks(data)
    if found is None:
        return Markdown(f"{NO_RUN} `{COMMAND}` makes one.")
    rows = [_row(found, str(check)) for check in dict.fromkeys(found.rows["check"])]
    head = ("check", "n", "what is compared", "found (95 % interval)", "values without a partner")
    told = [f"- **{one.outcome}**: {one.claim}. {one.evidence}" for one in verdicts(found)]
    return paragraphs(
        f"Run {literal(found.directory.name)}: {link(found.directory, FILE)}, "
        f"{link(found.directory, ENVIRONMENT)}.",
        table(head, rows, right=(1, 3, 4)),
        "\n".join(told),
    )


def verdicts(found: Checks) -> tuple[Verdict, ...]:
    """Return what a validation run says of each claim."""
    return (_task_times(found.of(TASK_TIMES)), _memory(found.of(MEMORY)), _cost(found.of(COST)))


def difference_seconds(rows: pd.DataFrame) -> Estimate:
    """Return the median of |lab - reference| with its interval."""
    return median_estimate((rows["lab_value"] - rows["reference_value"]).abs().tolist())


def ratio(rows: pd.DataFrame) -> Estimate:
    """Return the geometric mean of lab / reference, with its interval; values of 0 or less are left out."""
    known = rows[(rows["lab_value"] > 0) & (rows["reference_value"] > 0)]
    return ratio_estimate(known["lab_value"].tolist(), known["reference_value"].tolist())


def _task_times(rows: pd.DataFrame) -> Verdict:
    claim = f"task times agree with Ray's own within {seconds(TASK_SECONDS)} at the median"
    found = difference_seconds(rows)
    if found.value is None or found.low is None or found.high is None:
        return _untold(claim, rows)
    outcome = outcome_of(found.high <= TASK_SECONDS, found.low > TASK_SECONDS)
    evidence = f"The median difference was {estimate(found, 'ms', 1000)}."
    return Verdict(claim, outcome, evidence)


def _memory(rows: pd.DataFrame) -> Verdict:
    claim = f"memory agrees with docker stats within {percent(MEMORY_PART, 1)}"
    found = ratio(rows)
    if found.low is None or found.high is None:
        return _untold(claim, rows)
    low, high = 1 - MEMORY_PART, 1 + MEMORY_PART
    outcome = outcome_of(low <= found.low and found.high <= high, found.high < low or found.low > high)
    return Verdict(claim, outcome, f"The ratio was {estimate(found)}.")


def _cost(rows: pd.DataFrame) -> Verdict:
    claim = f"measuring leaves at least {percent(LEAST_THROUGHPUT, 2)} of the throughput"
    found = ratio(rows)
    if found.low is None or found.high is None:
        return _untold(claim, rows)
    outcome: Outcome = "does not hold" if found.high < LEAST_THROUGHPUT else "holds"
    evidence = f"With measuring on, throughput was {estimate(found)} times that with it off, in pairs."
    return Verdict(claim, outcome, evidence)


def _untold(claim: str, rows: pd.DataFrame) -> Verdict:
    return Verdict(claim, "cannot be told", f"There are {count(len(rows), 'pair')}: too few for an interval.")


def _row(found: Checks, check: str) -> tuple[object, ...]:
    rows, every = found.of(check), found.rows[found.rows["check"] == check]
    units = dict.fromkeys(every["unit"])
    if check in DIFFERENCES:
        told = "median of |lab − reference|, ms", short_estimate(difference_seconds(rows), 1000)
    else:
        told = f"lab / reference ({', '.join(units)})", short_estimate(ratio(rows))
    return check, f"{len(rows):,}", *told, len(every) - len(rows)
