"""The answers in words: each sentence is chosen by the data, so that it is true of any honest run."""

from collections.abc import Callable

from lab.analysis.configurations import compare_over_workers
from lab.analysis.intervals import Estimate
from lab.formats import bounds, count, decimals, estimate, fixed, level, percent
from lab.report.disturbances import in_short
from lab.report.levels import estimate_of
from lab.report.markdown import safe
from lab.report.series import LOOP, PROCESSES
from lab.report.study import Study

NEAR_BEST = 0.97
"""Workers are enough where the mean throughput reaches this part of the highest."""

ALIKE = "no difference that these trials could tell"

IN_PROSE = {
    "Ray, dynamic": "Ray",
    "Ray, static": "Ray with equal shares",
    "plain loop": "a plain loop",
}
"""The series as a sentence calls them."""


def in_prose(series: str) -> str:
    """Return what a sentence calls a series."""
    return IN_PROSE.get(series, series)


def scaling(study: Study) -> str:
    """Say how much faster the work got with as many workers as cores, and what more workers brought."""
    mode, series = study.main_mode, main_series(study, study.main_mode)
    counts = study.counts(mode, series)
    if 1 not in counts or len(counts) < 2:
        return (
            f"How far the work scales cannot be told from this run: {in_prose(series)} was measured with "
            f"{count(counts[0], 'worker')} only."
            if len(counts) == 1
            else "How far the work scales cannot be told from this run: it has no trial with 1 worker."
        )
    middle, most = reached_cores(study, counts), counts[-1]
    gained = study.ratio(mode, (series, middle), (series, 1))
    first = (
        f"With {count(middle, 'worker')} on {count(study.cores, 'core')}, {in_prose(series)} did the same "
        f"work {estimate(gained, 'times as fast as with one worker')}."
    )
    if gained.low is not None and gained.high is not None and gained.low <= 1 <= gained.high:
        first = f"{first.removesuffix('.')}: {ALIKE}."
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
    return f"Going on to {most} workers made {ALIKE} ({note})."


def main_series(study: Study, mode: str) -> str:
    """Return the series that answers speak of: this lab's dispatch, else Ray, else any, else a loop.

    Of several the dynamic, then the first. Raises IndexError where the mode has none.
    """
    engines = {name: str(study.known[name]["engine"]) for name in study.series(mode)}
    ranks = ("ray", "ray_tasks", "ray_actor_pool", "ray_pool")
    return sorted(
        engines, key=lambda name: (*(engines[name] != one for one in ranks), engines[name] == LOOP)
    )[0]


def cost_of_ray(study: Study) -> str:
    """Say how Ray's throughput compares with as many plain processes doing the same work."""
    mode = study.main_mode
    series = next(iter(study.rays(mode)), None)
    counts, ratio = cost(study, mode, series) if series else ((), None)
    if series is None or ratio is None or ratio.value is None:
        return (
            "What Ray costs cannot be told from this run: no block has trials with Ray and with as many "
            "plain processes."
        )
    lead = (
        f"{over_workers(counts)}, {in_prose(series)} reached "
        f"{estimate(ratio, 'of the throughput of as many plain processes')}"
    )
    return f"{lead}: {cost_in_words(ratio)}."


def cost(study: Study, mode: str, series: str) -> tuple[tuple[int, ...], Estimate]:
    """Return worker counts and the ratio of a series to as many plain processes, pooled over them.

    The counts are those that both have: 2 or more workers, or else 1. None of them gives n = 0.
    """
    shared = set(study.counts(mode, series)) & set(study.counts(mode, PROCESSES))
    counts = tuple(sorted({one for one in shared if one > 1} or shared))
    if not counts:
        return (), Estimate(0, None, None, None)
    ray, plain = ({"mode": mode, **study.known[name]} for name in (series, PROCESSES))
    return counts, compare_over_workers(study.measures, "throughput", ray, plain, counts)


def cost_in_words(ratio: Estimate) -> str:
    """Say what a ratio to plain processes means: a cost, a gain or nothing that could be told."""
    if ratio.value is None:
        return "not known"
    if ratio.low is None or ratio.high is None:
        return "with one block, no difference could be told from chance"
    if ratio.low <= 1 <= ratio.high:
        return ALIKE
    # from the value as it is printed, so that a reader who subtracts finds the same
    places = decimals(ratio)
    points = fixed(100 * abs(1 - round(ratio.value, places)), max(places - 2, 0))
    return f"it cost {points} %" if ratio.high < 1 else f"it was {points} % faster"


def over_workers(counts: tuple[int, ...]) -> str:
    """Return how a sentence begins that pools worker counts: 'Over 2 to 6 workers'."""
    if len(counts) == 1:
        return f"With {count(counts[0], 'worker')}"
    if counts == tuple(range(counts[0], counts[-1] + 1)) and len(counts) > 2:
        return f"Over {counts[0]} to {counts[-1]} workers"
    return f"Over {', '.join(map(str, counts[:-1]))} and {counts[-1]} workers"


def workers_to_use(study: Study) -> str:
    """Say how many workers are enough: the fewest that come near the highest mean throughput."""
    found = enough(study, main_series(study, study.main_mode), lambda x: count(x, "worker"))
    return found[1] if found else "How many workers to use takes a run with several worker counts."


def enough(study: Study, series: str, named: Callable[[int], str]) -> tuple[int, str] | None:
    """Return the fewest workers or nodes that come near the highest mean throughput, and why in words.

    `named` gives so many of them in words. None where the series has one size only.
    """
    mode, column = study.main_mode, study.axis.column
    levels = study.levels(mode, "throughput", (series,)).sort_values(column).reset_index(drop=True)
    if len(levels) < 2:
        return None
    best = levels.sort_values("value").iloc[-1]
    place = int(levels.index[levels["value"] >= NEAR_BEST * best["value"]][0])
    # beside the next smaller size; the smallest has only the next larger
    few, other = (int(levels[column].iloc[one]) for one in (place, place - 1 if place else 1))
    most = int(best[column])
    highest = estimate(estimate_of(levels[levels[column] == most]), safe(study.unit(mode)))
    part = percent(NEAR_BEST, 2)
    reason = f"the highest mean throughput measured, {highest}"
    if few != most:
        reason = (
            f"the fewest that gave at least {part} of the highest mean throughput, that of {named(most)}, "
            f"{highest}"
        )
    elif place:
        reason = f"{reason}; fewer gave less than {part} of it"
    ratio = study.ratio(mode, (series, few), (series, other))
    apart = ratio.low is not None and ratio.high is not None and not ratio.low <= 1 <= ratio.high
    doubt = "" if apart else f". But these trials could not tell {few} and {named(other)} apart"
    return few, f"Use {named(few)}: {reason}{doubt}."


def in_two_sentences(study: Study) -> str:
    """Return the answer of the page on a single node."""
    return f"{scaling(study)} {cost_of_ray(study)}"


def in_one_paragraph(study: Study) -> str:
    """Return the answer of the first page."""
    return f"{scaling(study)} {cost_of_ray(study)} {workers_to_use(study)}{in_short(study)}"
