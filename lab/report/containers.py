"""Containers beside their host: what is compared, within which margin, and whether that is fair."""

from collections.abc import Mapping

from lab.analysis.configurations import pairs, pooled_pairs, select
from lab.analysis.equivalence import Equivalence, equivalence
from lab.analysis.nodes import node_windows
from lab.formats import bounds, count, estimate, listing, number
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
        for x in sorted(set(study.counts(mode, name)) & set(study.counts(mode, other))):
            first, second = (
                {"mode": mode, **study.known[one], study.axis.column: x} for one in (name, other)
            )
            found[name, x] = first, second
    return found


def margin(study: Study) -> float | None:
    """Return the margin that the run was given, as a fraction; None where it names none."""
    given = study.parameters.get("margin_percent")
    return None if given is None else float(given) / 100


def of_one(study: Study, choice: Choice) -> Equivalence:
    """Return what a run says of one configuration in containers and on the host."""
    table = pairs(study.measures, "throughput", *choice)
    return equivalence(table["first"].tolist(), table["second"].tolist(), margin(study) or 0.0)


def of_all(study: Study, mode: str) -> Equivalence | None:
    """Return the same, pooled over the configurations of a mode; None where there is none."""
    choices = list(compared(study, mode).values())
    if not choices:
        return None
    table = pooled_pairs(study.measures, "throughput", choices)
    return equivalence(table["first"].tolist(), table["second"].tolist(), margin(study) or 0.0)


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


def in_words(study: Study, mode: str, found: Equivalence) -> str:
    """Return the verdict on a comparison."""
    if margin(study) is None:
        return "cannot be told: the run names no margin"
    if unfair(study, mode):
        return "cannot be told: unlike cores"
    side = "slower" if (found.ratio.value or 1) < 1 else "faster"
    return {
        "equivalent": f"equivalent within ±{100 * found.margin:g} %",
        "small difference": f"{side}, by less than the margin of {100 * found.margin:g} %",
        "slower": f"slower by more than the margin of {100 * found.margin:g} %",
        "faster": f"faster by more than the margin of {100 * found.margin:g} %",
        "cannot be told": f"cannot be told with a margin of {100 * found.margin:g} %",
    }[found.outcome]


def tested(found: Equivalence) -> str:
    """Return the interval of the two one-sided tests, '0.991 to 1.004'."""
    return bounds(found.tested) or "–"


def sentence(study: Study) -> str:
    """Answer whether Docker costs anything."""
    mode = study.main_mode
    found, choices = of_all(study, mode), compared(study, mode)
    if found is None or found.ratio.value is None:
        return (
            "Whether Docker costs anything cannot be told from this run: no block has the same configuration "
            "in containers and on the host."
        )
    loads = sorted({x for _, x in choices})
    over = f"{listing(loads)} {'worker' if loads == [1] else 'workers'} on each node"
    interval = bounds(found.tested)
    ends = f"; 90 % interval of the two one-sided tests {interval}" if interval else ""
    held = unfair(study, mode)
    return (
        f"Pooled over {over}, containers reached {estimate(found.ratio, 'of the throughput')} of the same "
        f"workers on their host: **{in_words(study, mode, found)}**{ends}." + f" For {held}" * bool(held)
    )
