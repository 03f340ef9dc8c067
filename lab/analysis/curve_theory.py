"""What theory says of an elliptic curve: with what chance it finds a prime factor of a given size."""

from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

STEP = 1 / 256
"""Of the grid on which Dickman's function is computed."""
MOST = 12.0
"""The largest argument: beyond, the chance is below 10^-12."""
EULER = 0.5772156649015329
SUYAMA = 23.4
SMOOTHER = SUYAMA * 0.416384512396064
"""A group order is as smooth as a number that is smaller by this: Suyama's family, times parametrisation 1.

Source: GMP-ECM 7, which prints its expected numbers of curves with these.
"""
SECOND_BOUNDS = {
    2_000: 147_396,
    11_000: 1_873_422,
    50_000: 12_746_592,
    250_000: 128_992_510,
    1_000_000: 1_045_563_762,
    3_000_000: 5_706_890_290,
    11_000_000: 35_133_391_030,
    43_000_000: 240_490_660_426,
}
"""The bound B2 that GMP-ECM chooses for each B1."""


@cache
def _dickman() -> NDArray[np.float64]:
    """Return Dickman's function on a grid from 0 to MOST: u rho'(u) = -rho(u - 1), trapezoidal rule."""
    many, unit = int(MOST / STEP) + 1, int(1 / STEP)
    rho = np.ones(many)
    for place in range(unit + 1, many):
        u = place * STEP
        slopes = rho[place - unit - 1] / (u - STEP) + rho[place - unit] / u
        rho[place] = rho[place - 1] - STEP / 2 * slopes
    return rho


def _smooth(u: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Return the chance that a number of the size bound^u has no prime factor above the bound.

    Of numbers near that size, not of all up to it: the second term is that difference.
    """
    grid = np.arange(len(_dickman())) * STEP
    rho = np.interp(u, grid, _dickman())
    below = np.where(u < 1, 0.0, np.interp(u - 1, grid, _dickman()))
    near: NDArray[np.float64] = rho - EULER * below / (np.maximum(u, 1.0) * log(bound))
    return near


def chance(bits: float, bound: int, smoother: float = SMOOTHER) -> float:
    """Return the chance that a curve of GMP-ECM finds a prime factor of so many bits; NaN for other bounds.

    The group order is smooth up to B1 but for one prime up to B2, both by Dickman's function (Brent, Some
    integer factorization algorithms using elliptic curves, 1986).
    """
    if bound not in SECOND_BOUNDS:
        return float("nan")
    # in the middle between the smallest and the largest of so many bits
    size = (bits - 0.5) * log(2) - log(smoother)
    logs = np.linspace(log(bound), log(SECOND_BOUNDS[bound]), 400)
    first = _smooth(np.array([size / log(bound)]), bound)[0]
    second = np.trapezoid(_smooth((size - logs) / log(bound), bound) / logs, logs)
    return max(0.0, float(first + second))
