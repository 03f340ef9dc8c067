"""The sections of the page on Docker: from a study to figures, tables and the words between."""

import pandas as pd

from lab.analysis.configurations import compare, pooled_pairs
from lab.analysis.intervals import Estimate, ratio_estimate
from lab.analysis.nodes import latest
from lab.analysis.verdicts import shared_level
from lab.figures.scaling import sides
from lab.formats import UNKNOWN, count, memory, number, seconds, short_estimate
from lab.published.cluster_claims import docker_verdict
from lab.report import containers
from lab.report.levels import intervals, level_table
from lab.report.markdown import Markdown, figure, folded, paragraphs, table
from lab.report.series import SIDES
from lab.report.source import source
from lab.report.study import Study
from lab.report.verdicts import verdict_table

COSTS = {
    "startup_seconds": ("cold start of the workers, s", 1.0),
    "latency_p50_seconds": ("latency of a task, median, s", 1.0),
    "latency_p95_seconds": ("latency of a task, 95th percentile, s", 1.0),
    "run_p50_seconds": ("running time of a task, median, s", 1.0),
    "cpu_seconds_per_unit": ("processor time of tasks per unit found, CPU ms", 1000.0),
    "cpu_efficiency": ("CPU efficiency", 1.0),
    "nodes_memory_bytes": ("private memory on nodes with workers, MiB", 2**-20),
    "head_memory_bytes": ("private memory on the head, MiB", 2**-20),
}
"""What is compared beside throughput: metric -> name with unit, and scale."""

HEADS = (
    "The heads are not alike: that of the containers has the dashboard, a dozen processes, and takes jobs; "
    "that on the host has neither, but the driver. On each node a container also runs `ray start` and a log "
    "monitor, which raylets on one host share. Neither is a cost of Docker."
)
"""What makes most of the difference in memory."""


def answer(study: Study) -> Markdown:
    """Answer the page's question: whether Docker costs anything."""
    if not study.modes:
        return Markdown("")
    return paragraphs(f"{containers.sentence(study)} {_beside_throughput(study)}")


def _beside_throughput(study: Study) -> str:
    """Say in a sentence each what the table has of start-up and of memory."""
    choices = list(containers.compared(study, study.main_mode).values())
    if not choices:
        return ""
    both = pooled_pairs(study.measures[study.measures["startup_seconds"] > 0], "startup_seconds", choices)
    start = ratio_estimate(both["first"].tolist(), both["second"].tolist())
    of_memory = "Of memory nothing can be said: the two run different processes of Ray, as told below."
    if start.low is None:
        return of_memory
    slower = int((both["first"] > both["second"]).sum())
    return (
        f"Workers started in {short_estimate(start)} times the host's time on average; in {slower} of "
        f"{count(len(both), 'block')} they took longer, all sizes together. {of_memory}"
    )


def comparison(study: Study) -> Markdown:
    """Show the ratio of containers to host: per configuration, and pooled over them, with the verdict."""
    parts, rows = [], []
    for mode in study.modes:
        choices = containers.compared(study, mode)
        if not choices:
            continue
        each = {key: compare(study.measures, "throughput", *choice) for key, choice in choices.items()}
        ratios: dict[str, dict[int, Estimate]] = {}
        for (name, x), one in each.items():
            ratios.setdefault(name, {})[x] = one
        pooled = containers.of_all(study, mode)
        told = (
            f"Containers / host: {containers.in_words(study, mode, pooled)}"
            if pooled
            else "Containers / host"
        )
        drawn = sides(ratios, containers.margin(study), f"Containers / host, {mode}", study.axis, told)
        caption = f"Mode {study.name(mode)}. Ratios of throughput, paired by block, with {intervals(study)}."
        parts.append(figure(drawn, caption, source(study)))
        named = [*((f"{x}{_size(name)}", one) for (name, x), one in each.items()), ("all, pooled", pooled)]
        rows += [
            (
                f"**{containers.in_words(study, mode, one)}**",
                mode,
                what,
                short_estimate(one),
                one.n,
            )
            for what, one in named
            if one is not None
        ]
    head = ("verdict", "mode", "workers on each node", "containers / host (95 % interval)", "n")
    return paragraphs(*parts, table(head, rows, right=(2, 3, 4)) if rows else "")


def _size(series: str) -> str:
    """Return what tells a series of containers from others: ', 2 nodes'."""
    return series.removeprefix(containers.CONTAINERS)


def verdict(study: Study) -> Markdown:
    """Show what the run says about the reference report's claim on Docker."""
    rows = []
    for mode in study.modes:
        found = containers.of_all(study, mode, shared_level(len(study.modes)))
        if found is None:
            continue
        margin = containers.margin(study)
        unnamed = "the run names no margin." if margin is None else ""
        rows.append((mode, docker_verdict(found, margin or 0.0, unnamed or containers.unfair(study, mode))))
    return Markdown(verdict_table(rows) if rows else "")


def costs(study: Study) -> Markdown:
    """Show cold start, latency, processor time and memory on both sides, pooled over configurations."""
    parts = [table_of_costs(study, mode) for mode in study.modes]
    return paragraphs(*parts, *((_start(study), HEADS) if any(parts) else ()))


