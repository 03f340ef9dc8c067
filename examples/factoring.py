"""Integer factorisation: one product of two large primes per item.

Known beforehand: each of 40 numbers of 160 bits has two prime factors of 80 bits. They share nothing: w
workers on w free cores are w times as fast as one, but for the last items, whose times are unequal.
PARI, which is optional and under the GPL, is faster than FLINT: pip install cypari. The primes are the same.
Run it: lab run examples/factoring.py:work --workers 1,2
"""

import ctypes
import importlib.util
import re
from functools import cache
from math import prod
from pathlib import Path
from threading import Lock

from flint import fmpz
from primes import Target, digest, find

from lab import Workload

SMALLEST_BITS = 16
LARGEST_BITS = 200

PARI_BITS = range(65, LARGEST_BITS + 1)
"""Sizes at which PARI is faster: a number of one word FLINT factors faster; above, none is by much."""
LARGEST_TRIAL = 1 << 16
"""Up to here PARI keeps a table of primes."""
STACK_BYTES = 1 << 28
"""What PARI may use; only what it touches is taken from the machine."""
DEFAULTS, LEAVE_GMP_ALONE = 4, 32
"""What PARI sets up. It leaves signals alone, which `import cypari` takes."""


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


class Pari:
    """PARI's factorisation in this process, by the library in the wheel of cypari."""

    def __init__(self, path: Path) -> None:
        """Load it, and set it up unless `import cypari` has; AttributeError where a function is hidden."""
        # the library is not made for threads: a caller of PyDLL holds the interpreter's lock, and this one
        library, self._alone = ctypes.PyDLL(str(path)), Lock()
        self._top = ctypes.c_size_t.in_dll(library, "avma")
        self._evaluate, self._text = library["gp_read_str"], library["GENtostr_raw"]
        self._evaluate.restype, self._text.restype = ctypes.c_void_p, ctypes.c_char_p
        self._text.argtypes = (ctypes.c_void_p,)
        if not self._top.value:
            start = library["pari_init_opts"]
            start.argtypes = (ctypes.c_size_t, ctypes.c_ulong, ctypes.c_ulong)
            start(STACK_BYTES, LARGEST_TRIAL, DEFAULTS | LEAVE_GMP_ALONE)
        library["pari_stackcheck_init"](None)  # it would take the stack of another thread for a full one

    def powers(self, number: int) -> list[tuple[int, int]]:
        """Return primes with exponents; none where PARI fails, as where its stack is too small."""
        with self._alone:
            top = self._top.value
            text = self._text(self._evaluate(f"iferr(factorint({number:#x}), E, 0)".encode()))
            self._top.value = top
        return [(int(prime), int(exponent)) for prime, exponent in re.findall(rb"(\d+), (\d+)", text)]


@cache
def pari() -> Pari | None:
    """Return PARI, or None where there is none that can be called."""
    wheel = importlib.util.find_spec("cypari")
    places = wheel.submodule_search_locations if wheel is not None else None
    try:
        return Pari(next(Path(one) for place in places or () for one in Path(place).glob("_pari*.so")))
    except (StopIteration, OSError, AttributeError, ValueError):
        return None


def factor(semiprime: int) -> list[int]:
    """Return the prime factors, ascending and with multiplicity, after a check of both claims.

    By PARI where it is installed and the faster one, else by FLINT: the primes are the same. Raises
    ArithmeticError if a factor is not a BPSW probable prime or if the product is another number.
    """
    other = pari() if semiprime.bit_length() in PARI_BITS else None
    powers = (other.powers(semiprime) if other else []) or fmpz(semiprime).factor()
    factors = sorted(int(prime) for prime, exponent in powers for _ in range(exponent))
    if prod(factors) != semiprime or not all(fmpz(prime).is_probable_prime() for prime in factors):
        raise ArithmeticError(
            f"a wrong factorisation of {semiprime:#x}: report it, and what `lab check` says"
        )
    return factors


def items() -> tuple[int, ...]:
    """Return 40 products of two primes of 80 bits."""
    return factor_items(bits=160, tasks=40, seed=7)


work = Workload(factor, items, unit="numbers", digest=digest, words="The prime factors of large numbers.")
