"""The sections on ways to use Ray beside each other, and on whether costs repeat from run to run."""

from lab.analysis.ray_ways import OWN, beside_best, repeats, repeats_verdict, three_times
from lab.data.store import read_run
from lab.formats import count, length, short_estimate
from lab.report.break_even import MICRO, timed
from lab.report.engines import named
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, literal, paragraphs, table
from lab.report.study import Study


def dispatch(study: Study) -> Markdown:
    """Show this lab's dispatch beside the best of Ray's own ways at every length, and beside plain tasks."""
    rows = [
        (
            f"**{one.outcome}**",
            length(one.task_seconds),
            named(*one.best),
            short_estimate(one.found.ratio),
            one.found.ratio.n,
        )
        for one in beside_best(study.compared)
    ]
    head = ("at least as fast: here it", "length of a task", "best of Ray's own ways", "times as fast", "n")
    last = three_times(study.compared)
    told = f"Claim: {last.claim}. Here it **{last.outcome}**: {last.evidence}"
    if last.outcome == "cannot be told":
        told = f"Claim: {last.claim}. That **cannot be told**: {last.evidence}"
    return paragraphs(table(head, rows, right=(1, 3, 4)) if rows else None, told)


def _earlier(study: Study) -> Study | None:
    """Return the complete run before this one; None where there is none."""
    complete = [one for one in study.runs if one.state == "complete"]
    places = [place for place, one in enumerate(complete) if one.run_id == study.run.run_id]
    before = complete[places[0] + 1 :] if places else []
    return Study(read_run(before[0].directory)) if before else None


def repeated(study: Study) -> Markdown:
    """Show the cost of a task in this run beside that in the run before, and whether they agree."""
    earlier = _earlier(study)
    if earlier is None:
        return Markdown("There is one complete run: whether its costs repeat cannot be told.")
    sides = [(one.machine.get("cpu_model"), one.cores, one.workers) for one in (study, earlier)]
    if sides[0] != sides[1]:
        return Markdown(
            f"The run before, {literal(earlier.run.run_id)}, was made with "
            f"{count(earlier.workers, 'worker')} on {count(earlier.cores, 'core')} ({sides[1][0]}), this "
            f"one with {count(study.workers, 'worker')} on {count(study.cores, 'core')} ({sides[0][0]}): "
            "what a task costs need not be the same."
        )
    own = (str(OWN["engine"]), str(OWN["batching"]))
    ways = [way for way in timed(study) if way[1] == "none" or way == own]
    found = repeats(study.compared, earlier.compared, ways)
    verdict = repeats_verdict(found)
    words = {True: "agree", False: "**differ**", None: "cannot be told"}
    rows = [
        (
            named(one.engine, one.batching),
            short_estimate(one.later, MICRO),
            short_estimate(one.earlier, MICRO),
            ABSENT if one.ratio.value is None else short_estimate(one.ratio),
            words[one.agrees],
            one.ratio.n,
        )
        for one in found
    ]
    head = (
        *("way to run tasks", "this run, core-µs", f"{literal(earlier.run.run_id)}, core-µs"),
        *("this / before (95 %, all together)", "they", "n, at least"),
    )
    here = f"**{verdict.outcome.capitalize()}**: {verdict.claim}. {verdict.evidence}"
    return paragraphs(here, table(head, rows, right=(1, 2, 3, 5)) if rows else None)
