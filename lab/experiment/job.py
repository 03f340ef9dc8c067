"""What runs on the head of a remote cluster, through the Jobs API: `python -m lab.experiment.job REQUEST`.

The request is JSON text, or the name of a file that holds it: the experiment and its parameters, which slots
of its plan to run, and what the client has installed. Rows go to standard output as the lines of
`lab.clusters.wire`; nothing is written to a disk.
"""

import contextlib
import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.clusters.attached import Cluster
from lab.clusters.embedded import connected
from lab.clusters.wire import Sender
from lab.errors import ClusterError, LabError
from lab.experiment.parameters import parameters_from
from lab.experiment.session import REMOTE, Assignment, payloads_of, run_slots
from lab.experiment.trial import Setting
from lab.measure.environment import NODE_PACKAGES, code_facts, versions

BEAT_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the client asks for: `slots` are pairs of a slot and the number of the attempt at it."""

    experiment: str
    parameters: Mapping[str, Any]
    cluster: str
    slots: Sequence[Sequence[int]]
    digests: Mapping[str, str]
    start_seconds: float
    code: str
    versions: Mapping[str, str]


def main(text: str) -> None:
    """Carry out a request, which is JSON text or the name of a file that holds it."""
    text = text if text.startswith("{") else Path(text).read_text()
    serve(lambda sender: _carry_out(Request(**json.loads(text)), sender))


def serve(carry_out: Callable[[Sender], None]) -> None:
    """Do a job's work; a fault that the lab knows is told to the client, any other ends the job."""
    sender = Sender(sys.stdout)
    with _heartbeat(sender):
        try:
            carry_out(sender)
        except LabError as error:
            sender.tell("refused", kind=type(error).__name__, message=str(error))
        sender.end()


def _carry_out(request: Request, sender: Sender) -> None:
    _check_same(request)
    kind, plan_of = REMOTE[request.experiment]
    parameters = parameters_from(kind, request.parameters)
    by_slot = {planned.slot: planned for planned in plan_of(parameters)}
    assignments = [Assignment(by_slot[slot], attempt) for slot, attempt in request.slots]
    wait_seconds = parameters.wait_seconds
    most = max(one.planned.configuration.nodes for one in assignments)
    with connected(address="auto"):
        cluster = Cluster(request.cluster, request.start_seconds)
        cluster.need(most, wait_seconds)
        setting = Setting(
            sender,
            cluster,
            parameters.sample_seconds,
            parameters.deadline_seconds,
            parameters.stall_seconds,
            wait_seconds,
        )

        def told(ones: Sequence[Assignment]) -> Iterable[Assignment]:
            for one in ones:
                sender.tell("slot", slot=one.planned.slot)
                yield one

        run_slots(assignments, payloads_of(parameters), dict(request.digests), setting, told)


def _check_same(request: Request) -> None:
    """Refuse to measure with another version of the lab, or of what its numbers depend on, than asked for."""
    own, found = code_facts()["digest"], versions()
    if own != request.code:
        raise ClusterError(
            f"the cluster has another version of the lab ({own}) than this machine ({request.code}): install "
            "the same on its nodes; on compose: make docker-build docker-up"
        )
    for name in NODE_PACKAGES:
        if found.get(name) != request.versions.get(name):
            raise ClusterError(
                f"the cluster has {name} {found.get(name)}, this machine {request.versions.get(name)}: "
                "install the same versions on both, as requirements.lock has them"
            )


@contextlib.contextmanager
def _heartbeat(sender: Sender) -> Iterator[None]:
    """Tell the client every now and then that the job lives, however long a trial takes."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            sender.beat()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
