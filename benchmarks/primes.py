"""How many random primes a CPU second buys: the laboratory's two workloads beside other generators.

Run `python benchmarks/primes.py`, with `--bits 256 512`, `--seconds 3` (CPU seconds per generator and round),
`--rounds 5` or `--csv FILE`. The rounds are interleaved, so that a slow spell of the machine hits every
generator; the clock is the CPU time of this one process, single thread. The columns "search /" and "find /"
are the median over the rounds of the ratio of rates, with the smallest and the largest in brackets: above 1
the laboratory is faster. Rounds with few primes spread widely, since the primes themselves are random.

The guarantees differ: `search`, `find`, FLINT and PARI test by BPSW, gmpy2.next_prime adds a Miller-Rabin
round, OpenSSL runs 64 or more Miller-Rabin rounds instead. Only `find` and PARI's randomprime are unbiased.
"""

import argparse
import csv
import ctypes
import ctypes.util
import importlib
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flint
import gmpy2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from primes import Target, default_width, find, search, search_items

# from (bits, seed) to the number of primes that one call found
Generator = Callable[[int, int], int]


class MissingError(Exception):
    """A generator is not installed; the message is the command that installs it."""


def random_number(bits: int, seed: int) -> int:
    """Return a seeded random number of exactly `bits` bits."""
    return random.Random(seed).getrandbits(bits) | 1 << (bits - 1)


def our_search() -> Generator:
    """Return the workload `search` on windows of the default width."""
    return lambda bits, seed: len(search(search_items(bits, default_width(bits), 1, seed)[0]))


def our_find() -> Generator:
    """Return the workload `find`."""
    return lambda bits, seed: int(find(Target(bits, seed, 0)) > 0)


def gmpy2_next_prime() -> Generator:
    """Return the next prime after a random number, by GMP."""
    return lambda bits, seed: int(gmpy2.next_prime(random_number(bits, seed)) > 0)


def flint_next_prime() -> Generator:
    """Return FLINT's fmpz_nextprime, without proof, from the library inside the wheel of python-flint."""
    bundled = sorted((Path(flint.__file__).parents[1] / "python_flint.libs").glob("libflint*"))
    name = str(bundled[0]) if bundled else ctypes.util.find_library("flint")
    if name is None:
        raise MissingError("sudo apt-get install libflint-dev")
    library = ctypes.CDLL(name)

    def generate(bits: int, seed: int) -> int:
        number = (ctypes.c_long * 1)()
        library.fmpz_init(number)
        library.fmpz_set_str(number, f"{random_number(bits, seed):x}".encode(), 16)
        library.fmpz_nextprime(number, number, 0)
        found = library.fmpz_bits(number) >= bits
        library.fmpz_clear(number)
        return int(found)

    return generate


def pari(command: str) -> Generator:
    """Return a generator of PARI, for a command with a place for 2^(bits-1) and for a random number."""
    try:
        evaluate: Any = importlib.import_module("cypari").pari
    except ImportError:
        raise MissingError("pip install cypari") from None
    return lambda bits, seed: int(
        evaluate(command.format(low=1 << (bits - 1), number=random_number(bits, seed))) > 0
    )


def openssl() -> Generator:
    """Return OpenSSL's BN_generate_prime_ex, for primes that need not be safe."""
    name = ctypes.util.find_library("crypto")
    if name is None:
        raise MissingError("sudo apt-get install libssl3")
    library = ctypes.CDLL(name)
    library.BN_new.restype = ctypes.c_void_p
    number = ctypes.c_void_p(library.BN_new())
    return lambda bits, _: library.BN_generate_prime_ex(number, bits, 0, None, None, None)


CONTENDERS: dict[str, Callable[[], Generator]] = {
    "search (ours)": our_search,
    "find (ours)": our_find,
    "gmpy2.next_prime": gmpy2_next_prime,
    "FLINT next prime": flint_next_prime,
    "PARI nextprime": lambda: pari("nextprime({number})"),
    "PARI randomprime": lambda: pari("randomprime([{low},2*{low}])"),
    "OpenSSL": openssl,
}


def installed() -> dict[str, Generator]:
    """Return the generators of this machine, and print how to install each of the others."""
    found = {}
    for name, prepare in CONTENDERS.items():
        try:
            found[name] = prepare()
        except MissingError as missing:
            print(f"{name} is not installed: {missing}")
    return found


def rate(generator: Generator, bits: int, seconds: float, seed: int) -> float:
    """Return primes per CPU second, over at least `seconds` CPU seconds and at least one prime."""
    primes = calls = 0
    started = time.process_time()
    while (spent := time.process_time() - started) < seconds or primes == 0:
        primes += generator(bits, (seed << 32) + calls)
        calls += 1
    return primes / spent


def measure(
    generators: dict[str, Generator], bits: int, seconds: float, rounds: int
) -> dict[str, list[float]]:
    """Return the rate of every generator in every round; the order turns from round to round."""
    rates: dict[str, list[float]] = {name: [] for name in generators}
    names = list(generators)
    for generator in generators.values():  # tables and first calls are not measured
        generator(bits, 0)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            rates[name].append(rate(generators[name], bits, seconds, turn + 1))
    return rates


def ratio(ours: list[float], other: list[float]) -> str:
    """Return the median ratio over the rounds with its smallest and largest value."""
    ratios = [mine / theirs for mine, theirs in zip(ours, other, strict=True)]
    return f"{statistics.median(ratios):6.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def print_table(bits: int, rates: dict[str, list[float]]) -> None:
    """Print one line per generator."""
    print(f"\n{bits} bits {'primes/CPU s':>24}  {'search /':^20}  {'find /':^20}")
    for name, values in rates.items():
        ratios = [ratio(rates[ours], values) for ours in ("search (ours)", "find (ours)")]
        print(f"{name:18} {statistics.median(values):15.2f}  {ratios[0]:20}  {ratios[1]:20}")


def facts() -> str:
    """Return what the ratios depend on: the processor, the GMP of gmpy2 and the version of FLINT."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    bundled = Path(gmpy2.__file__).parents[1].joinpath("gmpy2.libs").exists()
    build = "from its wheel" if bundled else "of the system"
    return (
        f"{models[0] if models else platform.machine()}; Python {platform.python_version()};"
        f" gmpy2 {gmpy2.version()} with {gmpy2.mp_version()} {build};"
        f" python-flint {flint.__version__} with FLINT {flint.__FLINT_VERSION__}"
    )


def main() -> None:
    """Measure, print a table per size and write the rates of all rounds if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    print(facts())
    generators = installed()
    rows: list[tuple[int, str, int, float]] = []
    for bits in options.bits:
        rates = measure(generators, bits, options.seconds, options.rounds)
        print_table(bits, rates)
        rows += [
            (bits, name, turn, value) for name, values in rates.items() for turn, value in enumerate(values)
        ]
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([("bits", "generator", "round", "primes_per_cpu_second"), *rows])


if __name__ == "__main__":
    main()
