"""The sections of the page on break-even: from a comparison to figures, tables and words."""

from collections.abc import Sequence

from lab.analysis import break_even as analysis
from lab.analysis.break_even import OWN, PLAIN, Crossing, Curve
from lab.analysis.configurations import select
from lab.analysis.engines import ways
from lab.analysis.intervals import Estimate
from lab.data.engines import ordered
from lab.figures import engines as figures
from lab.formats import (
    count,
    estimate,
    length,
    listing,
    number,
    percent,
    seconds,
    short_estimate,
    unit_of_time,
)
from lab.report.engines import named
from lab.report.levels import ABSENT, intervals
from lab.report.markdown import Markdown, figure, paragraphs, table
from lab.report.source import source
from lab.report.study import Study

MICRO = 1e6
Way = tuple[str, str]


def answer(study: Study) -> Markdown:
    """Answer the page's question: from which length of a task Ray pays off."""
    return Markdown(sentence(study))


def sentence(study: Study) -> str:
    """Return the rule for this machine; empty where neither way to use Ray was timed beside a plain loop."""
    names = {"one Ray task a call": PLAIN, "Ray in batches": OWN}
    found = {name: analysis.crossing(speedup(study, *way(chosen))) for name, chosen in names.items()}
    known = [(name, pays_off(study, one)) for name, one in found.items() if one is not None]
    if not known:
        return ""
    (first, since), *rest = known
    told = f"With {count(study.workers, 'worker')}, **{first} pays off against a plain loop {since}**"
    others = "".join(f", {name} {other}" for name, other in rest)
    documented = length(analysis.DOCUMENTED_SECONDS)
    return f"{told}{others}{_batch_rule(study)}. Ray's documentation advises about {documented} or more."


def in_few_words(study: Study, batching: str = "none") -> str:
    """Return from which length on one Ray task a call, or an equal batch, pays off: the title of a figure."""
    name = {"none": "One task a call", "equal": "Equal batches"}[batching]
    found = analysis.crossing(speedup(study, str(PLAIN["engine"]), batching))
    if found is None or found.place != "within" or found.value is None:
        return name
    scale, unit = unit_of_time(found.value)
    return f"{name}: Ray pays from {number(scale * found.value, 2)} {unit}"


def _batch_rule(study: Study) -> str:
    cost = analysis.cost(study.compared, *way(PLAIN))
    if cost.high is None:
        return ""
    size, short = count(analysis.batch_size(cost.high), "task"), length(analysis.SHORT_SECONDS)
    call = f"a call alone costs up to {seconds(cost.high)}"
    return f"; of shorter work, put at least {size} of {short} into a call, since {call}{in_batches(study)}"


def in_batches(study: Study) -> str:
    """Return how fast batches of short tasks were measured to be: a call's cost is not all."""
    found = speedup(study, str(PLAIN["engine"]), "equal").get(analysis.SHORT_SECONDS)
    if found is None or found.value is None:
        return ""
    asked = {"engine": PLAIN["engine"], "batching": "equal", "task_seconds": analysis.SHORT_SECONDS}
    size = count(int(select(study.run.trials, asked)["batch"].max()), "task")
    return f"; in calls of {size} Ray was {short_estimate(found)} times as fast as a plain loop here"


def way(chosen: object) -> Way:
    """Return engine and batching of what columns were chosen by."""
    engine, batching = chosen["engine"], chosen["batching"]  # type: ignore[index]
    return str(engine), str(batching)


def timed(study: Study) -> tuple[Way, ...]:
    """Return every way to run tasks that was timed, the plain loop left out."""
    return tuple(one for one in ways(study.compared) if one[0] != "serial")


def failed(study: Study) -> tuple[str, ...]:
    """Return the engines that have no trial that ended well."""
    return ordered(set(study.run.trials["engine"]) - set(study.compared["engine"]))


def speedup(study: Study, engine: str, batching: str) -> Curve:
    """Return how many times as fast as a plain loop a way to run tasks is, by the length of a task."""
    first = {"engine": engine, "batching": batching}
    return analysis.speed_ratios(study.compared, first, analysis.SERIAL)


def pays_off(study: Study, found: Crossing | None, exact: bool = True) -> str:
    """Say from which length on something is faster: 'from 0.61 ms (95 % interval ...)'."""
    if found is None:
        return ABSENT
    every = analysis.lengths(study.compared)
    if found.place == "below":
        # the high end is the length up to which a ratio of 1 is not ruled out
        unsure = " (one block: not certain)" if found.high is None else ""
        unsure = f", for certain {_from(found.high, every)}" if found.high else unsure
        return f"at every length{f' timed, from {length(every[0])} on' * exact}{unsure}"
    if found.place == "beyond" or found.value is None:
        if found.low is not None and found.low < float("inf"):
            return f"from no length on for certain, up to {length(every[-1])}"
        return "at no length" + f" timed, up to {length(every[-1])}" * exact
    return f"from {_length(found, every, exact)}"


