"""Our elliptic curves beside GMP-ECM's own program, and factoring as one task beside PARI and FLINT.

Run `python benchmarks/factoring.py`, with `--seconds 2` (of curves, a round) or `--rounds 7`. All take turns
in every round. A ratio above 1 says that the laboratory is faster: the median over the rounds, with the
smallest and the largest. Time is processor time; of GMP-ECM's program that of curves alone, its start left
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
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from curves import curve, curve_items
from cypari import pari
from factoring import factor
from flint import fmpz
from splitting import products

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


def told(ratios: Sequence[float]) -> str:
    """Return the median of ratios with the smallest and the largest."""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def bench_curves(seconds: float, rounds: int) -> None:
    """Print how our curves compare, for each bound."""
    command = program()
    if command is None:
        print("GMP-ECM's program is missing: pip install passagemath-libecm, or apt-get install gmp-ecm")
        return
    for bound, many in CURVES:
        count = max(2, round(seconds * many / 0.01))
        pairs = [(ours(bound, count), theirs(command, bound, count)) for _ in range(rounds)]
        middle = 1000 * statistics.median(one for one, _ in pairs)
        print(f"curves, B1 = {bound:>7,}: {middle:8.2f} ms, theirs / ours {told([b / a for a, b in pairs])}")


def bench_whole(rounds: int) -> None:
    """Print how factoring as one task compares with PARI and FLINT, for balanced products of each size."""
    pari.allocatemem(10**9, silent=True)
    ways = {"ours": factor, "PARI": pari.factorint, "FLINT": lambda number: fmpz(number).factor()}
    for bits in SIZES:
        count = 1 if bits > 150 else 20
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for seed in range(rounds):
            numbers = products(bits, bits // 2, count, seed)
            for turn in range(len(ways)):
                name = list(ways)[(seed + turn) % len(ways)]
                began = time.process_time()
                for one in numbers:
                    ways[name](one)
                spent[name].append((time.process_time() - began) / count)
        middle = 1000 * statistics.median(spent["ours"])
        others = [
            told([b / a for a, b in zip(spent["ours"], spent[name], strict=True)])
            for name in ("PARI", "FLINT")
        ]
        print(f"{bits:>4} bits: {middle:9.2f} ms, PARI / ours {others[0]}, FLINT / ours {others[1]}")


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of curves in a round")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    bench_curves(given.seconds, given.rounds)
    bench_whole(given.rounds)


if __name__ == "__main__":
    main()
