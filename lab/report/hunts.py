"""The sections on hunts for factors: how long they take, what ends them, what that and a loss cost."""

import itertools
from collections.abc import Iterator
from math import exp, log

import numpy as np
import pandas as pd

from lab.analysis.configurations import compare
from lab.analysis.hunts import changes, efforts, hunted, steps_of, wasted
from lab.analysis.intervals import (
    geometric_estimate,
    mean_estimate,
    median_estimate,
    proportion_estimate,
)
from lab.analysis.verdicts import Verdict, all_of, at_least, at_most, judge, shared_level, within
from lab.figures.curves import curve
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import BLUE, INK, Look
from lab.formats import count, listing, number, percent, seconds, short_estimate
from lab.report.markdown import Markdown, figure, paragraphs, table
from lab.report.source import source
from lab.report.study import Study
from lab.report.verdicts import verdict_table

LINEAR = 0.95
"""Of as many times the throughput as there are workers or nodes."""
EACH = shared_level(5)
"""The level of the interval of each of the claims, which share one error rate."""
BY_LEVEL = f"{percent(EACH, 2)} intervals"
SOON_SECONDS = 0.5
THEORY_MARGIN = 0.25
LATE_PART = 0.05
AS_THEORY = "The first factor takes the effort of theory"
OURS, THEORY = Look(BLUE, "-", "o"), Look(INK, "--", "")


def verdicts(study: Study) -> Markdown:
    """Judge what was promised of the curves and of what a found factor ends."""
    steps = _steps(study)
    of_hunts = *_faster(study, steps), *_soon(steps), *_as_theory(study, steps)
    judged = [*_linear(study), *of_hunts, *_kept(study)]
    return Markdown(verdict_table([("", one) for one in judged]) if judged else "")


def _steps(study: Study) -> pd.DataFrame:
    return study.once("hunts", lambda: steps_of(study.run.trials, study.run.tasks))


def _linear(study: Study) -> Iterator[Verdict]:
    names = study.series("curves")
    counts = study.counts("curves", names[0]) if names else ()
    if len(counts) < 2:
        return
    most, least = counts[-1], counts[0]
    far, near = ({**study.known[names[0]], study.axis.column: size} for size in (most, least))
    ratio = compare(study.rows("curves"), "throughput", far, near, EACH)
    times = most / least
    found = ratio.times(1 / times)
    what = study.axis.label
    yield Verdict(
        f"Curves a second grow in proportion to the {what}",
        f"with {most} they are {LINEAR:g} of {times:g} times those with {least}, or more",
        judge(found, at_least(LINEAR)),
        f"{short_estimate(ratio)} times with {most}: {short_estimate(found)} of linear, {BY_LEVEL}, "
        f"n = {found.n}",
    )


def _faster(study: Study, steps: pd.DataFrame) -> Iterator[Verdict]:
    """Judge whether numbers are split in less time with every size; a number is paired with itself."""
    times = _by_number(study, steps)
    sizes = list(times.columns)
    if len(sizes) < 2:
        return
    found = {
        f"{one} to {other}": geometric_estimate(
            [log(ratio) for ratio in (times[other] / times[one]).dropna()], EACH
        )
        for one, other in itertools.pairwise(sizes)
    }
    told = "; ".join(f"{step}: × {short_estimate(ratio)}" for step, ratio in found.items())
    yield Verdict(
        f"A number is split in less time with more {study.axis.label}",
        "the time is below that of the size before, at each of them",
        all_of(judge(one, at_most(1.0)) for one in found.values()),
        f"{told}; {BY_LEVEL}, n = {count(len(times), 'number')}",
    )


def _by_number(study: Study, steps: pd.DataFrame) -> pd.DataFrame:
    """Return the median seconds of every number of the hunts by workers, or by nodes with fewest workers."""
    rows = hunted(steps[steps["mode"] == "hunt"])
    each = rows["workers"] / rows["nodes"]
    rows = rows if study.axis.column == "workers" else rows[each == each.min()]
    return rows.pivot_table(index="item", columns=study.axis.column, values="seconds", aggfunc="median")


def _soon(steps: pd.DataFrame) -> Iterator[Verdict]:
    found = changes(steps[steps["mode"] == "hunt"])
    if found.empty:
        return
    # the workers of a trial wait for one another: blocks are counted, and not cases
    is_late = found["seconds"] > found["curve_seconds"].clip(lower=SOON_SECONDS)
    late = mean_estimate(is_late.groupby(found["block"]).mean().tolist(), EACH)
    middle, longest = (seconds(float(one)) for one in (found["seconds"].median(), found["seconds"].max()))
    most = f" (to {percent(late.high)}, {BY_LEVEL})" if late.high is not None else ""
    yield Verdict(
        "After a factor is found every worker is soon on new work",
        f"in all but {percent(LATE_PART, 1)} of cases it is within {SOON_SECONDS:g} s, or the time of one "
        "curve where that is longer",
        judge(late, at_most(LATE_PART)),
        f"{percent(late.value)} of {len(found):,} cases were later{most}, n = {count(late.n, 'block')}; "
        f"median {middle}, longest {longest}",
    )


def _as_theory(study: Study, steps: pd.DataFrame) -> Iterator[Verdict]:
    found = _efforts(study, steps)
    if found.empty:
        return
    mean, every = mean_estimate(found, EACH), steps.loc[steps["mode"] == "hunt", "item"].nunique()
    # those that no curve split took the most curves
    left = f"; {count(every - len(found), 'number')} had no factor by a curve" if every > len(found) else ""
    yield Verdict(
        AS_THEORY,
        f"the mean effort is within {percent(THEORY_MARGIN, 2)} of 1, at which theory expects one factor",
        "not decided" if left else judge(mean, within(THEORY_MARGIN)),
        f"mean effort {short_estimate(mean)}, {BY_LEVEL}, n = {count(mean.n, 'number')}{left}",
    )


