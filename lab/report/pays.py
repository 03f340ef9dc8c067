"""The page on whether Ray pays off: beside a loop and processes, by the length of a task, in memory."""

from typing import TYPE_CHECKING

from lab.analysis import break_even as analysis
from lab.analysis.intervals import Estimate
from lab.analysis.verdicts import at_least, at_most, judge
from lab.figures.heat import Cell, heat
from lab.formats import length
from lab.report import break_even, short_answers
from lab.report.answers import Answer, answer_table, beside_loop, beside_processes_in_all
from lab.report.caveats import of_one_work
from lab.report.decision import decide
from lab.report.engines import named
from lab.report.markdown import Markdown, figure, paragraphs
from lab.report.page import no_run
from lab.report.ray_cost import MATTERS
from lab.report.source import source
from lab.report.study import Study

if TYPE_CHECKING:
    from lab.report.book import Book


def answers(book: "Book") -> Markdown:
    """Answer from the first sweep of one machine, and from the runs that compare engines."""
    found: list[Answer] = []
    sweep = next((one for one in book.sweeps if one.axis.column == "workers"), None)
    evened, raced = (book.page(name).study for name in ("break_even", "ray_vs_multiprocessing"))
    if sweep is not None:
        decision = decide(sweep, sweep.main_mode)
        found += [beside_loop(decision), beside_processes_in_all(sweep)]
    if evened is not None and evened.modes:
        found.append(short_answers.task_length(evened))
    if raced is not None and raced.modes:
        found.append(short_answers.memory_and_start(raced))
    shown = [one for one in found if one.answer]
    if not shown:
        return no_run("break_even", book.page("break_even").runs)
    runs = [study for study in (sweep, evened, raced) if study is not None]
    whose = of_one_work(sweep) if sweep is not None else None
    return paragraphs(*(book.badge(one) for one in runs), whose, answer_table(shown).text)


def heat_map(study: Study) -> Markdown:
    """Show how many times as fast Ray in batches is as every other way, by the length of a task."""
    lengths = analysis.lengths(study.compared)
    rows = []
    for engine, how in (("serial", ""), *break_even.timed(study)):
        if (engine, how) == break_even.way(analysis.OWN):
            continue
        other = analysis.SERIAL if engine == "serial" else {"engine": engine, "batching": how}
        curve = analysis.speed_ratios(study.compared, analysis.OWN, other)
        cells = [_cell(curve.get(one)) for one in lengths]
        if any(cells):
            rows.append((named(engine, how).replace(", equal batches", ", batches"), cells))
    if not rows:
        return Markdown("")
    title = "Ray in batches beside every other way, by the length of a task"
    drawn = heat(title, rows, [length(one) for one in lengths])
    caption = (
        "How many times as fast Ray in batches runs tasks of that length. Blue: faster by 2 % or more for "
        "certain; red: slower; no tint: less, or not decided. Each cell stands for itself, by its 95 % "
        "interval: of those that are alike, one in twenty may have a tint by chance."
    )
    return Markdown(figure(drawn, caption, source(study)))


def _cell(ratio: Estimate | None) -> Cell | None:
    if ratio is None or ratio.value is None:
        return None
    if judge(ratio, at_least(1 + MATTERS)) == "holds":
        return Cell(ratio.value, "faster")
    return Cell(ratio.value, "slower" if judge(ratio, at_most(1 - MATTERS)) == "holds" else "alike")
