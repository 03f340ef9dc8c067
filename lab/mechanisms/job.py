"""What runs on the head: `python -m lab.mechanisms.job FILE`, with the parameters as JSON in the file."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from lab.clusters.embedded import connected
from lab.clusters.wire import Sender
from lab.errors import ClusterError
from lab.experiment.job import serve
from lab.experiment.mechanism_parameters import Mechanisms
from lab.experiment.parameters import parameters_from
from lab.measure.environment import code_facts
from lab.mechanisms.ground import Ground
from lab.mechanisms.measure import measure


def carry_out(request: dict[str, Any], sender: Sender) -> None:
    """Measure on the cluster that this job is on, and send all rows."""
    code = code_facts()["digest"]
    if request["code"] != code:
        raise ClusterError(
            f"the cluster has another version of the lab ({code}) than this machine ({request['code']}): "
            "install the same on its nodes; on compose: make docker-build docker-up"
        )
    with connected(address="auto"):
        ground = Ground(parameters_from(Mechanisms, request["parameters"]))
        for row in measure(ground, lambda name: sender.tell("begins", name=name)):
            sender.tell("row", **dataclasses.asdict(row))


if __name__ == "__main__":
    serve(lambda sender: carry_out(json.loads(Path(sys.argv[1]).read_text()), sender))
