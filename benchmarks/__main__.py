"""All benchmarks in one table: what is measured, beside which peer, and how many times as fast we are.

Run `make bench` or `python -m benchmarks`, about 6 minutes on two cores. In each comparison the sides take
turns; a line is the geometric mean over the rounds of theirs / ours in time, with the 95 % interval. Below 1
we are slower. The programs beside this one print more of each, and take sizes, lengths and rounds.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator, Sequence

from benchmarks import dispatch, factoring, harness, image_filters, primes
from lab.analysis.intervals import Estimate, ratio_estimate
from lab.analysis.ray_ways import beside_best
from lab.formats import length, short_estimate

Line = tuple[str, str, Estimate]
ROUNDS = 7


def of_primes() -> Iterator[Line]:
    """Yield how many primes a CPU second buys, beside GMP's and PARI's generators."""
    with contextlib.redirect_stdout(sys.stderr):
        generators = primes.installed()
    for bits in (512, 1024):
        rates = primes.measure(generators, bits, 0.7, ROUNDS)
        for ours, theirs in (("find (ours)", "gmpy2.next_prime"), ("search (ours)", "FLINT next prime")):
            yield (
                f"primes of {bits} bits, {ours.removesuffix(' (ours)')}",
                theirs,
                ratio_estimate(rates[ours], rates[theirs]),
            )


def of_factoring() -> Iterator[Line]:
    """Yield the times of one-task factoring beside PARI and FLINT, and of curves beside GMP-ECM's program."""
    for bits in (64, 80, 96, 128, 160):
        spent = factoring.times_of_whole(bits, ROUNDS)
        for theirs in ("PARI", "FLINT"):
            yield f"factoring, {bits} bits", theirs, ratio_estimate(spent[theirs], spent["ours"])
    spent = factoring.times_of_curves(factoring.program(), 11_000, 50, ROUNDS)
    theirs = "GMP-ECM's program"
    yield "a curve, B1 = 11,000", theirs, ratio_estimate(spent[theirs], spent["ours"])


def of_images() -> Iterator[Line]:
    """Yield the times of both filters beside SciPy and scikit-image."""
    (task,) = image_filters.seeded(10.0, 1.0, 1, 1)
    costs = image_filters.measure(task, 0.3, ROUNDS)
    stages = ("blur", "equalise")
    ours, theirs = (image_filters.total(costs, stages, side) for side in ("ours", "theirs"))
    yield "image filters, 10 MB", "SciPy, scikit-image", ratio_estimate(theirs, ours)


def of_dispatch() -> Iterator[Line]:
    """Yield the times of short tasks beside the best way to hand them out that comes with Ray."""
    told = argparse.Namespace(workers=2, lengths=(1e-3, 1e-2), rounds=ROUNDS, window=0.5, calls=1000)
    for one in beside_best(dispatch.measure(told)):
        yield f"tasks of {length(one.task_seconds)}", ", ".join(one.best), one.ratio


def of_harness() -> Iterator[Line]:
    """Yield the time of own work with all that is measured beside a bare loop on the same Ray."""
    told = argparse.Namespace(workers=2, milliseconds=1.0, rounds=3 * ROUNDS)
    found = harness.measure(told, 4000)
    ours, bare = ([one[0] for one in found[name]] for name in (harness.OURS, harness.BARE))
    yield "own work, tasks of 1 ms", "a bare loop on Ray", ratio_estimate(bare, ours)


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table of text."""
    text = io.StringIO()
    print(f"{'measured':34}{'beside':28}times as fast (95 % interval)", file=text)
    for measured, beside, found in lines:
        print(f"{measured:34}{beside:28}{short_estimate(found)}", file=text)
    return text.getvalue()


def main() -> None:
    """Measure all and print the table."""
    print(primes.facts())
    parts = (of_primes, of_factoring, of_images, of_dispatch, of_harness)
    print(table([line for part in parts for line in part()]), end="")


if __name__ == "__main__":
    main()
