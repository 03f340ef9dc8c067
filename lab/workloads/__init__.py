"""What the workers do: plain functions of one task, which know nothing of how they are distributed."""

from lab.workloads.factoring import factor
from lab.workloads.outcome import Outcome, Workload
from lab.workloads.primes import find, search

__all__ = ["WORKLOADS", "Outcome", "Workload"]

_PRIME = "proven below 2^64, above that it passes BPSW, for which no counterexample of any size is known"

WORKLOADS: dict[str, Workload] = {
    "search": Workload("search", "primes", search, f"Every number counted is a prime: {_PRIME}."),
    "find": Workload("find", "primes", find, f"The number found is a prime: {_PRIME}."),
    "factor": Workload(
        "factor", "numbers", factor, "The factors multiply back to the number, and every factor passes BPSW."
    ),
}
