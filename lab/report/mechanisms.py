"""The pages on Ray's mechanisms: each section the verdicts, a figure or a table, and where the rows are."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.analysis.intervals import LEVEL, geometric_mean
from lab.analysis.mechanisms import Values, moments, ratio
from lab.analysis.verdicts import Verdict, shared_level
from lab.data.environment import ENVIRONMENT, read_environment
from lab.data.listing import all_listed
from lab.data.reading import read_table
from lab.figures.sequence import Step, sequence
from lab.formats import count, listing, number, percent, short_estimate
from lab.published import mechanism_claims
from lab.published.mechanism_claims import size_of
from lab.published.ray_paper import (
    MICROBENCHMARK,
    STORE_BYTES_PER_SECOND,
    STORE_OPERATIONS_PER_SECOND,
    TASKS_PER_SECOND,
)
from lab.report.book import Book
from lab.report.markdown import Markdown, figure, literal, paragraphs, safe, table
from lab.report.page import NO_RUN, not_shown
from lab.report.provenance import day
from lab.report.source import link, stale
from lab.report.verdicts import verdict_table

EXPERIMENT, FILE = "mechanisms", "mechanisms.csv"
COMMAND = "make report EXPERIMENT=mechanisms PROFILE=full"
CLIENTS = "task, a client on each node"
TOLD = "told in the section itself"
"""In place of the name of claims: their verdicts stand in a table of the section's own."""
PARTIES = {
    "driver: add.remote(a, b)": ("driver", "Ray", "add.remote(a, b)"),
    "driver: it returns a reference, ray.get is called": ("Ray", "driver", "a reference; then ray.get"),
    "Ray: the owner asks for a worker": ("Ray", "Ray", "a worker is asked for"),
    "Ray: the call goes to the worker": ("Ray", "worker", "the call"),
    "Ray: the worker takes the call": ("worker", "worker", "takes it, asks for a and b"),
    "Ray: the arguments are there and are read": ("Ray", "worker", "a has come; both are read"),
    "body: it begins": ("worker", "worker", "the body begins"),
    "body: it ends": ("worker", "worker", "the body ends"),
    "Ray: the result goes into the store": ("worker", "Ray", "the result is stored"),
    "Ray: the owner knows that it has ended": ("Ray", "Ray", "the owner knows it ended"),
    "driver: ray.get returns": ("Ray", "driver", "ray.get returns"),
}
"""Who does each step, whom it reaches, and its name in the diagram."""
WAITS = (
    ("Ray: the owner asks for a worker", "Ray: the call goes to the worker"),
    ("Ray: the worker takes the call", "Ray: the arguments are there and are read"),
)
RETURNS = "driver: ray.get returns"


@dataclasses.dataclass(frozen=True)
class Measured:
    """A run of the mechanisms: its folder, its environment file, and its rows."""

    directory: Path
    environment: dict[str, Any]
    values: Values

    def of(self, experiment: str) -> Values:
        """Return the rows of one experiment."""
        given = self.environment.get("parameters", {})
        nodes, slots, repeats = (_whole(given.get(one)) for one in ("nodes", "node_slots", "repeats"))
        # elsewhere the cluster's own size counts, and not these parameters
        known = nodes * slots if given.get("cluster") == "local" else 0
        rows = self.values.rows[self.values.rows["experiment"] == experiment]
        # what names no number of nodes is of all of them
        rows = rows.assign(nodes=rows["nodes"].fillna(nodes)) if known else rows
        return Values(rows, repeats, known)

    @property
    def source(self) -> str:
        """Return where the rows are."""
        return f"Data: {link(self.directory, FILE)} of {literal(self.directory.name)}"


def _whole(value: Any) -> int:
    """Return a whole number of a run's parameters; 0 for what is none."""
    return value if isinstance(value, int) and 0 < value < 10**6 else 0


def measured(book: Book) -> Measured | None:
    """Return the newest run that is complete; None where there is none."""
    files = sorted((book.folder(EXPERIMENT) / EXPERIMENT).glob("*/*"))
    return _newest(book.folder(EXPERIMENT), tuple((str(one), one.lstat().st_mtime_ns) for one in files))


@lru_cache(maxsize=1)
def _newest(data: Path, files: tuple[tuple[str, int], ...]) -> Measured | None:  # noqa: ARG001  of what was read
    """Return the newest run; of unchanged files it is read once."""
    found = next((one.directory for one in all_listed(data, EXPERIMENT) if one.state == "complete"), None)
    if found is None:
        return None
    return Measured(found, read_environment(found), Values(read_table(found / FILE)))


def which_run(book: Book) -> Markdown:
    """Name the run that the page shows, and where it was made; or the command that makes one."""
    found = measured(book)
    if found is None:
        return paragraphs(
            f"{NO_RUN} `{COMMAND}` makes one.", not_shown(all_listed(book.folder(EXPERIMENT), EXPERIMENT))
        )
    given, machine = found.environment.get("parameters", {}), found.environment.get("machine", {})
    nodes, slots, repeats = (_whole(given.get(one)) for one in ("nodes", "node_slots", "repeats"))
    whose = "Published run" if found.directory.name in book.published else "Your run"
    cluster = str(given.get("cluster", "?"))
    size = {
        "local": f", {count(nodes, 'node')} of {count(slots, 'slot')}, all on one machine",
        "compose": f", {count(nodes, 'node')}, all on one machine",
    }.get(cluster, "")
    return Markdown(
        f"**{whose}** {literal(found.directory.name)}: cluster {safe(cluster)}{size}; "
        f"{'driven from ' * (cluster == 'address')}{safe(machine.get('cpu_model') or 'unknown processor')}, "
        f"{machine.get('cores') or '?'} cores; {day(found.environment['sessions'][0]['started_at'])}; "
        f"{count(repeats, 'repeat')}; Ray {safe(found.environment.get('versions', {}).get('ray', '?'))}; "
        f"{link(found.directory, FILE)}, {link(found.directory, ENVIRONMENT)}"
        f"{stale(found.environment, '; ')}."
    )


