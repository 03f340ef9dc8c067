"""The sections that test on several nodes: the reference report's claims, dynamic against static."""

from lab.analysis.configurations import pooled_pairs
from lab.analysis.disturbances import QUIET
from lab.analysis.intervals import ratio_estimate
from lab.formats import listing, short_estimate
from lab.published.cluster_claims import cluster_verdicts
from lab.published.single_node_claims import where_quiet
from lab.report.levels import level_table, ratio_levels
from lab.report.markdown import Markdown, paragraphs, table
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
        ratios = ratio_levels(
            study,
            [
                (name, x, study.ratio(mode, (name, x), (static, x)))
                for name, static in both
                for x in sorted(set(study.counts(mode, name)) & set(study.counts(mode, static)))
            ],
        )
        if not ratios.empty:
            parts += [
                f"{study.title(mode)}, throughput of dynamic / static:",
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
