"""Any whole number as a product of primes: as one task, or in steps of which the next follows from the last.

Known beforehand: a random whole number of 128 bits has about log(log(2^128)) + 1.03 = 5.5 prime factors.
They share nothing: w workers on w free cores are w times as fast, but for the last, whose times are unequal.
Run it: lab run examples/splitting.py:work --workers 1,2
"""

from collections.abc import Iterable, Sequence
from functools import cache
from math import prod
from random import Random

import gmpy2
from curves import Curve, curve, library
from factoring import factor
from flint import fmpz
from primes import Target, digest, find

from lab import Workload

SMALL = 1 << 16
"""Primes below are found by division."""

Found = tuple[list[int], list[int], int, int]
"""Primes and composite numbers whose product is what was split, the curves it took, and the last sigma."""


def step(item: Sequence) -> Found:
    """Run one step: ("begin", n), ("curves", n, B1, sigma, count), ("whole", n) or ("finish", n, primes).

    The fourth value of "begin" says whether there are curves on this machine.
    """
    kind, number, *rest = item
    if kind == "begin":
        return *_sorted_out([number]), 0, int(has_curves())
    if kind == "curves":
        return _curves(number, *rest)
    if kind == "whole":
        return factor(number), [], 0, 0
    return _checked(number, *rest), [], 0, 0


def is_split(found: Found) -> int:
    """Return 1 for a step that took a number apart, or showed what it is made of, else 0."""
    primes, composites, *_ = found
    return int(bool(primes) or len(composites) > 1)


def has_curves() -> bool:
    """Tell whether GMP-ECM's library is here."""
    try:
        library()
    except ImportError:
        return False
    return True


def _curves(number: int, bound: int, sigma: int, count: int) -> Found:
    """Run so many curves, or as many as it takes to a factor."""
    for done in range(count):
        found = curve(Curve(number, bound, sigma + done))
        if found:
            return *_sorted_out([found, number // found]), done + 1, sigma + done
    return [], [number], count, sigma + count - 1


def _checked(number: int, primes: Iterable[int]) -> list[int]:
    """Return the primes in order, after a check of both claims; raises ArithmeticError."""
    primes = sorted(primes)
    if prod(primes) != number or not all(fmpz(one).is_probable_prime() for one in primes):
        raise ArithmeticError(f"the factors of {number:#x} do not pass the check: report it")
    return primes


def _sorted_out(numbers: Iterable[int]) -> tuple[list[int], list[int]]:
    """Return the primes that the numbers hold for certain, and what remains: composite, and no power."""
    primes: list[int] = []
    composites: list[int] = []
    waiting = [one for one in numbers if one > 1]
    while waiting:
        number = waiting.pop()
        small = gmpy2.gcd(number, _small_primes())
        if fmpz(number).is_probable_prime():
            primes.append(number)
        elif small > 1:
            divided = [int(one) for one, _ in fmpz(int(small)).factor()]
            primes += divided
            waiting.append(number // prod(divided))
        elif gmpy2.is_power(number):
            exponent = next(one for one in range(2, number.bit_length()) if gmpy2.iroot(number, one)[1])
            waiting += [int(gmpy2.iroot(number, exponent)[0])] * exponent
        else:
            composites.append(number)
        waiting = [one for one in waiting if one > 1]
    return primes, composites


@cache
def _small_primes() -> gmpy2.mpz:
    return gmpy2.primorial(SMALL)


def products(bits: int, factor_bits: int, count: int, seed: int) -> tuple[int, ...]:
    """Return so many products of two primes, the smaller of `factor_bits` bits, each of exactly `bits` bits.

    With factor_bits half of bits they are balanced. Raises ValueError where the sizes do not go together.
    """
    if not 8 <= factor_bits <= bits // 2 or count < 1:
        raise ValueError(f"products need 8 <= factor_bits <= bits / 2 and a count, not {factor_bits}, {bits}")
    found: list[int] = []
    draw = 0
    while len(found) < count:
        small = find(Target(factor_bits, seed, 2 * draw))
        large = find(Target(bits - factor_bits, seed, 2 * draw + 1))
        draw += 1
        if small != large and (small * large).bit_length() == bits:
            found.append(small * large)
    return tuple(found)


def random_numbers(bits: int, count: int, seed: int) -> tuple[int, ...]:
    """Return so many whole numbers of exactly `bits` bits, each with the same chance, which are no primes."""
    generator = Random(f"{bits}/{seed}/whole")
    found: list[int] = []
    while len(found) < count:
        number = generator.getrandbits(bits) | 1 << (bits - 1)
        if not fmpz(number).is_probable_prime():
            found.append(number)
    return tuple(found)


def split(number: int) -> list[int]:
    """Return the prime factors of a whole number, ascending and with multiplicity, as one task."""
    primes, composites = _sorted_out([number])
    for one in composites:
        primes += factor(one)
    return _checked(number, primes)


def items() -> tuple[int, ...]:
    """Return 40 random whole numbers of 128 bits."""
    return random_numbers(bits=128, count=40, seed=7)


def proof(prime: int, most_bits: int = 170) -> int | list | None:
    """Return a proof that a number is prime, which can be checked without trust; None where it is not cheap.

    Below 2^64 it is the number itself, which BPSW proves. Above, after Pocklington and Lehmer, [p, factors]:
    primes q of p - 1 whose powers multiply to more than the square root of p, each with a base a for which
    a^(p-1) = 1 and gcd(a^((p-1)/q) - 1, p) = 1. A factor is q, below 2^64, or [q, a, proof of q]: the form
    that PARI's primecertisvalid takes. Parts of p - 1 up to `most_bits` are factored for it.
    """
    if prime < 2**64:
        return prime
    primes, composites = _sorted_out([prime - 1])
    for one in composites:
        primes += factor(one) if one.bit_length() <= most_bits else []
    known, factors = 1, []
    for one in sorted(set(primes)):
        inner, base = proof(one, most_bits), _base(prime, one)
        if inner is not None and base is not None:
            known *= one ** int(gmpy2.remove(prime - 1, one)[1])
            factors.append(one if isinstance(inner, int) else [one, base, inner])
    return [prime, factors] if known * known > prime else None


def is_proven(prime: int) -> bool:
    """Tell whether FLINT proves a number prime (below 2^64 by BPSW, above that by Pocklington or APR-CL)."""
    return bool(fmpz(prime).is_prime())


def _base(prime: int, divisor: int) -> int | None:
    """Return a base by which a prime divisor of p - 1 bears witness."""
    for base in range(2, 500):
        power = pow(base, (prime - 1) // divisor, prime)
        if pow(power, divisor, prime) == 1 and gmpy2.gcd(power - 1, prime) == 1:
            return base
    return None


work = Workload(split, items, unit="numbers", digest=digest, words="The prime factors of random numbers.")
