"""The sections of the Validation page on intervals: coverage by simulation, and false alarms."""

from collections.abc import Iterator

from lab.analysis.coverage import REPETITIONS, coverage, pooled, ratio_residuals, residuals
from lab.analysis.intervals import LEVEL, Estimate
from lab.analysis.noise import CopyComparison, alarms, false_alarm_rate
from lab.analysis.verdicts import Verdict, all_of, at_most, judge, within
from lab.formats import count, estimate, fixed, listing, percent
from lab.report.book import Book
from lab.report.levels import rounded
from lab.report.markdown import Markdown, paragraphs, table
from lab.report.page import NO_RUN
from lab.report.proofs import EACH, studies
from lab.report.study import Study
from lab.report.verdicts import in_one_line

WITHIN = 0.02
"""What coverage may differ from the level of the intervals by."""

KINDS = {"mean": residuals, "ratio of two configurations": ratio_residuals}
SPREADS = {True: "own spread", False: "as recorded"}


def intervals(book: Book) -> Markdown:
    """Show how often intervals hold the truth, drawn from the recorded noise of every run."""
    runs = studies(book)
    if not runs:
        return Markdown(NO_RUN)
    rows = [
        (study.experiment, kind, study.blocks, size, *(rounded(part, 100) for part in parts))
        for study, kind, size, parts in _simulated(runs)
    ]
    head = (
        *("experiment", "interval of a", "blocks", "recorded values"),
        *(f"coverage, % ({name})" for name in SPREADS.values()),
    )
    return paragraphs(
        in_one_line(coverage_verdict(book)),
        table(head, rows, right=(2, 3, 4, 5)),
    )


def coverage_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether intervals cover what they promise, on noise in units of each configuration's spread."""
    found = [
        (f"{kind} of {study.experiment}", parts[0])
        for study, kind, _, parts in _simulated(studies(book), level)
        if parts[0].n
    ]
    claim = f"{percent(LEVEL, 2)} intervals hold the truth as often as they promise"
    rule = f"they do in {percent(LEVEL, 2)} ± {100 * WITHIN:g} % of cases, on the noise of every run"
    if not found:
        return Verdict(claim, rule, "not decided", "The runs recorded too little noise to draw from.")
    outcomes = {name: judge(one, within(WITHIN, of=LEVEL)) for name, one in found}
    values = [one.value for _, one in found if one.value is not None]
    between = " to ".join(dict.fromkeys(fixed(100 * end, 1) for end in (min(values), max(values))))
    missed = [name for name, outcome in outcomes.items() if outcome == "does not hold"]
    evidence = (
        f"In {count(len(found), 'simulation')} of {REPETITIONS:,} repetitions each, it was {between} %"
        f"{f'; outside: {listing(missed)}' if missed else ''}."
    )
    return Verdict(claim, rule, all_of(outcomes.values()), evidence)


def _simulated(
    runs: tuple[Study, ...], level: float = LEVEL
) -> Iterator[tuple[Study, str, int, list[Estimate]]]:
    """Yield for each run and kind of interval the size of its pool and the coverage for each of SPREADS."""
    for study in runs:
        for kind, noise in KINDS.items():
            vectors = noise(study.measures)
            pools = [pooled(vectors, own) for own in SPREADS]
            yield (
                study,
                kind,
                len(pools[0].values),
                [coverage(pool, study.blocks, level=level) for pool in pools],
            )


def false_alarms(book: Book) -> Markdown:
    """Show how often the comparison of a configuration with itself raises an alarm, over all runs."""
    if not studies(book):
        return Markdown(NO_RUN)
    return paragraphs(in_one_line(alarm_verdict(book)))


def alarm_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether the false-alarm rate is at most what the intervals promise, as far as can be told."""
    found = [study.copies for study in studies(book)]
    groups = [_of_mode(every, mode) for every in found for mode in sorted({one.mode for one in every})]
    limit = 1 - LEVEL + WITHIN
    claim = "a configuration compared with itself raises no more alarms than intervals may"
    rule = f"it does in at most {percent(limit, 1)} of cases: {percent(1 - LEVEL, 1)}, and a margin"
    rate = false_alarm_rate(groups, level)
    seen = alarms(one for group in groups for one in group)
    if rate.value is None or seen.value is None:
        return Verdict(claim, rule, "not decided", "No run has an A/A arm of two blocks or more.")
    evidence = (
        f"Over all ways to swap copy and original within blocks the interval left out 1 in "
        f"{estimate(rate, '%', 100)} of cases; n counts modes of runs, each the mean of its metrics. As "
        f"recorded, {round(seen.value * seen.n)} of {count(seen.n, 'interval')} did."
    )
    return Verdict(claim, rule, judge(rate, at_most(limit)), evidence)


def _of_mode(found: tuple[CopyComparison, ...], mode: str) -> list[CopyComparison]:
    return [one for one in found if one.mode == mode]
