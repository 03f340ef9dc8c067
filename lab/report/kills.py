"""The section on kills: what was killed under runs, how they went on, and what of their rows was lost."""

import pandas as pd

from lab.analysis.intervals import proportion_estimate
from lab.data.environment import read_environment
from lab.data.listing import all_listed
from lab.data.reading import read_table
from lab.formats import count, percent
from lab.report.book import Book
from lab.report.markdown import Markdown, literal, paragraphs, table
from lab.report.page import NO_RUN, not_shown
from lab.report.source import link
from lab.report.stale import stale

FILE = "kills.csv"
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
    runs = all_listed(book.data, "kills")
    found = next((one.directory for one in runs if one.state == "complete"), None)
    if found is None:
        return paragraphs(f"{NO_RUN} `make chaos` makes one.", not_shown(runs))
    rows = read_table(found / FILE)
    kinds = rows.groupby(["kind", "cluster"], sort=False)[[*COLUMNS]].sum()
    lines = [(", ".join(kind), *map("{:,}".format, kinds.loc[kind])) for kind in kinds.index]
    return paragraphs(
        _in_words(rows),
        f"Run {literal(found.name)}: {link(found, FILE)}{stale(read_environment(found), '; ')}.",
        table(("killed", *COLUMNS.values()), lines, right=range(1, len(COLUMNS) + 1)),
    )


def _in_words(rows: pd.DataFrame) -> str:
    """Say what was lost of how many kills, and how often at most that is by an exact interval."""
    total = {name: int(rows[name].sum()) for name in COLUMNS}
    bad = int((rows[WRONG].sum(axis="columns") > 0).sum())
    done = f"After {count(total['kills'], 'kill')} in {count(len(rows), 'run')}"
    if bad:
        lost, doubled, units = (total[name] for name in WRONG[:3])
        return (
            f"{done}, {count(bad, 'run')} did not hold what belongs there: rows lost {lost}, "
            f"rows doubled {doubled}, items not there once {units}."
        )
    most = proportion_estimate(0, total["kills"]).high
    return (
        f"{done}, all of which came to their end, no row was lost or doubled; every item of "
        f"a trial that ended well is there once, and each of {count(total['failures'], 'failure')} has its "
        f"reason. So at most {percent(most or 1.0, 1)} of kills cost a row (95 % interval, exact)."
    )
