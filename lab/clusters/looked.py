"""What a look at a cluster found, as facts that JSON can hold; `lab.check.rules` judges them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lab.errors import ClusterError
from lab.measure.condition import Condition


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node that Ray calls alive; what is `None` was not answered."""

    node_id: str
    """Ray's id, first 12 digits, as in nodes.csv."""
    address: str
    hostname: str
    cpus: float
    """That Ray hands out."""
    store_bytes: int | None
    condition: Condition | None = None
    lost: str = ""
    """Why it did not answer."""
    cpu_seconds: float | None = None
    """Processor time of the worker that looked."""
    first_task_seconds: float | None = None
    clock_offset_seconds: float | None = None
    clock_uncertainty_seconds: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The way between two nodes: the second asked the first, and fetched an object from it."""

    source: str
    target: str
    round_trip_seconds: float | None = None
    bytes_per_second: float | None = None
    lost: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A node that Ray lists as dead; `expected` where it was taken away in an orderly way."""

    node_id: str
    address: str
    expected: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found of a cluster from the node that the look was made from."""

    here: str
    code: str
    versions: dict[str, str]
    nodes: tuple[Node, ...]
    dead: tuple[Dead, ...] = ()
    links: tuple[Link, ...] = ()
    pairs: int = 0
    """Of nodes that answered: where there are many, not all are tried."""


def looked_from(content: Mapping[str, Any]) -> Looked:
    """Return the facts that a job has told as JSON; `ClusterError` where they are of another lab."""
    try:
        nodes = tuple(
            Node(**{**one, "condition": one["condition"] and Condition(**one["condition"])})
            for one in content["nodes"]
        )
        dead = tuple(Dead(**one) for one in content["dead"])
        links = tuple(Link(**one) for one in content["links"])
        return Looked(**{**content, "nodes": nodes, "dead": dead, "links": links})
    except (TypeError, KeyError) as error:
        raise ClusterError(
            f"the lab on the cluster tells other facts than this one knows ({error}): install the same "
            "there; on compose: make docker-build docker-up"
        ) from error