def with_memory(study: Study) -> pd.DataFrame:
    """Return the measures of the run's trials with the memory of the nodes with workers, and of the head."""
    nodes, samples = study.run.nodes, study.run.samples
    holding = nodes.loc[nodes["holds_workers"].astype(bool), "node_id"]
    peaks = samples["lab_memory_bytes"].astype(float).groupby([samples["trial_id"], samples["node_id"]]).max()
    works = peaks.index.get_level_values("node_id").isin(holding)
    nodes_memory, head_memory = (one.groupby("trial_id").sum() for one in (peaks[works], peaks[~works]))
    return study.measures.assign(nodes_memory_bytes=nodes_memory, head_memory_bytes=head_memory)


def table_of_costs(study: Study, mode: str) -> str:
    """Return each cost of a mode as geometric means of both sides and their ratio; empty without pairs."""
    choices = list(containers.compared(study, mode).values())
    measured = with_memory(study)
    rows: list[tuple[object, ...]] = []
    for metric, (name, scale) in COSTS.items() if choices else ():
        both = pooled_pairs(measured[measured[metric] > 0], metric, choices)
        if both.empty:
            rows.append((name, UNKNOWN, UNKNOWN, UNKNOWN, 0))
            continue
        ones = [1.0] * len(both)
        sides = (ratio_estimate(both[side].tolist(), ones) for side in ("first", "second"))
        ratio = ratio_estimate(both["first"].tolist(), both["second"].tolist())
        rows.append((name, *(short_estimate(side, scale) for side in sides), short_estimate(ratio), ratio.n))
    head = (mode, "containers (95 % interval)", "host (95 % interval)", "containers / host", "n")
    return table(head, rows, right=(1, 2, 3, 4)) if rows else ""


def _start(study: Study) -> str:
    """Say how long the two clusters took to be there."""
    facts = study.run.nodes
    told = []
    for side, (_, cluster) in SIDES.items():
        # all nodes of a cluster tell of its one start
        took = facts.loc[facts["cluster"] == cluster, "cluster_start_seconds"].dropna().unique()
        middle = seconds(float(pd.Series(took).median())) if len(took) else UNKNOWN
        told.append(f"{side} {middle}{_starts(len(took))}")
    return f"From asking for the cluster until it was there: {', '.join(told)}."


def _starts(many: int) -> str:
    return f" ({count(many, 'start')})" if many else ""


def cores(study: Study) -> Markdown:
    """Show what cores each side had: the nodes' quotas beside the host's cores."""
    facts = latest(study.run.nodes)
    facts = facts[facts["holds_workers"].astype(bool)]
    rows = []
    for side, (_, cluster) in SIDES.items():
        mine = facts[facts["cluster"] == cluster]
        if mine.empty:
            continue
        rows.append(
            (
                side,
                len(mine),
                _span(mine["quota_cores"]),
                _span(mine["cores"]),
                memory(float(mine["memory_bytes"].min())),
                _held(study, cluster),
            )
        )
    head = (
        "side",
        "nodes",
        "cores a node may use",
        "cores of the host",
        "memory",
        "held back, % of the window",
    )
    told = [containers.unfair(study, mode) for mode in study.modes]
    listed = [f"In {study.name(mode)}, {one}" for mode, one in zip(study.modes, told, strict=True) if one]
    if not listed and all(containers.compared(study, mode) for mode in study.modes):
        listed = [f"{_equal(study)}."]
    return paragraphs(table(head, rows, right=(1, 2, 3, 4, 5)), *listed) if rows else Markdown("")


def _equal(study: Study) -> str:
    """Say in what the sides are alike: in their cores, or in that every worker had one."""
    used = latest(study.run.nodes).query("holds_workers")["quota_cores"]
    return "Both sides had equal cores" if used.nunique() == 1 else "Both sides had a core for every worker"


def levels(study: Study) -> Markdown:
    """Show efficiency and memory per configuration, folded."""
    parts = []
    for mode in study.modes:
        for metric, name in (("node_efficiency", "Node efficiency"), ("cpu_percent", "CPU, % of own cores")):
            found = study.levels(mode, metric)
            if found:
                parts.append(folded(f"{name}, {study.name(mode)}", level_table(found, axis=study.axis)))
    sources = study.run.nodes.loc[study.run.nodes["holds_workers"].astype(bool), "cpu_source"]
    counters = (
        "Processor time is not comparable: that of a container is its own, that of the host is of the whole "
        "machine, with Ray's head, the driver and all others."
    )
    return paragraphs(*parts, counters if parts and sources.nunique() > 1 else None)


def _span(values: pd.Series) -> str:
    low, high = float(values.min()), float(values.max())
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _held(study: Study, cluster: str) -> str:
    mine = study.measures.loc[study.measures["cluster"] == cluster, "throttled_percent"].dropna()
    if mine.empty:
        return "no quota" if cluster == "local" else UNKNOWN
    return f"{number(float(mine.mean()))} % (n = {len(mine)})"
