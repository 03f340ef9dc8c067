"""The sections of the Validation page that are computed when the book is built."""

import functools
import time

from lab.analysis.intervals import median_estimate
from lab.analysis.losses import TERMS, account
from lab.analysis.nodes import FEWEST_SECONDS, PARTS, Counted, counted
from lab.analysis.verdicts import Verdict, all_of, judge, shared_level, within
from lab.formats import UNKNOWN, count, estimate, fixed, listing, number, percent
from lab.invariants import require
from lab.report.book import Book
from lab.report.levels import rounded
from lab.report.markdown import Markdown, folded, literal, paragraphs, table
from lab.report.page import NO_RUN
from lab.report.study import Study
from lab.report.verdicts import in_one_line
from lab.synthetic.changes import CONTRADICTIONS, HARMLESS, first_blocks, stopped
from lab.synthetic.large import large_run
from lab.synthetic.losses import POINT, SCENARIOS, recovered

CLAIMS = 13
"""Claims on the page, which share one error rate; a test counts them."""

EACH = shared_level(CLAIMS)
"""The level of the interval of each."""

SHOWN = 1e-9
"""Planted shares below which a term is left out of the table."""

COUNTED_WITHIN = 0.02
"""What the processes' time and the cgroup's may differ by at the median."""

CHANGES = 20
"""Changes of each sort that are made when the book is built; a test makes more."""

ROWS, NODES = 50_000, 1000
"""Size of the made-up run whose account is timed when the book is built."""

losses_found = functools.cache(recovered)
"""The planted losses beside those found: the same in every call, so that they are looked for once."""


def planted_claim() -> str:
    """Claim that every planted loss is found within a point, and return the sentence with its numbers."""
    apart = (losses_found()["found"] - losses_found()["planted"]).abs()
    worst = losses_found().iloc[int(apart.to_numpy().argmax())]
    return require(
        f"In {count(len(SCENARIOS), 'made-up cluster')}, with and without losses, every planted loss is "
        f"found within {number(100 * POINT, 1)} percentage point of the core time.",
        bool((apart <= POINT).all()) and bool(losses_found()["found"].notna().all()),
        "the planted losses of lab.synthetic.losses",
        f"{TERMS[worst['term']]} of {worst['scenario']} is off by {100 * apart.max():.2f} points",
    )


def planted_verdict() -> Verdict:
    """Return the verdict on planted losses; one that does not hold stops the build."""
    rule = f"each is within {number(100 * POINT, 1)} point of what was planted"
    return Verdict("planted losses are found", rule, "holds", planted_claim())


def planted() -> Markdown:
    """Show every planted loss beside what the account recovered."""
    apart = 100 * (losses_found()["found"] - losses_found()["planted"]).abs()
    shown = losses_found()[(losses_found()["planted"].abs() > SHOWN) & (losses_found()["term"] != "useful")]
    rows = [
        (
            row["scenario"],
            TERMS[row["term"]],
            fixed(100 * row["planted"], 2),
            fixed(100 * row["found"], 2),
            fixed(100 * (row["found"] - row["planted"]), 2),
        )
        for _, row in shown.iterrows()
    ]
    head = ("made-up cluster", "loss", "planted, %", "found, %", "difference, points")
    told = (
        f"{planted_claim()} The largest difference, of all terms and those that nothing was planted in among "
        f"them, is {fixed(apart.max(), 3)} points."
    )
    return paragraphs(told, folded("Every planted loss", table(head, rows, right=(2, 3, 4))))


def changes(book: Book) -> Markdown:
    """Change a run's rows, and say how many changes that contradict a sentence stop the build, and others."""
    if not studies(book):
        return Markdown(NO_RUN)
    run = first_blocks(studies(book)[0].run)
    wrong, harmless = (stopped(run, kind, CHANGES) for kind in (CONTRADICTIONS, HARMLESS))
    missed = [name for name, (stops, every) in wrong.items() if stops < every]
    alarmed = [name for name, (stops, _) in harmless.items() if stops]
    told = require(
        f"Of {CHANGES} changes of its rows that contradict a sentence, all stop the build; of {CHANGES} that "
        "contradict none, none does.",
        not missed and not alarmed,
        str(run.directory),
        f"not noticed: {listing(missed)}; noticed without need: {listing(alarmed)}",
    )
    return Markdown(f"{told} The run: {literal(run.run_id)}.")


def studies(book: Book) -> tuple[Study, ...]:
    """Return the runs whose noise and counters are looked at."""
    return book.studies("single_node", "multi_node", "docker")


def processor_time(book: Book) -> Markdown:
    """Show the processes' processor time beside that of their cgroup, run by run."""
    runs = studies(book)
    if not runs:
        return Markdown(NO_RUN)
    rows = [(study.experiment, *_counted_row(counted(study.run))) for study in runs]
    head = (
        *("experiment", "windows", "median of the ratio (95 % interval)", "middle 90 %"),
        *("windows too short", "windows without a counter"),
    )
    return paragraphs(
        in_one_line(processor_verdict(book)),
        table(head, rows, right=(1, 2, 3, 4, 5)),
    )


def processor_verdict(book: Book, level: float = EACH) -> Verdict:
    """Judge whether workers, Ray and sampler together are what the cgroup counted, at the median."""
    medians = {
        study.experiment: median_estimate(counted(study.run).ratios.tolist(), level)
        for study in studies(book)
    }
    claim = "workers, Ray and sampler together used what their node's cgroup counted"
    rule = f"the median of the ratio is within {percent(COUNTED_WITHIN, 1)} of 1 in every run"
    known = {name: one for name, one in medians.items() if one.value is not None}
    if not known:
        reason = "No node of these runs had a cgroup of its own, or none was read."
        return Verdict(claim, rule, "not decided", reason)
    outcome = all_of(judge(one, within(COUNTED_WITHIN)) for one in known.values())
    told = listing(f"{estimate(one)} in {name}" for name, one in known.items())
    evidence = (
        f"Their sum ({' + '.join(f'`{name}`' for name in PARTS)}) as a part of `cpu_seconds`, at the median "
        f"over windows of at least {FEWEST_SECONDS:g} CPU seconds: {told}."
    )
    return Verdict(claim, rule, outcome, evidence)


def _counted_row(one: Counted) -> tuple[object, ...]:
    if one.ratios.empty:
        return 0, UNKNOWN, UNKNOWN, one.short, one.unread
    low, high = (float(one.ratios.quantile(part)) for part in (0.05, 0.95))
    return (
        len(one.ratios),
        rounded(median_estimate(one.ratios.tolist()), places=3),
        f"{fixed(low, 3)} to {fixed(high, 3)}",
        one.short,
        one.unread,
    )


def scale() -> Markdown:
    """Time the account of a made-up run of many nodes, here and now."""
    run = large_run(ROWS, NODES, trials=2)
    rows = len(run.tasks) + len(run.samples)
    began = time.perf_counter()
    account(run)
    took = time.perf_counter() - began
    return Markdown(
        f"On the machine that built this book, the account of a made-up run of {NODES:,} nodes went through "
        f"{number(rows / took, 2)} rows per second ({rows:,} rows). That it takes no longer per row when "
        "there are ten times as many is a test of the repository."
    )
