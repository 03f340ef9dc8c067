"""What the experiments on Ray's mechanisms can be told."""

import dataclasses

from lab.data.mechanism_records import MECHANISMS
from lab.errors import ParameterError
from lab.experiment.parameters import ADDRESS, MOST_NODES, MOST_WORKERS, PLACES, Named, check_address
from lab.experiment.rules import Choice, Real, Several, Text, Whole, parameter

FAULTS = "yes, on this cluster"
"""What is said before anything is killed on a cluster that the lab has not started."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mechanisms(Named):
    """What `notebooks/mechanisms.ipynb` can be told."""

    experiments: tuple[str, ...] = parameter(Several(Choice(MECHANISMS), may_be_empty=True))
    cluster: str = parameter(Choice(PLACES))
    address: str = parameter(ADDRESS)
    nodes: int = parameter(Whole(1, MOST_NODES), "nodes")
    node_slots: int = parameter(Whole(1, MOST_WORKERS), "tasks")
    window_seconds: float = parameter(Real(0.01, 60.0), "s")
    turns: int = parameter(Whole(1, 10_000), "turns")
    task_seconds: float = parameter(Real(0.001, 60.0), "s")
    object_kilobytes: tuple[int, ...] = parameter(Several(Whole(1, 10_000_000)), "kB")
    object_store_megabytes: int = parameter(Whole(80, 1_048_576), "MB")
    wait_seconds: float = parameter(Real(1.0, 3600.0), "s")
    faults: str = parameter(Text(r".{0,100}", f"text: empty, or {FAULTS!r}"))

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the experiments to run, in their order: all of them where none is named."""
        return tuple(one for one in MECHANISMS if one in (self.experiments or MECHANISMS))

    def __post_init__(self) -> None:
        """Check what concerns more than one parameter."""
        check_address(self.cluster, self.address)
        if self.cluster == "embedded" and self.nodes != 1:
            raise ParameterError(
                f"nodes is {self.nodes}, and an embedded Ray is one node: give 1, or the cluster local"
            )
        if self.cluster == "address" and "recovery" in self.wanted and self.faults != FAULTS:
            raise ParameterError(
                "recovery kills processes and a node of the cluster at that address, which may be others': "
                f"name others in experiments, or say so once more: faults = {FAULTS!r}"
            )
