"""The finding of a sweep as a title: of a page, or of a figure."""

from lab.formats import count, number
from lab.report import baselines
from lab.report.answers import of_ideal, times
from lab.report.decision import Decision, decide
from lab.report.markdown import capital
from lab.report.nodes import at_size
from lab.report.ray_cost import MATTERS
from lab.report.study import Study
from lab.report.verdicts import is_open


def in_one_line(study: Study) -> str:
    """Return the finding of a run as one sentence, which may be a title."""
    decision = decide(study, study.main_mode)
    size = decision.more_than_one
    gained, choice = decision.beside(decision.one, size), decision.choice
    told = "How far it scales is not decided"
    if gained.value is not None and decision.one is not None:
        part = of_ideal(gained, baselines.ideal(decision, size, decision.one))
        told = f"{at_size(study, size)} do the work {number(gained.value)} times as fast as one{part}"
        if is_open(gained, MATTERS):
            told = (
                f"whether {at_size(study, size)} are faster than one is not decided ({times(gained)} times)"
            )
        told = baselines.grown(decision, size, gained, decision.one) if study.grows else told
    if choice is None or len(decision.sizes) < 2:
        return f"{capital(told)}."
    if choice.size is not None:
        more = "; more were not measured" * choice.largest
        return f"{capital(told)}: use {at_size(study, choice.size)}{more}."
    fewest = choice.possible[0]
    enough = f"{at_size(study, fewest)} {'is' if fewest == 1 else 'are'} enough"
    return f"{capital(told)}; whether {enough} is not decided."


def in_few_words(decision: Decision) -> str:
    """Return the finding of a sweep as the title of a figure: '2 workers: 1.85 × one', or what is open."""
    if decision.choice is not None and decision.choice.size is None and len(decision.choice.possible) > 1:
        possible = decision.choice.possible
        between = "or" if len(possible) == 2 else "to"
        return f"Not decided: {possible[0]} {between} {possible[-1]} {decision.study.axis.column}"
    size = decision.more_than_one
    gained = decision.beside(decision.one, size)
    if gained.value is None or decision.one is None:
        return f"Throughput of {decision.series}"
    return f"{count(size, decision.study.axis.column.removesuffix('s'))}: {number(gained.value)} × one"
