"""The sections that test on several nodes: the reference report's claims, dynamic against static."""

from lab.analysis.configurations import pooled_pairs
from lab.analysis.disturbances import QUIET
from lab.analysis.intervals import ratio_estimate
from lab.analysis.verdicts import shared_level
from lab.formats import listing, short_estimate
from lab.published.cluster_claims import CLAIMS, cluster_verdicts
from lab.published.single_node_claims import where_quiet
from lab.report.levels import level_table, ratio_levels
from lab.report.markdown import Markdown, paragraphs
from lab.report.study import Study
from lab.report.verdicts import verdict_table


def verdicts(study: Study) -> Markdown:
    """Show what the run says about each claim of the reference report about a cluster."""
    ray = study.measures[(study.measures["engine"] == "ray") & (study.measures["arm"] != "copy")]
    works = {
        (mode, str(schedule)): mine
        for mode in study.modes
        for schedule, mine in ray[ray["mode"] == mode].groupby("schedule")
    }
    level = shared_level(len(works) * len(CLAIMS))
    judged = []
    for (mode, schedule), mine in works.items():
        others = study.others.reindex(mine.index)
        found = cluster_verdicts(mine, study.placement.several, level)
        judged += [(f"{study.name(mode)}, {schedule}", where_quiet(one, others, QUIET)) for one in found]
    ordered = sorted(judged, key=lambda row: CLAIMS.index(row[1].claim))
    return Markdown(verdict_table(ordered) if ordered else "")


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
