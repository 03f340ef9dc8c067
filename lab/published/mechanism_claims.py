"""What was claimed of Ray's mechanisms, by its paper and by reports on it, and what a run says of each."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from lab.analysis.intervals import LEVEL, Estimate, proportion_estimate
from lab.analysis.mechanisms import BIN_SECONDS, Values, over_time, ratio
from lab.analysis.verdicts import Range, Verdict, at_least, at_most, judge, within
from lab.formats import count, estimate, percent, seconds, short_estimate
from lab.published.ray_paper import AWAY_TIMES, FAILOVER_SECONDS, MICROBENCHMARK

AGREE = 0.05
"""By which our operations per second may differ from those of Ray's own benchmark."""
OF_COPY = 0.5
"""Of the bandwidth of a copy that an object store as fast as memory should reach."""
WITH_DATA, NEARLY_ALL = 0.9, 0.95
"""Parts of tasks near their data, and of all cases, from which on something is so."""
OF_CASES = f"in all but {percent(1 - NEARLY_ALL, 1)} of cases"
SAME_RATE = 0.1
"""By which throughput for each node may differ while nodes leave and join."""
LARGE_BYTES = 10_000_000
NOT_INLINE_BYTES = 1_000_000
"""Smaller objects travel with the call, and lie on no node."""
LESS_TIME, MORE_UPDATES = 0.95, 2.0
"""Of what tasks take under skew beside actors, and of what actors do of small changes beside tasks."""
QUEUE = 0.15


def size_of(size_bytes: int) -> str:
    """Return the size of an object as it was asked for."""
    return f"{size_bytes / 1e6:g} MB" if size_bytes >= 10**6 else f"{size_bytes / 1e3:g} kB"


Judge = Callable[[Values, float], tuple[Verdict, ...]]


