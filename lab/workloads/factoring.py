"""Integer factorisation: one balanced semiprime per task."""

from dataclasses import dataclass
from math import prod

from flint import fmpz

from lab.errors import LabError, ParameterError
from lab.workloads.outcome import Outcome, digest
from lab.workloads.primes import Target, random_prime

SMALLEST_BITS = 16
LARGEST_BITS = 200


@dataclass(frozen=True, slots=True)
class Semiprime:
    """The number to factor."""

    number: int


def factor_tasks(bits: int, count: int, seed: int) -> tuple[Semiprime, ...]:
    """Return `count` products of two different primes of half the size, each of exactly `bits` bits.

    At small sizes a number may come twice. Raises ParameterError outside 16 to 200 bits.
    """
    if not SMALLEST_BITS <= bits <= LARGEST_BITS or count < 1:
        raise ParameterError(
            f"factor needs bits from {SMALLEST_BITS} to {LARGEST_BITS} and count >= 1,"
            f" not {bits} and {count}: a larger number is no longer one task of seconds"
        )
    tasks: list[Semiprime] = []
    draw = 0
    while len(tasks) < count:
        large = random_prime(Target(bits - bits // 2, seed, 2 * draw))
        small = random_prime(Target(bits // 2, seed, 2 * draw + 1))
        draw += 1
        if large != small and (large * small).bit_length() == bits:
            tasks.append(Semiprime(large * small))
    return tuple(tasks)


def factor(task: Semiprime) -> Outcome:
    """Factor one number completely; the digest is over its prime factors, ascending."""
    return Outcome(1, digest(factors_of(task)))


def factors_of(task: Semiprime) -> list[int]:
    """Return the prime factors, ascending and with multiplicity, after a check of both claims.

    Raises LabError if a factor is not a BPSW probable prime or if the product is another number.
    """
    powers: list[tuple[fmpz, int]] = fmpz(task.number).factor()
    factors = sorted(int(prime) for prime, exponent in powers for _ in range(exponent))
    if prod(factors) != task.number or not all(fmpz(prime).is_probable_prime() for prime in factors):
        raise LabError(
            f"FLINT returned a wrong factorisation of {task.number:#x}: report it with its version"
        )
    return factors
