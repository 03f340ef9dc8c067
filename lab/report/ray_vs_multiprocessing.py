"""The sections of the page on Ray and multiprocessing: from a comparison to figures, tables and words."""

from collections.abc import Sequence

import pandas as pd

from lab.analysis import engines as analysis
from lab.analysis.configurations import compare, pooled_pairs, select
from lab.analysis.intervals import Estimate, detectable_ratio, log_ratios, ratio_estimate
from lab.analysis.noise import CopyComparison, told_apart
from lab.analysis.ray_ways import OTHERS
from lab.data.engines import label, ordered
from lab.figures import engines as figures
from lab.formats import count, estimate, listing, number, percent, short_estimate
from lab.published.images_claims import growth_with_tasks
from lab.published.report_b import MEGABYTE
from lab.report.levels import ABSENT, intervals
from lab.report.markdown import Markdown, figure, paragraphs, safe, table
from lab.report.ray_cost import MATTERS, cost_in_words
from lab.report.source import source
from lab.report.study import Study
from lab.report.verdicts import is_open

NONE = Estimate(0)
MEBIBYTE = 2.0**-20
TRANSFERS = {"seed": "made by the worker", "value": "pickled with the task", "shared": "in shared memory"}


def modes(study: Study) -> tuple[str, ...]:
    """Return the modes that engines can be compared on."""
    return tuple(mode for mode in study.modes if len(study.of_work(mode)))


def fastest_first(study: Study, mode: str) -> tuple[str, ...]:
    """Return the engines that a workload was given to, the fastest first; those that failed always, last."""
    tried = study.run.trials
    names = ordered(tried.loc[tried["mode"] == mode, "engine"])
    means = {
        name: one.value or 0.0 for name, one in analysis.levels(study.of_work(mode), "throughput").items()
    }
    return tuple(sorted(names, key=lambda name: -means.get(name, 0.0)))


def copy_of(study: Study, mode: str) -> CopyComparison | None:
    """Return how the throughput of a copy of Ray compares with its own; None without a copy."""
    return next((one for one in study.copies if (one.mode, one.metric) == (mode, "throughput")), None)


def of_engines(study: Study, mode: str, metric: str) -> dict[str, Estimate]:
    """Return a metric of every engine, the fastest first; n = 0 for one without a trial."""
    found = analysis.levels(study.of_work(mode), metric)
    return {name: found.get(name, NONE) for name in fastest_first(study, mode)}


def answer(study: Study) -> Markdown:
    """Answer the page's question: which engine was fastest, and Ray beside multiprocessing."""
    return Markdown(sentence(study))


def sentence(study: Study) -> str:
    """Say which way was fastest, and how Ray compares with multiprocessing; empty without a trial."""
    found = modes(study)
    if not found:
        return ""
    mode = found[0]
    speeds = of_engines(study, mode, "throughput")
    best = next(iter(speeds))
    speed, counts = estimate(speeds[best], safe(study.unit(mode))), _counts(study, mode)
    over = f"Over {listing(counts)} of them, " * (len(counts) > 1)
    return (
        f"On {work(study, mode)} with {count(study.workers, 'worker')}, **{label(best)} had the highest mean "
        f"of {count(len(speeds), 'way')} to run them**, {speed}. {over}"
        f"{_ray_beside_pool(study, mode)}{_alike(study, mode, best)}."
    )


def work(study: Study, mode: str) -> str:
    """Return the work of a workload in words: '50 images of 6.2 MB'."""
    tasks = int(study.of_work(mode)["planned_tasks"].iloc[0])
    trials = study.run.trials
    size = trials.loc[trials["mode"] == mode, "item_bytes"].astype(float).median() / MEGABYTE
    if mode == "images":
        return f"{count(tasks, 'image')} of {number(size)} MB" if size == size else count(tasks, "image")
    return f"{count(tasks, 'range')} of numbers"