def _efforts(study: Study, steps: pd.DataFrame) -> pd.Series:
    """Return the effort of each number; none where somebody's numbers have factors of unknown size."""
    bits = study.parameters.get("hunt_factor_bits")
    if study.parameters.get("numbers") or not isinstance(bits, int):
        return pd.Series(dtype=float)
    return efforts(steps, bits)


def _kept(study: Study) -> Iterator[Verdict]:
    lost = study.run.trials[(study.run.trials["mode"] == "lost") & (study.run.trials["lost_workers"] > 0)]
    if lost.empty:
        return
    hunts = study.run.trials[(study.run.trials["mode"] == "hunt") & (study.run.trials["status"] == "ok")]
    known = set(hunts["digest"].dropna())
    if not known:
        return
    # a trial has one digest of all its numbers
    wrong = (lost["status"] != "ok") | ~lost["digest"].isin(known)
    found = proportion_estimate(int(wrong.sum()), len(lost), EACH)
    again, numbers = int(lost["failed_attempts"].sum()), int(lost["planned_tasks"].astype(int).sum())
    yield Verdict(
        "A worker that dies in the middle costs no number",
        f"in all but {percent(LATE_PART, 1)} of trials that lose one all numbers come to the same primes",
        judge(found, at_most(LATE_PART)),
        f"{int(wrong.sum())} of {count(len(lost), 'trial')} (to {percent(found.high)}, {BY_LEVEL}) had a "
        f"number with other primes or none, of {count(numbers, 'number')} in all; steps done again: {again}",
    )


def times(study: Study) -> Markdown:
    """Show how long a number takes, against workers or nodes: the medians, and every number."""
    found = _by_number(study, _steps(study))
    if found.empty:
        return Markdown("")
    middle = {int(str(size)): median_estimate(found[size]) for size in found}
    dots = [(float(str(size)), float(value)) for size in found for value in found[size].dropna()]
    named = {size: str(size) for size in sorted({min(middle), max(middle)})}
    # the noun stands once
    named[min(middle)] = count(min(middle), study.axis.label.split()[0].removesuffix("s"))
    told = [f"{number(middle[size].value, 2)} s with {name}" for size, name in named.items()]
    line = Line("median of the numbers", OURS, *curve(middle), dots=dots)
    title = f"A number takes {listing(told)}"
    svg = chart("Time of a number in a hunt", [Panel(title, "seconds", [line], study.axis.label)])
    rows = [(size, one.n, short_estimate(one)) for size, one in middle.items()]
    caption = (
        "From a number's first curve to its last prime. Dots are single numbers, each the median of its "
        f"trials; the line joins their medians with 95 % intervals, n = {len(found)}."
    )
    head = (study.axis.label, "numbers", "median seconds (95 % interval)")
    return paragraphs(figure(svg, caption, source(study, "tasks.csv")), table(head, rows, right=(0, 1, 2)))


def first_factor(study: Study) -> Markdown:
    """Show the distribution of the effort until the first factor, beside that of theory."""
    steps = _steps(study)
    found = np.sort(_efforts(study, steps).to_numpy(dtype=float))
    if not len(found):
        return Markdown("")
    (verdict,) = _as_theory(study, steps)
    left = [1 - place / len(found) for place in range(len(found) + 1)]
    grid = np.linspace(0, max(4.0, float(found[-1])), 60)
    theory = Line("theory: exponential", THEORY, grid.tolist(), [exp(-one) for one in grid])
    line = Line("hunts", OURS, [0.0, *found.tolist()], left, steps=True)
    mean = mean_estimate(found, EACH)
    title = f"{AS_THEORY}: {verdict.outcome}"
    panel = Panel(title, "part without a factor", [line, theory], "effort", top=1.05)
    caption = (
        "The effort adds up each curve's chance to find a factor of that size: at 1, theory expects one. "
        f"n = {len(found)} numbers, mean effort {short_estimate(mean)} ({percent(EACH, 2)} interval)."
    )
    return Markdown(
        figure(chart("Effort until the first factor", [panel]), caption, source(study, "tasks.csv"))
    )


def costs(study: Study) -> Markdown:
    """Show by mode and size what came too late, how soon workers changed, and what a lost worker cost."""
    steps = _steps(study)
    if steps.empty:
        return Markdown("")
    key = ["mode", "nodes", "workers"]
    soon = {size: rows["seconds"] for size, rows in changes(steps).groupby(key)}
    counted = study.run.trials[(study.run.trials["status"] == "ok") & (study.run.trials["arm"] != "copy")]
    failed = counted.groupby(key)["failed_attempts"].sum()
    ended = steps.groupby(key).size()
    rows = []
    for row in wasted(steps).to_dict("records"):
        size = tuple(row[name] for name in key)
        mine = soon.get(size)
        told = ("–", "–") if mine is None else (seconds(float(mine.median())), seconds(float(mine.max())))
        again = int(failed[size])
        lost = f"{again} of {int(ended[size]) + again:,}"
        rows.append((*size, number(row["cpu_seconds"]), percent(row["part"]), *told, lost))
    head = (
        *("work", study.placement.noun, "workers", "CPU s of curves", "too late"),
        *("new work after (median)", "longest", "steps lost"),
    )
    return Markdown(table(head, rows, right=range(1, 8)))
