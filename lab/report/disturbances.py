"""What made the machine noisy: a block at the top of a page, a sentence for the first, a table."""

from collections.abc import Mapping

import pandas as pd

from lab.analysis.disturbances import Disturbance
from lab.formats import UNKNOWN, count, number, percent
from lab.report.markdown import Markdown, capital, table
from lab.report.study import Study

TOLD: Mapping[str, tuple[str, str]] = {
    "stolen": ("the hypervisor gave", "of the host's core time to others"),
    "load": ("the load average for each core of the host was", "before the first trial"),
    "others": ("processes that are not the lab's used", "of the cores"),
    "throttled": ("a quota held back nodes with cores to spare for", "of the window"),
    "clock": ("the clock rate was off its median by", "right after the window"),
}
"""How a sentence begins and ends that says how much there was of a disturbance."""

NAMES: Mapping[str, str] = {
    "stolen": "steal: given to others by the hypervisor, of the host's core time",
    "load": "load average for each core of the host, before the first trial",
    "others": "used by other processes, of the cores",
    "throttled": "held back by a quota though there were more cores than workers, of the window",
    "clock": "clock rate right after the window, off its median",
}


def warning(study: Study) -> Markdown:
    """Return a block that says what disturbed the run beyond its limit; empty where nothing did.

    What had loaded the machine before the first trial is gone within minutes: alone it may have slowed the
    first block, and makes no other trial noisy.
    """
    loud = beyond(study)
    if not loud:
        return Markdown("")
    title, lead = "The machine was not quiet", "It was too noisy for small differences on this page:"
    if set(loud) == {"load"}:
        title, lead = "The machine had just been busy", "The first trials of the run may be slow for it:"
    points = "\n".join(f"- {capital(one)}." for one in loud.values())
    return Markdown(
        f'<div class="admonition warning">\n<p class="admonition-title">{title}</p>\n\n'
        f"{lead}\n\n{points}\n\n</div>"
    )


def beyond(study: Study) -> dict[str, str]:
    """Return what disturbed the run beyond its limit: kind -> what there was of it, as a sentence goes on."""
    return {one.kind: _sentence(one) for one in study.disturbances if len(one.beyond)}


def limits(study: Study) -> str:
    """Return the table of all kinds: median, worst, limit, and how many trials were beyond it."""
    rows = [
        (
            NAMES[one.kind],
            _amount(one.kind, one.amounts.median() if len(one.amounts) else None),
            _amount(one.kind, one.amounts.max() if len(one.amounts) else None),
            _amount(one.kind, one.limit),
            f"{len(one.beyond)} of {len(one.amounts)}" if len(one.amounts) else UNKNOWN,
        )
        for one in study.disturbances
    ]
    head = ("disturbance", "median trial", "worst trial", "limit", "trials beyond it")
    return table(head, rows, right=(1, 2, 3, 4))


def _sentence(one: Disturbance) -> str:
    begin, end = TOLD[one.kind]
    worst, limit = (_amount(one.kind, amount) for amount in (one.amounts.max(), one.limit))
    if one.kind == "load":
        return f"{begin} {worst} {end} (limit {limit})"
    trials = f"{len(one.beyond)} of {count(len(one.amounts), 'trial')}"
    return f"{begin} more than {limit} {end} in {trials}, {worst} at most"


def _amount(kind: str, amount: float | None) -> str:
    if amount is None or pd.isna(amount):
        return UNKNOWN
    return number(amount, 2) if kind == "load" else percent(amount, 2)
