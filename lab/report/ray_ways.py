"""The sections on ways to use Ray beside each other, and on whether costs repeat from run to run."""

import contextlib

from lab.analysis.break_even import OWN
from lab.analysis.intervals import LEVEL
from lab.analysis.ray_ways import AS_FAST, beside_best, repeats, repeats_verdict, three_times
from lab.data.store import read_run
from lab.errors import DataError
from lab.formats import count, length, percent, seconds, short_estimate
from lab.report.break_even import MICRO, timed
from lab.report.engines import named
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.study import Study
from lab.report.verdicts import in_one_line


def dispatch(study: Study) -> Markdown:
    """Show this lab's dispatch beside the best of Ray's own ways at every length, and beside plain tasks."""
    rows = [
        (
            f"**{one.outcome}**",
            length(one.task_seconds),
            named(*one.best),
            short_estimate(one.ratio),
            one.ratio.n,
        )
        for one in beside_best(study.compared)
    ]
    head = ("verdict: at least as fast", "length of a task", "best of Ray's own ways", "times as fast", "n")
    last = three_times(study.compared)
    return paragraphs(
        f"At least as fast is {AS_FAST.low:g} times as fast or more, by intervals that hold all together "
        f"with {percent(LEVEL, 2)}."
        if rows
        else None,
        table(head, rows, right=(1, 3, 4)) if rows else None,
        in_one_line(last),
    )


def _earlier(study: Study) -> Study | None:
    """Return the complete run before this one; None where there is none."""
    complete = [one for one in study.runs if one.state == "complete"]
    places = [place for place, one in enumerate(complete) if one.run_id == study.run.run_id]
    for one in complete[places[0] + 1 :] if places else []:
        with contextlib.suppress(DataError):
            return Study(read_run(one.directory))
    return None


def _made(study: Study) -> str:
    """Return what the cost of a task may depend on in a run, but for its way to run tasks."""
    parameters = study.run.environment.get("parameters") or {}
    window = parameters.get("window_seconds")
    return (
        f"{count(study.workers, 'worker')} on {count(study.cores, 'core')} "
        f"({safe(study.machine.get('cpu_model'))})"
        f"{f' in windows of {seconds(float(window))}' if window else ''}"
    )


def repeated(study: Study) -> Markdown:
    """Show the cost of a task in this run beside that in the run before, and whether they agree."""
    earlier = _earlier(study)
    if earlier is None:
        return Markdown("No earlier complete run can be read: whether costs repeat is not decided.")
    made = [_made(one) for one in (study, earlier)]
    if made[0] != made[1]:
        return Markdown(
            f"The run before, {literal(earlier.run.run_id)}, was made with {made[1]}, this one with "
            f"{made[0]}: what a task costs need not be the same."
        )
    own = (str(OWN["engine"]), str(OWN["batching"]))
    ways = [way for way in timed(study) if way[1] == "none" or way == own]
    found = repeats(study.compared, earlier.compared, ways)
    verdict = repeats_verdict(found)
    rows = [
        (
            named(one.engine, one.batching),
            short_estimate(one.later, MICRO),
            short_estimate(one.earlier, MICRO),
            ABSENT if one.ratio.value is None else short_estimate(one.ratio),
            one.outcome,
            one.ratio.n,
        )
        for one in found
    ]
    head = (
        *("way to run tasks", "this run, core-µs", f"{literal(earlier.run.run_id)}, core-µs"),
        *("this / before (95 %, all together)", "verdict: costs repeat", "n, at least"),
    )
    return paragraphs(in_one_line(verdict), table(head, rows, right=(1, 2, 3, 5)) if rows else None)
