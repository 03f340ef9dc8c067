"""The sections that test on several nodes: the reference report's claims, dynamic against static."""

from lab.analysis.configurations import pooled_ratio
from lab.analysis.disturbances import QUIET
from lab.analysis.verdicts import shared_level
from lab.formats import listing, short_estimate
from lab.published.cluster_claims import CLAIMS, cluster_verdicts
from lab.published.single_node_claims import where_quiet
from lab.report.levels import choices_of, level_table
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
        ratios = {
            name: {x: study.ratio(mode, (name, x), (static, x)) for x in _shared(study, mode, name, static)}
            for name, static in both
        }
        if any(ratios.values()):
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


def _shared(study: Study, mode: str, *both: str) -> list[int]:
    """Return the numbers of nodes that two series have."""
    return sorted(set.intersection(*(set(study.counts(mode, name)) for name in both)))


def _pooled(study: Study, mode: str, name: str, static: str) -> str:
    """Say what dynamic gains, pooled over the numbers of nodes above one."""
    shared = [one for one in _shared(study, mode, name, static) if one > 1]
    if not shared:
        return ""
    ratio = pooled_ratio(study.measures, "throughput", choices_of(study, mode, (name, static), shared))
    sizes = f"{listing(shared)} {study.placement.noun}"
    return f"Pooled over {sizes}, {name}: {short_estimate(ratio)}, 95 % interval, n = {ratio.n}."
