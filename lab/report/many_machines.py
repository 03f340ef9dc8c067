"""What a large cluster needs, on paper: from costs that were measured here, and what Ray's makers publish."""

from lab.analysis.costs import driver_cost
from lab.analysis.intervals import geometric_mean
from lab.formats import duration, length, memory, number, seconds, short_estimate
from lab.published.ray_envelope import ENVELOPE, HEAD_CORES, HEAD_GIBIBYTES, OPEN_FILES
from lab.published.ray_paper import MICROBENCHMARK, TASK
from lab.report.book import Book
from lab.report.markdown import Markdown, paragraphs, table
from lab.report.mechanisms import measured
from lab.report.source import source

NODES = (1, 10, 100, 1000)
WORKERS = 8
"""Numbers of nodes, and workers on each, that are reckoned for."""
PER_NODE = {
    "nodes": 1,
    "actors": WORKERS,
    "tasks that run at once": WORKERS,
    "nodes that get one object of 1 GiB": 1,
}
"""How many of what ENVELOPE counts each node has; one placement group holds all of them."""
TASK_SECONDS = 0.1
"""Of the tasks whose rows are counted."""


def driver(book: Book) -> Markdown:
    """Reckon how long tasks have to be so that one driver keeps so many workers busy."""
    studies = book.studies("break_even", "single_node", "multi_node", "docker")
    costs = [(study, driver_cost(study.run.trials)) for study in studies]
    # the shorter the tasks were, the less of it is what the driver does beside
    known = sorted((one for one in costs if one[1].value is not None), key=lambda one: one[1].value or 0.0)
    found = measured(book)
    seen = geometric_mean(found.of("operations").in_turns(TASK, "ours")) if found else None
    rate = seen.value if seen else None
    columns, told, sources = {}, [], []
    if found and seen and rate:
        columns["one task a call, no row"] = 1 / rate
        told.append(
            f"One driver hands out {short_estimate(seen)} empty tasks a second, each in a call of its own, "
            "with no row written, on cores that it shares with them; Ray's makers publish "
            f"{MICROBENCHMARK[TASK]:,.0f}."
        )
        sources.append(found.source)
    for study, cost in known[:1]:
        columns["Ray, batched"] = cost.value or 0.0
        told.append(
            f"With *Ray, batched*, a task takes {duration(cost)} of the driver's processor, its row and "
            "all else that the driver does included."
        )
        sources.append(source(study, "trials.csv"))
    if not columns:
        return Markdown("*No run here tells what a task costs the driver: `make report` makes one.*")
    rows = [
        (f"{nodes:,}", f"{nodes * WORKERS:,}", *(seconds(nodes * WORKERS * one) for one in columns.values()))
        for nodes in NODES
    ]
    head = ("nodes", "workers", *(f"{name}: tasks of at least" for name in columns))
    return paragraphs(" ".join(told), table(head, rows, right=range(len(head))), "  \n".join(sources))


def rows(book: Book) -> Markdown:
    """Reckon what an hour of tasks leaves in files, from the bytes that a row takes here."""
    studies = book.studies("multi_node", "docker", "single_node")
    if not studies:
        return Markdown("*No run here tells how many bytes a row takes: `make report` makes one.*")
    run = studies[0].run
    each = (run.directory / "tasks.csv").stat().st_size / max(1, len(run.tasks))
    counts = [nodes * WORKERS * 3600 / TASK_SECONDS for nodes in NODES]
    lines = [
        (f"{nodes:,}", f"{count:,.0f}", memory(count * each))
        for nodes, count in zip(NODES, counts, strict=True)
    ]
    head = ("nodes", f"tasks of {length(TASK_SECONDS)} in an hour", "tasks.csv")
    return paragraphs(
        f"A row of a task takes {number(each)} bytes here. All workers are reckoned to be busy, by as many "
        "drivers as that needs.",
        table(head, lines, right=range(3)),
        source(studies[0], "tasks.csv"),
    )


def envelope(book: Book) -> Markdown:  # noqa: ARG001  the same for every book
    """Show what Ray's makers tested at most, beside what 100 and 1,000 nodes would have."""
    lines = []
    for name, most in ENVELOPE.items():
        each = PER_NODE.get(name)
        asked = [nodes * each if each else 1 for nodes in NODES[2:]]
        lines.append((name, f"{most:,}", *(f"{one:,}{' (beyond)' * (one > most)}" for one in asked)))
    head = ("of one cluster", "tested, at least", *(f"{nodes:,} nodes" for nodes in NODES[2:]))
    return paragraphs(
        table(head, lines, right=range(1, 4)),
        f"The first numbers are what Ray's makers tested; the others reckon with {WORKERS} workers on each "
        f"node. For the head they advise {HEAD_CORES} "
        f"cores and {HEAD_GIBIBYTES} GiB to begin with, no tasks on it, and on every node `ulimit -n` of at "
        f"least {OPEN_FILES:,}.",
    )
