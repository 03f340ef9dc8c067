"""The timeline of one trial as HTML: a row of SVG for each worker, for what its node read, and for the queue.

All rows share one scale, the seconds of the window, which `book/_static/timeline.js` zooms and moves by their
`viewBox`; every mark has a `title`, so that the rows read without the script. Colours come from `book.css`.
"""

import html
import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lab.analysis.lanes import FAILED, GONE, STATES, TAIL, TASK, UNKNOWN, WAITING, Span
from lab.analysis.timeline import NodeLanes, Timeline
from lab.formats import count, fixed, memory, number, percent, seconds

SHAPES = {
    TASK: (0.0, 1.0),
    FAILED: (0.0, 1.0),
    UNKNOWN: (0.2, 0.6),
    WAITING: (0.4, 0.2),
    TAIL: (0.7, 0.3),
    GONE: (0.4, 0.2),
}
"""Top and height of each state in its row: the colour is never the only difference."""

READINGS = {"cpu_cores": "CPU", "throttled_share": "held back", "memory_bytes": "memory"}
"""The rows of a node's readings."""

BUTTONS = {"in": ("+", "Zoom in"), "out": ("−", "Zoom out"), "whole": ("whole", "Show the whole window")}
TICKS = 5
MOST_STEPS = 400
"""Steps of the queue that are drawn; of more, every second, third and so on."""


def draw(found: Timeline, title: str) -> str:
    """Return the timeline as a block of HTML without blank lines; `title` is what a screen reader says."""
    if not found.seconds > 0:
        return ""
    rows = [_axis(found.seconds), _queue(found)]
    nodes = [node for node in found.nodes if node.lanes]
    tops = _tops(nodes)
    for node in nodes:
        rows += _node(node, tops, found.seconds)
    rows = [row for row in rows if row]
    plots = (
        f'<div class="lab-timeline-plots" tabindex="0" role="group" aria-label="{_text(title)}">\n'
        + "\n".join(rows)
        + "\n</div>"
    )
    return (
        f'<div class="lab-timeline" data-seconds="{_plain(found.seconds)}">\n{_keys(found)}\n{plots}\n'
        '<output class="lab-timeline-tip" hidden></output>\n</div>'
    )


def _keys(found: Timeline) -> str:
    """Return the legend of the states that occur, and the buttons, which the script shows."""
    there = {span.state for lane in found.lanes for span in lane.spans}
    keys = [
        '<span><svg class="lab-timeline-key" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
        f"{_rect(state, 0.0, 1.0, *SHAPES[state])}</svg> {_text(name)}</span>"
        for state, name in STATES.items()
        if state in there
    ]
    buttons = [
        f'<button type="button" data-do="{key}" aria-label="{told}" title="{told}">{sign}</button>'
        for key, (sign, told) in BUTTONS.items()
    ]
    return (
        f'<div class="lab-timeline-keys">{" ".join(keys)}</div>\n'
        f'<div class="lab-timeline-buttons" hidden>{"".join(buttons)}</div>'
    )


def _axis(length: float) -> str:
    step = 10.0 ** math.floor(math.log10(length / TICKS))
    step *= next(one for one in (1, 2, 5, 10) if length / (step * one) <= TICKS)
    places = [step * place for place in range(int(length / step) + 1)]
    ticks = "".join(f'<i style="left: {100 * at / length:.4g}%">{at:.12g}</i>' for at in places)
    return (
        f'<div class="lab-timeline-name">seconds</div><div class="lab-timeline-axis" aria-hidden="true">'
        f"{ticks}</div>"
    )


def _tops(nodes: Sequence[NodeLanes]) -> dict[str, float]:
    """Return what the highest bar of each kind of reading stands for: it is the same on all nodes."""
    limits = {
        "cpu_cores": [node.quota_cores or 0.0 for node in nodes],
        "throttled_share": [],
        "memory_bytes": [node.memory_bytes or 0.0 for node in nodes],
    }
    return {
        name: max(
            [*limit, *(float(one) for node in nodes for one in node.readings[name].dropna())], default=0.0
        )
        for name, limit in limits.items()
    }


def _node(node: NodeLanes, tops: Mapping[str, float], length: float) -> Iterator[str]:
    """Yield the rows of a node: its name, its readings, its workers."""
    lost = "" if node.lost is None else f" did not answer after the window: {node.lost}"
    yield (
        f'<div class="lab-timeline-node"><b>{_text(node.name)}</b> <code>{_text(node.short_id)}</code>'
        f"{_text(lost)}</div>"
    )
    called = f"{node.name} ({node.short_id})"
    for column, name in READINGS.items():
        if (node.readings[column] > 0).any():
            yield _row(name, called, list(_readings(node, column, tops[column])), length, "reading")
    for lane in node.lanes:
        yield _row(f"worker {lane.worker}", called, list(_marks(lane.spans)), length, "worker")


