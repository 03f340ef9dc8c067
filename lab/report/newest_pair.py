"""The page on two runs: the pair that the book pins, or the newest two that can be compared."""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations, islice
from pathlib import Path

from lab.analysis.intervals import Estimate
from lab.analysis.two_runs import KEY
from lab.data.environment import read_environment
from lab.data.listing import Listed, all_listed
from lab.errors import DataError
from lab.figures.curves import WORKERS
from lab.figures.scaling import sides
from lab.figures.style import label
from lab.report.book import Book
from lab.report.comparable import against
from lab.report.compared import in_short, series_name, shown
from lab.report.markdown import MOST_LETTERS, Markdown, figure, paragraphs
from lab.report.page import pinned_run
from lab.report.source import of_run
from lab.report.two_runs import Asked, TwoRuns, two_runs

NAME = "compare"
"""What the pair stands under in book/pins.yaml: `compare: FIRST SECOND`."""

MOST_TRIED = 20
"""Pairs that are looked at: each is read whole."""

NO_PAIR = (
    "**There are no two runs here that can be compared.** `lab run my_job.py:work --items my_job.py:items "
    "--against REF` makes two that take turns, and `lab compare FIRST SECOND` compares any two of one work."
)


def page(book: Book) -> Markdown:
    """Show the pair; without one, how to make one."""
    found = pair(book)
    if found is None:
        return Markdown(NO_PAIR)
    whose = "Published runs" if book.is_published(found.second) else "Your runs"
    return paragraphs(f"*{whose}.*", shown(found).text, drawn(found))


def drawn(two: TwoRuns) -> str:
    """Return the figure of the ratios over workers; the files alone where configurations do not differ so."""
    keys = [dict(zip(KEY, key, strict=True)) for key in two.comparison.each]
    files = f"Data: {of_run(two.first)}; {of_run(two.second)}."
    if len({key["workers"] for key in keys}) < 2 or len({key["nodes"] for key in keys}) > 1:
        return files
    varying = {name for name in KEY if len({key[name] for key in keys}) > 1}
    levels: dict[str, dict[int, Estimate]] = {}
    for key, ratio in zip(keys, two.comparison.each.values(), strict=True):
        name = label(series_name(key, varying), MOST_LETTERS)
        levels.setdefault(name, {})[int(str(key["workers"]))] = ratio.estimate
    margin = two.comparison.margin
    svg = sides(levels, margin, "Second run over first run", WORKERS, in_short(two))
    return figure(svg, "Throughput of the second run relative to the first, as in the table.", files)


def pair(book: Book) -> TwoRuns | None:
    """Return the pair that is pinned, else the newest two that can be compared, those that took turns first.

    Raises `DataError` where the pair that is pinned is not there or cannot be compared.
    """
    runs = [one for one in all_listed(book.folder()) if one.state == "complete" and one.trials is not None]
    pinned = pinned_run(NAME, book.pins)
    if pinned is not None:
        return two_runs(*_pinned(pinned, runs, book.pins), Asked(across_machines=True, changed_work=True))
    for first, second in islice(chain(_in_turns(runs), _of_one_work(runs)), MOST_TRIED):
        try:
            return two_runs(first.directory, second.directory, Asked())
        except DataError:
            # such as other items, or a machine that was booted anew: an older pair may do
            continue
    return None


def _pinned(pinned: str, runs: Iterable[Listed], pins: Path) -> tuple[Path, Path]:
    known = {one.run_id: one.directory for one in runs}
    names = pinned.split()
    if len(names) != 2 or not set(names) <= known.keys():
        raise DataError(
            f"{pins} pins {NAME} to {pinned!r}: two complete runs belong there, as in '{NAME}: FIRST SECOND' "
            f"(there are: {', '.join(known) or 'none'})"
        )
    return known[names[0]], known[names[1]]


def _in_turns(runs: Iterable[Listed]) -> Iterator[tuple[Listed, Listed]]:
    """Yield runs that took turns, the newest first: that of role A is of the version here, and the second."""
    known = {one.run_id: one for one in runs}
    for one in known.values():
        told = against(read_environment(one.directory))
        other = known.get(str(told.get("run_id")))
        if other is not None and told.get("role") == "A":
            yield other, one


def _of_one_work(runs: Iterable[Listed]) -> Iterator[tuple[Listed, Listed]]:
    """Yield runs of one experiment and work, two by two, the newest first."""
    for newer, older in combinations(runs, 2):
        if (newer.experiment, newer.work) == (older.experiment, older.work):
            yield older, newer
