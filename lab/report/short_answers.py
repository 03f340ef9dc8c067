"""One line each of the runs beside a sweep: over nodes, by the length of a task, memory, containers."""

from collections.abc import Mapping

from lab.analysis import break_even as analysis
from lab.analysis.intervals import Estimate, mean_estimate
from lab.data.engines import label
from lab.formats import UNKNOWN, count, duration, length, listing, short_estimate
from lab.report import break_even, containers, ray_vs_multiprocessing
from lab.report.answers import Answer, how_far, how_many, sure
from lab.report.decision import decide
from lab.report.ray_cost import MATTERS
from lab.report.series import WORDS
from lab.report.study import Study
from lab.report.verdicts import is_open


def over_nodes(study: Study) -> Answer:
    """Say how far the work scales over nodes, how many to use, and whether a network was measured."""
    decision = decide(study, study.main_mode)
    far, many = how_far(decision), how_many(decision)
    network = (
        " These nodes stand in for machines, and no network was measured; on one machine use workers."
        if study.placement.shared
        else ""
    )
    return Answer("Over nodes?", f"{far.answer} {many.answer}{network}", far.sure, "how_many.md")


def task_length(study: Study) -> Answer:
    """Say from which length of a task on Ray pays off, batched and not, beside a loop and processes."""
    told = []
    for name, chosen in (("one Ray task a call", analysis.PLAIN), ("batched", analysis.OWN)):
        loop = analysis.crossing(break_even.speedup(study, *break_even.way(chosen)))
        if loop is not None:
            told.append(f"{name}, {break_even.pays_off(study, loop, exact=False)}")
    beside = (
        beside_processes(study, "one task a call", analysis.PLAIN, "none"),
        beside_processes(study, "both batched", analysis.OWN, "equal"),
    )
    other = f" Against plain processes: {'; '.join(one for one in beside if one)}." if any(beside) else ""
    doing = f" ({WORDS[study.main_mode]})" if study.main_mode in WORDS else ""
    answer = f"Against a plain loop: {'; '.join(told)}.{other}" if told else ""
    where = f"{study.name(study.main_mode)}{doing}, {count(study.workers, 'worker')}"
    measured = f"{where}; in brackets, n = {study.blocks}"
    return Answer("From which task length?", answer, measured, "pays.md")


def beside_processes(study: Study, what: str, chosen: Mapping[str, object], batching: str) -> str:
    """Say how many times as fast as plain processes, handed tasks likewise, a way to use Ray is."""
    found = analysis.speed_ratios(study.compared, chosen, {"engine": "processes", "batching": batching})
    ratios = {one: ratio for one, ratio in found.items() if ratio.value is not None}
    if not ratios:
        return ""
    told = (
        f"× {short_estimate(ratios[one])} with tasks of {length(one)}{_open(ratios[one])}"
        for one in sorted({min(ratios), max(ratios)})
    )
    return f"{what}, {listing(told)}"


def _open(ratio: Estimate) -> str:
    """Return that faster or slower is not decided, where it is not."""
    return " (not decided)" * is_open(ratio, MATTERS)


def memory_and_start(study: Study) -> Answer:
    """Say what Ray takes beside multiprocessing: peak memory of all processes, and cold start."""
    modes = ray_vs_multiprocessing.modes(study)
    found, told = study.of_work(modes[0] if modes else ""), []
    for name in ("ray", "pool"):
        mine = found[found["engine"] == name]
        peak, start = (
            mean_estimate(mine[one].dropna().astype(float).tolist())
            for one in ("peak_memory_bytes", "startup_seconds")
        )
        if len(mine):
            memory = UNKNOWN if peak.value is None else f"{short_estimate(peak, 2.0**-20)} MiB"
            told.append(f"{label(name)}: {memory}, {duration(start)}")
    workers = count(int(found["workers"].max()), "worker") if len(found) else ""
    measured = f"{modes[0] if modes else ''}, {workers}; in brackets, n = {study.blocks}; all processes"
    return Answer("Memory and start-up?", f"{'; '.join(told)}." if told else "", measured, "pays.md")


def of_containers(study: Study) -> Answer:
    """Say what containers cost beside their host."""
    found = containers.of_all(study, study.main_mode)
    if found is None or found.value is None:
        return Answer("What do containers cost?", "No block has both.", "not decided", "containers.md")
    verdict = containers.in_words(study, study.main_mode, found)
    answer = f"Throughput is {verdict}: {short_estimate(found)} times the host's."
    return Answer("What do containers cost?", answer, sure(found), "containers.md")
