"""What a workload returns, and what the laboratory has to know about a workload."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from lab.measure.task import Outcome

__all__ = ["Outcome", "Workload", "digest"]


@dataclass(frozen=True, slots=True)
class Workload:
    """A function from one task to its outcome, with the plural noun of its units and what it guarantees."""

    name: str
    unit: str
    function: Callable[[Any], Outcome]
    guarantee: str


def digest(numbers: Iterable[int]) -> str:
    """Return 16 hexadecimal digits that depend on the numbers and on their order.

    Numbers are written in base 16: above 4300 decimal digits Python refuses `str(number)`.
    """
    canonical = "".join(f"{number:x}\n" for number in numbers)
    return blake2b(canonical.encode("ascii"), digest_size=8).hexdigest()