def _row(name: str, of: str, marks: Sequence[str], length: float, kind: str) -> str:
    where = ", ".join(filter(None, (of, name)))
    return (
        f'<div class="lab-timeline-name">{_text(name)}</div><svg class="lab-timeline-row {kind}" '
        f'viewBox="0 0 {_plain(length)} 1" preserveAspectRatio="none" role="img" aria-label="{_text(where)}">'
        f"{''.join(marks)}</svg>"
    )


def _marks(spans: Sequence[Span]) -> Iterator[str]:
    """Yield the spans of a worker; every second task is lighter, so that neighbours stand apart."""
    even = False
    for span in spans:
        title = f"<title>{_text(told(span))}</title>"
        rect = (span.begin, span.seconds, *SHAPES[span.state])
        if span.failed:
            # a line as well: it is seen however short the span is
            yield f'<g class="failed">{title}{_rect("", *rect)}<path d="M{_plain(span.begin)} 0v1"/></g>'
        else:
            yield _rect(span.state + " even" * (even and span.attempts > 0), *rect, title)
        even = even != bool(span.attempts)


def told(span: Span) -> str:
    """Return what a worker did, in words."""
    since = f"from {fixed(span.begin, 3)} s"
    processor = "" if span.cpu_seconds is None else f"CPU {seconds(span.cpu_seconds)}"
    if not span.attempts:
        state = STATES[span.state].split(":")[0]
        parts = [state, seconds(span.seconds), since]
    elif span.task is None:
        failed = f"{span.failed} failed" if span.failed else ""
        inside = f"{seconds(span.in_tasks_seconds)} of it in tasks" if span.in_tasks_seconds else ""
        many = count(span.attempts, "attempt")
        parts = [many, failed, seconds(span.seconds), inside, processor, since, span.error or ""]
    else:
        again = f"attempt {span.attempt}" if span.attempt != 1 or span.failed else ""
        task = f"{'failed: ' * bool(span.failed)}task {span.task}"
        lasted = seconds(span.seconds) if span.seconds else "without times"
        parts = [task, again, lasted, processor, since, span.error or ""]
    return ", ".join(part for part in parts if part)


def _readings(node: NodeLanes, column: str, top: float) -> Iterator[str]:
    """Yield a bar for every reading, as high as its part of the highest that a node has."""
    values = node.readings[column].tolist()
    before = 0.0
    for at, value in zip(node.readings["at_seconds"].tolist(), values, strict=True):
        if math.isfinite(value) and top > 0 and at > before:
            said = {
                "cpu_cores": f"{number(value)} of {number(node.quota_cores)} cores",
                "throttled_share": f"held back {percent(value)} of the time, added up over processors",
                "memory_bytes": f"{memory(value)} of {memory(node.memory_bytes)}",
            }
            title = f"<title>{said[column]}, {fixed(before, 3)} to {fixed(at, 3)} s</title>"
            yield _rect(column.split("_")[0], before, at - before, 1 - value / top, value / top, title)
        before = at


def _queue(found: Timeline) -> str:
    """Return the row of the queue, a bar for every stretch of equal length; empty where it is not known."""
    queue = found.queue.iloc[:: -(-len(found.queue) // MOST_STEPS) or 1]
    lengths = queue["length"].astype(float)
    if queue.empty or not lengths.max() > 0:
        return ""
    instants: pd.Series = queue["at_seconds"].clip(0.0, found.seconds)
    ends = [*instants.tolist()[1:], found.seconds]
    bars = [
        _rect(
            "queue",
            begin,
            end - begin,
            1 - length / lengths.max(),
            length / lengths.max(),
            f"<title>{count(int(length), 'task')} in the queue, from {fixed(begin, 3)} s</title>",
        )
        for begin, end, length in zip(instants.tolist(), ends, lengths.tolist(), strict=True)
        if end > begin and length > 0
    ]
    return _row("queue", "", bars, found.seconds, "reading")


def _rect(kind: str, x: float, width: float, y: float, height: float, title: str = "") -> str:
    name = f'class="{kind}" ' if kind else ""
    box = f'x="{_plain(x)}" y="{_plain(y)}" width="{_plain(width)}" height="{_plain(height)}"'
    return f"<rect {name}{box}>{title}</rect>" if title else f"<rect {name}{box}/>"


def _plain(value: float) -> str:
    """Return a number with microseconds, as short as it can be."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _text(words: str) -> str:
    """Return foreign text for HTML, on one line: a blank one would end the block."""
    return html.escape(" ".join(words.split()))
