"""Numbers as text for prose and tables: units beside them, digits chosen from the interval, unknowns said."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # both sides write numbers, and the run side knows no estimates
    from lab.analysis.intervals import Estimate

UNKNOWN = "not known"
"""What stands where a value is missing; never 0, never nan."""


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, thousands set apart by commas."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    # the exponent after rounding: 0.9999 to three digits is 1.00, not 1.000
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    return "0" if value == 0 else fixed(value, digits - 1 - exponent)


def fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals; a negative count rounds to tens, hundreds and so on."""
    text = f"{round(float(value), decimals):,.{max(decimals, 0)}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def estimate(found: "Estimate | None", unit: str = "", scale: float = 1.0) -> str:
    """Return value, unit, interval and n: '12.3 primes/s (95 % interval 11.9 to 12.7, n = 5)'."""
    if found is None or found.value is None or not math.isfinite(found.value):
        return UNKNOWN
    value = f"{fixed(found.value * scale, decimals(found, scale))}{' ' * bool(unit)}{unit}"
    between = bounds(found, scale)
    if between is None:
        return f"{value} (n = {found.n}, too few for an interval)"
    return f"{value} ({level(found)} interval {between}, n = {found.n})"


def short_estimate(found: "Estimate | None", scale: float = 1.0) -> str:
    """Return value and interval for a table, whose head names unit and level: '12.3 (11.9 to 12.7)'."""
    if found is None or found.value is None or not math.isfinite(found.value):
        return UNKNOWN
    value, between = fixed(found.value * scale, decimals(found, scale)), bounds(found, scale)
    return value if between is None else f"{value} ({between})"


def bounds(found: "Estimate", scale: float = 1.0) -> str | None:
    """Return the two ends of an interval, '11.9 to 12.7'; None where it has none."""
    if found.low is None or found.high is None:
        return None
    places = decimals(found, scale)
    return f"{fixed(found.low * scale, places)} to {fixed(found.high * scale, places)}"


def decimals(found: "Estimate", scale: float = 1.0) -> int:
    """Return the decimals that an estimate deserves, from the width of its interval.

    Two digits of a width that begins with 1 to 4, one of a wider; at most four significant digits of the
    value, and three where there is no interval.
    """
    value = abs(found.value or 0.0) * scale
    places = 2 - _magnitude(value)
    if found.low is not None and found.high is not None and found.high > found.low:
        width = (found.high - found.low) * scale
        narrow = width / 10 ** _magnitude(width) < 5
        places = min(-_magnitude(width) + narrow, places + 1)
    return max(places, 0)


def quote(found: "Estimate", sign: str = "", unit: str = "") -> str:
    """Return value, unit, interval and n as evidence; `sign` is that of Python's format, such as '+'."""
    # as many decimals as the same estimate has in a table
    form = f"{sign}z,.{decimals(found)}f"
    value, low, high = (format(part, form) for part in (found.value, found.low, found.high))
    return f"{value}{unit} ({level(found)} interval {low} to {high}, n = {found.n} blocks)"


def level(found: "Estimate") -> str:
    """Return the level of an estimate's interval: '95 %'."""
    return f"{100 * found.level:.4g} %"


def percent(fraction: float | None, digits: int = 3) -> str:
    """Return a fraction as percent: 0.973 is '97.3 %'."""
    return (
        UNKNOWN if fraction is None or not math.isfinite(fraction) else f"{number(100 * fraction, digits)} %"
    )


def seconds(value: float | None) -> str:
    """Return a duration in the unit that reads best: '850 µs', '45 ms', '12.3 s', '3 min 20 s'."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value < 0:
        return f"-{seconds(-value)}"
    if value < 59.95:
        scales = ((1e6, "µs"), (1e3, "ms"))
        scale, unit = next((pair for pair in scales if 0 < value * pair[0] < 999.5), (1.0, "s"))
        return f"{number(value * scale)} {unit}"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def duration(found: "Estimate | None") -> str:
    """Return a length of time with its interval in the unit that reads best: '1.2 (0.9 to 1.5) ms'."""
    if found is None or found.value is None:
        return UNKNOWN
    most = max(abs(one) for one in (found.value, found.low, found.high) if one is not None)
    scale, unit = unit_of_time(most)
    return f"{short_estimate(found, scale)} {unit}"


def unit_of_time(most: float) -> tuple[float, str]:
    """Return scale and unit in which lengths of time up to so many seconds read best."""
    scales = ((1e6, "µs", 1e-3), (1e3, "ms", 1.0))
    return next(((scale, unit) for scale, unit, below in scales if most < below), (1.0, "s"))


def length(value: float) -> str:
    """Return a length of time that was asked for, without digits that nobody measured: '10 µs'."""
    scales = ((1e6, "µs", 0.999e-3), (1e3, "ms", 0.999))
    scale, unit = next(((scale, unit) for scale, unit, most in scales if value < most), (1.0, "s"))
    return f"{scale * value:g} {unit}"


def memory(value: float | None) -> str:
    """Return bytes in powers of 1024: '4.12 GiB'."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    scales = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
    scale, unit = next((pair for pair in scales if abs(value) >= pair[0]), (1, "B"))
    return f"{number(value / scale)} {unit}"


def count(how_many: int, noun: str, plural: str = "") -> str:
    """Return a count and its noun: '1 worker', '6 workers'."""
    return f"{how_many:,} {noun if how_many == 1 else plural or noun + 's'}"


def listing(items: Iterable[object], word: str = "and") -> str:
    """Return items as a sentence lists them: '1, 2 and 4'."""
    texts = [str(item) for item in items]
    return f" {word} ".join(filter(None, (", ".join(texts[:-1]), texts[-1]))) if texts else ""


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0
