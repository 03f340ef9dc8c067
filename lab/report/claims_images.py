"""The sections that set report B's numbers and claims beside ours."""

from collections.abc import Sequence

import pandas as pd

from lab.analysis.configurations import compare, select
from lab.analysis.verdicts import shared_level
from lab.data.engines import ENGINES
from lab.formats import count, fixed, listing, number
from lab.published import report_b as report
from lab.published.images_claims import CLAIMS, POOL, RAY, TASKS
from lab.published.images_claims import verdicts as judged
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, capital, paragraphs, table
from lab.report.ray_vs_multiprocessing import short
from lab.report.study import Study
from lab.report.verdicts import verdict_table


def beside(study: Study) -> Markdown:
    """Show the report's seconds, and the only numbers of it that can stand beside ours: ratios."""
    return paragraphs(
        f"Report B is {report.SOURCE}; seconds for so many images:",
        _seconds(),
        "Its machine and its images are others. Only a ratio of Ray to multiprocessing with as many of its "
        "workers or cores can stand beside ours:",
        _ratios(study),
    )


def _seconds() -> str:
    names = {"Ray": "worker nodes of Ray", "multiprocessing": "cores of multiprocessing"}
    rows = [
        (f"{count} {names[framework]}".replace("1 worker nodes", "1 worker node"), *map(number, seconds))
        for (framework, count), seconds in report.SECONDS.items()
    ]
    head = ("report B, s", *(f"{one} tasks" for one in report.TASKS))
    return table(head, rows, right=(1, 2, 3))


def _ratios(study: Study) -> str:
    chosen = {name: one for name, one in study.work("images").items() if name != "planned_tasks"}
    rows = select(study.compared, chosen) if chosen else study.compared.head(0)
    theirs = report.time_ratios()
    counts = sorted(int(one) for one in rows["planned_tasks"].dropna().unique())
    engines = [one for one in ("ray", "ray_tasks") if one == "ray" or one in set(rows["engine"])]
    lines: list[tuple[object, ...]] = []
    for tasks in sorted({*theirs, *counts}):
        known = fixed(theirs[tasks], 2) if tasks in theirs else ABSENT
        lines.append((f"time, {tasks} images", known, *_ours(rows, tasks, "duration_seconds", engines)))
    given = report.CORES["Ray", 2] / report.CORES["multiprocessing", 2]
    low, high = (given * end for end in (min(theirs.values()), max(theirs.values())))
    if counts:
        what = (
            f"core-seconds given (report B, the range over {listing(theirs)} images), CPU-seconds taken "
            f"(here, {counts[-1]} images)"
        )
        lines.append((what, f"{low:.2f} to {high:.2f}", *_ours(rows, counts[-1], "cpu_seconds", engines)))
    ways = (f"{ENGINES[one]}, {count(study.workers, 'worker')} (95 % interval)" for one in engines)
    head = ("Ray / multiprocessing", "report B, 2 of each", *(f"here, {one}" for one in ways), "n")
    return table(head, lines, right=range(1, len(head)))


def _ours(rows: pd.DataFrame, tasks: int, metric: str, engines: Sequence[str]) -> tuple[object, ...]:
    """Return the ratio of each way on Ray to multiprocessing.Pool for so many images, and n."""
    mine = select(rows, {"planned_tasks": tasks})
    found = [compare(mine, metric, {"engine": one}, {"engine": "pool"}) for one in engines]
    return *(short(one) for one in found), found[0].n


def flaws() -> Markdown:
    """Say in three lines why the report's numbers are no comparison of the two."""
    spent = "core-seconds {:.0f}–{:.0f} with Ray, {:.0f}–{:.0f} with multiprocessing".format(
        *report.core_seconds("Ray"), *report.core_seconds("multiprocessing")
    )
    spent += f", over its {listing(report.TASKS)} tasks"
    first, *rest = report.FLAWS
    lines = (f"{first}: {spent}", *rest)
    return Markdown("\n".join(f"{place}. {capital(one)}." for place, one in enumerate(lines, 1)))


def verdicts(study: Study) -> Markdown:
    """Show what the run says about each claim of the report."""
    chosen = study.work("images")
    if not chosen:
        return Markdown("")
    found = judged(study.compared, chosen, shared_level(len(CLAIMS)))
    images = f" and {chosen['planned_tasks']} images" * ("planned_tasks" in chosen)
    told = (
        f"*Ray* is judged as *{RAY}*, this lab's own dispatch, and *multiprocessing* as {POOL}, each with "
        f"{count(study.workers, 'worker')}{images} where nothing else is said. *{TASKS}* stand beside where "
        "they were run, and are not judged."
    )
    return paragraphs(told, verdict_table([("", one) for one in found]))
