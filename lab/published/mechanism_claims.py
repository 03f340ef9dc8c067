"""What was claimed of Ray's mechanisms, by its paper and by reports on it, and what a run says of each."""

import dataclasses
from collections.abc import Callable, Mapping

from lab.analysis.intervals import LEVEL, Estimate, proportion_estimate
from lab.analysis.mechanisms import Values, ratio
from lab.analysis.verdicts import Range, Verdict, at_least, at_most, judge, within
from lab.formats import count, estimate, percent, seconds
from lab.published.ray_paper import AWAY_TIMES, FAILOVER_SECONDS, MICROBENCHMARK

AGREE = 0.05
"""By which our operations per second may differ from those of Ray's own benchmark."""
OF_COPY = 0.5
"""Of the bandwidth of a copy that an object store as fast as memory should reach."""
WITH_DATA, MOSTLY = 0.9, 0.5
"""Parts of tasks near their data, and of all cases, from which on something is so."""
MOST_CASES = "in half of the cases or more"
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
            ratio(values.of(case, "ours"), values.of(case, "ray microbenchmark"), level),
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
    ran = sum(int((one == 1).sum()) for one in large), sum(map(len, large))
    found = [
        _verdict(
            "a task runs where its input lies",
            f"{percent(WITH_DATA, 2)} or more of tasks with inputs of {size_of(NOT_INLINE_BYTES)} or more do",
            proportion_estimate(*ran, level),
            at_least(WITH_DATA),
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
    sizes = values.all_of("size_bytes", "updates", "actors")
    skewed = ratio(values.of("skewed work", "tasks"), values.of("skewed work", "actors"), level)
    found = [
        _verdict(
            "tasks balance the load",
            f"skewed work takes tasks at most {LESS_TIME:g} times what it takes actors with equal shares",
            skewed,
            at_most(LESS_TIME),
        )
    ]
    for size in sizes:
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
    nodes = max(values.all_of("nodes", "SPREAD", "on the busiest node"), default=0)
    busiest = values.of("SPREAD", "on the busiest node")
    evenly = (busiest <= 1 / nodes + 1e-9).astype(float) if nodes else busiest
    return (
        _verdict(
            "SPREAD shares tasks out over the nodes evenly",
            f"{MOST_CASES} each node gets as many",
            proportion_estimate(int(evenly.sum()), len(evenly), level),
            at_least(MOSTLY),
        ),
        _verdict(
            "a task waits for those before it, and no longer",
            f"the wait of the last wave / the length of the waves before is at most {1 + QUEUE:g}",
            ratio(last["value"], last["at_seconds"], level),
            at_most(1 + QUEUE),
        ),
    )


def elasticity(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge that no work is lost while nodes come and go."""
    claim = "no task is lost while nodes leave and join"
    return (_done(values, "both", "done, since a node left", claim, level),)


def recovery(values: Values, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Judge what the paper promises of work, objects, actors and the head."""
    told = (
        ("lineage", "computed anew", "an object that was lost is computed anew"),
        ("actor", "state kept", "an actor that is started again has its state"),
        ("head, state in a file", "tasks go on without it", "tasks go on without a head"),
        ("head, state in a file", "state kept", "a head with its state in a file finds it again"),
        ("head, state in memory", "state kept", "a head with its state in memory finds it again"),
    )
    away = values.mean("head, state in a file", "until it answered", level)
    return (
        *(
            _done(values, one, "done, since the kill", f"no task is lost with its {one}", level)
            for one in ("worker", "node")
        ),
        *(_mostly(values, *one, level) for one in told),
        _verdict(
            "a head that fails is away for at most 30 ms",
            f"from its new start to its first answer is at most {seconds(FAILOVER_SECONDS)}",
            away,
            at_most(FAILOVER_SECONDS),
            "s",
        ),
    )


CLAIMS: Mapping[str, Judge] = {
    "operations": operations,
    "objects": objects,
    "locality": locality,
    "balance": balance,
    "scheduling": scheduling,
    "elasticity": elasticity,
    "recovery": recovery,
}


def _done(values: Values, case: str, done: str, claim: str, level: float) -> Verdict:
    """Judge that each task of a stream is there once: streams are counted, whose tasks share one fate."""
    tasks = int(((values.rows["case"] == case) & (values.rows["quantity"] == done)).sum())
    found = values.part(case, "every task once", level)
    judged = _verdict(claim, f"{MOST_CASES} all tasks are there exactly once", found, at_least(MOSTLY))
    of = f" {count(tasks, 'task')} in all." if tasks else ""
    return dataclasses.replace(judged, evidence=judged.evidence + of)


def _mostly(values: Values, case: str, quantity: str, claim: str, level: float) -> Verdict:
    """Judge that something was so in most cases: of ten without exception, the interval leaves out a half."""
    return _verdict(claim, f"{MOST_CASES} it is so", values.part(case, quantity, level), at_least(MOSTLY))


def _verdict(claim: str, rule: str, found: Estimate, true_for: Range, unit: str = "") -> Verdict:
    evidence = f"It was {estimate(found, unit)}." if found.value is not None else "It was not measured."
    return Verdict(claim, rule, judge(found, true_for), evidence)