def _counts(study: Study, mode: str) -> list[int]:
    """Return the counts of tasks that engines are compared on, ascending."""
    chosen = {name: one for name, one in study.work(mode).items() if name != "planned_tasks"}
    return sorted(int(one) for one in select(study.compared, chosen)["planned_tasks"].unique())


def _over_counts(study: Study, mode: str, first: str, second: str) -> tuple[Estimate, float]:
    """Return the ratio of the throughputs of two engines over all counts of tasks, and what it would miss."""
    works = [{**study.work(mode), "planned_tasks": one} for one in _counts(study, mode)]
    sides = [({**one, "engine": first}, {**one, "engine": second}) for one in works]
    both = pooled_pairs(study.compared, "throughput", sides)
    tops, bottoms = both["first"].tolist(), both["second"].tolist()
    return ratio_estimate(tops, bottoms), (detectable_ratio(log_ratios(tops, bottoms)) or 1.0) - 1


def _missed(part: float) -> str:
    return f"a difference below {percent(part, 2)} could have been missed"


def _alike(study: Study, mode: str, best: str) -> str:
    """Return a clause that names the engines which cannot be told from the fastest, or nothing."""
    same = {}
    for name in fastest_first(study, mode):
        ratio, missed = _over_counts(study, mode, best, name)
        if name != best and told_apart(ratio, copy_of(study, mode)) is False:
            same[label(name)] = missed
    if not same:
        return ""
    few = listing(same) if len(same) < 4 else f"{len(same)} of the others"
    return f". Not measurably slower than {label(best)}: {few} ({_missed(max(same.values()))})"


def _ray_beside_pool(study: Study, mode: str) -> str:
    """Say how the throughput of each way to use Ray compares with that of multiprocessing.Pool."""
    ratio, missed = _over_counts(study, mode, "ray", "pool")
    if ratio.value is None:
        return "Ray cannot be compared with multiprocessing.Pool, as no block has both"
    copy, said = copy_of(study, mode), cost_in_words(ratio)
    if is_open(ratio, MATTERS):
        slower = f"measurably {'slower' if ratio.value < 1 else 'faster'}; {said}"
        said = slower if told_apart(ratio, copy) else f"{said} ({_missed(missed)})"
    told = f"*Ray, batched* reached {estimate(ratio, 'of the throughput of multiprocessing.Pool')}: {said}"
    if copy is not None and copy.alarmed:
        told += f" (a copy of Ray reached {short_estimate(copy.ratio)} of its own)"
    own = {label(name): _over_counts(study, mode, name, "pool")[0] for name in OTHERS}
    others = [f"{name} {short_estimate(one)}" for name, one in own.items() if one.value is not None]
    slow = ", all measurably slower" * all(one.high is not None and one.high < 1 for one in own.values())
    return f"{told}. Ray's own ways{slow}: {listing(others)}" if others else told


def throughput(study: Study) -> Markdown:
    """Show the throughput of every engine on every workload, and what it took."""
    found = modes(study)
    if not found:
        return Markdown("")
    speeds = {mode: of_engines(study, mode, "throughput") for mode in found}
    panels = [
        figures.Rows(f"{mode.capitalize()}: throughput", study.unit(mode), one)
        for mode, one in speeds.items()
    ]
    drawn = figures.rows("Throughput of every engine", panels)
    works = "; ".join(f"{study.name(mode)}: {work(study, mode)}" for mode in found)
    caption = (
        f"{works}. {count(study.workers, 'worker')} each (plain loop: 1). Means with {intervals(study)}."
    )
    tables = [f"**{study.title(mode)}**\n\n{_table(study, mode)}" for mode in found]
    return paragraphs(figure(drawn, caption, source(study)), *tables)


