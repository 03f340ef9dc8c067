"""Elliptic curves: one curve of GMP-ECM's library an item, which finds a factor or does not.

Known beforehand: 400 equal curves of about 10 ms on one number that they do not split; w workers on w free
cores are w times as fast. The library is optional: pip install passagemath-libecm, or apt install libecm1.
Run it: lab run examples/curves.py:work --workers 1,2
"""

import ctypes
import ctypes.util
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab import Workload

MISSING = (
    "GMP-ECM's library is missing where the curves run: pip install passagemath-libecm, or on Debian and "
    "Ubuntu apt-get install libecm1 (it is optional; the library is under the LGPL, the wheel under the GPL)"
)
BATCH_SQUARE = 1
"""GMP-ECM's parametrisation 1, its program's default: the curve follows from a sigma of 32 bits."""
NOT_BEGUN = 1.0
"""What GMP-ECM writes for a curve whose first stage has not begun."""
SPACE = 2048
"""Bytes for GMP-ECM's parameters, of which version 7 takes some 400; the first fields alone are used."""


class _Whole(ctypes.Structure):
    """A whole number of GMP."""

    _fields_ = (("room", ctypes.c_int), ("size", ctypes.c_int), ("limbs", ctypes.c_void_p))


class _Parameters(ctypes.Structure):
    """What GMP-ECM is told of a curve: the first fields of version 7, as its `ecm.h` has them."""

    _fields_ = (
        ("method", ctypes.c_int),
        ("x", _Whole),
        ("y", _Whole),
        ("parametrisation", ctypes.c_int),
        ("sigma", _Whole),
        ("sigma_is_a", ctypes.c_int),
        ("curve", ctypes.c_void_p),
        ("order", _Whole),
        ("bound_done", ctypes.c_double),
        ("others", ctypes.c_char * SPACE),
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve: the number to split, the bound B1 of its first stage, and the sigma that it follows from."""

    number: int
    bound: int
    sigma: int


class Library:
    """GMP-ECM's library with the parameters of this process, which keep what curves of one bound share."""

    def __init__(self, path: str) -> None:
        """Load it; raises ImportError for a version that is not 7."""
        # with the library come the functions of the GMP that it was linked with
        self._functions = ctypes.CDLL(path)
        self._factor, self._digits = self._functions["ecm_factor"], self._functions["__gmpz_sizeinbase"]
        self._factor.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double, ctypes.c_void_p)
        self._digits.restype = ctypes.c_size_t
        self._parameters, self._number, self._found = _Parameters(), _Whole(), _Whole()
        self._functions["ecm_init"](ctypes.byref(self._parameters))
        if self._parameters.bound_done != NOT_BEGUN:
            raise ImportError(f"{Path(path).name} is no GMP-ECM of version 7: {MISSING}")
        for one in (self._number, self._found):
            self._functions["__gmpz_init"](ctypes.byref(one))

    def factor(self, curve: Curve) -> int:
        """Return a factor of the number that is neither 1 nor the number, or 0 where the curve finds none."""
        mine = self._parameters
        self._set(self._number, curve.number)
        for place, value in ((mine.x, 0), (mine.y, 0), (mine.sigma, curve.sigma)):
            self._set(place, value)
        mine.parametrisation, mine.bound_done = BATCH_SQUARE, NOT_BEGUN
        places = [ctypes.byref(one) for one in (self._found, self._number, mine)]
        kind = self._factor(*places[:2], curve.bound, places[2])
        if kind < 0:
            raise ArithmeticError(f"GMP-ECM failed on {curve}")
        found = self._get(self._found) if kind else 0
        return 0 if found in (1, curve.number) else found

    def _set(self, place: _Whole, value: int) -> None:
        self._functions["__gmpz_set_str"](ctypes.byref(place), f"{value:x}".encode(), 16)

    def _get(self, place: _Whole) -> int:
        text = ctypes.create_string_buffer(self._digits(ctypes.byref(place), 16) + 2)
        self._functions["__gmpz_get_str"](text, 16, ctypes.byref(place))
        return int(text.value, 16)


@cache
def library() -> Library:
    """Return GMP-ECM's library, from the wheel or the system; raises ImportError with the ways to get it."""
    wheel = importlib.util.find_spec("passagemath_libecm")
    bundled: list[Path] = []
    if wheel is not None and wheel.origin is not None:
        bundled = sorted(Path(wheel.origin).parents[1].glob("passagemath_libecm.libs/libecm*"))
    path = str(bundled[0]) if bundled else ctypes.util.find_library("ecm")
    if path is None:
        raise ImportError(MISSING)
    return Library(path)


def curve(item: Curve) -> int:
    """Return a factor of the number, or 0 where this curve finds none: the same wherever it runs."""
    found = library().factor(item)
    if found and item.number % found:
        raise ArithmeticError(f"GMP-ECM returned a wrong factor of {item.number:#x}: report it")
    return found


def curve_items(number: int, bound: int, count: int, seed: int) -> tuple[Curve, ...]:
    """Return so many curves on a number, with sigmas that follow from the seed."""
    return tuple(Curve(number, bound, 2 + (seed + one) % (2**32 - 2)) for one in range(count))


def items() -> tuple[Curve, ...]:
    """Return 400 curves on the prime 2^255 - 19, which no curve splits."""
    return curve_items(2**255 - 19, bound=11_000, count=400, seed=7)


work = Workload(curve, items, unit="curves", words="Curves of the elliptic curve method, by GMP-ECM.")
