"""Why a run scales no further: each cause in words, what it costs, what to change and what that may bring."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lab.analysis.causes import DRIVER_CORES, FULL, LEAST, Cause
from lab.analysis.intervals import Estimate
from lab.formats import count, number, percent, seconds, short_estimate
from lab.report import baselines, losses, timeline
from lab.report.decision import Decision, decide
from lab.report.levels import rounded
from lab.report.loss_tables import CAUSES
from lab.report.markdown import Markdown, capital, folded, paragraphs, table
from lab.report.nodes import at_size
from lab.report.study import Study

if TYPE_CHECKING:
    from lab.report.book import Book

Facts = Mapping[str, Any]

ALIKE = 0.9
"""Of the waiting among many, from which on that of one alone is as much."""


def _whole(facts: Facts, name: str) -> int:
    return round(float(facts.get(name, 0)))


def _cores(facts: Facts) -> str:
    found = float(facts.get("cores", 0))
    cores = f"{found:.3g}"
    every = {"1": "the one core is", "2": "both cores are"}
    return f"{every.get(cores, f'all {cores} cores are')} at work"


def _slower(facts: Facts) -> str:
    threads = (
        " (hyperthreads among them)" if facts.get("physical_cores", 1e9) < facts.get("workers", 0) else ""
    )
    return f"tasks take more processor time side by side than alone{threads}"


def _short(facts: Facts) -> str:
    if "gap_seconds" not in facts:
        return "gaps between tasks"
    return f"{seconds(facts['gap_seconds'])} between tasks of {seconds(facts.get('task_seconds'))}"


def _tail(facts: Facts) -> str:
    largest, mean = facts.get("largest_seconds"), facts.get("mean_seconds")
    many = f", {number(facts['tasks_per_worker'], 2)} tasks a worker" if "tasks_per_worker" in facts else ""
    return (
        f"workers idle while the last tasks end (mean task {seconds(mean)}, largest {seconds(largest)}{many})"
    )


def _waiting(facts: Facts) -> str:
    if "here" not in facts:
        return "tasks wait inside, without processor time"
    alone = f", {percent(facts['alone'], 2)} with one worker" if "alone" in facts else ""
    return f"tasks wait for something: {percent(facts['here'], 2)} of their time{alone}"


def _data(facts: Facts) -> str:
    if "item_bytes" not in facts:
        return "items and results travel"
    return f"an item and its result travel, {number(facts['item_bytes'] / 1e6, 2)} MB together"


TOLD: Mapping[str, Callable[[Facts], str]] = {
    "cores": _cores,
    "unused": lambda facts: (
        f"{count(_whole(facts, 'cores'), 'core')} had {count(_whole(facts, 'workers'), 'worker')}"
    ),
    "slower": _slower,
    "short": _short,
    "tail": _tail,
    "threads": lambda facts: f"a task keeps {number(facts.get('threads'), 2)} threads busy",
    "waiting": _waiting,
    "driver": lambda facts: f"the driver uses {number(facts.get('driver_cores'), 2)} cores of the 1 it can",
    "startup": lambda _: "workers idle before their first task",
    "data": _data,
    "throttled": lambda _: "a quota holds the node back though it has more cores than workers",
    "slow_node": lambda facts: f"node {facts.get('node', 'not known')} is slower than the others",
    "neighbours": lambda facts: f"others use {percent(facts.get('others'), 2)} of the cores",
}
"""Each cause in words, from its facts."""

REMEDIES: Mapping[str, Callable[[Facts], str]] = {
    "cores": lambda _: "only more cores help",
    "unused": lambda facts: f"try up to {count(_whole(facts, 'cores'), 'worker')}",
    "slower": lambda _: "fewer workers on each node, or less traffic with memory",
    "short": lambda facts: f"put {max(2, _whole(facts, 'batch'))} tasks or more into a call",
    "tail": lambda _: "smaller tasks, the longest first",
    "threads": lambda _: "one thread for each worker: OMP_NUM_THREADS=1",
    "waiting": lambda facts: (
        "one worker alone waits as much: more workers than cores help"
        if facts.get("alone", 0.0) > ALIKE * facts.get("here", 1.0)
        else "look for a lock, a shared actor, or input and output that workers share"
    ),
    "driver": lambda _: "larger tasks, or several drivers",
    "startup": lambda _: "keep workers, and measure for longer",
    "data": lambda _: "send less: ray.put what many tasks share, make inputs where they are used",
    "throttled": lambda _: "a larger quota",
    "slow_node": lambda _: "leave that node out, or look what is wrong with it",
    "neighbours": lambda _: "a quiet machine",
}
"""What to change, by cause."""


OTHER_RULES = {
    "cores": f" (from {percent(FULL, 2)} on)",
    "driver": f" (and it uses {DRIVER_CORES:g} cores or more)",
}
"""What else a cause takes to be true, or in place of LEAST."""


def page(book: "Book") -> Markdown:
    """Show why the first sweep of the book scales no further, and the main cause of every other."""
    return book.of_sweeps(
        in_full, "why no further", lambda study: in_short(decide(study, study.main_mode))[0]
    )


def in_full(study: Study) -> Markdown:
    """Show why a sweep scales no further: the main cause, where the time went, and every cause."""
    decision, figure = decide(study, study.main_mode), timeline.of_typical(study)
    near = " with about as many workers as cores" * (study.kind == "single_node")
    told = (
        f"What every worker did in one trial{near}, moment by moment: who waited for whom, and where the "
        "last tasks ended."
    )
    return paragraphs(
        in_short(decision)[0],
        _of_the_answer(decision),
        losses.drawn(study),
        causes_table(decision).text,
        # a script has no rows of tasks to draw
        *((told, figure) if figure else ()),
    )


def _of_the_answer(decision: Decision) -> str:
    """Say where the core time of the size to use went, where causes are told of a larger one."""
    study, size = decision.study, decision.size
    if size == decision.sizes[-1] or study.grows:
        return ""
    each = study.known[decision.series].get("workers_per_node")
    nodes, workers = (1, size) if study.axis.column == "workers" else (size, int(str(each or 1)))
    return losses.of_size(study, nodes, workers)


def in_short(decision: Decision) -> tuple[str, str]:
    """Return why the largest size gives no more, and how sure that is."""
    if not decision.causes:
        return "", ""
    causes = decision.reasons.causes
    # cores without a worker are what the sweep has not reached yet, and say nothing of the workers there were
    holding = [one for one in causes if one.name != "unused"] or list(causes)
    at = f"With {at_size(decision.study, decision.sizes[-1])}, "
    n = max(one.share.n for one in decision.causes)
    level = f"{_level(decision.causes[0].share)}, n = {n}"
    kept, gained = _keeps_up(decision)
    if kept and not any(one.name == "cores" for one in holding):
        told = f"It still scales. {at}the work is done {short_estimate(gained)} times as fast as with one."
        return told, f"{_level(gained)}, n = {gained.n}"
    if not holding:
        if n < 2:
            rows = "one repeat cannot tell: run 5" if n else "there are no rows of tasks to tell it from"
            return f"{at}{rows}.", "not decided"
        bound = decision.reasons.bound
        none = f"none seen above {percent(bound, 2)} of the core time" if bound else "not known"
        if bound == 1:
            none = "too few repeats, or too much noise, to exclude any"
        return f"{at}no single cause of {percent(LEAST, 1)} or more is certain: {none}.", "not decided"
    first = holding[0]
    told = f"{at}{TOLD[first.name](first.facts)}: {_part(first)} of the core time"
    others = [f"{CAUSES[one.name]} {_part(one)}" for one in holding[1:3]]
    more = f"; then {', '.join(others)}" if others else ""
    return f"{told}{more}. {capital(_remedy(decision, first))}.", level


def _keeps_up(decision: Decision) -> tuple[bool, Estimate]:
    """Tell whether the largest size is as fast as it ideally were, for certain; and how fast it is."""
    size, one = decision.sizes[-1], decision.one
    gained = decision.beside(one, size)
    if one is None or gained.low is None or decision.study.grows:
        return False, gained
    return gained.low >= (1 - LEAST) * baselines.ideal(decision, size, one) > 1 - LEAST, gained


def _part(one: Cause) -> str:
    return f"{short_estimate(one.share, 100)} %"


def _remedy(decision: Decision, one: Cause) -> str:
    """Say what to change: fewer workers would be slower where the most that were measured are fastest."""
    if one.name == "slower" and decision.choice is not None and decision.choice.largest:
        return "less traffic with memory, or more machines; fewer workers would be slower"
    return REMEDIES[one.name](one.facts)


def _level(found: Estimate) -> str:
    return f"{100 * found.level:.3g} % intervals"


def causes_table(decision: Decision) -> Markdown:
    """Show the causes that hold with what to change, and all others folded."""
    every = decision.causes
    holding, others = ([one for one in every if (one.outcome == "holds") == held] for held in (True, False))
    gains = any(_gain(one) for one in holding)
    head = ("cause", "% of the core time", "what to change", *(("gain at most",) if gains else ()))
    shown = table(head, [_row(decision, one)[: len(head)] for one in holding]) if holding else None
    level = f"In brackets: {_level(every[0].share)}, which hold together. " if every else ""
    gain = "*Gain at most* is without this cause alone; where hyperthreads share a core, less comes of it."
    rules = {one.name: OTHER_RULES.get(one.name, "") for one in others}
    rest = [(f"{CAUSES[one.name]}{rules[one.name]}", _share(one), one.outcome) for one in others]
    return paragraphs(
        shown,
        f"{level}{gain * gains}".strip(),
        folded(
            f"Causes that are ruled out, or not decided: true from {percent(LEAST, 1)} of the core time on",
            table(("cause", "% of the core time", "verdict"), rest),
        )
        if rest
        else None,
    )


def _told(one: Cause) -> str:
    return TOLD[one.name](one.facts) if one.facts else "nothing is known of it"


def _row(decision: Decision, one: Cause) -> tuple[str, ...]:
    return f"**{CAUSES[one.name]}**: {_told(one)}", _share(one), _remedy(decision, one), _gain(one)


def _gain(one: Cause) -> str:
    return "" if one.gain is None or one.gain.value is None else f"× {rounded(one.gain, places=2)}"


def _share(one: Cause) -> str:
    return rounded(one.share.map(lambda part: max(0.0, part)), 100)
