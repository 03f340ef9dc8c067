"""What is said of one run of own work: the answer, and folded below it the sections that it has."""

from collections.abc import Callable, Mapping

from lab.report import (
    answers,
    baselines,
    disturbances,
    failures,
    limits,
    losses,
    nodes,
    noise,
    own_answers,
    provenance,
    runs_alike,
    scaling,
    timeline,
    usage,
    waiting,
)
from lab.report.caveats import caveats
from lab.report.decision import decide
from lab.report.markdown import Markdown, folded, literal, safe, shortened
from lab.report.series import GROWING
from lab.report.study import Study

Section = Callable[[Study], Markdown]

FOLDED: Mapping[str, tuple[str, tuple[Section, ...]]] = {
    "Break-even: every engine beside the plain loop": (
        "Throughput relative to that of the plain loop of the same block, which hands nothing over.",
        (own_answers.beside_the_loop,),
    ),
    "Ray beside plain processes": (
        "Each ratio pairs trials of the same block, with as many workers on both sides. The first table "
        "pools the worker counts.",
        (scaling.against_processes,),
    ),
    "Where the time went": (
        "All core time of the nodes with workers, each second of it in one place. The parts add up to 100 % "
        "by construction; what cannot be explained stands by itself.",
        (losses.where_the_time_went,),
    ),
    "One trial, moment by moment": (
        "What every worker did in one trial, and what its node read meanwhile.",
        (timeline.after_the_fact,),
    ),
    "Efficiency": (
        "Node efficiency is work time divided by time alive: a worker that waits for a core inside an item "
        "counts as working. CPU efficiency, the items' processor time divided by the core time there was, "
        "does not have that blind spot.",
        (scaling.efficiency,),
    ),
    "Processors and memory": ("", (usage.usage, usage.over_time)),
    "Latency and queue": (
        "Waiting is the time from the driver handing over an item until the function begins; running is the "
        "function. The queue is what was handed over and is not done yet.",
        (waiting.latency, waiting.queue),
    ),
    "Cold start": ("No throughput on this page includes it.", (waiting.start,)),
    "Items that raised, and failed trials": (
        "",
        (own_answers.raised, failures.errors, failures.trials),
    ),
    "Noise and drift": (
        "One configuration runs twice in every block: the A/A arm. What the two differ by is noise.",
        (noise.noise, noise.drift),
    ),
    "Nodes": ("", (nodes.nodes_table,)),
    "Doubts about the data": ("", (losses.doubts,)),
    "How it was measured": ("", (provenance.how_measured,)),
    "Limits": ("", (limits.limits,)),
    "Data": ("", (provenance.files,)),
}
"""What is folded below the answer: title -> words before it, and sections."""

OF_EXAMPLES = (
    *("Where the time went", "Items that raised, and failed trials", "How it was measured", "Limits"),
    "Data",
)
"""What is folded below a run that was published with the lab; a reader's own has all."""


def told(study: Study, place: int, published: bool) -> str:
    """Return what is said of a run: heading, answer, figure and table; below, the folded sections."""
    warning = disturbances.warning(study).text
    heading = f'<h2 id="{place_of(place)}">{titled(study)}, {provenance.where(study)}</h2>'
    parts = [heading, "*A published example.*" * published, *_told(study)]
    for mode in study.modes:
        found = answers.answers(study, mode) + own_answers.of_items(study, mode)
        parts += [f"**{study.name(mode)}**" * (len(study.modes) > 1), answers.answer_table(found).text]
        decision = decide(study, mode)
        parts += [*caveats(decision), warning, scaling.drawn(study, mode)]
        numbers = "\n\n".join(scaling.tables(study, mode))
        parts.append(folded(f"Throughput in numbers, {study.name(mode)}", numbers))
        parts += [runs_alike.shown(decision), baselines.shown(decision)]
    if not study.modes:
        parts += ["**No trial ended well.** What went wrong stands below.", own_answers.raised(study).text]
    parts.append(provenance.which_run(study).text)
    for title in OF_EXAMPLES if published else FOLDED:
        words, sections = FOLDED[title]
        texts = [section(study).text for section in sections]
        if any(texts):
            parts.append(folded(title, "\n\n".join(text for text in (words, *texts) if text)))
    return "\n\n".join(part for part in parts if part)


def _told(study: Study) -> list[str]:
    """Return what each work says of itself, and where it is from."""
    told = []
    for mode in study.every_mode:
        facts = study.works.get(mode, {})
        words = str(facts.get("words") or "")
        source = f"From {literal(str(facts['source']))}." if facts.get("source") else ""
        told.append(" ".join(filter(None, (safe(words), source, own_answers.of_script(study, mode)))))
    return told


def titled(study: Study) -> str:
    """Return what a run's works are called in headings: where each is from, or its name."""
    sources = (study.works.get(mode, {}).get("source") for mode in study.every_mode)
    named = [
        safe(shortened(str(source))) if source else study.name(mode)
        for source, mode in zip(sources, study.every_mode, strict=True)
    ]
    return f"{', '.join(named) or literal(study.run.run_id)}{GROWING * study.grows}"


def place_of(place: int) -> str:
    """Return the anchor of the work at a place on the page, from 0."""
    return f"own-work-{place + 1}"
