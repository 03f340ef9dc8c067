"""The sections that set report B's numbers and claims beside ours."""

from lab.analysis import engines as analysis
from lab.analysis.configurations import compare, select
from lab.analysis.verdicts import shared_level
from lab.formats import fixed, listing, number
from lab.published import report_b as report
from lab.published.images_claims import CLAIMS
from lab.published.images_claims import verdicts as judged
from lab.report.levels import ABSENT
from lab.report.markdown import Markdown, capital, paragraphs, table
from lab.report.ray_vs_multiprocessing import NONE, short
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
    sides = {"engine": "ray"}, {"engine": "pool"}
    lines: list[tuple[object, ...]] = []
    for tasks in sorted({*theirs, *(int(one) for one in rows["planned_tasks"].unique())}):
        ours = compare(select(rows, {"planned_tasks": tasks}), "duration_seconds", *sides)
        known = fixed(theirs[tasks], 2) if tasks in theirs else ABSENT
        lines.append((f"time, {tasks} images", known, short(ours), ours.n))
    given = report.CORES["Ray", 2] / report.CORES["multiprocessing", 2]
    low, high = (given * end for end in (min(theirs.values()), max(theirs.values())))
    taken = analysis.against(study.compared, "cpu_seconds", study.work("images")) if chosen else NONE
    what = "core-seconds given (report B), CPU-seconds taken (here)"
    lines.append((what, f"{low:.2f} to {high:.2f}", short(taken), taken.n))
    head = ("Ray / multiprocessing", "report B, 2 of each", "here, equal workers (95 % interval)", "n")
    return table(head, lines, right=(1, 2, 3))


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
    return Markdown(verdict_table([("", one) for one in found]))
