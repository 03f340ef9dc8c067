"""The answers of a run in words: how far, why no further, how many, and whether Ray pays off."""

import dataclasses
from itertools import pairwise

from lab.analysis.choice import MOST_BLOCKS, PART, Choice
from lab.analysis.configurations import select
from lab.analysis.intervals import LEVEL, Estimate
from lab.analysis.verdicts import at_least, judge
from lab.figures.scaling import LOOP
from lab.formats import decimals, fixed, listing, number, percent, short_estimate
from lab.report import baselines
from lab.report.caveats import of_one_work
from lab.report.decision import RANKS, Decision, decide
from lab.report.markdown import Markdown, capital, paragraphs, safe, table
from lab.report.nodes import at_size, own_cores
from lab.report.ray_cost import MATTERS, cost, cost_in_words, over_workers
from lab.report.study import Study
from lab.report.why import in_short as why

NOTE = f"± is half of the {percent(LEVEL, 2)} interval, as a part of the value; n counts repeats."
"""Stands below a table of answers."""

PROCESSES_QUESTION = "Ray or plain processes?"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One line of a table of answers; `more` is the page that has more of it."""

    question: str
    answer: str
    sure: str
    more: str = ""


def answers(study: Study, mode: str) -> list[Answer]:
    """Return the answers of a run on one piece of its work; those that it has no data for are left out."""
    decision = decide(study, mode)
    reason, reason_sure = why(decision)
    found = [
        how_far(decision),
        Answer("Why no further?", reason, reason_sure, "why.md"),
        how_many(decision),
        beside_loop(decision),
        beside_processes(study, mode),
    ]
    return [one for one in found if one.answer]


def answer(study: Study) -> Markdown:
    """Answer a page's question for the main work of its run."""
    if not study.modes:
        return Markdown("")
    *found, last = answers(study, study.main_mode)
    found.append(beside_processes_in_all(study) if last.question == PROCESSES_QUESTION else last)
    return paragraphs(of_one_work(study), answer_table(found).text)


def answer_table(found: list[Answer]) -> Markdown:
    """Return answers as a table."""
    rows = [(f"**{one.question}**", one.answer, one.sure) for one in found]
    return paragraphs(table(("question", "answer", "how sure"), rows), NOTE)


def how_far(decision: Decision) -> Answer:
    """Say how many times as fast the work gets, and what part of the ideal that is."""
    question, study = "How far does it scale?", decision.study
    size = decision.more_than_one
    gained, one = decision.beside(decision.one, size), decision.one
    if one is None or gained.value is None:
        measured = f"Only {listing(decision.sizes)} {'were' if len(decision.sizes) > 1 else 'was'} measured"
        told = f"{measured}: it takes trials with 1 and with more."
        return Answer(question, told, "not decided", "how_many.md")
    if study.grows:
        grown = f"{capital(baselines.grown(decision, size, gained, one))}."
        return Answer(question, grown, sure(gained), "how_many.md")
    each = baselines.each(decision, one)
    quota = f", {own_cores(study)} each" if study.axis.column == "nodes" and study.placement.shared else ""
    first = f"{capital(at_size(study, size))}{quota}: {times(gained)} times as fast as one{each}"
    ideal = baselines.ideal(decision, size, one)
    part = of_ideal(gained, ideal)
    return Answer(question, f"{first}{f'{part} of {ideal:g}' * bool(part)}.", sure(gained), "how_many.md")


def of_ideal(gained: Estimate, ideal: float) -> str:
    """Return a gain as a part of the ideal: ', 98 % of the ideal'; empty for none, or one that is no limit.

    Workers that wait may be more times as fast than there are cores.
    """
    if ideal <= 1 or gained.value is None or (gained.low or gained.value) > (1 + MATTERS) * ideal:
        return ""
    return f", {fixed(100 * gained.value / ideal, 0)} % of the ideal"


def how_many(decision: Decision) -> Answer:
    """Say how many to use, or which remain possible and what would decide; and what the last one brings."""
    study, choice = decision.study, decision.choice
    nodes_counted = study.axis.column == "nodes"
    question = "How many nodes?" if nodes_counted else "How many workers?"
    if choice is None:
        reason = (
            f"No answer: these {study.placement.noun} share their processors, without quotas that fit the "
            "host."
            if not decision.sweep.own_processors
            else "No answer: no trial has a throughput."
        )
        return Answer(question, reason, "not decided", "how_many.md")
    if len(decision.sizes) < 2:
        return Answer(question, "That takes a run with several sizes.", "not decided", "how_many.md")
    if choice.size is None:
        return Answer(question, _possible(decision, choice), "not decided", "how_many.md")
    told = f"Use {at_size(study, choice.size)}.{_steps(decision, choice.size)}{_more(decision, choice)}"
    return Answer(
        question, told, f"within {percent(PART, 1)} of the best, {percent(LEVEL, 2)}", "how_many.md"
    )


