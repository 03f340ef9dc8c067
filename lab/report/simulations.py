"""The sections of the Validation page on intervals: coverage by simulation, and false alarms."""

from collections.abc import Iterator

from lab.analysis.coverage import REPETITIONS, coverage, pooled, ratio_residuals, residuals
from lab.analysis.intervals import LEVEL, Estimate
from lab.analysis.noise import CopyComparison, alarms, false_alarm_rate
from lab.formats import UNKNOWN, count, fixed, listing, percent
from lab.published.single_node_claims import Verdict, outcome_of
from lab.report.markdown import Markdown, paragraphs, table
from lab.report.noise import rate_in_prose
from lab.report.page import NO_RUN, Page
from lab.report.proofs import studies
from lab.report.study import Study

WITHIN = 0.02
"""What coverage may differ from the level of the intervals by."""

KINDS = {"mean": residuals, "ratio of two configurations": ratio_residuals}
SPREADS = {True: "own spread", False: "as recorded"}


def intervals(*pages: Page) -> Markdown:
    """Show how often intervals hold the truth, drawn from the recorded noise of every run."""
    runs = studies(*pages)
    if not runs:
        return Markdown(NO_RUN)
    one = coverage_verdict(*pages)
    rows = [
        (study.experiment, kind, study.blocks, size, *(_covered(part) for part in parts))
        for study, kind, size, parts in _simulated(runs)
    ]
    head = (
        *("experiment", "interval of a", "blocks", "recorded values"),
        *(f"coverage, % ({name})" for name in SPREADS.values()),
    )
    return paragraphs(
        f"**{one.outcome.capitalize()}**: {one.claim}. {one.evidence}",
        table(head, rows, right=(2, 3, 4, 5)),
    )


def coverage_verdict(*pages: Page) -> Verdict:
    """Judge whether intervals cover what they promise, on noise in units of each configuration's spread."""
    found = [
        (f"{kind} of {study.experiment}", parts[0])
        for study, kind, _, parts in _simulated(studies(*pages))
        if parts[0].n
    ]
    claim = (
        f"{percent(LEVEL, 2)} intervals hold the truth in {percent(LEVEL, 2)} ± {100 * WITHIN:g} % of cases"
    )
    if not found:
        return Verdict(claim, "cannot be told", "The runs recorded too little noise to draw from.")
    low, high = LEVEL - WITHIN, LEVEL + WITHIN
    inside = [one.low is not None and one.low >= low and (one.high or 0.0) <= high for _, one in found]
    outside = [(one.high or 1.0) < low or (one.low or 0.0) > high for _, one in found]
    values = [one.value for _, one in found if one.value is not None]
    between = " to ".join(dict.fromkeys(fixed(100 * end, 1) for end in (min(values), max(values))))
    missed = [name for (name, _), wrong in zip(found, outside, strict=True) if wrong]
    evidence = (
        f"In {count(len(found), 'simulation')} of {REPETITIONS:,} repetitions each, it was {between} %"
        f"{f'; outside: {listing(missed)}' if missed else ''}."
    )
    return Verdict(claim, outcome_of(all(inside), any(outside)), evidence)


def _simulated(runs: list[Study]) -> Iterator[tuple[Study, str, int, list[Estimate]]]:
    """Yield for each run and kind of interval the size of its pool and the coverage for each of SPREADS."""
    for study in runs:
        for kind, noise in KINDS.items():
            vectors = noise(study.measures)
            pools = [pooled(vectors, own) for own in SPREADS]
            yield study, kind, len(pools[0].values), [coverage(pool, study.blocks) for pool in pools]


def _covered(found: Estimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return UNKNOWN
    return f"{fixed(100 * found.value, 1)} ({fixed(100 * found.low, 1)} to {fixed(100 * found.high, 1)})"


def false_alarms(*pages: Page) -> Markdown:
    """Show how often the comparison of a configuration with itself raises an alarm, over all runs."""
    if not studies(*pages):
        return Markdown(NO_RUN)
    one = alarm_verdict(*pages)
    return paragraphs(f"**{one.outcome.capitalize()}**: {one.claim}. {one.evidence}")


def alarm_verdict(*pages: Page) -> Verdict:
    """Judge whether the false-alarm rate is at most what the intervals promise, as far as can be told."""
    found = [study.copies for study in studies(*pages)]
    groups = [_of_mode(every, mode) for every in found for mode in sorted({one.mode for one in every})]
    limit = 1 - LEVEL
    claim = f"a configuration compared with itself raises an alarm in at most {percent(limit, 1)} of cases"
    rate = false_alarm_rate(groups)
    seen = alarms(one for group in groups for one in group)
    if rate.value is None or seen.value is None:
        return Verdict(claim, "cannot be told", "No run has an A/A arm of two blocks or more.")
    outcome = outcome_of(rate.value <= limit, rate.low is not None and rate.low > limit)
    evidence = (
        f"Over all ways to swap copy and original within blocks the interval left out 1 in "
        f"{rate_in_prose(rate)} of cases; n counts modes of runs, each the mean of its metrics. As recorded, "
        f"{round(seen.value * seen.n)} of {count(seen.n, 'interval')} did."
    )
    return Verdict(claim, outcome, evidence)


def _of_mode(found: tuple[CopyComparison, ...], mode: str) -> list[CopyComparison]:
    return [one for one in found if one.mode == mode]
