"""What one's own work can be told: the one list of the options of notebook, command line and `lab.run`."""

import dataclasses
from typing import Any

from lab.data.engines import ENGINES, TABLE
from lab.errors import ParameterError
from lab.experiment.parameters import (
    CLUSTERS,
    MOST_NODES,
    MOST_WORKERS,
    PROFILES,
    RUN_ID,
    SCHEDULES,
    Experiment,
    check_address,
)
from lab.experiment.rules import Choice, Flag, Items, Real, Several, Text, Whole, parameter

BATCHINGS = ("none", "equal")
SCALINGS = ("strong", "weak")
NAMED = Text(r"[^\x00-\x1f]{0,1000}", "text, such as my_job.py:name")
ITEMS = Items()
VERSION = Text(
    r"(?!-)[^\x00-\x20]{0,200}", "empty, or text such as HEAD, a commit, ray==2.59.0, lab@REF, image=TAG"
)
LINE = Text(r"[^\x00-\x1f]{0,2000}", "a command line, such as python my_script.py")
PHRASE = Text(r"[^\x00-\x1f]{0,300}", "a line of text, up to 300 characters")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Own(Experiment):
    """What `notebooks/own.ipynb`, `lab run` and `lab.run` can be told of one's own work."""

    work: str = parameter(NAMED, meaning="the function: my_job.py:work, or my_module:work", default="")
    items: Any = parameter(  # noqa: RUF009  a field, as all others
        ITEMS, meaning="what it is called with, one at a time", default=""
    )
    command: str = parameter(
        LINE,
        meaning="in place of work and items: a Ray script as it is, 'python my_script.py', run once in each "
        "trial; a line lab: units=123 that it prints tells what it did",
        default="",
    )
    unit: str = parameter(PHRASE, meaning="what a result counts, a plural noun: primes", default="")
    units: str = parameter(NAMED, meaning="function of a result: how many units it counts", default="")
    digest: str = parameter(
        NAMED, meaning="function of a result: text that is equal for equal ones", default=""
    )
    set_up: str = parameter(
        NAMED, meaning="function that each worker calls once, before its items", default=""
    )
    words: str = parameter(PHRASE, meaning="a sentence on the work for the page", default="")
    same_results: bool = parameter(
        Flag(), meaning="whether results are equal wherever they are made", default=True
    )
    fail_fast: bool = parameter(
        Flag(), meaning="whether the first item that raises ends the run", default=False
    )
    engines: tuple[str, ...] = parameter(
        Several(Choice(tuple(ENGINES), own="my_engine.py:team"), may_be_empty=True),
        meaning="what runs the items; empty: ray, processes and serial, on several nodes ray",
        default=(),
    )
    workers: tuple[int, ...] = parameter(
        Several(Whole(1, MOST_WORKERS)), "workers", "workers on each node", default=(1, 2)
    )
    nodes: tuple[int, ...] = parameter(
        Several(Whole(1, MOST_NODES)), "nodes", "nodes with workers", default=(1,)
    )
    scaling: str = parameter(
        Choice(SCALINGS),
        meaning="the work of a trial: strong (the items once), weak (the items once for each worker)",
        default="strong",
    )
    cluster: str = parameter(
        Choice(CLUSTERS),
        meaning="where: embedded (Ray in this process), local, compose, address, or slurm (in a job of it)",
        default="embedded",
    )
    address: str = parameter(
        Text(r".{0,2000}", "text: the address of the jobs API, http://HOST:8265"),
        meaning="of the jobs API, for cluster address: http://HOST:8265",
        default="",
    )
    node_cores: float = parameter(
        Real(0.0, 1024.0, "cores"),
        "cores",
        "cores of each container, for cluster compose; 0: equal shares of all",
        default=0.25,
    )
    may_scale: bool = parameter(
        Flag(), meaning="whether containers may be started and scaled, for cluster compose", default=True
    )
    wait_seconds: float = parameter(Real(1.0, 3600.0), "s", "how long to wait for nodes", default=120.0)
    schedules: tuple[str, ...] = parameter(
        Several(Choice(SCHEDULES)),
        meaning="how Ray deals items out: dynamic (when a worker is free), static (equal shares)",
        default=("dynamic",),
    )
    batchings: tuple[str, ...] = parameter(
        Several(Choice(BATCHINGS)),
        meaning="how engines that do not choose themselves get items: none (one a call), equal (batches: a "
        "quarter of a worker's share a call)",
        default=("none",),
    )
    threads: int = parameter(
        Whole(0, 1024),
        "threads",
        "threads of numerical libraries in each worker; 0: as the libraries choose",
        default=1,
    )
    repeats: int = parameter(Whole(1, 1000), "blocks", "how often everything is measured", default=3)
    seed: int = parameter(Whole(0, 2**63 - 1), meaning="decides the order of the trials", default=20260101)
    against: str = parameter(
        VERSION,
        meaning="another version, measured in turns with this one: a commit, branch or tag of the work's "
        "repository (HEAD: without your changes), ray==X, lab@REF, or image=TAG",
        default="",
    )
    run_id: str = parameter(
        RUN_ID, meaning="name of the run's folder; of one that was cut short: goes on", default=""
    )
    profile: str = parameter(Choice(PROFILES), meaning="label in the report", default="custom")
    sample_seconds: float = parameter(Real(0.05, 60.0), "s", "between two samples of a node", default=0.2)
    deadline_seconds: float = parameter(Real(1.0, 86400.0), "s", "that a trial may take", default=600.0)
    stall_seconds: float = parameter(
        Real(1.0, 86400.0), "s", "in which no item ends before a trial is given up", default=120.0
    )
    object_store_megabytes: int = parameter(
        Whole(80, 1_048_576), "MB", "of Ray's object store on each node", default=200
    )
    dashboard_port: int = parameter(
        Whole(0, 65535), meaning="of Ray's dashboard on 127.0.0.1, for cluster embedded; 0: none", default=0
    )

    def __post_init__(self) -> None:
        """Check what concerns more than one parameter."""
        if self.cluster == "embedded" and self.nodes != (1,):
            raise ParameterError(
                f"nodes is {list(self.nodes)}, and an embedded Ray is one node: add --cluster local (several "
                "raylets on this host), compose, address or slurm"
            )
        check_address(self.cluster, self.address)
        if self.command.strip():
            check_command(self)
        check_against(self.against, self.cluster, self.repeats)
        there = {name for name, one in TABLE.items() if self.cluster in one.clusters}
        if self.cluster != "embedded" and not there.issuperset(self.engines):
            raise ParameterError(
                f"engines is {list(self.engines)}, and on a cluster {self.cluster} only ray runs: "
                "give engines [ray], or measure the others with cluster embedded"
            )

    @property
    def used_engines(self) -> tuple[str, ...]:
        """Return the engines that were asked for, or those that suit the kind of cluster."""
        here = self.cluster == "embedded" and not self.command
        return self.engines or (("ray", "processes", "serial") if here else ("ray",))

    @property
    def grows(self) -> bool:
        """Tell whether the work of a trial grows with its workers."""
        return self.scaling == "weak"

    def batchings_of(self, engine: str) -> tuple[str, ...]:
        """Return how an engine gets its items; empty where it chooses itself."""
        return self.batchings if TABLE[engine].batched else ()


