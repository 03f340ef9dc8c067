"""The sections on noise: the A/A arm by every metric, its false-alarm rate, disturbances, and drift."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab.analysis import noise as analysis
from lab.analysis.drift import Drift
from lab.analysis.drift import drift as drift_of
from lab.analysis.intervals import POWER, Estimate
from lab.analysis.noise import CopyComparison
from lab.figures.lines import Line, Panel, chart
from lab.figures.style import FURTHER, INK, Look, label
from lab.formats import count, estimate, fixed, listing, percent, short_estimate
from lab.report.disturbances import limits
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, capital, figure, paragraphs, safe, shortened, table
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

ALL = "all, once"
"""In place of the mode, where all share what was compared."""
HOURS_FROM = 3.0
"""Runs that last longer have an axis in hours, others in minutes."""
DRIFT = (Look(INK, "-", ""), Look(INK, "--", ""), Look(INK, "--", ""))
NAMED = ("drift", "its 95 % interval", "its 95 % interval")
"""The looks and names of the slope and of the ends of its interval."""


def noise(study: Study) -> Markdown:
    """Show how a configuration compares with a copy of itself by every metric, and what disturbed the run."""
    if study.measures.empty:
        return Markdown("")
    found = study.copies
    if not found:
        return paragraphs("This run has no A/A arm: nothing was timed twice in a block.", limits(study))
    modes = {one.mode for one in found}
    shared = {one for one in NAMES if sum(copy.metric == one for copy in found) == 1 < len(modes)}
    rows = [
        (
            ALL if one.metric in shared else safe(shortened(one.mode)),
            NAMES[one.metric],
            short_estimate(one.ratio) if one.ratio.n else ABSENT,
            one.ratio.n,
            ABSENT if one.detectable_ratio is None else percent(one.detectable_ratio - 1, 2),
        )
        for one in found
    ]
    head = (
        *("mode", "metric", "copy / experiment (95 % interval)", "n"),
        f"detectable difference (power {POWER:g})",
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
        f"{estimate(rate, '%', 100)} of them; intervals that hold what they promise do so in "
        f"{percent(1 - rate.level, 2)}. Metrics of the same trials are not independent, so that this "
        "interval is somewhat too narrow."
    )


def drift(study: Study) -> Markdown:
    """Show the throughput of every trial beside its configuration's mean, over the time of the run."""
    found = drift_of(study.measures, study.run.trials)
    if found.trials.empty:
        return Markdown("")
    drawn = chart(f"Drift over the run, {study.experiment}", [_panel(found)], height_inches=2.7)
    caption = (
        f"Each point is a trial, relative to the geometric mean of its configuration over the blocks; "
        f"{count(len(found.trials), 'trial')}."
    )
    return paragraphs(_in_words(found), figure(drawn, caption, source(study)))


def _panel(found: Drift) -> Panel:
    """Return the panel of drift: the change of each trial, and the slope through the middle of them."""
    hours, change = found.trials["hours"], 100 * found.trials["change"]
    scale, unit = (1.0, "hours") if hours.max() > HOURS_FROM else (60.0, "minutes")
    lines = []
    for mode, further in zip(found.trials["mode"].unique(), FURTHER, strict=False):
        mine = found.trials["mode"] == mode
        look = replace(further, line="none")
        lines.append(Line(label(mode), look, (scale * hours[mine]).tolist(), change[mine].tolist()))
    ends = [float(hours.min()), float(hours.max())]
    for slope, look, name in zip(
        (found.slope.value, found.slope.low, found.slope.high), DRIFT, NAMED, strict=True
    ):
        if slope is not None:
            y = [float(change.median() + 100 * slope * (end - hours.median())) for end in ends]
            lines.append(Line(name, look, [scale * end for end in ends], y))
    title = "Each trial, beside its configuration's mean"
    return Panel(title, "% off the mean", lines, f"{unit} since the run began", level=(0.0, "the mean"))


def _in_words(found: Drift) -> str:
    """Say whether the machine got faster or slower."""
    slope = found.slope
    if slope.value is None:
        return "Whether the machine drifted cannot be told from these trials."
    hours = float(found.trials["hours"].max())
    over = (1 + slope.value) ** hours - 1
    if slope.low is None or slope.high is None or slope.low <= 0 <= slope.high:
        much = f"{estimate(slope, '% per hour', 100)}, {fixed(100 * over, 1)} % over the run"
        none = "" if slope.low is None else "No drift that these trials could tell: "
        return f"{capital(f'{none}throughput changed by {much}')}."
    if slope.value < 0:
        slope = Estimate(slope.n, -slope.value, -slope.high, -slope.low, slope.level)
    way = "fell" if over < 0 else "rose"
    much = f"{estimate(slope, '% per hour', 100)}, {fixed(100 * abs(over), 1)} % over the run"
    return (
        f"**The machine drifted**: throughput {way} by {much}; a spell of disturbance at one end of the run "
        "looks the same. Blocks are shuffled and comparisons are made within them, so that drift widens the "
        "intervals of means more than it bends a comparison."
    )
