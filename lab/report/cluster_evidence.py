"""The sections that test on several nodes: the reference report's claims, dynamic against static, errors."""

from lab.analysis.cluster_verdicts import cluster_verdicts
from lab.analysis.configurations import pooled_pairs
from lab.analysis.error_rates import error_rates
from lab.analysis.intervals import Estimate, proportion_estimate, ratio_estimate
from lab.analysis.verdicts import where_quiet
from lab.formats import count, listing, percent, short_estimate
from lab.report.answers import QUIET
from lab.report.levels import level_table
from lab.report.markdown import Markdown, folded, literal, paragraphs, table
from lab.report.study import Study


def verdicts(study: Study) -> Markdown:
    """Show what the run says about each claim of the reference report about a cluster."""
    rows = []
    for mode in study.modes:
        ray = study.rows(mode)
        ray = ray[(ray["engine"] == "ray") & (ray["arm"] != "copy")]
        for schedule, mine in ray.groupby("schedule"):
            others = study.others.reindex(mine.index)
            for place, one in enumerate(cluster_verdicts(mine, study.placement.several)):
                told = where_quiet(one, others, QUIET)
                rows.append((place, f"**{told.outcome}**", told.claim, f"{mode}, {schedule}", told.evidence))
    head = ("here it", "claim of the report", "work, schedule", "evidence")
    ordered = [row[1:] for row in sorted(rows, key=lambda row: row[0])]
    return Markdown(table(head, ordered) if ordered else "")


def schedules(study: Study) -> Markdown:
    """Show what handing tasks out as workers get free gains over equal shares, where both were run."""
    parts = []
    for mode in study.modes:
        both = [
            (name, f"{name}, static") for name in study.rays(mode) if f"{name}, static" in study.rays(mode)
        ]
        ratios = study.ratio_frame(
            (name, x, study.ratio(mode, (name, x), (static, x)))
            for name, static in both
            for x in sorted(set(study.counts(mode, name)) & set(study.counts(mode, static)))
        )
        if not ratios.empty:
            parts += [
                f"{mode.capitalize()}, throughput of dynamic / static:",
                level_table(ratios, axis=study.axis),
            ]
            parts += [_pooled(study, mode, name, static) for name, static in both]
    if not parts:
        measured = sorted(
            {str(study.known[name]["schedule"]) for mode in study.modes for name in study.rays(mode)}
        )
        return Markdown(f"This run measured the schedule {' and '.join(measured)} only." if measured else "")
    return paragraphs(*parts)


def _pooled(study: Study, mode: str, name: str, static: str) -> str:
    """Say what dynamic gains, pooled over the numbers of nodes above one."""
    shared = sorted(set(study.counts(mode, name)) & set(study.counts(mode, static)) - {1})
    if not shared:
        return ""
    column = study.axis.column
    choices = [tuple({"mode": mode, **study.known[one], column: x} for one in (name, static)) for x in shared]
    pairs = pooled_pairs(study.measures, "throughput", [(first, second) for first, second in choices])
    ratio = ratio_estimate(pairs["first"].tolist(), pairs["second"].tolist())
    sizes = f"{listing(shared)} {study.placement.noun}"
    return f"Pooled over {sizes}, {name}: {short_estimate(ratio)}, 95 % interval, n = {ratio.n}."


def errors(study: Study) -> Markdown:
    """Show the error rate of every configuration with its exact interval, and the failures by kind."""
    found = error_rates(study.run.trials, study.run.tasks)
    found = found[found["attempts"] > 0]
    if found.empty:
        return Markdown("")
    attempts, failed = int(found["attempts"].sum()), int(found["failed"].sum())
    whole = proportion_estimate(failed, attempts)
    kinds: dict[str, int] = {}
    for one in found["kinds"]:
        kinds = {kind: kinds.get(kind, 0) + one.get(kind, 0) for kind in {**kinds, **one}}
    listed = ", ".join(f"{literal(kind)} {times:,}" for kind, times in sorted(kinds.items()))
    told = (
        f"Over all trials that were not interrupted, those that failed or lost workers among them, "
        f"{failed:,} of {count(attempts, 'attempt')} at a task failed: {_rate(whole)}."
    )
    rows = [
        (
            *(row[name] for name in ("mode", "schedule", "nodes", "workers_per_node")),
            f"{row['attempts']:,}",
            row["failed"],
            _rate(Estimate(row["attempts"], row["value"], row["low"], row["high"])),
            ", ".join(f"{literal(kind)} {times}" for kind, times in row["kinds"].items()) or "–",
            f"{row['arm']}, {row['cluster']}",
        )
        for _, row in found.iterrows()
    ]
    head = (
        *("mode", "schedule", study.placement.noun, "workers each", "attempts", "failed"),
        *("rate (exact 95 % interval)", "kinds", "arm, cluster"),
    )
    return paragraphs(
        told,
        f"By kind: {listed}." if listed else None,
        folded("Error rate of every configuration", table(head, rows, right=range(2, 7))),
    )


def _rate(rate: Estimate) -> str:
    return f"{percent(rate.value)} ({percent(rate.low, 2)} to {percent(rate.high, 2)})"
