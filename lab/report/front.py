"""The first page: what was found, in one screen, of your runs and of the published ones."""

import dataclasses
from collections.abc import Iterator
from math import isfinite

from lab.analysis import break_even as analysis
from lab.figures import engines as engine_figures
from lab.figures.lines import Panel, chart
from lab.formats import count, length, listing, seconds
from lab.report import break_even, containers, ray_vs_multiprocessing, scaling, short_answers
from lab.report.answers import NOTE, PROCESSES_QUESTION, Answer, answers, beside_processes_in_all
from lab.report.book import Book
from lab.report.caveats import of_one_work, unequal_nodes
from lab.report.decision import decide
from lab.report.markdown import Markdown, folded, paragraphs, safe, table
from lab.report.nodes import at_size
from lab.report.page import no_run
from lab.report.source import of_run, stale
from lab.report.study import Study
from lab.report.titles import in_few_words, in_one_line

SMALL_INCHES = 3.3
"""The width of each of the three panels."""

BUSY_GPU_PERCENT = 50
"""A GPU of which a sample says so much was at work for the tasks."""

FINDINGS = {
    "ray_vs_multiprocessing": ray_vs_multiprocessing.sentence,
    "break_even": break_even.sentence,
}
"""What is found by a run that compares engines."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that belong together: yours, or those that were published with the lab."""

    main: Study
    """The run that the title speaks of."""
    badge: str
    sweeps: tuple[Study, ...]
    others: dict[str, Study]


def groups(book: Book) -> list[Group]:
    """Return your runs, then the published ones; none of a kind that there is no run of."""
    found = []
    for published in (False, True):
        mine = [one for one in book.sweeps if book.is_published(one) == published]
        several = ("multi_node", "break_even", "ray_vs_multiprocessing", "docker")
        others = {
            study.experiment: study
            for study in book.with_published(*several)
            if study.modes and book.is_published(study) == published
        }
        main = next(iter((*mine, *others.values())), None)
        if main is not None:
            found.append(Group(main, book.badge(main), tuple(mine), others))
    return found


def first(book: Book) -> Markdown:
    """Show what was found: your own runs where there are any, and the published ones below them."""
    shown = groups(book)
    if not shown:
        return no_run("single_node", book.page("single_node").runs)
    head, *rest = shown
    return paragraphs(_told(head), *(folded("What the published runs found", _told(one)) for one in rest))


def finding(book: Book) -> str:
    """Return what was found in one sentence; empty where there is no run."""
    main = next((group.main for group in groups(book)), None)
    return "" if main is None else _finding(main)


def _told(group: Group) -> str:
    return paragraphs(
        f'<p class="lab-finding">{_finding(group.main)}</p>',
        group.badge,
        of_one_work(group.sweeps[0]) if group.sweeps else None,
        _table([one for one in rows(group) if one.answer]),
        *_unequal(group),
        _situations(group),
        _figure(group),
    ).text


def _finding(study: Study) -> str:
    if study.experiment not in FINDINGS and study.kind != "docker":
        return in_one_line(study)
    return FINDINGS.get(study.experiment, containers.sentence)(study).replace("*", "")


def _table(found: list[Answer]) -> str:
    lines = [
        (f"**{one.question}**", one.answer, one.sure, f"[more]({one.more})" if one.more else "")
        for one in found
    ]
    shown = table(("question", "answer", "how sure", ""), lines)
    return f'<div class="lab-answers">\n\n{shown}\n\n</div>\n\n{NOTE}'


def rows(group: Group) -> Iterator[Answer]:
    """Yield the answers of a group of runs, question by question."""
    sweep = group.sweeps[0] if group.sweeps else None
    if sweep is not None:
        yield from (one for one in answers(sweep, sweep.main_mode) if one.question != PROCESSES_QUESTION)
    several = group.others.get("multi_node")
    if several is not None and several is not sweep:
        yield short_answers.over_nodes(several)
    beside = beside_processes_in_all(sweep) if sweep is not None and sweep.modes else None
    if beside is not None and beside.answer:
        yield beside
    if "break_even" in group.others:
        yield short_answers.task_length(group.others["break_even"])
    if "ray_vs_multiprocessing" in group.others:
        yield short_answers.memory_and_start(group.others["ray_vs_multiprocessing"])
    if "docker" in group.others:
        yield short_answers.of_containers(group.others["docker"])


def _unequal(group: Group) -> list[str]:
    """Return what is said of nodes that are not alike, once each, of the runs that the table is of."""
    several = [one for one in (*group.sweeps[:1], group.others.get("multi_node")) if one and one.modes]
    told = [sentence for one in several for sentence in unequal_nodes(decide(one, one.main_mode))]
    return list(dict.fromkeys(told))


