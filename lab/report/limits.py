"""What a run cannot tell: how far it reaches, and what its intervals hold."""

from lab.formats import UNKNOWN, count, percent
from lab.report.markdown import Markdown
from lab.report.series import COMPARED, COUNTED
from lab.report.study import Study


def limits(study: Study) -> Markdown:
    """Say what the run cannot tell: how far it reaches, what its intervals hold, and more."""
    trials = study.run.trials
    # what the hypervisor takes is the machine's, whatever a quota leaves the lab of it
    cores = int(study.machine.get("cores") or 0)
    core_seconds = float(trials["duration_seconds"].sum()) * cores
    stolen = percent(float(trials["steal_seconds"].sum()) / core_seconds, 2) if core_seconds else UNKNOWN
    begun = set(trials["started_at"].dropna().str[:10])
    days = "one day" if len(begun) < 2 else count(len(begun), "day")
    points = [
        _reach(study),
        f"It is a virtual machine: the hypervisor gave {stolen} of the windows' core time to others."
        if study.machine.get("hypervisor")
        else None,
        f"With {count(study.blocks, 'block')} there are no intervals: a difference may be chance."
        if study.blocks < 2
        else f"The intervals are over {count(study.blocks, 'block')} on {days}: they hold the noise of one "
        f"machine on {'that day' if len(begun) < 2 else 'these days'}, not the difference between machines.",
        "Where nothing else is said, intervals are not corrected for their number: of twenty independent "
        "ones, one is expected to miss."
        if study.blocks > 1
        else None,
        "The reference report's numbers were read off its charts; they come from other machines."
        if study.experiment in COUNTED
        else None,
    ]
    return Markdown("\n".join(f"- {point}" for point in points if point))


def _reach(study: Study) -> str:
    """Say what kind of work and machines the run is about."""
    if study.experiment in COMPARED:
        return (
            f"One machine with {count(study.cores, 'core')} and work bound by the processor: it says nothing "
            "about input and output, or about a network between nodes, which multiprocessing cannot use at "
            "all."
        )
    own = study.experiment not in COUNTED
    work = "This work with these items" if own else "One kind of work, bound by the processor"
    if study.embedded:
        beyond = (
            "how it scales over a network between nodes"
            if own
            else "input and output, about large objects or about a network between nodes"
        )
        return f"One machine and {work[0].lower()}{work[1:]}: it says nothing about {beyond}."
    shared = (
        "All nodes lie on one host: they share its caches, its memory and its loopback, and no network lies "
        "between them. "
        if study.placement.shared
        else ""
    )
    beyond = "other items" if own else "input and output or about large objects"
    return f"{shared}{work}: it says nothing about {beyond}."