def _from(at: float, every: Sequence[float]) -> str:
    """Return from which length on something is so."""
    return f"not even at {length(every[-1])}" if at == float("inf") else f"from {seconds(at)} on"


def _length(found: Crossing, every: Sequence[float], exact: bool) -> str:
    value = found.value or 0.0
    scale, unit = unit_of_time(value)
    one = Estimate(found.n, found.value, found.low, found.high)
    if found.low is None or found.high is None:
        return estimate(one, unit, scale) if exact else f"{short_estimate(one, scale)} {unit}"
    if found.low > 0 and found.high < float("inf"):
        return estimate(one, unit, scale) if exact else f"{short_estimate(one, scale)} {unit}"
    low = f"below {length(every[0])}" if found.low == 0 else seconds(found.low)
    high = f"beyond {length(every[-1])}" if found.high == float("inf") else seconds(found.high)
    note = f"95 % interval {low} to {high}, n = {found.n}" if exact else f"{low} to {high}"
    return f"{seconds(value)} ({note})"


def overhead(study: Study) -> Markdown:
    """Show what a task costs beyond its work by its length, for one task a call."""
    shown = [way for way in timed(study) if way[1] in ("none", "own")]
    curves = {engine: analysis.overhead_curve(study.compared, engine, how) for engine, how in shown}
    if not any(curves.values()):
        return Markdown("")
    drawn = figures.overheads(curves, "Cost of a task beyond its work, against its length")
    caption = (
        "One task a call, but for <em>Ray, batched</em>, which chooses its own batches. Workers times time "
        "for each task, less the plain loop's time for it in the same block. Means with "
        f"{intervals(study)}; where the interval reaches 0 the cost is too small beside the work to be "
        f"told, and no point is drawn; nor is one of tasks longer than {length(analysis.TOLD_SECONDS)}."
    )
    return paragraphs(figure(drawn, caption, source(study)))


def costs(study: Study) -> Markdown:
    """Show the cost of a short task, the break-even length and the batch to use, for every way."""
    if not timed(study):
        return Markdown("")
    pooled = listing(length(one) for one in analysis.short_lengths(study.compared))
    rows: list[tuple[object, ...]] = []
    for engine, how in timed(study):
        cost = analysis.cost(study.compared, engine, how)
        loop = analysis.crossing(speedup(study, engine, how))
        size = _batch(cost) if how == "none" else ABSENT
        shown = short_estimate(cost, MICRO) if cost.value is not None else ABSENT
        rows.append((named(engine, how), shown, pays_off(study, loop, exact=False), size, cost.n))
    rows += [(named(name), "failed", ABSENT, ABSENT, 0) for name in failed(study)]
    head = (
        *("way to run tasks", "cost of a task, core-µs", "faster than a plain loop"),
        *(f"{length(analysis.SHORT_SECONDS)} tasks a call", "n"),
    )
    told = (
        f"With 95 % intervals. The cost is that of tasks of {pooled}, pooled: of longer ones it is a small "
        "difference of large numbers. The last but one column is the fewest tasks in a call for which the "
        f"upper end of that cost is at most {percent(analysis.ALLOWED, 1)} of their work; few long calls "
        "that end at different times cost more than that. Between two "
        "lengths that were timed, the cost of a task is taken to be the same; the interval of a "
        "break-even length goes over all lengths at which the speedup may be 1."
    )
    return paragraphs(table(head, rows, right=(1, 2, 3, 4)), told)


def _batch(cost: Estimate) -> object:
    """Return the tasks of a call that keep its cost small, even where it is as large as it may be."""
    return ABSENT if cost.value is None else analysis.batch_size(cost.high or cost.value)


def speedups(study: Study) -> Markdown:
    """Show speedup over a plain loop against the length of a task, one task a call and in batches."""
    panels = {}
    for how in ("none", "equal"):
        curves = {engine: speedup(study, engine, one) for engine, one in timed(study) if one in (how, "own")}
        if any(curves.values()):
            panels[in_few_words(study, how)] = curves
    if not panels:
        return Markdown("")
    drawn = figures.speedups(panels, study.workers, "Speedup over a plain loop, against the length of a task")
    caption = (
        f"{count(study.workers, 'worker')}. Ratios paired by block, with {intervals(study)}. <em>Ray, "
        "batched</em> chooses its own batches and is in both panels."
    )
    return paragraphs(figure(drawn, caption, source(study)))
