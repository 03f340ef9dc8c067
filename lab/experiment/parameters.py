"""The parameters of each experiment: frozen, checked before any work starts.

A notebook hands over its whole namespace, so that a misspelt name, which papermill lets pass with a
warning, is refused here. Every message names the parameter and the accepted range.
"""

import dataclasses
import difflib
import types
from collections.abc import Mapping
from typing import Any, TypeVar

from lab.data.engines import ENGINES
from lab.errors import ParameterError
from lab.experiment.rules import Choice, Flag, Real, Rule, Several, Text, Whole, parameter

MODES = ("search", "find", "factor")
SCHEDULES = ("dynamic", "static")
PLACES = ("embedded", "local", "compose", "address")
CLUSTERS = (*PLACES, "slurm")
"""All kinds; slurm takes part only within an allocation."""
PROFILES = ("quick", "full", "reference", "custom")
WORKLOADS = ("images", "search")
TRANSFERS = ("seed", "value", "shared")
MOST_WORKERS = 256
RUN_ID = Text(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}|",
    "text: empty, or up to 64 of letters, digits, '.', '_', '-', the first a letter or digit",
)
MOST_NODES = 1000
ADDRESS = Text(r".{0,2000}", "text: the address of the jobs API, http://HOST:8265")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What every run can be told: its name, its order, and how often."""

    run_id: str = parameter(RUN_ID)
    profile: str = parameter(Choice(PROFILES))
    seed: int = parameter(Whole(0, 2**63 - 1))
    repeats: int = parameter(Whole(1, 1000), "blocks")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Experiment(Named):
    """What every experiment with trials can be told: how it is watched."""

    sample_seconds: float = parameter(Real(0.05, 60.0), "s")
    deadline_seconds: float = parameter(Real(1.0, 86400.0), "s")
    stall_seconds: float = parameter(Real(1.0, 86400.0), "s")
    object_store_megabytes: int = parameter(Whole(80, 1_048_576), "MB")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Primes(Experiment):
    """What every experiment with primes can be told: the work, and how it is dealt out."""

    modes: tuple[str, ...] = parameter(Several(Choice(MODES)))
    schedules: tuple[str, ...] = parameter(Several(Choice(SCHEDULES)))
    search_bits: int = parameter(Whole(16, 16384), "bits")
    search_width: int = parameter(Whole(0, 2**26), "numbers")
    search_tasks: int = parameter(Whole(1, 1_000_000), "tasks")
    find_bits: tuple[int, ...] = parameter(Several(Whole(16, 16384)), "bits")
    find_tasks: tuple[int, ...] = parameter(Several(Whole(1, 1_000_000), distinct=False), "tasks")
    factor_bits: int = parameter(Whole(16, 200), "bits")
    factor_tasks: int = parameter(Whole(1, 1_000_000), "tasks")

    def __post_init__(self) -> None:
        """Check what concerns more than one parameter."""
        if len(self.find_bits) != len(self.find_tasks):
            raise ParameterError(
                f"find_bits has {len(self.find_bits)} sizes and find_tasks {len(self.find_tasks)} counts: "
                "give one count for each size"
            )
        if 0 < self.search_width < 256:
            raise ParameterError(
                f"search_width is {self.search_width}: 0 (chosen for you) or 256 to {2**26} is accepted"
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SingleNode(Primes):
    """What `notebooks/single_node.ipynb` can be told."""

    workers: tuple[int, ...] = parameter(Several(Whole(1, MOST_WORKERS)), "workers")
    dashboard_port: int = parameter(Whole(0, 65535))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nodes(Primes):
    """What the experiments over several nodes have in common."""

    nodes: tuple[int, ...] = parameter(Several(Whole(1, MOST_NODES)), "nodes")
    workers_per_node: tuple[int, ...] = parameter(Several(Whole(1, MOST_WORKERS)), "workers")
    node_cores: float = parameter(Real(0.0, 1024.0, "cores"), "cores")
    may_scale: bool = parameter(Flag())
    wait_seconds: float = parameter(Real(1.0, 3600.0), "s")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MultiNode(Nodes):
    """What `notebooks/multi_node.ipynb` can be told."""

    cluster: str = parameter(Choice(CLUSTERS))
    address: str = parameter(ADDRESS)

    def __post_init__(self) -> None:
        """Check what concerns more than one parameter."""
        # not super(): a dataclass with slots is another class than the one that the method closes over
        Primes.__post_init__(self)
        if self.cluster == "embedded" and self.nodes != (1,):
            raise ParameterError(
                f"nodes is {list(self.nodes)}, and an embedded Ray is one node: give nodes [1], or the "
                "cluster local (several raylets on this host), compose or address"
            )
        check_address(self.cluster, self.address)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Docker(Nodes):
    """What `notebooks/docker.ipynb` can be told."""

    margin_percent: float = parameter(Real(0.1, 50.0, "percent"), "%")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Experiment):
    """What the experiments that compare engines have in common."""

    engines: tuple[str, ...] = parameter(Several(Choice(tuple(ENGINES))))
    workers: tuple[int, ...] = parameter(Several(Whole(1, MOST_WORKERS)), "workers")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RayVersusMultiprocessing(Comparison):
    """What `notebooks/ray_vs_multiprocessing.ipynb` can be told."""

    workloads: tuple[str, ...] = parameter(Several(Choice(WORKLOADS)))
    image_megabytes: float = parameter(Real(0.001, 1000.0, "megabytes"), "MB")
    image_tasks: tuple[int, ...] = parameter(Several(Whole(1, 1_000_000)), "tasks")
    complexity: float = parameter(Real(0.25, 16.0, "pixels"), "pixels")
    transfers: tuple[str, ...] = parameter(Several(Choice(TRANSFERS)))
    search_bits: int = parameter(Whole(16, 16384), "bits")
    search_width: int = parameter(Whole(0, 2**26), "numbers")
    search_tasks: int = parameter(Whole(1, 1_000_000), "tasks")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven(Comparison):
    """What `notebooks/break_even.ipynb` can be told."""

    task_seconds: tuple[float, ...] = parameter(Several(Real(1e-6, 60.0)), "s")
    window_seconds: float = parameter(Real(0.01, 600.0), "s")
    most_calls: int = parameter(Whole(1, 1_000_000), "calls")


def check_address(cluster: str, address: str) -> None:
    """Raise `ParameterError` unless there is an address exactly where the kind of cluster needs one."""
    if (cluster == "address") != bool(address.strip()):
        raise ParameterError(
            f"cluster is {cluster!r} and address {address!r}: cluster 'address' needs the "
            "address of the jobs API, http://HOST:8265; the other kinds take none"
        )


Kind = TypeVar("Kind", bound=Named)


def parameters_from(kind: type[Kind], namespace: Mapping[str, Any]) -> Kind:
    """Return the checked parameters of `kind` out of a notebook's namespace.

    Names that begin with an underscore, modules, functions and classes are the notebook's own business.
    Raises `ParameterError` for an unknown, missing, mistyped or impossible one.
    """
    given = {name: value for name, value in namespace.items() if _is_parameter(name, value)}
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in given:
        if name not in fields:
            raise ParameterError(_unknown(name, tuple(fields)))
    missing = [
        name for name, one in fields.items() if name not in given and one.default is dataclasses.MISSING
    ]
    if missing:
        raise ParameterError(f"parameter {missing[0]} is missing: the notebook's parameters cell must set it")
    return kind(**{name: _accept(field, given[name]) for name, field in fields.items() if name in given})


def _is_parameter(name: str, value: Any) -> bool:
    own = isinstance(value, types.ModuleType | type) or callable(value)
    return not (name.startswith("_") or own or name in ("In", "Out"))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return (
        f"unknown parameter {name}{meant} The parameters are {', '.join(known)}. "
        "(A variable of your own in the notebook begins with an underscore.)"
    )


def _accept(field: Any, value: Any) -> Any:
    try:
        return field.metadata["rule"].accept(value)
    except ValueError:
        rule: Rule = field.metadata["rule"]
        raise ParameterError(f"{field.name} is {value!r}: accepted is {rule.describe()}") from None
