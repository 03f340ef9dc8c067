"""The sections on noise: the A/A arm by every metric, its false-alarm rate, disturbances, and drift."""

from collections.abc import Mapping, Sequence

from lab.analysis import noise as analysis
from lab.analysis.drift import Drift
from lab.analysis.drift import drift as drift_of
from lab.analysis.intervals import POWER, Estimate
from lab.analysis.noise import CopyComparison
from lab.figures import noise as figures
from lab.formats import bounds, count, estimate, fixed, level, listing, percent, short_estimate
from lab.report.disturbances import limits
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, figure, paragraphs, safe, shortened, table
from lab.report.source import source
from lab.report.study import Study

NAMES: Mapping[str, str] = {
    "throughput": "throughput",
    "node_efficiency": "node efficiency",
    "cpu_efficiency": "CPU efficiency",
    "latency_p50_seconds": "latency, median",
    "cpu_seconds": "CPU-seconds",
    "startup_seconds": "cold start",
    "lab_memory_bytes": "memory of the lab",
    "peak_memory_bytes": "peak memory",
}
"""What a copy is compared by."""


def noise(study: Study) -> Markdown:
    """Show how a configuration compares with a copy of itself by every metric, and what disturbed the run."""
    if study.measures.empty:
        return Markdown("")
    found = study.copies
    if not found:
        return paragraphs("This run has no A/A arm: nothing was timed twice in a block.", limits(study))
    rows = [
        (
            safe(shortened(one.mode)),
            NAMES[one.metric],
            short_estimate(one.ratio) if one.ratio.n else ABSENT,
            one.ratio.n,
            ABSENT if one.detectable_ratio is None else percent(one.detectable_ratio - 1, 2),
        )
        for one in found
    ]
    head = (
        *("mode", "metric", "copy / experiment (95 % interval)", "n"),
        f"smallest seen (power {POWER:g})",
    )
    return paragraphs(table(head, rows, right=(2, 3, 4)), _judged(found), _alarms(found), limits(study))


def _judged(found: Sequence[CopyComparison]) -> str:
    """Say where a copy differs from its original."""
    alarmed = [f"{NAMES[one.metric]} of {safe(shortened(one.mode))}" for one in found if one.alarmed]
    if alarmed:
        return (
            f"By {listing(alarmed)} the interval leaves out 1: by chance, as one in twenty does, or because "
            "something disturbed the machine. Read small differences there with care."
        )
    if any(one.ratio.low is not None for one in found):
        return "No copy differs from its original by more than these trials could tell."
    return "One block cannot tell noise from difference."


def _alarms(found: Sequence[CopyComparison]) -> str | None:
    """Say how often the comparison raises a false alarm."""
    seen, rate = analysis.alarms(found), analysis.false_alarm_rate([one] for one in found)
    if seen.value is None or rate.value is None:
        return None
    many = round(seen.value * seen.n)
    return (
        f"**False alarms**: {many} of these {count(seen.n, 'interval')} {'leaves' if many == 1 else 'leave'} "
        "out 1. Were copy and original swapped at random within each block, it would be "
        f"{rate_in_prose(rate)} of them; intervals that hold what they promise do so in "
        f"{percent(1 - rate.level, 2)}. Metrics of the same trials are not independent, so that this "
        "interval is somewhat too narrow."
    )


def rate_in_prose(rate: Estimate) -> str:
    """Return a rate (0..1) in percent with interval and n."""
    between = bounds(rate, 100.0)
    value = f"{fixed(100 * (rate.value or 0.0), 1)} %"
    return (
        f"{value} ({level(rate)} interval {between}, n = {rate.n})" if between else f"{value} (n = {rate.n})"
    )


def drift(study: Study) -> Markdown:
    """Show the throughput of every trial beside its configuration's mean, over the time of the run."""
    found = drift_of(study.measures, study.run.trials)
    if found.trials.empty:
        return Markdown("")
    drawn = figures.drift(found.trials, found.slope, f"Drift over the run, {study.experiment}")
    caption = (
        f"Each point is a trial, relative to the geometric mean of its configuration over the blocks; "
        f"{count(len(found.trials), 'trial')}."
    )
    return paragraphs(_in_words(found), figure(drawn, caption, source(study)))


def _in_words(found: Drift) -> str:
    """Say whether the machine got faster or slower."""
    slope = found.slope
    if slope.value is None:
        return "Whether the machine drifted cannot be told from these trials."
    hours = float(found.trials["hours"].max())
    over = (1 + slope.value) ** hours - 1
    much = f"{estimate(slope, '% per hour', 100)}, {fixed(100 * over, 1)} % over the run"
    if slope.low is None or slope.high is None:
        return f"Throughput changed by {much}."
    if slope.low <= 0 <= slope.high:
        return f"No drift that these trials could tell: throughput changed by {much}."
    way = "slower" if slope.value < 0 else "faster"
    return (
        f"**The machine drifted**: it got {way}, by {much}; a spell of disturbance at one end of the run "
        "looks the same. Blocks are shuffled and comparisons are made within them, so that drift widens the "
        "intervals of means more than it bends a comparison."
    )
