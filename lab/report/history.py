"""The page of history: a point a run, gaps as gaps, where the level changed, and what changed with it."""

from collections.abc import Iterator, Sequence
from math import nan

from lab.analysis.history import FEWEST, Level
from lab.data.environment import ENVIRONMENT
from lab.figures.curves import curve
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, INK, VERMILION, Look
from lab.formats import count, level, listing, number, short_estimate
from lab.report.book import Book
from lab.report.histories import Entry, History, changed, histories
from lab.report.markdown import Markdown, figure, folded, literal, paragraphs, safe, shortened, table
from lab.report.provenance import day
from lab.report.source import link, stale, trials_of

DAYS_FROM = 2.0
"""Histories that last longer have an axis in days, others in hours."""
RUN, MEAN, GAP = Look(BLUE, "none", "o"), Look(INK, "--", ""), Look(VERMILION, "none", "x")


def shown(book: Book) -> Markdown:
    """Show the history of every piece of work with several runs on one kind of machine."""
    every = list(histories(book))
    several = [one for one in every if len(one.known) > 1]
    alone = [one for one in every if len(one.known) == 1]
    texts: list[str | None] = []
    for machine in dict.fromkeys(_machine(one) for one in several):
        texts.append(f"<h2>{machine}</h2>")
        texts += [_told(one) for one in several if _machine(one) == machine]
    rows = [(safe(_work(one)), _machine(one), literal(one.known[0].listed.run_id)) for one in alone]
    return paragraphs(
        *texts,
        None if several else "**There is no history yet**: no work has several runs on one kind of machine.",
        f"One run is no history yet: {count(len(rows), 'work')} with a single run." if rows else None,
        folded("Works with one run", table(("work", "machine", "run"), rows)) if rows else None,
    )


def _work(one: History) -> str:
    """Return what a history is of, as foreign text: where the work is from, or its experiment and mode."""
    environment = one.entries[-1].environment
    works = environment.get("works") or {}
    source = (works.get(one.mode) or {}).get("source")
    if not source:
        return shortened(f"{environment.get('experiment')}, {one.mode}")
    several = sum((facts or {}).get("source") == source for facts in works.values()) > 1
    return shortened(f"{source}{f', {one.mode}' * several}")


def _machine(one: History) -> str:
    machine = one.entries[-1].environment.get("machine") or {}
    cores = machine.get("cores")
    told = count(cores, "core") if isinstance(cores, int) else "cores not known"
    return f"{safe(machine.get('cpu_model') or 'processor not known')}, {told}"


def _told(one: History) -> str:
    """Return a history: what was found, the figure, and its runs in a table."""
    drawn = chart(f"{_work(one)} over time", [_panel(one)], height_inches=2.6)
    caption = (
        f"Throughput with {safe(one.configuration)}, a point a run: 95 % intervals over the blocks of each. "
        "No line joins the runs; a dashed line is the mean of those that it spans."
    )
    head = ("run", "begun", f"level, {safe(one.unit)}", "blocks", "what had changed", "code since")
    lines = folded(f"{count(len(one.entries), 'run')} in numbers", table(head, _rows(one), right=(2, 3)))
    shown = figure(drawn, caption, "Data: the files of each run, which the table below links.")
    return paragraphs(f"<h3>{safe(_work(one))}</h3>", _finding(one), shown, lines).text


def _finding(one: History) -> str:
    """Say where the level changed and by how much, or that no change was found, or that there are too few."""
    known, found, unit = one.known, one.levels, safe(one.unit)
    if len(known) < 2 * FEWEST:
        return (
            f"**{count(len(known), 'run')}: too few to tell a change from what runs differ by anyway.** With "
            f"{2 * FEWEST}, of which {FEWEST} on each side, a change can be found."
        )
    if len(found) == 1:
        return (
            f"**No change is found** in {len(known)} runs: {short_estimate(found[0].mean)} {unit} (95 % "
            "interval between runs). That is no proof that nothing changed."
        )
    told = [_change(known, part) for part in found[1:]]
    return f"**The level changed {_times(len(told))}.** " + " ".join(told)


def _title(one: History) -> str:
    """Return the finding as the title of the figure."""
    if len(one.known) < 2 * FEWEST:
        return "Too few runs to tell a change"
    told = [f"× {number(part.ratio.value or nan)}" for part in one.levels if part.ratio is not None]
    return f"The level changed {_times(len(told))}: {listing(told)}" if told else "No change is found"


def _change(known: Sequence[Entry], part: Level) -> str:
    """Say of a change from which run on, by how much, and what else had changed with it."""
    first, before, ratio = known[part.begin], known[part.begin - 1], part.ratio
    assert ratio is not None
    with_it = changed(before.environment, first.environment)
    what = f"With it changed: {listing(with_it)}." if with_it else "Nothing that runs record changed with it."
    return (
        f"From {literal(first.listed.run_id)} ({day(first.listed.started_at)}) on the level is "
        f"{short_estimate(ratio)} times that before ({level(ratio)} interval). {what}"
    )


def _times(number_of: int) -> str:
    return "once" if number_of == 1 else f"{number_of} times"


def _panel(one: History) -> Panel:
    """Return the panel of a history: no line joins the runs, and those without a level are crosses."""
    begun = [each.days - one.entries[0].days for each in one.entries]
    scale, unit = (1.0, "days") if begun[-1] > DAYS_FROM else (24.0, "hours")
    at = {id(each): scale * days for each, days in zip(one.entries, begun, strict=True)}
    lines = [Line("run", RUN, *curve({at[id(each)]: each.found for each in one.known}))]
    for part in one.levels:
        ends = [at[id(one.known[place])] for place in (part.begin, part.end - 1)]
        lines.append(Line("mean", MEAN, ends, [part.mean.value or nan] * 2))
    gaps = [(at[id(each)], GAP) for each in one.entries if each.found.value is None]
    x_label = f"{unit} since the first run"
    return Panel(_title(one), one.unit, lines, x_label, failed=gaps, failed_as="missing level")


def _rows(one: History) -> Iterator[tuple[object, ...]]:
    """Yield a row of each run: its level, what differs from the run before, and whether it is stale."""
    before: Entry | None = None
    for entry in one.entries:
        folder = entry.listed.directory
        told = [] if before is None else changed(before.environment, entry.environment)
        why = entry.listed.told if entry.listed.state != "complete" else "no such trial ended well"
        gap = "" if entry.found.n else f" ({why})"
        yield (
            f"{literal(entry.listed.run_id)} {link(folder, trials_of(folder))} {link(folder, ENVIRONMENT)}",
            day(entry.listed.started_at),
            short_estimate(entry.found) + gap,
            entry.found.n,
            ", ".join(told) or "–",
            stale(entry.environment) or "as it was",
        )
        before = entry
