"""What the pages on engines share: names, which run, how it was measured, failures, noise, limits."""

from collections.abc import Mapping

from lab.analysis.engines import worker_counts
from lab.data.engines import label, ordered
from lab.formats import count, listing, number, seconds
from lab.invariants import nothing_left_out, one_trial_per_block, same_results
from lab.report import provenance
from lab.report.markdown import Markdown, paragraphs, safe
from lab.report.study import Study

BATCHINGS: Mapping[str, str] = {
    "none": "one task a call",
    "equal": "equal batches",
    "own": "batches of its own",
}

WORDS: Mapping[str, str] = {
    "images": "blurring and equalising an image",
    "search": "finding every prime in a range",
    "spin": "a loop of a stated length",
}


def named(engine: str, batching: str = "none") -> str:
    """Return an engine's name, with its batching where the name does not tell it."""
    told = f", {BATCHINGS[batching]}" if batching == "equal" else ""
    return label(engine) + told


def which_run(study: Study) -> Markdown:
    """Name the run, its machine and its repeats in one line, below the title."""
    machine, held = study.machine, ""
    if machine.get("container"):
        quota, cores = machine.get("quota_cores"), machine.get("cores")
        limited = quota is not None and cores is not None and quota < cores
        held = ", in a container" + (f" limited to {number(quota)} cores" if limited else "")
    workers = f"; {count(study.workers, 'worker')} of every engine"
    if len(counts := worker_counts(study.run.trials)) > 1:
        workers += f" (timed with {listing([str(one) for one in counts])}: the page shows the most)"
    return provenance.named(study, f"{provenance.one_machine(study)}{held}{workers}")


def how_measured(study: Study) -> Markdown:
    """Say what was run and check that the data bear the sentences that hold in every honest run."""
    return paragraphs(
        f"{_works(study)} {one_trial_per_block(study.run)} {nothing_left_out(study.run)}",
        same_results(study.run),
        "Every engine gets the same tasks in the same order and equally many workers, each of which is "
        "pinned to one thread of its numerical libraries, and all processes have the same niceness. In each "
        "block the order of the engines is shuffled by the seed; an engine is started once, warmed with a "
        "few tasks on every worker, and then does all of its trials. The clock runs from handing the work "
        f"over to the last result. {_starts(study)} {provenance.sampler_cost(study)} The terms are defined "
        "on the page [Method](method.md).",
        provenance.machine_table(study),
    )


def _works(study: Study) -> str:
    found = study.run.trials.groupby("mode")["planned_tasks"].unique()
    told = [
        f"*{study.name(str(name))}*{_said(study, str(name))} with {_counts(counts)} tasks"
        for name, counts in found.items()
    ]
    return f"The work: {listing(told)}." if told else ""


def _said(study: Study, mode: str) -> str:
    """Return what a work is in words, or what it says of itself."""
    words = WORDS.get(mode) or safe(study.works.get(mode, {}).get("words") or "")
    return f" ({words})" if words else ""


def _counts(counts: object) -> str:
    numbers = sorted(int(one) for one in counts)  # type: ignore[attr-defined]
    if len(numbers) > 4:
        return f"{numbers[0]:,} to {numbers[-1]:,}"
    return listing(f"{one:,}" for one in numbers)


def _starts(study: Study) -> str:
    found = study.compared.groupby("engine")["startup_seconds"].median().dropna()
    told = [f"{label(name)} {seconds(float(found[name]))}" for name in ordered(found.index)]
    return f"Cold starts are outside of it (medians): {listing(told)}." if told else ""
