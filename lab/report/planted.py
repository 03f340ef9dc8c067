"""The section of the Validation page on planted causes: how often each was found, and no other named."""

from collections import Counter
from typing import NamedTuple

from lab.analysis.intervals import proportion_estimate
from lab.analysis.verdicts import Verdict, at_least, judge
from lab.data.environment import read_environment
from lab.data.listing import Listed, all_listed
from lab.data.reading import read_table
from lab.formats import count, listing, percent
from lab.report.book import Book
from lab.report.levels import rounded
from lab.report.loss_tables import CAUSES
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.page import NO_RUN, not_shown
from lab.report.proofs import EACH
from lab.report.source import link, stale
from lab.report.verdicts import in_one_line

EXPERIMENT, FILE = "causes", "causes.csv"
COMMAND = "python benchmarks/planted_causes.py --cluster embedded"
OFTEN = 0.9
"""The least part of the runs in which the planted cause is named, and no other."""


class _Row(NamedTuple):
    """What counts of a row of the file."""

    cluster: str
    planted: str
    named: str
    mistaken: str

    @property
    def found(self) -> bool:
        return self.planted in self.named.split()

    @property
    def alone(self) -> bool:
        return self.found and not self.mistaken


def causes(book: Book) -> Markdown:
    """Show for each cluster and cause in how many runs it was found, and what was named by mistake."""
    listed = all_listed(book.folder(EXPERIMENT), EXPERIMENT)
    shown = _shown(listed)
    if not shown:
        return paragraphs(f"{NO_RUN} `{COMMAND}` makes one.", not_shown(listed))
    rows = [_told(one) for one in _by_case(_rows(shown)).values()]
    head = ("cluster", "planted", "runs", "found", "found, and no other", "named by mistake")
    return paragraphs(
        in_one_line(verdict(book)),
        table(head, rows, right=(2, 3, 4)),
        f"Data, which count together: {listing([_source(one) for one in shown])}.",
        not_shown(listed),
    )


def verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether planted causes are found and no others named, over all causes and clusters."""
    claim = "a planted cause of lost time is found, and no other named"
    rule = f"in at least {percent(OFTEN, 2)} of runs"
    shown = _shown(all_listed(book.folder(EXPERIMENT), EXPERIMENT))
    every = _rows(shown) if shown else []
    if not every:
        return Verdict(claim, rule, "not decided", "Nobody planted any.")
    alone = sum(one.alone for one in every)
    part = proportion_estimate(alone, len(every), level)
    least = min(_by_case(every).values(), key=lambda rows: sum(one.alone for one in rows) / len(rows))
    evidence = (
        f"It was so in {alone} of {count(len(every), 'run')}: {rounded(part, 100)} %. The worst cause: "
        f"{sum(one.alone for one in least)} of {len(least)}."
    )
    return Verdict(claim, rule, judge(part, at_least(OFTEN)), evidence)


def _shown(listed: tuple[Listed, ...]) -> tuple[Listed, ...]:
    """Return the runs that count; one that was cut short has whole rows, too."""
    return tuple(one for one in listed if one.state in ("complete", "unfinished"))


def _rows(shown: tuple[Listed, ...]) -> list[_Row]:
    tables = [read_table(one.directory / FILE).fillna("") for one in shown]
    columns = ("cluster", "planted", "named", "mistaken")
    return [_Row(*row) for rows in tables for row in rows[[*columns]].itertuples(index=False)]


def _by_case(rows: list[_Row]) -> dict[tuple[str, str], list[_Row]]:
    """Return the rows of each cluster and cause, in that order of clusters."""
    found: dict[tuple[str, str], list[_Row]] = {}
    for one in sorted(rows, key=lambda one: one.cluster):
        found.setdefault((one.cluster, one.planted), []).append(one)
    return found


def _told(rows: list[_Row]) -> tuple[object, ...]:
    wrong = Counter(cause for one in rows for cause in one.mistaken.split())
    told = ", ".join(f"{_name(cause)} ({times})" for cause, times in wrong.items())
    numbers = len(rows), sum(one.found for one in rows), sum(one.alone for one in rows)
    return rows[0].cluster, _name(rows[0].planted), *numbers, told or "none"


def _name(cause: str) -> str:
    return CAUSES.get(cause) or safe(cause)


def _source(one: Listed) -> str:
    changed = stale(read_environment(one.directory), ", ")
    return f"{link(one.directory, FILE)} of {literal(one.run_id)}{changed}"
