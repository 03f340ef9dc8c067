"""The section of the Validation page on real sweeps: fitted on their first sizes, predicted, and measured."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from lab.analysis.extrapolation import FARTHEST, Fitted, fit
from lab.analysis.intervals import Estimate, geometric_estimate
from lab.analysis.sweeps import FEWEST_SIZES, Refusal, Sweep
from lab.analysis.verdicts import Outcome, judge, within
from lab.formats import UNKNOWN, count, fixed, percent, short_estimate
from lab.report.book import Book
from lab.report.decision import Decision, main_series
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.page import NO_RUN
from lab.report.provenance import where
from lab.report.purposes import refused
from lab.report.series import GROWING
from lab.report.source import stale
from lab.report.study import Study

NEAR = 0.05
"""What a prediction may be off by, as a part of what was measured."""

Found = Fitted | Refusal


@dataclass(frozen=True, slots=True)
class Foretold:
    """A size of a real sweep: predicted from the first sizes (90 % band), and measured (95 %), in units/s."""

    size: int
    predicted: Estimate | Refusal
    measured: Estimate

    @property
    def off(self) -> Estimate:
        """Return predicted over measured; the interval holds every pair of the two, so that it is wide."""
        told, seen = self.predicted, self.measured
        if isinstance(told, Refusal) or not (told.value and seen.value):
            return Estimate(0)
        value = told.value / seen.value
        if told.low is None or told.high is None or not (seen.low and seen.high):
            return Estimate(seen.n, value, None, None)
        return Estimate(seen.n, value, told.low / seen.high, told.high / seen.low)

    @property
    def outcome(self) -> Outcome:
        """Return whether the prediction is within NEAR of what was measured."""
        return judge(self.off, within(NEAR))

    @property
    def band(self) -> str:
        """Return whether the band and the interval of what was measured have anything in common."""
        if isinstance(self.predicted, Refusal):
            return "refused"
        return "misses" if judge(self.off, within(0.0)) == "does not hold" else "meets it"


def sweeps(study: Study) -> Iterator[Decision]:
    """Yield the sweeps of a run with sizes to predict: of each mode the main series, and every one on Ray."""
    for mode in study.modes:
        for series in dict.fromkeys((main_series(study, mode), *study.rays(mode))):
            found = Decision(study, mode, series)
            if len(found.sizes) > FEWEST_SIZES:
                yield found


def foretold(sweep: Sweep) -> tuple[Found, list[Foretold]]:
    """Return what its first four sizes say, and each later size up to twice the fourth."""
    known = FEWEST_SIZES
    first = replace(sweep, sizes=sweep.sizes[:known], throughputs=sweep.throughputs[:, :known])
    fitted = fit(first)
    found = []
    for place, size in enumerate(sweep.sizes):
        if place >= known and size <= FARTHEST * first.sizes[-1]:
            logs = np.log(sweep.throughputs[:, place])
            told = fitted.predict(size) if isinstance(fitted, Fitted) else fitted
            found.append(Foretold(size, told, geometric_estimate(logs[np.isfinite(logs)].tolist())))
    return fitted, found


def real(book: Book) -> Markdown:
    """Show every sweep of the book that has sizes to predict, and how far off the predictions were."""
    rows: list[tuple[object, ...]] = []
    every: list[Foretold] = []
    for decision in chain.from_iterable(map(sweeps, book.sweeps)):
        fitted, found = foretold(decision.sweep)
        knees = ", ".join(map(_knee, (fitted, decision.fitted)))
        rows += [_row(decision, one, knees) for one in found]
        every += found
    if not rows:
        return Markdown(NO_RUN)
    head = (
        *("sweep, fitted on its first four sizes", "size", "predicted (90 % band)", "measured (95 %)"),
        *("off, %", f"within {percent(NEAR, 1)}", "band", "knee: foretold, of all sizes"),
    )
    return paragraphs(_in_words(every), table(head, rows, right=(1, 2, 3, 4)))


def _in_words(every: list[Foretold]) -> str:
    values = [one.off.value for one in every if one.off.value is not None]
    near = sum(abs(value - 1) <= NEAR for value in values)
    sure, wrong = (sum(one.outcome == found for one in every) for found in ("holds", "does not hold"))
    refusals, missed = (sum(one.band == found for one in every) for found in ("refused", "misses"))
    return (
        f"Of {count(len(every), 'size')} after the first four the laws refused {refusals}. Of the other "
        f"{len(every) - refusals} they foretold {near} to within {percent(NEAR, 1)} of the mean that was "
        f"measured, {sure} of them for certain; farther off for certain: {wrong}. Bands that miss the "
        f"interval of what was measured: {missed}."
    )


def _row(decision: Decision, one: Foretold, knees: str) -> tuple[object, ...]:
    off = UNKNOWN if one.off.value is None else fixed(100 * (one.off.value - 1), 1)
    told = refused(one.predicted) if isinstance(one.predicted, Refusal) else short_estimate(one.predicted)
    measured = short_estimate(one.measured)
    return _name(decision), one.size, told, measured, off, one.outcome, one.band, knees


def _name(decision: Decision) -> str:
    """Return a sweep as a row names it: work, series, where it ran, its run, and what it counts."""
    study, mode = decision.study, decision.mode
    source = study.works.get(mode, {}).get("source")
    work = literal(str(source)) if source else study.name(mode)
    old = ", stale" * bool(stale(study.run.environment))
    run = f"{where(study)}{GROWING * study.grows} ({literal(study.run.run_id)}{old})"
    return f"{work}, {decision.series}: {run}, {safe(study.unit(mode))}"


def _knee(found: Found) -> str:
    knee = found.knee() if isinstance(found, Fitted) else None
    if knee is None or knee.low is None:
        return "none near" if isinstance(found, Fitted) else "not decided"
    if knee.value is None or knee.high is None:
        return f"{knee.low:.0f} or more"
    return f"{knee.low:.0f} to {knee.high:.0f}" if knee.low < knee.high else f"{knee.low:.0f}"
