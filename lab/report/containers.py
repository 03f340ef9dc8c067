"""Containers beside their host: what is compared, within which margin, and whether that is fair."""

from collections.abc import Mapping

from lab.analysis.configurations import pooled_ratio, select
from lab.analysis.intervals import LEVEL, Estimate
from lab.analysis.nodes import node_windows
from lab.analysis.verdicts import judge, within
from lab.formats import count, estimate, listing, number
from lab.report.levels import choices_of
from lab.report.series import SIDES
from lab.report.study import Study

CONTAINERS, HOST = SIDES
EQUAL = 0.01
"""Cores count as equal where they differ by no more than this part."""

Choice = tuple[Mapping[str, object], Mapping[str, object]]


def compared(study: Study, mode: str) -> dict[tuple[str, int], Choice]:
    """Return what is compared: (series of containers, workers on each node) -> both configurations."""
    found: dict[tuple[str, int], Choice] = {}
    for name in study.rays(mode):
        other = name.replace(CONTAINERS, HOST, 1)
        if not name.startswith(CONTAINERS) or other not in study.rays(mode):
            continue
        shared = sorted(set(study.counts(mode, name)) & set(study.counts(mode, other)))
        choices = choices_of(study, mode, (name, other), shared)
        found |= {(name, x): one for x, one in zip(shared, choices, strict=True)}
    return found


def margin(study: Study) -> float | None:
    """Return the margin that the run was given, as a fraction; None where it names none."""
    given = study.parameters.get("margin_percent")
    return None if given is None else float(given) / 100


def of_all(study: Study, mode: str, level: float = LEVEL) -> Estimate | None:
    """Return the same, pooled over the configurations of a mode; None where there is none."""
    choices = list(compared(study, mode).values())
    if not choices:
        return None
    return pooled_ratio(study.measures, "throughput", choices, level)


def unfair(study: Study, mode: str) -> str:
    """Say why containers and host had unlike cores for the same workers; nothing where they had not.

    Unlike cores hold nobody back where both have one for each worker.
    """
    windows = node_windows(study.run.windows, study.run.nodes).set_index("trial_id")["own_cores"]
    facts = study.rows(mode).join(windows.groupby("trial_id").mean())
    for (_, load), (first, second) in compared(study, mode).items():
        ours, theirs = (select(facts, side)["own_cores"].mean() for side in (first, second))
        apart = abs(ours - theirs) > EQUAL * max(ours, theirs)
        if apart and min(ours, theirs) < (1 - EQUAL) * load:
            return (
                f"a container had {number(ours)} cores for {count(load, 'worker')}, a raylet on the host "
                f"{number(theirs)}: unlike cores, not Docker, may be what is seen."
            )
    return ""


def in_words(study: Study, mode: str, ratio: Estimate) -> str:
    """Return the verdict on a comparison: equal within the margin, beyond it, or not decided."""
    named = margin(study)
    if named is None:
        return "not decided: the run names no margin"
    if unfair(study, mode):
        return "not decided: unlike cores"
    side = "slower" if (ratio.value or 1) < 1 else "faster"
    return {
        "holds": f"equal within ±{100 * named:g} %",
        "does not hold": f"{side} by more than {100 * named:g} %",
        "not decided": f"not decided with a margin of {100 * named:g} %",
    }[judge(ratio, within(named))]


def sentence(study: Study) -> str:
    """Answer whether Docker costs anything."""
    mode = study.main_mode
    found, choices = of_all(study, mode), compared(study, mode)
    if found is None or found.value is None:
        return (
            "Whether Docker costs anything is not decided by this run: no block has all configurations in "
            "containers and on the host."
        )
    loads = sorted({x for _, x in choices})
    over = f"{listing(loads)} {'worker' if loads == [1] else 'workers'} on each node"
    held = unfair(study, mode)
    return (
        f"Pooled over {over}, containers reached {estimate(found, 'of the throughput')} of the same "
        f"workers on their host: **{in_words(study, mode, found)}**." + f" Why: {held}" * bool(held)
    )
