"""Random primes of a given size: every prime of a window, or one unbiased prime at a time.

Known beforehand: a window of 2^15 numbers of 512 bits holds about 2^15 / log(2^512) = 92 primes. Windows
share nothing: w workers on w free cores are w times as fast as one.
Run it: lab run examples/primes.py:work --workers 1,2
"""

import ctypes
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import islice
from math import gcd, isqrt
from random import Random

import gmpy2
import numpy as np
from fermat import fastest
from flint import fmpz
from numpy.typing import NDArray

from lab import Workload

# For primes below 2^21, a residue times 2^32 plus a 32-bit limb stays below 2^53: exact in float64.
SIEVE_LIMIT = 1 << 21
LIMB = 2.0**32
# Primes per pass: four float64 arrays of this length stay in a second-level cache.
BLOCK = 1 << 14

# From this size on, a modular power before FLINT's BPSW test pays: that test begins with trial divisions.
# Where the vectors take several numbers at once, a search was 2.2 to 3.1 times as fast on an Intel
# Xeon with AVX-512 IFMA, and with AVX2 1.5 times at 256 and 512 bits, 1.2 times at 1024.
FERMAT_BITS = 256
TWO = fmpz(2)

# From this size on, OpenSSL's power is faster than FLINT's, by what Python pays for the call as well.
OPENSSL_BITS = 1024

# From this size on, a test costs so much that dividing a single draw by eight times as many primes pays.
DEEP_BITS = 1024

# (bits, log2 of the width) of a task of 0.05 to 0.16 CPU seconds on one AMD Zen 5 core, without vectors
MEASURED_WIDTHS = (
    (40, 22),
    (64, 21),
    (128, 19),
    (192, 18),
    (256, 17),
    (384, 16),
    (512, 15),
    (768, 14),
    (1024, 13),
    (2048, 11),
    (3072, 9),
    (4096, 7),
    (8192, 5),
)


@dataclass(frozen=True, slots=True)
class Window:
    """The integers start, start + 1, ... start + width - 1."""

    start: int
    width: int

    def __post_init__(self) -> None:
        """Raise ValueError unless start >= 0 and width >= 1."""
        if self.start < 0 or self.width < 1:
            raise ValueError(f"a window needs start >= 0 and width >= 1, not {self.start} and {self.width}")


@dataclass(frozen=True, slots=True)
class Target:
    """One random prime to find: its size in bits, and the seed and index that make it reproducible."""

    bits: int
    seed: int
    index: int


def default_width(bits: int) -> int:
    """Return the power of two for which one search task takes very roughly 0.1 CPU seconds.

    Small sizes keep 8 windows. Above 4096 bits a single test of a number takes longer, and so does a task.
    """
    exponent = next((exponent for size, exponent in MEASURED_WIDTHS if bits <= size), 4)
    return 1 << max(1, min(exponent, bits - 4))


