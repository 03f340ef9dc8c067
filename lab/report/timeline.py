"""The section that looks at single trials after the fact: what every worker did, moment by moment."""

from lab.analysis.lanes import GONE, TAIL, UNKNOWN, WAITING
from lab.analysis.timeline import Timeline, merged, timeline
from lab.analysis.trials import of_median_throughput
from lab.figures.timeline import draw
from lab.formats import UNKNOWN as NOT_KNOWN
from lab.formats import count, seconds
from lab.report.decision import reached_cores
from lab.report.markdown import Markdown, figure, folded, literal, paragraphs, safe, table
from lab.report.nodes import sized
from lab.report.source import source
from lab.report.study import Study

MOST_SPANS = 3000
"""Spans of one timeline on a page, which weigh about 400 kB."""

HOW = (
    "Point at a span, or tap it, for what it was; drag to move; zoom with the buttons, with two fingers, or "
    "with Ctrl and the wheel. By keyboard: the arrows go from span to span and from row to row, + and − "
    "zoom, 0 shows the whole window."
)


def after_the_fact(study: Study) -> Markdown:
    """Show the timeline of the typical trial of the largest size, and of the one with most failures."""
    typical = typical_trial(study)
    chosen = [] if typical is None else [typical]
    failing = failing_trial(study)
    if failing is not None and failing[0] not in {one for one, _ in chosen}:
        chosen.append(failing)
    drawn = [part for trial, why in chosen for part in _shown(study, trial, why)]
    return paragraphs(*drawn, _file(study, chosen[0][0])) if drawn else Markdown("")


def of_typical(study: Study) -> str:
    """Return the timeline of the typical trial of the largest size; nothing where there is none."""
    typical = typical_trial(study)
    return "".join(_shown(study, *typical)[:1]) if typical else ""


def typical_trial(study: Study) -> tuple[str, str] | None:
    """Return the trial of median throughput of the largest size, and what it is; None if none ended well."""
    if not study.modes:
        return None
    mode = study.main_mode
    every = [name for name in study.series(mode) if study.placed(mode, name)]
    names = [name for name in study.rays(mode) if name in every] or every
    if not names:
        return None
    sizes = {name: int(study.rows(mode, name)["nodes"].max()) for name in names}
    series = max(names, key=lambda name: sizes[name])
    counts = study.counts(mode, series)
    x = counts[-1]
    what = sized(study, x)
    if study.kind != "multi_node":
        x = reached_cores(study, counts) if study.kind == "single_node" else x
        what = f"{count(x, 'worker')}{' on each node' if study.kind == 'docker' else ''}"
    trial = of_median_throughput(study.rows(mode, series, x))
    return trial, f"the one of median throughput of {study.name(mode)}, {series}, {what}"


def failing_trial(study: Study) -> tuple[str, str] | None:
    """Return the trial with most failed attempts, of those that failed or lost workers, and what it is."""
    trials, tasks = study.run.trials, study.run.tasks
    with_tasks = set(tasks.loc[~tasks["warmup"].astype(bool), "trial_id"]) - study.unplaced
    attempts = trials["failed_attempts"].astype("Int64").fillna(0)
    lost = trials["lost_workers"].astype("Int64").fillna(0)
    failing = trials.assign(attempts=attempts, lost=lost)[
        ((attempts > 0) | (lost > 0) | (trials["status"] == "failed")) & trials["trial_id"].isin(with_tasks)
    ]
    if failing.empty:
        return None
    row = failing.sort_values(["attempts", "lost"], ascending=False, kind="stable").iloc[0]
    told = [
        f"status {row['status']}",
        f"{count(int(row['attempts']), 'failed attempt')}",
        f"{count(int(row['lost']), 'worker')} lost",
    ]
    return str(row["trial_id"]), f"the one with most failures ({', '.join(told)})"


def _shown(study: Study, trial: str, why: str) -> list[str]:
    """Return a trial's timeline, its caption and its sums; nothing where it has no window."""
    whole = timeline(study.run, trial)
    found = merged(whole, MOST_SPANS)
    drawn = draw(found, f"Timeline of trial {trial}: what every worker did. The table below has the sums.")
    if not drawn or not found.lanes:
        return []
    spans = sum(len(lane.spans) for lane in whole.lanes)
    joined = (
        f" Of {spans:,} spans, neighbours that together last no longer than {seconds(found.merged_seconds)} "
        "are drawn as one."
        if found.merged_seconds
        else ""
    )
    caption = f"Trial {safe(trial)}, {why}; a single trial of {seconds(found.seconds)}.{joined} {HOW}"
    block = figure(drawn, caption, source(study, "tasks.csv", "windows.csv"))
    return [block, folded(f"What each worker did in trial {safe(trial)}", _sums(whole))]


def _sums(found: Timeline) -> str:
    """Return the seconds of each worker as a table."""
    rows = []
    for node in found.nodes:
        for lane in node.lanes:
            by_state = {
                state: sum(span.seconds for span in lane.spans if span.state == state)
                for state in (WAITING, UNKNOWN, TAIL, GONE)
            }
            cpu = [span.cpu_seconds for span in lane.spans if span.attempts]
            known = None if None in cpu else sum(one for one in cpu if one is not None)
            rows.append(
                (
                    node.name,
                    literal(node.short_id),
                    lane.worker,
                    sum(span.attempts for span in lane.spans),
                    sum(span.failed for span in lane.spans),
                    *map(seconds, (sum(span.in_tasks_seconds for span in lane.spans), *by_state.values())),
                    NOT_KNOWN if known is None else seconds(known),
                )
            )
    head = (
        *("node", "id", "worker", "attempts", "failed", "in tasks", "waiting for work"),
        *("not known", "after the last task", "lost", "processor time of tasks"),
    )
    return table(head, rows, right=range(2, len(head)))


def _file(study: Study, trial: str) -> str:
    """Say how to get a trial as a file for Perfetto."""
    return (
        "Warm-up tasks are not drawn. Any trial as a file that [Perfetto](https://ui.perfetto.dev) opens: "
        f"`lab trace {study.experiment}/{study.run.run_id} --trial {trial}`"
    )
