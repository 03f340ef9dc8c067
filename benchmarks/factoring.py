"""Our elliptic curves beside GMP-ECM's own program, and factoring as one task beside PARI and FLINT.

Run `python benchmarks/factoring.py`, with `--seconds 2` (of curves, a round) or `--rounds 7`. All take turns
in every round. A ratio above 1 says that the laboratory is faster: the geometric mean over the rounds, with
the 95 % interval. Time is processor time; of GMP-ECM's program that of curves alone, its start left
out by the difference of two runs.
"""

import argparse
import importlib.util
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from curves import curve, curve_items
from cypari import pari
from factoring import factor
from flint import fmpz
from splitting import products

from lab.analysis.intervals import ratio_estimate
from lab.formats import short_estimate

NUMBER = 2**255 - 19
CURVES = ((2_000, 5.0), (11_000, 1.0), (50_000, 0.25), (250_000, 0.05))
"""B1, and how many curves of it take as long as one of B1 = 11,000."""
SIZES = (64, 80, 96, 112, 128, 144, 160, 176, 192, 200)


def program() -> str | None:
    """Return GMP-ECM's program: that of the wheel, whose library ours is, or the system's."""
    wheel = importlib.util.find_spec("passagemath_libecm")
    if wheel is not None and wheel.origin is not None:
        found = Path(wheel.origin).parents[1] / "sage_wheels" / "bin" / "ecm"
        if found.exists():
            return str(found)
    return shutil.which("ecm")


def ours(bound: int, count: int) -> float:
    """Return the processor seconds of a curve of ours."""
    items = curve_items(NUMBER, bound, count, seed=int(time.monotonic() * 1000))
    curve(items[0])
    began = time.process_time()
    for one in items:
        curve(one)
    return (time.process_time() - began) / count


def theirs(command: str, bound: int, count: int) -> float:
    """Return the processor seconds of a curve of GMP-ECM's program."""

    def run(curves: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [command, "-q", "-param", "1", "-c", str(curves), str(bound)],
            input=str(NUMBER),
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return (run(count + 1) - run(1)) / count


def times_of_curves(command: str | None, bound: int, count: int, rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of a curve in each round; none where GMP-ECM's program is missing."""
    if command is None:
        return {"ours": [], "GMP-ECM's program": []}
    pairs = [(ours(bound, count), theirs(command, bound, count)) for _ in range(rounds)]
    return {"ours": [one for one, _ in pairs], "GMP-ECM's program": [one for _, one in pairs]}


def times_of_whole(bits: int, rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of factoring a balanced product of that size, in each round."""
    pari.allocatemem(10**9, silent=True)
    ways = {"ours": factor, "PARI": pari.factorint, "FLINT": lambda number: fmpz(number).factor()}
    count, spent = 1 if bits > 150 else 20, dict[str, list[float]]()
    for seed in range(rounds):
        numbers = products(bits, bits // 2, count, seed)
        for turn in range(len(ways)):
            name = list(ways)[(seed + turn) % len(ways)]
            began = time.process_time()
            for one in numbers:
                ways[name](one)
            spent.setdefault(name, []).append((time.process_time() - began) / count)
    return spent


def show(measured: str, spent: dict[str, list[float]]) -> None:
    """Print our median, and how many times as long each of the others takes."""
    mine = spent["ours"]
    others = (
        f"{name} / ours {short_estimate(ratio_estimate(found, mine))}"
        for name, found in spent.items()
        if name != "ours"
    )
    print(f"{measured:24} {1000 * statistics.median(mine):9.2f} ms, {', '.join(others)}")


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of curves in a round")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    command = program()
    if command is None:
        print("GMP-ECM's program is missing: pip install passagemath-libecm, or apt-get install gmp-ecm")
    for bound, many in CURVES if command else ():
        count = max(2, round(given.seconds * many / 0.01))
        show(f"curves, B1 = {bound:,}", times_of_curves(command, bound, count, given.rounds))
    for bits in SIZES:
        show(f"{bits} bits", times_of_whole(bits, given.rounds))


if __name__ == "__main__":
    main()
