"""The Validation page: all claims about the measurements, other instruments beside the lab's, and kills."""

import dataclasses
from collections.abc import Iterator
from math import log
from pathlib import Path

import pandas as pd

from lab.analysis.intervals import (
    LEVEL,
    Estimate,
    geometric_estimate,
    median_estimate,
    proportion_estimate,
)
from lab.analysis.verdicts import Verdict, all_of, at_least, at_most, judge, within
from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.listing import all_listed
from lab.data.reading import read_table
from lab.formats import UNKNOWN, count, estimate, listing, percent, seconds, short_estimate
from lab.report import alarms, choices, laws, planted, proofs, simulations
from lab.report.book import Book
from lab.report.markdown import Markdown, literal, paragraphs, table
from lab.report.page import NO_RUN, not_shown
from lab.report.source import link, stale
from lab.report.verdicts import verdict_table

FILE = "checks.csv"
COMMAND = "make validate"

TASK_TIMES, MEMORY, COST = "task times", "memory", "measuring on/off"
"""The checks that have a claim; others are shown without a verdict."""

DIFFERENCES = (TASK_TIMES, "task begins")
"""Checks of which differences are taken, and not ratios."""

VALUES = ["lab_value", "reference_value"]
TASK_SECONDS = 0.002
MEMORY_PART = 0.05
LEAST_THROUGHPUT = 0.99
"""The limits of the claims: median difference of task times, ratio of memory, throughput while measuring."""


WORDS = {
    "holds": ("holds", "hold"),
    "does not hold": ("does not", "do not"),
    "not decided": ("is not decided", "are not decided"),
}


@dataclasses.dataclass(frozen=True)
class Checks:
    """One validation run: its folder, and the rows of checks.csv."""

    directory: Path
    rows: pd.DataFrame

    def of(self, check: str) -> pd.DataFrame:
        """Return the rows of a check of which both values are known."""
        mine = self.rows[self.rows["check"] == check]
        return mine.dropna(subset=VALUES)


def summary(book: Book) -> Markdown:
    """Say how many of the claims about the laboratory hold, and list them with their evidence."""
    checks = read_checks(book.folder("validation"))
    judged = [
        proofs.planted_verdict(),
        planted.verdict(book),
        proofs.processor_verdict(book),
        simulations.coverage_verdict(book),
        simulations.alarm_verdict(book),
        laws.law_verdict(book),
        laws.curve_verdict(book),
        choices.choice_verdict(book),
        alarms.alarm_verdict(book),
        alarms.power_verdict(book),
        *(() if checks is None else verdicts(checks)),
    ]
    by = {outcome: sum(one.outcome == outcome for one in judged) for outcome in WORDS}
    told = [
        f"{many} {words[many > 1]}"
        for (outcome, words), many in zip(WORDS.items(), by.values(), strict=True)
        if many
    ]
    said = (
        f"Of {count(len(judged), 'claim')} about the measurements in this book, {listing(told)}. Their "
        f"intervals are wider than 95 %, so that all verdicts together err in {percent(1 - LEVEL, 1)} of "
        "cases at most."
    )
    return paragraphs(_in_short(judged), said, verdict_table([("", one) for one in judged]))


def _in_short(judged: list[Verdict]) -> str:
    """Answer the page's question by how many claims hold, and by those that do not or are not decided."""
    names = {"does not hold": "Does not hold", "not decided": "Not decided"}
    open_ = {name: [one.claim for one in judged if one.outcome == outcome] for outcome, name in names.items()}
    told = (f"{name}: {'; '.join(claims)}." for name, claims in open_.items() if claims)
    holding = sum(one.outcome == "holds" for one in judged)
    every = f"**Yes: all {count(len(judged), 'claim')} below hold.**"
    some = f"**{holding} of {count(len(judged), 'claim')} hold.**"
    return " ".join((every if holding == len(judged) else some, *told))


def read_checks(data: Path) -> Checks | None:
    """Return the newest validation run that is complete and can be read; None where there is none."""
    runs = all_listed(data, "validation")
    found = next((one.directory for one in runs if one.state == "complete"), None)
    return None if found is None else Checks(found, read_table(found / FILE))


def instruments(book: Book) -> Markdown:
    """Show every check of the newest validation run beside its claim."""
    found = read_checks(book.folder("validation"))
    if found is None:
        runs = all_listed(book.folder("validation"), "validation")
        return paragraphs(f"{NO_RUN} `{COMMAND}` makes one.", not_shown(runs))
    rows = [_row(name, mine) for name, mine in _parts(found.rows)]
    head = ("check", "n", "what is compared", "found (95 % interval)", "values without a partner")
    return paragraphs(
        f"Run {literal(found.directory.name)}: {link(found.directory, FILE)}, "
        f"{link(found.directory, ENVIRONMENT)}{stale(read_environment(found.directory), '; ')}.",
        table(head, rows, right=(1, 3, 4)),
    )


