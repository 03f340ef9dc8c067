"""How long to try what: the levels of the elliptic curve method, and where one task is the shorter way."""

import math
from hashlib import blake2b
from typing import NamedTuple


class Level(NamedTuple):
    """Curves that find most factors of so many digits."""

    digits: int
    bound: int
    curves: int


LEVELS = (
    Level(15, 2_000, 25),
    Level(20, 11_000, 74),
    Level(25, 50_000, 214),
    Level(30, 250_000, 430),
    Level(35, 1_000_000, 904),
    Level(40, 3_000_000, 2_350),
    Level(45, 11_000_000, 4_480),
    Level(50, 43_000_000, 7_553),
)
"""Bounds and expected numbers of curves: table 1 of GMP-ECM's README, its first row from there, too."""

LARGEST = 288
"""Bits of the largest number that the quadratic sieve gets as one task, a quarter of an hour of it.

A larger remainder without small factors is begun only where that is asked for, by curves alone.
"""
PART_OF_SIEVE = 0.25
"""Of the time of a sieve, so much is given to curves before it: they find what is unbalanced."""


def sieve_seconds(bits: int) -> float:
    """Return the processor seconds that FLINT's quadratic sieve takes, very roughly."""
    return SIEVE_SECONDS * math.pow(2.0, (bits - SIEVE_BITS) / SIEVE_DOUBLES)


SIEVE_BITS, SIEVE_SECONDS, SIEVE_DOUBLES = 200, 2.2, 10.5
"""Measured on one AMD Zen 5 core: the time at a size, and the bits by which it doubles."""


def curve_seconds(bits: int, bound: int) -> float:
    """Return the processor seconds of a curve of GMP-ECM, very roughly."""
    return CURVE_SECONDS * bound / 11_000 * math.pow(max(1.0, bits / 256), 1.5)


CURVE_SECONDS = 0.008
"""Measured on one AMD Zen 5 core, at 256 bits and B1 = 11,000."""


def levels_before_sieve(bits: int) -> int:
    """Return how many levels to go through before a number is sieved; all of them where it never is."""
    if bits > LARGEST:
        return len(LEVELS)
    left, many = PART_OF_SIEVE * sieve_seconds(bits), 0
    for one in LEVELS:
        left -= one.curves * curve_seconds(bits, one.bound)
        if left < 0:
            break
        many += 1
    return many


def sigma_of(seed: int, number: int, level: Level, curve: int) -> int:
    """Return the sigma of a number's curve, counted from 0: the first from the seed, the others follow."""
    text = f"{seed}/{number:x}/{level.bound}".encode("ascii")
    first = int.from_bytes(blake2b(text, digest_size=4).digest())
    # 32 bits, and the last curve must not go beyond
    return 2 + first % (2**32 - 2 - 10 * level.curves) + curve


def worst_case(bits: int) -> str:
    """Return how long a number with two prime factors of equal size takes, in words."""
    seconds = sieve_seconds(bits)
    for name, size in (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= size:
            count = seconds / size
            return f"about {count:,.0f} {name}" if count < 1e6 else f"more than a million {name}"
    return f"about {seconds:.0f} seconds"
