"""What runs on the head of a remote cluster, through the Jobs API: `python -m lab.experiment.job REQUEST`.

The request is JSON text, or the name of a file that holds it: which trials to run, the work, and what the
client has installed. Rows go to standard output as the lines of
`lab.clusters.wire`; nothing is written to a disk.
"""

import base64
import contextlib
import dataclasses
import json
import pickle
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.clusters.attached import Cluster
from lab.clusters.embedded import connected
from lab.clusters.package import unpack
from lab.clusters.wire import Sender
from lab.errors import ClusterError, LabError
from lab.experiment.plan import Configuration, PlannedTrial
from lab.experiment.session import Assignment, Works, run_slots
from lab.experiment.setting import SETTINGS, Setting
from lab.measure.environment import code_facts, other_versions, versions

BEAT_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the client asks for: trials, each with its place in the plan, and what they need.

    `works` is the pickled work of all modes, and `files` an archive of the folder that it lies in, both in
    base 64; `files` is empty where the job is started among them.
    """

    experiment: str
    parameters: Mapping[str, Any]
    cluster: str
    trials: Sequence[Mapping[str, Any]]
    settings: Mapping[str, float]
    digests: Mapping[str, str]
    start_seconds: float
    code: str
    versions: Mapping[str, str]
    works: str
    files: str = ""


def main(text: str) -> None:
    """Carry out a request, which is JSON text or the name of a file that holds it."""
    text = text if text.startswith("{") else Path(text).read_text()
    serve(lambda sender: _carry_out(Request(**json.loads(text)), sender))


def serve(carry_out: Callable[[Sender], None]) -> None:
    """Do a job's work; a fault that the lab knows is told to the client, any other ends the job."""
    # what the work prints must not come between the lines of the wire
    sender = Sender(sys.stdout)
    with _heartbeat(sender), contextlib.redirect_stdout(sys.stderr):
        try:
            carry_out(sender)
        except LabError as error:
            sender.tell("refused", kind=type(error).__name__, message=str(error))
        sender.end()


def assignments_of(trials: Sequence[Mapping[str, Any]]) -> list[Assignment]:
    """Return the trials that a request asks for."""
    names = [field.name for field in dataclasses.fields(Configuration)]
    return [
        Assignment(
            PlannedTrial(
                one["slot"],
                one["block"],
                Configuration(**{name: one[name] for name in names}),
                one["turn"],
            ),
            one["attempt"],
        )
        for one in trials
    ]


def _carry_out(request: Request, sender: Sender) -> None:
    check_same(request.code, request.versions)
    assignments = assignments_of(request.trials)
    most = max(one.planned.configuration.nodes for one in assignments)
    with _working_folder(request.files) as options, connected(address="auto", **options):
        works: Works = pickle.loads(base64.b64decode(request.works))
        cluster = Cluster(request.cluster, request.start_seconds)
        sample, deadline, stall, wait = (float(request.settings[name]) for name in SETTINGS)
        setting = Setting(sender, cluster, sample, deadline, stall, wait)
        cluster.need(most, setting.wait_seconds)

        def told(ones: Sequence[Assignment]) -> Iterable[Assignment]:
            for one in ones:
                sender.tell("slot", slot=one.planned.slot)
                yield one

        run_slots(assignments, works, dict(request.digests), setting, told)


@contextlib.contextmanager
def _working_folder(files: str) -> Iterator[dict[str, Any]]:
    """Have the work's files at hand; yields the options with which Ray brings them to all nodes."""
    if not files:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="ray-scaling-lab-") as folder:
        unpack(base64.b64decode(files), Path(folder))
        sys.path.insert(0, folder)
        yield {"runtime_env": {"working_dir": folder}}


def check_same(code: str, wanted: Mapping[str, str]) -> None:
    """Refuse to measure with another version of the lab, or of what its numbers depend on, than asked for."""
    own, found = code_facts()["digest"], versions()
    if own != code:
        raise ClusterError(
            f"the cluster has another version of the lab ({own}) than this machine ({code}): install "
            "the same on its nodes; on compose: make docker-build docker-up"
        )
    for name, there, here in other_versions(found, wanted):
        # the Jobs API is HTTP: another Python on this side does no harm
        if name != "python":
            raise ClusterError(
                f"the cluster has {name} {there}, this machine {here}: "
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
