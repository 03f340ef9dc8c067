"""What the experiment on factoring can be told."""

import dataclasses

from lab.errors import ParameterError
from lab.experiment.parameters import ADDRESS, MOST_NODES, MOST_WORKERS, PLACES, Experiment, check_address
from lab.experiment.rules import Choice, Flag, Real, Several, Text, Whole, parameter

SPLITTINGS = ("curves", "numbers", "hunt", "lost")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Factoring(Experiment):
    """What `notebooks/factoring.ipynb` can be told."""

    cluster: str = parameter(Choice(PLACES))
    address: str = parameter(ADDRESS)
    nodes: tuple[int, ...] = parameter(Several(Whole(1, MOST_NODES)), "nodes")
    workers: tuple[int, ...] = parameter(Several(Whole(1, MOST_WORKERS)), "workers")
    node_cores: float = parameter(Real(0.0, 1024.0, "cores"), "cores")
    may_scale: bool = parameter(Flag())
    wait_seconds: float = parameter(Real(1.0, 3600.0), "s")
    works: tuple[str, ...] = parameter(Several(Choice(SPLITTINGS)))
    numbers: tuple[str, ...] = parameter(
        Several(Text(r"[^\x00-\x1f]{1,10000}", "a number such as 2**128+1"), may_be_empty=True)
    )
    curve_bits: int = parameter(Whole(64, 4096), "bits")
    curve_bound: int = parameter(Whole(100, 10**9))
    curve_count: int = parameter(Whole(1, 1_000_000), "curves")
    number_bits: int = parameter(Whole(16, 200), "bits")
    number_count: int = parameter(Whole(1, 1_000_000), "numbers")
    hunt_bits: int = parameter(Whole(64, 4096), "bits")
    hunt_factor_bits: int = parameter(Whole(24, 200), "bits")
    hunt_count: int = parameter(Whole(1, 10_000), "numbers")

    def __post_init__(self) -> None:
        """Check what concerns more than one parameter."""
        if self.cluster == "embedded" and self.nodes != (1,):
            raise ParameterError(
                f"nodes is {list(self.nodes)}, and an embedded Ray is one node: give nodes [1], or the "
                "cluster local, compose or address"
            )
        if "lost" in self.works and max(self.nodes) * max(self.workers) < 2:
            raise ParameterError("works has 'lost', which takes two workers at least: one of them is killed")
        check_address(self.cluster, self.address)
