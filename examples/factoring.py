"""Integer factorisation: one product of two large primes per item.

Known beforehand: each of 40 numbers of 160 bits has two prime factors of 80 bits. They share nothing: w
workers on w free cores are w times as fast as one, but for the last items, whose times are unequal.
Run it: lab run examples/factoring.py:work --workers 1,2
"""

from math import prod

from flint import fmpz
from primes import Target, digest, find

from lab import Workload

SMALLEST_BITS = 16
LARGEST_BITS = 200


def factor_items(bits: int, tasks: int, seed: int) -> tuple[int, ...]:
    """Return so many products of two different primes of half the size, each of exactly `bits` bits.

    At small sizes a number may come twice. Raises ValueError outside 16 to 200 bits.
    """
    if not SMALLEST_BITS <= bits <= LARGEST_BITS or tasks < 1:
        raise ValueError(
            f"factor needs bits from {SMALLEST_BITS} to {LARGEST_BITS} and count >= 1,"
            f" not {bits} and {tasks}: a larger number is no longer one task of seconds"
        )
    products: list[int] = []
    draw = 0
    while len(products) < tasks:
        large = find(Target(bits - bits // 2, seed, 2 * draw))
        small = find(Target(bits // 2, seed, 2 * draw + 1))
        draw += 1
        if large != small and (large * small).bit_length() == bits:
            products.append(large * small)
    return tuple(products)


def factor(semiprime: int) -> list[int]:
    """Return the prime factors, ascending and with multiplicity, after a check of both claims.

    Raises ArithmeticError if a factor is not a BPSW probable prime or if the product is another number.
    """
    powers: list[tuple[fmpz, int]] = fmpz(semiprime).factor()
    factors = sorted(int(prime) for prime, exponent in powers for _ in range(exponent))
    if prod(factors) != semiprime or not all(fmpz(prime).is_probable_prime() for prime in factors):
        raise ArithmeticError(
            f"FLINT returned a wrong factorisation of {semiprime:#x}: report it with its version"
        )
    return factors


def items() -> tuple[int, ...]:
    """Return 40 products of two primes of 80 bits."""
    return factor_items(bits=160, tasks=40, seed=7)


work = Workload(factor, items, unit="numbers", digest=digest, words="The prime factors of large numbers.")