def verdicts(found: Checks, level: float = proofs.EACH) -> tuple[Verdict, ...]:
    """Return what a validation run says of each claim, by intervals of that level."""
    times, memory, cost = (found.of(check) for check in (TASK_TIMES, MEMORY, COST))
    apart, beside = difference_seconds(times, level), ratio(memory, level)
    # Ray in containers and embedded are measured unlike: what one costs says nothing of the other
    left = {str(where): ratio(rows, level) for where, rows in cost.groupby("node")}
    told = (f"{where} {estimate(one)}" for where, one in left.items())
    return (
        Verdict(
            "task times agree with Ray's own",
            f"the median difference is at most {seconds(TASK_SECONDS)}",
            judge(apart, at_most(TASK_SECONDS)),
            f"It was {estimate(apart, 'ms', 1000)}.",
        ),
        Verdict(
            "memory agrees with docker stats",
            f"their ratio is within {percent(MEMORY_PART, 1)} of 1",
            judge(beside, within(MEMORY_PART)),
            f"It was {estimate(beside)}.",
        ),
        Verdict(
            "measuring costs nothing that matters",
            f"it leaves at least {percent(LEAST_THROUGHPUT, 2)} of the throughput",
            all_of(judge(one, at_least(LEAST_THROUGHPUT)) for one in left.values()),
            f"With measuring on / off, in pairs, throughput was: {'; '.join(told) or UNKNOWN}.",
        ),
    )


def difference_seconds(rows: pd.DataFrame, level: float = LEVEL) -> Estimate:
    """Return the median of |lab - reference| with its interval."""
    return median_estimate((rows["lab_value"] - rows["reference_value"]).abs().tolist(), level)


def ratio(rows: pd.DataFrame, level: float = LEVEL) -> Estimate:
    """Return the geometric mean of lab / reference, with its interval over blocks.

    What was compared in one block, as its nodes, counts as one value; values of 0 or less are left out.
    """
    known = rows[(rows["lab_value"] > 0) & (rows["reference_value"] > 0)]
    ratios = known["lab_value"].astype(float) / known["reference_value"].astype(float)
    return geometric_estimate(ratios.map(log).groupby(known["block"]).mean().tolist(), level)


def _parts(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each check; what measuring costs stands apart for containers and embedded Ray."""
    for check, mine in rows.groupby(rows["check"].astype(str), sort=False):
        if check == COST:
            yield from ((", ".join((check, str(where))), one) for where, one in mine.groupby("node"))
        else:
            yield check, mine


def _row(check: str, every: pd.DataFrame) -> tuple[object, ...]:
    rows = every.dropna(subset=VALUES)
    units, missing = dict.fromkeys(every["unit"]), len(every) - len(rows)
    if check in DIFFERENCES:
        apart = difference_seconds(rows)
        told = short_estimate(apart, 1000)
        return check, f"{apart.n:,}", "median of |lab − reference|, ms", told, missing
    beside = ratio(rows)
    return check, f"{beside.n:,}", f"lab / reference ({', '.join(units)})", short_estimate(beside), missing


KILLS = "kills.csv"
WRONG = ["rows_lost", "rows_doubled", "units_not_once", "failures_untold"]
COLUMNS = {
    "kills": "kills",
    "resumes": "gone on with",
    "units": "items",
    "rows": "rows",
    "rows_lost": "rows lost",
    "rows_doubled": "rows doubled",
    "units_not_once": "items not once",
    "failures": "failures",
    "failures_untold": "without reason",
}
"""What is told of each kind, and as what."""


def kills(book: Book) -> Markdown:
    """Show for each kind of kill how often it was done, and what was there in the end."""
    runs = all_listed(book.folder("kills"), "kills")
    found = next((one.directory for one in runs if one.state == "complete"), None)
    if found is None:
        return paragraphs(f"{NO_RUN} `make chaos` makes one.", not_shown(runs))
    rows = read_table(found / KILLS)
    kinds = rows.groupby(["kind", "cluster"], sort=False)[[*COLUMNS]].sum()
    lines = [(", ".join(kind), *map("{:,}".format, kinds.loc[kind])) for kind in kinds.index]
    return paragraphs(
        _lost_in_kills(rows),
        f"Run {literal(found.name)}: {link(found, KILLS)}{stale(read_environment(found), '; ')}.",
        table(("killed", *COLUMNS.values()), lines, right=range(1, len(COLUMNS) + 1)),
    )


def _lost_in_kills(rows: pd.DataFrame) -> str:
    """Say what was lost of how many kills, and how often at most that is by an exact interval."""
    total = {name: int(rows[name].sum()) for name in COLUMNS}
    bad = int((rows[WRONG].sum(axis="columns") > 0).sum())
    done = f"After {count(total['kills'], 'kill')} in {count(len(rows), 'run')}"
    if bad:
        lost, doubled, units, untold = (total[name] for name in WRONG)
        return (
            f"{done}, {count(bad, 'run')} did not hold what belongs there: rows lost {lost}, "
            f"rows doubled {doubled}, items not there once {units}, failures without a reason {untold}."
        )
    if not total["kills"]:
        return f"{done}, nothing can be said."
    most = proportion_estimate(0, total["kills"]).high
    return (
        f"{done}, all of which came to their end, no row was lost or doubled; every item of "
        f"a trial that ended well is there once, and each of {count(total['failures'], 'failure')} has its "
        f"reason. So at most {percent(most or 1.0, 1)} of kills cost a row (95 % interval, exact)."
    )
