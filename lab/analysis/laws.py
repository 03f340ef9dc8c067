"""Laws of scaling: throughput against size, and the search for their parameters on logarithms.

a is the throughput of one (units/s), s the part of the work that is not shared out, k what each pair costs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

ROUNDS = 3
"""Gauss-Newton steps: noise of some percent makes the problem almost linear, so that they are enough."""

KNEES, LAST = 250, 0.95
"""Sizes that are tried as the place of a ceiling, evenly on logs between 1 and that part of the largest size.

A ceiling at the largest size itself is one that no datum tells of.
"""

ROUNDINGS = (1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
"""How round a ceiling may be: with 10 it is all but hard."""

TINY, RIDGE, STRIDE = 1e-12, 1e-10, 4.0
"""The least that has a logarithm, and what keeps steps within reason where no curve comes near."""


@dataclass(frozen=True, slots=True)
class Law:
    """One law: its parameters, its formula, and the search for the parameters that fit best.

    formula(sizes (q,), parameters (r, p)) gives units/s (r, q); search(sizes (k,), logs of units/s (r, k),
    weights (k,)) gives the parameters (r, p) of the weighted least squares of each row of logs, within
    physical bounds: a > 0, 0 <= s <= 1, k >= 0, and a ceiling within the sizes.
    """

    name: str
    parameters: tuple[str, ...]
    formula: Callable[[Numbers, Numbers], Numbers]
    search: Callable[[Numbers, Numbers, Numbers], Numbers]


def linear(sizes: Numbers, parameters: Numbers) -> Numbers:
    """Return X(N) = a N."""
    return parameters[:, :1] * sizes


def amdahl(sizes: Numbers, parameters: Numbers) -> Numbers:
    """Return X(N) = a N / (1 + s (N - 1)).

    Source: Amdahl, Validity of the single processor approach, AFIPS Spring Joint Conference (1967).
    """
    a, s = parameters[:, :1], parameters[:, 1:2]
    found: Numbers = a * sizes / (1 + s * (sizes - 1))
    return found


def universal(sizes: Numbers, parameters: Numbers) -> Numbers:
    """Return X(N) = a N / (1 + s (N - 1) + k N (N - 1)).

    Source: Gunther, Guerrilla Capacity Planning (2007), chapter 4.
    """
    a, s, k = parameters[:, :1], parameters[:, 1:2], parameters[:, 2:3]
    found: Numbers = a * sizes / (1 + s * (sizes - 1) + k * sizes * (sizes - 1))
    return found


def ceiling(sizes: Numbers, parameters: Numbers) -> Numbers:
    """Return X(N) = min(a N, c): one shared resource serves c units/s at most.

    Source: the asymptotic bounds of Lazowska and others, Quantitative System Performance (1984), chapter 5.
    """
    return np.minimum(parameters[:, :1] * sizes, parameters[:, 1:2])


def rounded(sizes: Numbers, parameters: Numbers) -> Numbers:
    """Return X(N) = ((a N)^-p + c^-p)^(-1/p): one shared resource, of which some wait before it is full.

    The larger p, the harder the ceiling. Source, for blending two bounds, here those of `ceiling`: Churchill
    and Usagi, A general expression for the correlation of rates of transfer, AIChE Journal 18 (1972).
    """
    a, c, p = parameters[:, :1], parameters[:, 1:2], parameters[:, 2:3]
    found: Numbers = a * sizes / (1 + (a * sizes / c) ** p) ** (1 / p)
    return found


def gustafson(sizes: Numbers, parameters: Numbers) -> Numbers:
    """Return X(N) = a (N - s (N - 1)), where the work grows with the size.

    Source: Gustafson, Reevaluating Amdahl's law, Communications of the ACM 31 (1988).
    """
    a, s = parameters[:, :1], parameters[:, 1:2]
    found: Numbers = a * (sizes - s * (sizes - 1))
    return found


def _linear_search(sizes: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    return 1 / _shares(np.ones((len(sizes), 1)), np.log(sizes) - logs, weights)


def _amdahl_search(sizes: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    # N / X = ((1 - s) 1 + s N) / a: the bounds of s are those of shares
    columns = np.column_stack([np.ones_like(sizes), sizes])
    return _seconds(_shares(columns, np.log(sizes) - logs, weights))


def _universal_search(sizes: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    # N / X = ((1 - s) 1 + s N + k N (N - 1)) / a
    columns = np.column_stack([np.ones_like(sizes), sizes, sizes * (sizes - 1)])
    return _seconds(_shares(columns, np.log(sizes) - logs, weights))


def _gustafson_search(sizes: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    # X = a ((1 - s) N + s)
    shares = _shares(np.column_stack([sizes, np.ones_like(sizes)]), logs, weights)
    a = shares.sum(axis=1)
    return np.column_stack([a, shares[:, 1] / a])


def _seconds(shares: Numbers) -> Numbers:
    """Return a, s and, where there is a third share, k from the shares of N / X."""
    a = 1 / np.maximum(TINY, shares[:, :2].sum(axis=1))
    return np.column_stack([a, a[:, None] * shares[:, 1:]])


def _shares(columns: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    """Return x >= 0 (r, p) for which log(columns x) is nearest to each row of logs (r, k).

    Where the nearest x of all has values below 0, one of these is 0 in the nearest x >= 0, since from there
    to the nearest of all it gets better: each of their columns is left out, and the best of that is taken.
    """
    found = _newton(columns, logs, weights)
    negative, best = found < 0, np.full(len(logs), np.inf)
    for left_out in np.flatnonzero(negative.any(axis=0)):
        rows, kept = np.flatnonzero(negative[:, left_out]), np.delete(columns, left_out, axis=1)
        shares = _shares(kept, logs[rows], weights)
        squares = (logs[rows] - np.log(np.maximum(TINY, shares @ kept.T))) ** 2 @ weights
        better = squares < best[rows]
        best[rows[better]] = squares[better]
        found[rows[better]] = np.insert(shares[better], left_out, 0.0, axis=1)
    return found


def _newton(columns: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    """Return x (r, p) of the least squares of log(columns x) - logs, without bounds."""
    if columns.shape[1] == 1:
        apart = logs - np.log(np.maximum(TINY, columns[:, 0]))
        a: Numbers = np.exp(apart @ weights / weights.sum())[:, None]
        return a
    roots: Numbers = np.sqrt(weights)
    fitted: Numbers = np.exp(logs)
    shares: Numbers = np.empty((len(logs), columns.shape[1]))
    for _ in range(ROUNDS):
        slopes = columns * (roots / fitted)[..., None]
        aims = (1 + logs - np.log(fitted)) * roots
        across = slopes.transpose(0, 2, 1)
        squares = (across @ slopes) * (1 + RIDGE * np.eye(columns.shape[1]))
        shares = np.linalg.solve(squares, across @ aims[..., None])[..., 0].astype(np.float64)
        fitted = np.clip(shares @ columns.T, fitted / STRIDE, fitted * STRIDE)
    return shares


def _knees(sizes: Numbers) -> Numbers:
    return np.geomspace(1.0, max(1.0, LAST * sizes[-1]), KNEES)


def _ceiling_search(sizes: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    knees = _knees(sizes)
    place, a = _nearest(np.log(np.minimum(sizes, knees[:, None])), logs, weights)
    return np.column_stack([a, a * knees[place]])


def _rounded_search(sizes: Numbers, logs: Numbers, weights: Numbers) -> Numbers:
    knees, roundings = map(np.ravel, np.meshgrid(_knees(sizes), ROUNDINGS))
    tried = np.column_stack([np.ones_like(knees), knees, roundings])
    place, a = _nearest(np.log(rounded(sizes, tried)), logs, weights)
    return np.column_stack([a, a * knees[place], roundings[place]])


def _nearest(curves: Numbers, logs: Numbers, weights: Numbers) -> tuple[NDArray[np.intp], Numbers]:
    """Return which of the curves (q, k) is nearest to each row of logs (r, k), and its factor."""
    parts = weights / weights.sum()
    levels = curves @ parts
    centred = curves - levels[:, None]
    # the squares of the logs themselves are the same for every curve
    place = (centred**2 @ weights - 2 * logs @ (centred * weights).T).argmin(axis=1)
    return place, np.exp(logs @ parts - levels[place])


LINEAR = Law("linear", ("a",), linear, _linear_search)
AMDAHL = Law("Amdahl", ("a", "s"), amdahl, _amdahl_search)
UNIVERSAL = Law("Universal Scalability Law", ("a", "s", "k"), universal, _universal_search)
CEILING = Law("hard ceiling", ("a", "c"), ceiling, _ceiling_search)
ROUNDED = Law("rounded ceiling", ("a", "c", "p"), rounded, _rounded_search)
GUSTAFSON = Law("Gustafson", ("a", "s"), gustafson, _gustafson_search)

LAWS = (LINEAR, AMDAHL, UNIVERSAL, CEILING, ROUNDED)
"""The laws of fixed work; where work grows with the size, GUSTAFSON is one more."""
