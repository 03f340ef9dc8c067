"""What is written down of Ray's own mechanisms: one value of one quantity in each row."""

import dataclasses

from lab.data.columns import column

MECHANISMS = (
    "operations",
    "steps",
    "locality",
    "balance",
    "scheduling",
    "elasticity",
    "recovery",
)
"""The experiments, in the order in which they are run: what is killed may be missing afterwards."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One value, or why there is none."""

    experiment: str = column("", "what is looked at", choices=MECHANISMS)
    case: str = column("", "what was done, or which way of two")
    quantity: str = column("", "what the value is")
    unit: str = column("", "of the value", choices=("s", "1/s", "B/s", "1"))
    nodes: int | None = column("", "that took part", default=None)
    size_bytes: int | None = column("B", "of the object", default=None)
    block: int = column("", "the repeat that it belongs to, from 0", default=0)
    at_seconds: float | None = column("s", "when, since the moment that the quantity names", default=None)
    value: float | None = column("as told", "empty where it was not measured", default=None)
    status: str = column(
        "", "skipped: the cluster cannot do it", choices=("ok", "skipped", "failed"), default="ok"
    )
    error_message: str | None = column("", "why there is no value, on one line", default=None)
