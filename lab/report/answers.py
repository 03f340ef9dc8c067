"""The answers in words: each sentence is chosen by the data, so that it is true of any honest run."""

from lab.analysis.intervals import Estimate
from lab.formats import bounds, count, decimals, estimate, fixed, level, number, percent
from lab.report.study import UNITS, Study

NEAR_BEST = 0.97
"""Workers are enough where the mean throughput reaches this part of the highest."""


QUIET = 0.1
"""A machine is called quiet where others used no more than this part of its cores in any trial."""

IN_PROSE = {
    "Ray, dynamic": "Ray",
    "Ray, static": "Ray with equal shares",
    "plain processes": "plain processes",
    "serial loop": "a plain loop",
}
"""The series as a sentence calls them."""


def scaling(study: Study) -> str:
    """Say how much faster the work got with as many workers as cores, and what more workers brought."""
    mode, series = study.main_mode, study.ray_series(study.main_mode) or "plain processes"
    counts = study.workers(mode, series)
    if 1 not in counts or len(counts) < 2:
        return (
            f"How far the work scales cannot be told from this run: {IN_PROSE[series]} was measured with "
            f"{count(counts[0], 'worker')} only."
            if len(counts) == 1
            else "How far the work scales cannot be told from this run: it has no trial with 1 worker."
        )
    middle, most = reached_cores(study, counts), counts[-1]
    gained = study.ratio(mode, (series, middle), (series, 1))
    first = (
        f"With {count(middle, 'worker')} on {count(study.cores, 'core')}, {IN_PROSE[series]} did the same "
        f"work {estimate(gained, 'times as fast as with one worker')}."
    )
    if most <= middle:
        return first
    beyond = study.ratio(mode, (series, most), (series, middle))
    return f"{first} {_beyond(beyond, most, middle)}"


def reached_cores(study: Study, counts: tuple[int, ...]) -> int:
    """Return the worker count nearest to the cores, of those above 1 where there are any."""
    several = [one for one in counts if one > 1] or list(counts)
    return min(several, key=lambda one: (abs(one - study.cores), one))


def _beyond(ratio: Estimate, most: int, middle: int) -> str:
    between = bounds(ratio)
    if ratio.value is None or ratio.low is None or ratio.high is None or between is None:
        return f"Whether {most} workers did better than {middle} cannot be told from this run."
    value = fixed(ratio.value, decimals(ratio))
    note = f"{value} times the throughput; {level(ratio)} interval {between}, n = {ratio.n}"
    if ratio.low > 1:
        return f"Going on to {most} workers was faster still ({note})."
    if ratio.high < 1:
        return f"Going on to {most} workers was slower ({note})."
    return f"Going on to {most} workers made no difference that these trials could tell ({note})."


def cost_of_ray(study: Study) -> str:
    """Say how Ray's throughput compares with as many plain processes doing the same work."""
    mode = study.main_mode
    series = study.ray_series(mode)
    both = (
        []
        if series is None
        else sorted(set(study.workers(mode, series)) & set(study.workers(mode, "plain processes")))
    )
    if series is None or not both:
        return (
            "What Ray costs cannot be told from this run: it lacks trials with Ray or with plain processes."
        )
    workers = reached_cores(study, tuple(both))
    ratio = study.ratio(mode, (series, workers), ("plain processes", workers))
    lead = (
        f"Beside {count(workers, 'plain process', 'plain processes')}, Ray with {count(workers, 'worker')} "
        f"reached {estimate(ratio, 'of their throughput')}"
    )
    if ratio.low is None or ratio.high is None:
        return f"{lead}."
    if ratio.high < 1:
        return f"{lead}: it cost {percent(1 - (ratio.value or 1), 2)}."
    if ratio.low > 1:
        return f"{lead}: it was the faster of the two."
    return f"{lead}: no difference that these trials could tell."


def workers_to_use(study: Study) -> str:
    """Say how many workers are enough: the fewest that come near the highest mean throughput."""
    mode, series = study.main_mode, study.ray_series(study.main_mode) or "plain processes"
    levels = study.levels(mode, "throughput", (series,)).sort_values("workers")
    if len(levels) < 2:
        return "How many workers to use takes a run with several worker counts."
    best = levels.sort_values("value").iloc[-1]
    enough = levels[levels["value"] >= NEAR_BEST * best["value"]].iloc[0]
    if enough["workers"] == best["workers"]:
        return (
            f"Use {count(int(best['workers']), 'worker')}: the highest mean throughput measured, "
            f"{number(best['value'])} {UNITS[mode]}; fewer gave less than {percent(NEAR_BEST, 2)} of it."
        )
    return (
        f"Use {count(int(enough['workers']), 'worker')}: the fewest that gave at least "
        f"{percent(NEAR_BEST, 2)} of the highest mean throughput, {number(best['value'])} {UNITS[mode]} "
        f"with {best['workers']:g}."
    )


def quietness(study: Study) -> str:
    """Say what else used the node's processors during the trials."""
    others = study.others
    if others.empty:
        return "What else used the processors is not known."
    shares = (
        f"{percent(others.median(), 2)} of the cores in the median trial, {percent(others.max(), 2)} at most"
    )
    if others.max() <= QUIET:
        return f"Beside the lab, other processes used little: {shares}."
    return (
        f"**The machine was not quiet**: processes that are not the lab's used {shares}. That slows whatever "
        "trial it falls on, most of all where workers leave no core free."
    )


def warning(study: Study) -> str:
    """Return a sentence to append where the machine was not quiet, or nothing."""
    return f" {quietness(study)}" if (study.others > QUIET).any() else ""


def in_one_paragraph(study: Study) -> str:
    """Return the answer of the first page."""
    return f"{scaling(study)} {cost_of_ray(study)} {workers_to_use(study)}{warning(study)}"