def operations(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge that ours agree with Ray's own benchmark."""
    return tuple(
        _verdict(
            f"{case}: our rate is that of Ray's own benchmark",
            f"ours / `ray microbenchmark`, in turns, is within {percent(AGREE, 1)} of 1",
            ratio(values.in_turns(case, "ours"), values.in_turns(case, "ray microbenchmark"), level),
            within(AGREE),
        )
        for case in MICROBENCHMARK
    )


def objects(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge that a put of the largest objects is at least half as fast as a copy in memory."""
    sizes = values.all_of("size_bytes", "object by size", "put")
    put, copy = (
        values.of("object by size", one, size_bytes=max(sizes, default=0)) for one in ("put", "numpy copy")
    )
    size = size_of(max(sizes)) if sizes else "large objects"
    rule = f"put of {size} / a copy by numpy of as much, in turns, is at least {OF_COPY:g}"
    claim = f"for {size} the object store is no less than half as fast as a copy in memory"
    return (_verdict(claim, rule, ratio(put, copy, level), at_least(OF_COPY)),)


def locality(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge that tasks go to their data, and what it costs where they do not."""
    sizes = values.all_of("size_bytes", "as Ray places it", "ran with the data")
    there = [values.of("as Ray places it", "ran with the data", size_bytes=one) for one in sizes]
    large = [one for one, size in zip(there, sizes, strict=True) if size >= NOT_INLINE_BYTES]
    found = [
        _counted(
            "a task runs where its input lies",
            f"{percent(WITH_DATA, 2)} or more of tasks with inputs of {size_of(NOT_INLINE_BYTES)} or more do",
            [one == 1 for series in large for one in series],
            level,
            WITH_DATA,
        )
    ]
    for size in (one for one in sizes if one >= LARGE_BYTES):
        away, beside = (
            values.of(one, "duration", size_bytes=size) for one in ("away from it", "with the data")
        )
        found.append(
            _verdict(
                f"away from its input of {size_of(size)} a task takes {AWAY_TIMES:g} times as long or longer",
                f"the time away from the data / beside them is at least {AWAY_TIMES:g}",
                ratio(away, beside, level),
                at_least(AWAY_TIMES),
            )
        )
    return tuple(found)


def balance(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge both halves of the claim on tasks and actors."""
    skewed = ratio(values.of("skewed work", "tasks"), values.of("skewed work", "actors"), level)
    rule = f"skewed work takes tasks at most {LESS_TIME:g} times what it takes actors with equal shares"
    found = [_verdict("tasks balance the load", rule, skewed, at_most(LESS_TIME))]
    for size in values.all_of("size_bytes", "updates", "actors"):
        actors, tasks = (values.of("updates", one, size_bytes=size) for one in ("actors", "tasks"))
        found.append(
            _verdict(
                f"actors suit small changes of a state of {size_of(size)}",
                f"they do at least {MORE_UPDATES:g} times as many a second as tasks that hand it on",
                ratio(actors, tasks, level),
                at_least(MORE_UPDATES),
            )
        )
    return tuple(found)


def scheduling(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge that SPREAD spreads, and that a queue costs the waves before and no more."""
    rows = values.rows[(values.rows["case"] == "queue") & values.rows["value"].notna()]
    last = rows[rows["at_seconds"] == rows["at_seconds"].max()].set_index("block")
    return (
        _spread(values, level),
        _verdict(
            "a task waits for those before it, and no longer",
            f"the wait of the last wave / the length of the waves before is at most {1 + QUEUE:g}",
            ratio(last["value"], last["at_seconds"], level),
            at_most(1 + QUEUE),
        ),
    )


def _spread(values: Values, level: float) -> Verdict:
    """Judge that the busiest node gets no more tasks than it must; half as many as slots were handed out."""
    claim, rule = "SPREAD shares tasks out over nodes evenly", f"{OF_CASES} no node has more than it must"
    nodes = max(values.all_of("nodes", "SPREAD", "on the busiest node"), default=0)
    busiest = values.of("SPREAD", "on the busiest node")
    if nodes and not values.slots:
        return Verdict(claim, rule, "not decided", "How many slots the cluster had is not known.")
    tasks = max(2, values.slots // 2)
    least = -(-tasks // max(1, nodes)) / tasks
    return _counted(claim, rule, (busiest <= least + 1e-9).tolist(), level)


def elasticity(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge that no work is lost while nodes come and go, and that each node does as much as before."""
    done, nodes = "done, since a node left", max(values.all_of("nodes", "both", "every task once"), default=0)
    shares = {"once one has left": (nodes - 1) / nodes} if nodes > 1 else {}
    rates, stays, same = _phases(values, done), within(SAME_RATE), "throughput for each node stays the same"
    rule = f"tasks a second for each node / those before one left are within {percent(SAME_RATE, 2)} of 1"
    return (
        _done(values, "both", done, "no task is lost while nodes leave and join", level),
        *(
            _verdict(f"{same} {phase}", rule, ratio(rates[phase] / share, rates["before"], level), stays)
            for phase, share in {**shares, "once one that joined works": 1.0}.items()
        ),
    )


def _phases(values: Values, done: str) -> pd.DataFrame:
    """Return tasks a second by block: before a node left, until another took a task, and from then on."""
    works = values.of("a node joins", "moment") + values.of("a node joins", "until it took a task")
    found = {}
    for block, mine in values.rows.groupby("block"):
        rates = over_time(Values(mine), "both", done).set_index("at_seconds")["rate"]
        at, joined = rates.index, works.get(block, math.nan)
        phases = at < 0, (at >= 0) & (at + BIN_SECONDS <= joined), at >= joined
        found[block] = [rates[phase].mean() for phase in phases]
    columns = ["before", "once one has left", "once one that joined works"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns, dtype=float)


def recovery(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge what the paper promises of work, objects, actors and the head."""
    told = (
        ("actor", "state kept", "an actor that is started again has its state"),
        ("head, state in a file", "tasks go on without it", "tasks go on without a head"),
        ("head, state in a file", "state kept", "a head with its state in a file finds it again"),
        ("head, state in memory", "state kept", "a head with its state in memory finds it again"),
    )
    # the objects of one kill share its fate
    anew = values.of("lineage", "computed anew").groupby(level=0).min()
    return (
        *(
            _done(values, one, "done, since the kill", f"no task is lost with its {one}", level)
            for one in ("worker", "node")
        ),
        _counted(
            "objects that were lost are computed anew",
            f"{OF_CASES} all objects of a kill are",
            (anew == 1).tolist(),
            level,
        ),
        *(
            _counted(claim, f"{OF_CASES} it is so", (values.of(case, one) == 1).tolist(), level)
            for case, one, claim in told
        ),
        _away(values, level),
    )


def _away(values: Values, level: float) -> Verdict:
    """Judge how long a head was away; one that did not answer again was away for longer."""
    case = "head, state in a file"
    took = values.of(case, "until it answered")
    lost = max(0, len(values.of(case, "state kept")) - len(took))
    judged = _counted(
        "a head that fails is away for at most 30 ms",
        f"{OF_CASES} it takes at most {seconds(FAILOVER_SECONDS)} from its new start to its first answer",
        [*(took <= FAILOVER_SECONDS), *[False] * lost],
        level,
    )
    longest = f" The longest took {seconds(float(took.max()))}." if len(took) else ""
    never = f" {lost} gave no answer." if lost else ""
    return dataclasses.replace(judged, evidence=judged.evidence + longest + never)


CLAIMS: Mapping[str, Judge] = {
    one.__name__: one for one in (operations, objects, locality, balance, scheduling, elasticity, recovery)
}


def _done(values: Values, case: str, done: str, claim: str, level: float) -> Verdict:
    """Judge that each task of a stream is there once: streams are counted, whose tasks share one fate."""
    tasks = int(((values.rows["case"] == case) & (values.rows["quantity"] == done)).sum())
    once = (values.of(case, "every task once") == 1).tolist()
    judged = _counted(claim, f"{OF_CASES} all tasks are there exactly once", once, level)
    of = f" {count(tasks, 'task')} in all." if tasks else ""
    if (values.rows["status"] == "failed").any():
        # a stream that lost tasks ends the experiment, and is none of those that were counted
        return dataclasses.replace(judged, outcome="not decided", evidence="It ended early, as told below.")
    return dataclasses.replace(judged, evidence=judged.evidence + of)


def _counted(claim: str, rule: str, seen: Sequence[bool], level: float, least: float = NEARLY_ALL) -> Verdict:
    """Judge that something is so in a part of the cases or more, by its exact interval."""
    yes, of = sum(map(bool, seen)), len(seen)
    found = proportion_estimate(yes, of, level)
    outcome = judge(found, at_least(least))
    if not of:
        return Verdict(claim, rule, "not decided", "It was not measured.")
    told = f"It was so in {yes} of {of}: {short_estimate(found, 100)} %."
    if outcome == "not decided" and yes in (0, of):
        share = least if yes else 1 - least
        alike = math.ceil(math.log((1 - level) / 2) / math.log(share))
        told += f" So few cannot decide it; {alike} that are all alike would."
    return Verdict(claim, rule, outcome, told)


def _verdict(claim: str, rule: str, found: Estimate, true_for: Range) -> Verdict:
    evidence = f"It was {estimate(found)}." if found.value is not None else "It was not measured."
    return Verdict(claim, rule, judge(found, true_for), evidence)
