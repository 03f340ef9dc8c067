"""All experiments one after another on a cluster that is there; what cannot be measured is a row, too."""

from collections.abc import Callable, Iterator, Mapping

from lab.data.records import Mechanism
from lab.errors import LabError
from lab.measure.task import first_line
from lab.mechanisms import balance, elasticity, locality, operations, recovery, scheduling, steps
from lab.mechanisms.ground import Ground, skipped

EXPERIMENTS: Mapping[str, tuple[int, Callable[[Ground], Iterator[Mechanism]]]] = {
    "operations": (1, operations.rows),
    "steps": (2, steps.rows),
    "locality": (2, locality.rows),
    "balance": (1, balance.rows),
    "scheduling": (2, scheduling.rows),
    "elasticity": (2, elasticity.rows),
    "recovery": (1, recovery.rows),
}
"""By name, the nodes that each needs, and its function."""


def measure(ground: Ground, told: Callable[[str], None] = lambda _: None) -> Iterator[Mechanism]:
    """Yield the rows of the experiments asked for; `told` gets the name of each as it begins."""
    import ray

    for name in ground.parameters.wanted:
        told(name)
        needed, rows = EXPERIMENTS[name]
        found = len(ground.nodes())
        if found < needed:
            yield skipped(name, f"it needs {needed} nodes with a CPU, and this cluster has {found}")
            continue
        try:
            yield from rows(ground)
        except (LabError, ray.exceptions.RayError) as error:
            yield Mechanism(
                experiment=name,
                case="all",
                quantity="not measured",
                unit="1",
                status="failed",
                error_message=f"{type(error).__name__}: {first_line(error)}",
            )