def check_against(against: str, cluster: str, repeats: int) -> None:
    """Raise `ParameterError` where another version cannot be measured in turns with this one."""
    if against and repeats < 2:
        raise ParameterError(
            f"against is {against!r} and repeats {repeats}: two versions are compared over blocks, and one "
            "block tells nothing of noise: give 5 or more (--repeats 5)"
        )
    if against.startswith("ray==") and cluster in ("compose", "address"):
        raise ParameterError(
            f"against is {against!r}, and on a cluster {cluster} Ray is that of the nodes: measure another "
            "Ray with --cluster embedded or local, or another image of the compose cluster (image=TAG)"
        )
    if against.startswith("lab@") and cluster == "compose":
        raise ParameterError(
            f"against is {against!r}, and the nodes of a compose cluster have the lab of their image: use "
            "another cluster (--cluster local)"
        )
    if against.startswith("image=") and cluster != "compose":
        raise ParameterError(f"against is {against!r}, and only --cluster compose has an image")


def check_command(given: Own) -> None:
    """Raise `ParameterError` where a command is given with what only a function of one item can have."""
    beside = [
        name for name in ("work", "items", "units", "digest", "set_up", "against") if getattr(given, name)
    ]
    beside += ["engines"] * (given.engines not in ((), ("ray",))) + ["scaling"] * given.grows
    beside += ["schedules"] * (given.schedules != ("dynamic",))
    if beside:
        raise ParameterError(
            f"command is {given.command!r} and {beside[0]} {getattr(given, beside[0])!r}: a command is all "
            f"of its work, hands it out itself, and runs on Ray alone; leave {beside[0]} out, or name a "
            "function of one item in place of the command"
        )