def _steps(decision: Decision, size: int) -> str:
    """Say what the last one brought, and what the next would."""
    place, study = decision.sizes.index(size), decision.study
    told = []
    near = decision.sizes[max(0, place - 1) : place + 2]
    for first, then in pairwise(near):
        gained = study.ratio(decision.mode, (decision.series, then), (decision.series, first))
        if gained.value is not None:
            told.append(f"{first} to {then} brings {gain(gained)}")
    return f" Going from {'; from '.join(told)}." if told else ""


def gain(ratio: Estimate) -> str:
    """Return a ratio as a gain in percent with its interval: '+93 % (91 to 95)'."""
    found = ratio.map(lambda one: 100 * (one - 1))
    places = min(decimals(found), 1)
    ends = "" if found.low is None else f" ({fixed(found.low, places)} to {fixed(found.high or 0, places)})"
    value = fixed(found.value or 0, places)
    return f"{'+' * (float(value) > 0)}{value} %{ends}"


def _more(decision: Decision, choice: Choice) -> str:
    """Say what is known of larger sizes, where the largest that ended well may be the one to use."""
    if not choice.largest:
        return ""
    study = decision.study
    asked = {"mode": decision.mode, "engine": study.known[decision.series]["engine"]}
    failed = int(select(study.run.trials, asked)[study.axis.column].max()) > decision.sizes[-1]
    return " No trial with more ended well." if failed else " More were not measured, and may be better."


def _possible(decision: Decision, choice: Choice) -> str:
    study = decision.study
    sizes = listing(choice.possible, "or")
    what = study.placement.several if study.axis.column == "nodes" else "workers"
    if choice.possible == (1,):
        what = what.removesuffix("s")
    fewest = choice.possible[0]
    loses, are = ("loses", "is") if fewest == 1 else ("lose", "are")
    lose = (
        f"; {fewest} {loses} at most {percent(choice.loss, 2)} against the best"
        if choice.loss is not None
        else ""
    )
    next_run = (
        f" Whether {fewest} {are} enough, {choice.blocks} repeats in all would most likely tell."
        if choice.blocks
        else " One repeat tells nothing: run 5."
        if study.blocks < 2
        else " Too few trials ended well to tell: run 5 repeats."
        if choice.loss is None
        else f" Whether {fewest} {are} enough, {MOST_BLOCKS} repeats would not tell."
    )
    return f"{sizes} {what}{lose}.{next_run}{_more(decision, choice)}"


def beside_loop(decision: Decision) -> Answer:
    """Say whether Ray pays off against a plain loop."""
    question, ratio = "Does Ray pay off against a plain loop?", decision.beside((LOOP, 1))
    if decision.study.known[decision.series]["engine"] not in RANKS:
        trials = decision.study.run.trials
        tried = set(trials.loc[trials["mode"] == decision.mode, "engine"])
        none = "No trial with Ray ended well." if tried & set(RANKS) else "Ray was not asked for."
        return Answer(question, none, "not decided", "pays.md")
    if ratio.value is None:
        return Answer(question, "", "")
    verdict = judge(ratio, at_least(1 + MATTERS))
    said = {"holds": "Yes", "does not hold": "No", "not decided": "Not decided"}[verdict]
    size = at_size(decision.study, decision.size)
    told = f"{said}: with {size} it is {times(ratio)} times as fast."
    return Answer(question, told, sure(ratio), "pays.md")


def beside_processes(study: Study, mode: str) -> Answer:
    """Say how Ray's throughput compares with as many plain processes doing the same work."""
    told, sures = _beside_processes(study, mode)
    return Answer(PROCESSES_QUESTION, capital(told), sures, "pays.md")


def beside_processes_in_all(study: Study) -> Answer:
    """Say the same of every kind of work of a run, which may differ."""
    found = {mode: _beside_processes(study, mode) for mode in study.modes}
    known = {safe(mode): one for mode, one in found.items() if one[0]}
    if len(known) < 2:
        told, sures = next(iter(known.values()), ("", ""))
        return Answer(PROCESSES_QUESTION, capital(told), sures, "pays.md")
    told, sures = ("; ".join(f"{mode}: {one[place]}" for mode, one in known.items()) for place in (0, 1))
    return Answer(PROCESSES_QUESTION, capital(told.replace(".;", ";")), sures, "pays.md")


def _beside_processes(study: Study, mode: str) -> tuple[str, str]:
    """Return the answer and how sure it is; empty where nothing was measured beside processes."""
    series = next(iter(study.rays(mode)), None)
    counts, ratio = cost(study, mode, series) if series else ((), Estimate(0))
    if ratio.value is None:
        return "", ""
    told = f"{cost_in_words(ratio)}: {times(ratio)} of their throughput, {over_workers(counts)}."
    return told, sure(ratio)


def times(ratio: Estimate) -> str:
    """Return how many times as fast, with its interval where there is one."""
    return short_estimate(ratio) if ratio.low is not None else number(ratio.value, 3)


def sure(found: Estimate) -> str:
    """Say how wide the interval of an estimate is, as NOTE explains, and over how many blocks."""
    if found.low is None or found.high is None or not found.value:
        return "one block, no interval"
    return f"± {percent((found.high - found.low) / 2 / abs(found.value), 2)}, n = {found.n}"