def _situations(group: Group) -> str:
    """Say what to choose in which situation, from what was measured."""
    lines = []
    study = group.others.get("break_even")
    if study is not None:
        cost = analysis.cost(study.compared, str(analysis.PLAIN["engine"]), str(analysis.PLAIN["batching"]))
        plain = analysis.crossing(break_even.speedup(study, *break_even.way(analysis.PLAIN)))
        if cost.high is not None:
            size = count(analysis.batch_size(cost.high), "task")
            lines.append(
                f"Tasks of {length(analysis.SHORT_SECONDS)}? Put {size} or more into a call: a call alone "
                f"costs up to {seconds(cost.high)}{break_even.in_batches(study)}."
            )
        if plain is not None and plain.value is not None and plain.high is not None and isfinite(plain.high):
            lines.append(
                f"Tasks longer than {seconds(plain.high)}? With {count(study.workers, 'worker')}, one Ray "
                "task a call is faster than a plain loop."
            )
    sweep = group.sweeps[0] if group.sweeps else None
    if sweep is not None and sweep.axis.column == "workers" and len(decide(sweep, sweep.main_mode).sizes) > 1:
        decision = decide(sweep, sweep.main_mode)
        left = decision.choice.possible if decision.choice is not None else ()
        start = f"{listing(left, 'or')} workers" if len(left) > 1 else at_size(sweep, decision.size)
        lines.append(
            f"One machine of {count(sweep.cores, 'core')} and work like this? Start {start}, and measure "
            "your own work."
        )
    return "\n".join(f"- {one}" for one in lines)


def _figure(group: Group) -> str:
    """Draw three panels side by side: over workers, over nodes, against the length of a task."""
    drawn: list[str] = []
    sources: list[str] = []
    several = [study for name, study in group.others.items() if name == "multi_node"]
    for study in {id(one): one for one in (*group.sweeps[:1], *several)}.values():
        panel = scaling.relative_panel(study, study.main_mode)
        if panel is not None and len(drawn) < 2:
            title = "Over nodes" if study.axis.column == "nodes" else "Over workers"
            panel = dataclasses.replace(panel, title=in_few_words(decide(study, study.main_mode)))
            drawn.append(_small(f"{title}: {in_one_line(study)}", panel))
            sources.append(of_run(study))
    evened = group.others.get("break_even")
    if evened is not None:
        ways = {"ray_tasks": ("ray_tasks", "none"), "ray": ("ray", "own")}
        curves = {name: break_even.speedup(evened, *way) for name, way in ways.items()}
        if any(curves.values()):
            title = break_even.in_few_words(evened)
            panel = engine_figures.speedup_panel(title, curves, evened.workers)
            told = f"Speedup over a plain loop against the length of a task. {break_even.sentence(evened)}"
            drawn.append(_small(told.replace("**", ""), panel))
            sources.append(of_run(evened))
    if not drawn:
        return ""
    told = "Means with 95 % intervals over the repeats; the line without marks is what cores or nodes allow."
    panels = "\n".join(drawn)
    return (
        f'<figure class="lab-chart lab-three">\n<div>\n{panels}\n</div>\n<figcaption>{told}</figcaption>\n'
        f'</figure>\n\n<div class="lab-source">\n\nData: {"; ".join(sources)}\n\n</div>'
    )


def _small(title: str, panel: Panel) -> str:
    return chart(title, [panel], height_inches=2.6, width_inches=SMALL_INCHES).replace("\n\n", "\n")


def trust(book: Book) -> Markdown:
    """Say in two lines what was not measured, and how far the numbers can be trusted."""
    studies = [study for group in groups(book) for study in (*group.sweeps, *group.others.values())]
    if not studies:
        return Markdown("")
    machines = sorted(
        {int(study.placement.host_cores or study.machine.get("cores") or study.cores) for study in studies}
    )
    networks = any(not study.placement.shared and study.axis.column == "nodes" for study in studies)
    missing = [] if networks else ["a network between machines"]
    missing.append("disks")
    missing += [] if any(_kept_a_gpu_busy(study) for study in studies) else ["tasks that keep a GPU busy"]
    noisy = sorted({safe(study.run.run_id) for study in studies if _loud(study)})
    quiet = (
        f"On {listing(noisy)} the machine was not quiet: read small differences there with care."
        if noisy
        else "What the runs watched of others on the machine stayed within the lab's limits."
    )
    old = sum(bool(stale(study.run.environment)) for study in studies)
    part = "All" if old == len(studies) else f"{old} of the"
    which = "The run shown is" if len(studies) == 1 else f"{part} {len(studies)} runs shown are"
    anew = f" {which} of older measuring code (*stale*): measured anew, numbers may differ." if old else ""
    return paragraphs(
        f"Measured on {'machines' if len(machines) > 1 else 'a machine'} of {listing(machines)} "
        f"{'core' if machines == [1] else 'cores'}. **Not measured:** {listing(missing)}.",
        f"**Trust:** {quiet}{anew} [Can I trust it?](validation.md) has noise, planted losses and the lab's "
        "own cost.",
    )


def _kept_a_gpu_busy(study: Study) -> bool:
    return bool((study.run.samples["gpu_percent"].astype(float) >= BUSY_GPU_PERCENT).any())


def _loud(study: Study) -> bool:
    return any(len(one.beyond) and one.kind != "load" for one in study.disturbances)