def _table(study: Study, mode: str) -> str:
    columns = {
        "time, s": ("duration_seconds", 1.0),
        safe(study.unit(mode)): ("throughput", 1.0),
        "CPU-seconds": ("cpu_seconds", 1.0),
        "memory before, MiB": ("memory_before_bytes", MEBIBYTE),
        "peak, MiB": ("peak_memory_bytes", MEBIBYTE),
        "object store, MiB": ("object_store_bytes", MEBIBYTE),
        "cold start, s": ("startup_seconds", 1.0),
    }
    found = {name: of_engines(study, mode, metric) for name, (metric, _) in columns.items()}
    rows = []
    for engine, speed in of_engines(study, mode, "throughput").items():
        cells = [short(found[name][engine], scale) for name, (_, scale) in columns.items()]
        rows.append((label(engine), *cells, speed.n or "0, failed"))
    return table(("engine", *columns, "n"), rows, right=range(1, len(columns) + 2))


def short(found: Estimate, scale: float = 1.0) -> str:
    """Return an estimate for a table, or what stands where nothing was measured."""
    return ABSENT if found.value is None else short_estimate(found, scale)


def scale(study: Study) -> Markdown:
    """Show throughput relative to multiprocessing.Pool for every number of images."""
    chosen = study.work("images")
    if not chosen:
        return Markdown("")
    rows = select(study.compared, {name: one for name, one in chosen.items() if name != "planned_tasks"})
    counts = _counts(study, "images")
    heads = [count(one, "image") for one in counts]
    drawn = _ratios(study, "images", rows, "planned_tasks", counts, heads)
    growth, counted = growth_with_tasks(study.compared, chosen)
    told = ""
    if growth.value is not None:
        told = (
            f"From {counted[0]} to {counted[-1]} images, Ray's throughput relative to multiprocessing.Pool "
            f"became {estimate(growth, 'times what it was')}: {_changed(growth)}."
        )
    return paragraphs(told, drawn)


def transfer(study: Study) -> Markdown:
    """Show throughput relative to multiprocessing.Pool for every way in which images travel."""
    images = study.compared[study.compared["mode"] == "images"]
    moved = images[images["transfer"].isin(("value", "shared"))]
    if moved.empty:
        return Markdown("")
    tasks = int(moved["planned_tasks"].max())
    rows = select(images, {"planned_tasks": tasks})
    ways = [way for way in TRANSFERS if way in set(rows["transfer"])]
    heads = [TRANSFERS[way] for way in ways]
    means = [analysis.levels(select(rows, {"transfer": way}), "throughput") for way in ways]
    speeds = [
        (label(name), *(short(one.get(name, NONE)) for one in means))
        for name in fastest_first(study, "images")
    ]
    return paragraphs(
        f"{count(tasks, 'image')}, images/s:",
        table(("engine", *heads), speeds, right=range(1, len(heads) + 1)),
        "Relative to multiprocessing.Pool with images that travel in the same way:",
        _ratios(study, "images", rows, "transfer", ways, heads),
    )


def _ratios(
    study: Study,
    mode: str,
    rows: pd.DataFrame,
    column: str,
    values: Sequence[object],
    heads: Sequence[str],
) -> str:
    """Return the throughput of each engine relative to multiprocessing.Pool, a column for each value."""
    lines = []
    for name in fastest_first(study, mode):
        if name == "pool":
            continue
        found = [
            compare(select(rows, {column: one}), "throughput", {"engine": name}, {"engine": "pool"})
            for one in values
        ]
        fewest, most = min(one.n for one in found), max(one.n for one in found)
        lines.append(
            (label(name), *(short(one) for one in found), most if fewest == most else f"{fewest} to {most}")
        )
    return table(("relative to multiprocessing.Pool", *heads, "n"), lines, right=range(1, len(heads) + 2))


def _changed(growth: Estimate) -> str:
    if growth.low is None or growth.high is None:
        return "with one block, no change could be told from chance"
    if growth.low <= 1 <= growth.high:
        return "no change that these trials could tell"
    return "Ray gained" if growth.low > 1 else "Ray lost"