Shown = Callable[[Measured, Values], list[str | None]]


def section_of(experiment: str, claims: str = "") -> Callable[[Shown], Callable[[Book], Markdown]]:
    """Make a section of what is shown of the values: the verdicts, that, and what was left out and why."""

    def made(shown: Shown) -> Callable[[Book], Markdown]:
        def section(book: Book) -> Markdown:
            return _section(book, experiment, shown, claims or experiment)

        return section

    return made


def _section(book: Book, experiment: str, shown: Shown, claims: str) -> Markdown:
    found = measured(book)
    if found is None:
        return Markdown(NO_RUN)
    values = found.of(experiment)
    if values.rows.empty:
        return Markdown("*This run was not asked for it.*")
    out = values.rows[values.rows["status"] != "ok"]
    told = [
        f"*{'Ended early' if one.status == 'failed' else f'Not measured, {safe(one.case)}'}: "
        f"{safe(one.error_message)}.*"
        for one in out.drop_duplicates(["case", "error_message"]).itertuples()
    ]
    if len(out) == len(values.rows):
        return paragraphs(*told)
    verdicts = [("", one) for one in judged(claims, values)] if claims != TOLD else []
    return paragraphs(verdict_table(verdicts) if verdicts else "", *shown(found, values), *told)


def judged(claims: str, values: Values) -> tuple[Verdict, ...]:
    """Return the verdicts of a section, which share one error rate; none where nothing was claimed."""
    judge = mechanism_claims.CLAIMS.get(claims)
    return () if judge is None else judge(values, shared_level(len(judge(values, LEVEL))))


@section_of("operations", TOLD)
def operations(found: Measured, values: Values) -> list[str | None]:
    """Show operations per second, ours, Ray's own in turns, and what was published of other machines."""
    rows = []
    agree = judged("operations", values)
    for (case, published), verdict in zip(MICROBENCHMARK.items(), agree, strict=True):
        ours, theirs = values.in_turns(case, "ours"), values.in_turns(case, "ray microbenchmark")
        rows.append(
            (
                case,
                short_estimate(geometric_mean(ours)),
                short_estimate(geometric_mean(theirs)),
                short_estimate(ratio(ours, theirs)),
                verdict.outcome,
                f"{published:,.0f}",
            )
        )
    clients = values.all_of("nodes", CLIENTS, "rate")
    told = [
        f"{short_estimate(values.mean(CLIENTS, 'rate', nodes=one))} on {count(one, 'node')}"
        for one in clients
    ]
    alike = f"within {percent(mechanism_claims.AGREE, 1)}"
    head = ("a second", "ours", "`ray microbenchmark`", "ours / Ray's", alike, "published")
    paper = listing(f"{number(rate)} on {nodes} nodes" for nodes, rate in TASKS_PER_SECOND.items())
    return [
        table(head, rows, right=(1, 2, 3, 5)),
        f"Empty tasks a second with a client on each node: {listing(told)}. The paper has {paper}, at "
        "least, on machines of their own."
        if told
        else None,
        found.source,
    ]


@section_of("operations", "objects")
def objects(found: Measured, values: Values) -> list[str | None]:
    """Show how fast objects are put, beside a copy by numpy, over their size."""
    rows = []
    for size in values.all_of("size_bytes", "object by size", "put"):
        put, copy = (values.of("object by size", one, size_bytes=size) for one in ("put", "numpy copy"))
        means = [values.mean("object by size", one, size_bytes=size) for one in ("put", "numpy copy", "get")]
        told = *(short_estimate(one, 1e-9) for one in means[:2]), short_estimate(ratio(put, copy))
        rows.append((size_of(size), *told, short_estimate(means[2])))
    return [
        table(
            ("object", "put, GB/s", "numpy copy, GB/s", "put / copy", "gets a second"),
            rows,
            right=range(1, 5),
        ),
        "The copy makes a new array each time, and large new arrays are slow to fill: a ratio above 1 tells "
        "of a slow copy. "
        f"The paper writes {number(STORE_BYTES_PER_SECOND / 1e9)} GB/s of large objects and "
        f"{number(STORE_OPERATIONS_PER_SECOND)} small ones a second from one client, at least.",
        found.source,
    ]


@section_of("steps")
def steps(found: Measured, values: Values) -> list[str | None]:
    """Show the steps of one call of `add(a, b)` as a sequence diagram, drawn from their moments."""
    told = moments(values)
    named = zip(told["step"].astype(str), told["seconds"].astype(float), strict=True)
    drawn = [Step(at, *PARTIES[step]) for step, at in named if step in PARTIES]
    on_b = values.of("add(a, b)", "ran where b lies")
    moment = dict(zip(told["step"].astype(str), told["seconds"].astype(float), strict=True))
    spent = [moment[end] - moment[begin] for begin, end in WAITS if begin in moment and end in moment]
    whole = moment.get(RETURNS)
    return [
        figure(
            sequence("The steps of one call of add(a, b)", ("driver", "Ray", "worker"), drawn),
            "Medians over the repeats, since the call; an arrow goes to another party, a dot stays with one.",
            found.source,
        )
        if drawn
        else None,
        f"The larger input, b, lies on the second node: {int(on_b.sum())} of {len(on_b)} calls ran there.",
        f"Asking for a worker and fetching inputs took {percent(sum(spent) / whole, 2)} of a call, by the "
        "medians of these moments."
        if whole and len(spent) == len(WAITS)
        else None,
    ]