def search_items(bits: int, width: int, tasks: int, seed: int) -> tuple[Window, ...]:
    """Return so many different windows of `width` numbers of `bits` bits, aligned on multiples of the width.

    Raises ValueError if fewer exist between 2^(bits-1) and 2^bits.
    """
    if bits < 2 or width < 1 or tasks < 1:
        raise ValueError(f"search needs bits >= 2, width >= 1, count >= 1, not {bits}, {width}, {tasks}")
    first = -(-(1 << (bits - 1)) // width)
    available = max(0, (1 << bits) // width - first)
    if tasks > available:
        raise ValueError(
            f"count = {tasks} windows of width {width} do not fit into the {bits}-bit numbers, which hold"
            f" {available}: lower the count or the width, or raise the bits"
        )
    generator = Random(seed)
    indices: dict[int, None] = {}
    while len(indices) < tasks:
        # getrandbits and rejection, since other methods of Random may change between versions of Python
        index = generator.getrandbits(available.bit_length())
        if index < available:
            indices.setdefault(index)
    return tuple(Window((first + index) * width, width) for index in indices)


def search(window: Window) -> list[int]:
    """Return every prime of a window, ascending: proven below 2^64, above that BPSW probable primes.

    Baillie and Wagstaff, Lucas pseudoprimes (1980): no composite of any size is known to pass.
    """
    end = window.start + window.width
    limit = min(_sieve_limit(end.bit_length(), window.width), isqrt(end - 1) + 1)
    odd = window.start | 1
    composite = _sieve(odd, (end - odd + 1) // 2, limit)
    left = [odd + offset for offset in (2 * np.flatnonzero(~composite)).tolist()]
    found = [2] if window.start <= 2 < end else []
    if limit * limit >= end:  # every composite below end has a divisor below limit
        return found + left
    return found + list(_primes_among(iter(left), end.bit_length()))


def _primes_among(numbers: Iterator[int], bits: int) -> Iterator[int]:
    """Yield the primes among sieved odd numbers of at most so many bits, in their order."""
    together = fastest() if bits >= FERMAT_BITS else None
    if together is None or bits > together.most_bits:
        is_prime = _fastest_test(bits)
        yield from (number for number in numbers if is_prime(fmpz(number)))
        return
    while several := list(islice(numbers, together.width)):
        yield from (number for number in together.passed(several) if fmpz(number).is_probable_prime())


def _fastest_test(bits: int) -> Callable[[fmpz], bool]:
    """Return the fastest test of one sieved number of this size; all accept the same numbers."""
    if bits < FERMAT_BITS:
        return fmpz.is_probable_prime
    openssl = _openssl() if bits >= OPENSSL_BITS else None
    return _passes_fermat_and_bpsw if openssl is None else openssl.passes_fermat_and_bpsw


def _passes_fermat_and_bpsw(number: fmpz) -> bool:
    """Return whether 2^(n-1) = 1 modulo n, and n passes BPSW: nearly every composite costs one power alone.

    FLINT's BPSW test by itself first repeats the trial divisions of our sieve.
    """
    return pow(TWO, number - 1, number) == 1 and bool(number.is_probable_prime())


class OpenSsl(threading.local):
    """The library from which Python has its hashes; every thread has numbers of its own."""

    def __init__(self) -> None:
        """Find the functions; AttributeError where this Python hides them."""
        library, pointer = ctypes.PyDLL(importlib.import_module("_hashlib").__file__), ctypes.c_void_p
        library.BN_new.restype = library.BN_CTX_new.restype = library.BN_bin2bn.restype = pointer
        self._number, self._less, self._power = (pointer(library.BN_new()) for _ in range(3))
        self._context = pointer(library.BN_CTX_new())
        self._read, self._raise = library.BN_bin2bn, library.BN_mod_exp_mont_word
        self._is_one = library.BN_is_one
        self._read.argtypes = (ctypes.c_char_p, ctypes.c_int, pointer)
        self._raise.argtypes = (pointer, ctypes.c_ulong, *(pointer,) * 4)

    def passes_fermat_and_bpsw(self, number: fmpz) -> bool:
        """Return the same as `_passes_fermat_and_bpsw`."""
        odd = int(number)
        length = (odd.bit_length() + 7) // 8
        self._read(odd.to_bytes(length), length, self._number)
        self._read((odd - 1).to_bytes(length), length, self._less)
        if not self._raise(self._power, 2, self._less, self._number, self._context, None):
            # such as for want of memory
            return _passes_fermat_and_bpsw(number)
        return bool(self._is_one(self._power)) and bool(number.is_probable_prime())


@cache
def _openssl() -> OpenSsl | None:
    try:
        return OpenSsl()
    except (AttributeError, ImportError, OSError):
        return None


def _sieve_limit(bits: int, width: int) -> int:
    """Return how far to sieve: to where one more prime costs what the tests that it saves cost.

    A prime p removes about width / (p log p) candidates, and a test costs about bits^2 as much as the
    residue modulo p; the factor is measured without vectors, and the optimum is flat.
    """
    return max(1 << 10, min(SIEVE_LIMIT, width * bits * bits >> 12))


def _sieve(odd: int, length: int, limit: int) -> NDArray[np.bool_]:
    """Mark the numbers among odd, odd + 2, ... that are 1 or have a proper prime divisor below limit."""
    primes = _odd_primes()
    primes = primes[: np.searchsorted(primes, limit)]
    composite = np.zeros(length, dtype=np.bool_)
    position = _first_multiples(odd >> 1, primes)
    dense = int(np.searchsorted(primes, length // 16))
    for prime, first in zip(primes[:dense].tolist(), position[:dense].tolist(), strict=True):
        composite[int(first) :: prime] = True
    position, step = position[dense:], primes[dense:]
    while position.size:
        inside = position < length
        position, step = position[inside], step[inside]
        composite[position.astype(np.intp)] = True
        position = position + step
    if odd < limit:  # a prime of the window has sieved itself out
        own = primes[np.searchsorted(primes, odd) : np.searchsorted(primes, odd + 2 * length)]
        composite[(own - odd) // 2] = False
        composite[: int(odd == 1)] = True
    return composite


def _first_multiples(half: int, primes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for each odd prime p, the least j >= 0 such that p divides (2 half + 1) + 2 j.

    That is j = (p - 1) / 2 - half modulo p. The residues of half are taken by Horner's rule over its 32-bit
    limbs, in float64: the integer quotient from the reciprocal of p is off by at most one, and the limits
    above keep every product exact.
    """
    limbs = np.frombuffer(half.to_bytes(4 * -(-half.bit_length() // 32), "big"), dtype=">u4").tolist()
    position = np.empty(len(primes))
    for begin in range(0, len(primes), BLOCK):
        prime = primes[begin : begin + BLOCK].astype(np.float64)
        reciprocal = 1.0 / prime
        residue, quotient = np.zeros_like(prime), np.empty_like(prime)
        for limb in limbs:
            residue *= LIMB
            residue += limb
            np.multiply(residue, reciprocal, out=quotient)
            np.floor(quotient, out=quotient)
            quotient *= prime
            residue -= quotient
        first = (prime - 1.0) / 2.0 - residue
        position[begin : begin + BLOCK] = first + prime * (first < 0.0)
    return position


@cache
def _odd_primes() -> NDArray[np.int64]:
    """Return the odd primes below SIEVE_LIMIT, by the sieve of Eratosthenes on odd numbers."""
    composite = np.zeros(SIEVE_LIMIT // 2, dtype=np.bool_)
    composite[0] = True
    for odd in range(3, isqrt(SIEVE_LIMIT) + 1, 2):
        if not composite[odd // 2]:
            composite[odd * odd // 2 :: odd] = True
    return 2 * np.flatnonzero(~composite) + 1


def find_items(bits: int, tasks: int, seed: int) -> tuple[Target, ...]:
    """Return so many independent targets of `bits` bits; at small sizes two may find the same prime."""
    if bits < 3 or tasks < 1:
        raise ValueError(f"find needs bits >= 3 and count >= 1, not {bits} and {tasks}")
    return tuple(Target(bits, seed, index) for index in range(tasks))


def find(target: Target) -> int:
    """Return a prime of exactly `bits` bits, each with the same chance; BPSW, proven below 2^64.

    Every draw is fresh: the next prime after a random number would favour primes that follow a long gap.
    The number of draws is geometric, since each succeeds with the same chance.
    """
    return next(_primes_among(_screened(target), target.bits))


def _screened(target: Target) -> Iterator[int]:
    """Yield random odd numbers, without end, that have no small divisor."""
    generator = Random(f"{target.bits}/{target.seed}/{target.index}")
    ends = (1 << (target.bits - 1)) | 1
    small_primes = _product_of_primes(min(8 * target.bits, ends - 2))
    more = _product_of_primes(64 * target.bits if target.bits >= DEEP_BITS else 1)
    digit = int(_product_of_primes(min(23, ends - 2)))  # fits one 30-bit digit of an int: the quickest screen
    while True:
        number = generator.getrandbits(target.bits) | ends
        if gcd(number, digit) == 1 == gmpy2.gcd(number, small_primes) == gmpy2.gcd(number, more):
            yield number


@cache
def _product_of_primes(limit: int) -> gmpy2.mpz:
    """Return the product of the primes up to limit, for one greatest common divisor per candidate."""
    return gmpy2.primorial(limit)


def digest(primes: Iterable[int]) -> str:
    """Return 16 hexadecimal digits that depend on the numbers and on their order.

    Numbers are written in base 16: above 4300 decimal digits Python refuses `str(number)`.
    """
    canonical = "".join(f"{prime:x}\n" for prime in primes)
    return blake2b(canonical.encode("ascii"), digest_size=8).hexdigest()


def items() -> tuple[Window, ...]:
    """Return 100 windows of numbers of 512 bits."""
    return search_items(bits=512, width=default_width(512), tasks=100, seed=7)


work = Workload(
    search, items, unit="primes", units=len, digest=digest, words="Every prime of a window of large numbers."
)
