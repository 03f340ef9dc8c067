"""Nodes in words and as a table: what they are called, what each has, and what each did."""

import pandas as pd

from lab.analysis.nodes import latest, node_windows
from lab.formats import UNKNOWN, count, memory, number, seconds
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.study import Study

SOURCES = {
    "cgroup": "its own cgroup",
    "host": "the whole machine",
    "processes": "its own processes",
}


def sized(study: Study, nodes: int) -> str:
    """Return so many nodes as the page calls them: '5 containers on one host', '1 container'."""
    placed = study.placement
    return count(nodes, placed.one, placed.noun if nodes > 1 else "")


def at_size(study: Study, size: int) -> str:
    """Return a size of a sweep in words: so many workers, or nodes as the page calls them."""
    return sized(study, size) if study.axis.column == "nodes" else count(size, "worker")


def own_cores(study: Study) -> str:
    """Return the cores that each node with workers may use, in words: '0.25 cores'."""
    found = workers_nodes(study)["quota_cores"].dropna()
    if found.empty:
        return f"cores {UNKNOWN}"
    told = dict.fromkeys(number(float(one)) for one in (found.min(), found.max()))
    between = " to ".join(one.rstrip("0").rstrip(".") if "." in one else one for one in told)
    return f"{between} core{'s' * (between != '1')}"


def at_work(study: Study, workers: int) -> float:
    """Return the cores that so many workers on one node can keep at work: parts of one count, 1 is least."""
    quota = float(workers_nodes(study)["quota_cores"].min()) if len(study.run.nodes) else float(study.cores)
    return min(float(workers), max(1.0, quota))


def workers_nodes(study: Study) -> pd.DataFrame:
    """Return the facts of the nodes that hold workers."""
    facts = latest(study.run.nodes)
    return facts[facts["holds_workers"].astype(bool)]


def alike(study: Study) -> bool:
    """Tell whether all nodes with workers have as many cores, of one kind as far as that is known."""
    facts = workers_nodes(study)
    return facts["quota_cores"].round(2).nunique() < 2 and facts["cpu_model"].nunique() < 2


def what_they_are(study: Study) -> str:
    """Say how the nodes lie on hosts, and what follows for their processors."""
    placed = study.placement
    if not placed.shared:
        return "Each node is a machine of its own."
    if study.kind == "docker":
        return "Containers and plain raylets lie on one host, and take turns, trial by trial."
    room = (
        f"their quotas together take {number(placed.most_quota_cores)} of its "
        f"{count(placed.host_cores, 'core')} at most"
        if placed.own_processors and placed.host_cores is not None
        else "they share its processors, so that one more adds none"
    )
    return f"The nodes are **{placed.noun}**: {room}. There is no network between machines in these numbers."


def nodes_table(study: Study) -> Markdown:
    """Show every node: where it is, what it has, and what its counters say over all its windows."""
    facts = latest(study.run.nodes)
    sound = study.run.windows[study.run.windows["trial_id"].isin(study.measures.index)]
    windows = node_windows(sound, study.run.nodes)
    letters = map(chr, range(ord("A"), ord("Z") + 1))
    hosts = {
        host: next(letters, str(place)) for place, host in enumerate(dict.fromkeys(facts["host_id"]), start=1)
    }
    rows = []
    for _, one in facts.iterrows():
        mine = windows[windows["node_id"] == one["node_id"]]
        rows.append(
            (
                literal(str(one["node_id"])[-6:]),
                f"host {hosts[one['host_id']]}",
                one["cluster"],
                "workers" if one["holds_workers"] else "drives only",
                one["cores"],
                number(float(one["quota_cores"])),
                memory(float(one["memory_bytes"])),
                SOURCES[one["cpu_source"]],
                mine["trial_id"].nunique(),
                _mean(mine["cpu_percent"], " %"),
                _mean(mine["throttled_percent"], " %"),
                _clock(sound, str(one["node_id"])),
            )
        )
    head = (
        *("node", "host", "cluster", "holds", "cores it sees", "cores it may use", "memory"),
        *("CPU read from", "trials", "CPU", "held back", "clock known to"),
    )
    return paragraphs(what_they_are(study), table(head, rows, right=(4, 5, 6, 8, 9, 10, 11)), _told(facts))


def _told(facts: pd.DataFrame) -> str:
    models = sorted({str(one) for one in facts["cpu_model"].dropna()})
    return (
        f"Processor: {safe(', '.join(models)) or UNKNOWN}. *Trials* counts those in which the node held "
        "workers; *CPU* is the mean of its use of its own cores in their windows, *held back* how long its "
        "quota held its processors back, added up over them, as a part of the window; *clock known to* is "
        "the largest uncertainty of its clock against that of the driver."
    )


def _mean(values: pd.Series, unit: str) -> str:
    known = values.dropna().astype(float)
    return "–" if known.empty else f"{number(float(known.mean()))}{unit}"


def _clock(windows: pd.DataFrame, node_id: str) -> str:
    known = windows.loc[windows["node_id"] == node_id, "clock_uncertainty_seconds"].dropna()
    if known.empty:
        return "–"
    most = float(known.max())
    return "the driver's" if most == 0 else seconds(most)
