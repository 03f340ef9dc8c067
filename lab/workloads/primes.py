"""Random primes of a given size: every prime of a window, or one unbiased prime at a time."""

from dataclasses import dataclass
from functools import cache
from math import isqrt
from random import Random

import gmpy2
import numpy as np
from flint import fmpz
from numpy.typing import NDArray

from lab.errors import ParameterError
from lab.workloads.outcome import Outcome, digest

# With primes below 2^20, a residue times 2^32 plus a 32-bit limb stays below 2^53: exact in float64.
LARGEST_SIEVE_BITS = 20
LIMB_BITS = 32
# Primes per pass of the residues: six float64 arrays of this length stay in a 1 MiB second-level cache.
RESIDUE_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class Window:
    """The integers start, start + 1, ... start + width - 1."""

    start: int
    width: int


@dataclass(frozen=True, slots=True)
class Target:
    """One random prime to find: its size in bits, and the seed and index that make it reproducible."""

    bits: int
    seed: int
    index: int


def default_width(bits: int) -> int:
    """Return the power of two for which one search task takes very roughly 0.1 CPU seconds.

    Measured on one AMD Zen 5 core. It keeps at least 8 windows at small sizes; above 4096 bits one
    probable-prime test is longer than that, and so is a task.
    """
    measured = ((64, 21), (96, 20), (160, 19), (256, 17), (384, 16), (512, 15), (768, 14), (1024, 13), (1536, 12), (2048, 10))
    exponent = next((exponent for size, exponent in measured if bits <= size), 4)
    return 1 << max(1, min(exponent, bits - 4))


def search_tasks(bits: int, width: int, count: int, seed: int) -> tuple[Window, ...]:
    """Return `count` different windows of `width` integers, aligned on multiples of width, of `bits` bits.

    Raises ParameterError if fewer exist between 2^(bits-1) and 2^bits.
    """
    if bits < 2 or width < 1 or count < 1:
        raise ParameterError(
            f"search needs bits >= 2, width >= 1 and count >= 1, but got {bits=}, {width=}, {count=}: raise them"
        )
    first = -(-(1 << (bits - 1)) // width)
    available = (1 << bits) // width - first
    if count > available:
        raise ParameterError(
            f"{count} windows of width {width} were asked for, but only {max(available, 0)} fit into the"
            f" {bits}-bit numbers: lower the count or the width, or raise the bits"
        )
    generator = Random(seed)
    indices: dict[int, None] = {}
    while len(indices) < count:
        # getrandbits and rejection, since the algorithm of randrange and sample may change between Pythons
        index = generator.getrandbits(available.bit_length())
        if index < available:
            indices.setdefault(index)
    return tuple(Window((first + index) * width, width) for index in indices)


def search(window: Window) -> Outcome:
    """Count the primes of a window; the digest is over all of them, ascending."""
    primes = primes_in(window)
    return Outcome(len(primes), digest(primes))


def primes_in(window: Window) -> list[int]:
    """Return every prime of a window, ascending: BPSW probable primes, proven below 2^64.

    Baillie and Wagstaff (1980); no composite is known to pass, of any size.
    """
    end = window.start + window.width
    limit = min(sieve_limit(end.bit_length(), window.width), isqrt(max(end - 1, 0)) + 1)
    odd = window.start | 1
    composite = _sieve(odd, max(0, (end - odd + 1) // 2), limit)
    offsets: list[int] = (2 * np.flatnonzero(~composite)).tolist()
    found = [2] if window.start <= 2 < end else []
    if limit * limit >= end:  # nothing composite is left
        return found + [odd + offset for offset in offsets if odd + offset > 1]
    base = fmpz(odd)
    return found + [odd + offset for offset in offsets if (base + offset).is_probable_prime()]


def sieve_limit(bits: int, width: int) -> int:
    """XXX"""
    import os
    return 1<<int(os.environ.get("SL", "18"))


def _sieve(odd: int, length: int, limit: int) -> NDArray[np.bool_]:
    """Mark which of odd, odd + 2, ... (length numbers) have a proper divisor among the primes below limit."""
    primes = _odd_primes()
    primes = primes[: np.searchsorted(primes, limit)]
    composite = np.zeros(length, dtype=np.bool_)
    # the first multiple of p is odd + 2 position, with position = -odd / 2 modulo p
    negative = (primes - _residues(odd, primes)) % primes if False else primes - _residues(odd, primes)
    negative += np.where(negative & 1, primes, 0)
    position = negative >> 1
    position[position == primes] = 0
    few = int(np.searchsorted(primes, length // 16))
    for prime, first in zip(primes[:few].tolist(), position[:few].tolist(), strict=True):
        composite[first::prime] = True
    primes_left, position = primes[few:], position[few:]
    while True:
        inside = position < length
        if not inside.any(): break
        position, primes_left = position[inside], primes_left[inside]
        composite[position] = True
        position = position + primes_left
    if odd < limit:
        own = primes[np.searchsorted(primes, odd) :]
        composite[(own[own < odd + 2 * length] - odd) // 2] = False
    return composite


def _residues(number, primes):
    limbs = np.frombuffer(number.to_bytes(-(-number.bit_length() // 32) * 4, "big"), dtype=">u4").astype(np.float64).tolist()
    result = np.empty(len(primes), dtype=np.int64)
    for begin in range(0, len(primes), RESIDUE_BLOCK):
        block = slice(begin, begin + RESIDUE_BLOCK)
        p = primes[block].astype(np.float64)
        inv = 1.0 / p
        r = np.zeros_like(p); q = np.empty_like(p)
        for limb in limbs:
            r *= 4294967296.0
            r += limb
            np.multiply(r, inv, out=q)
            np.floor(q, out=q)
            q *= p
            r -= q
        r += np.where(r<0, p, 0); r -= np.where(r>=p, p, 0)
        result[block] = r
    return result


@cache
def _odd_primes() -> NDArray[np.int64]:
    limit = 1<<20
    composite = np.zeros(limit // 2, dtype=np.bool_)
    composite[0] = True
    for h in range(1, 512):
        if not composite[h]:
            p = 2*h+1
            composite[p*p//2::p] = True
    return 2*np.flatnonzero(~composite)+1
