"""What runs on the head: `python -m lab.validation.job FILE`, with `Windows` as JSON in the file."""

import json
import sys
from pathlib import Path

from lab.clusters.attached import Cluster
from lab.clusters.embedded import connected
from lab.clusters.wire import Sender
from lab.experiment.job import serve
from lab.validation.windows import Windows, measure_in_turn


def carry_out(asked: Windows, sender: Sender) -> None:
    """Measure on the cluster that this job is on, and send all rows."""
    with connected(address="auto"):
        cluster = Cluster(asked.cluster, 0.0)
        measure_in_turn(asked, cluster, sender, lambda slot: sender.tell("slot", slot=slot))


if __name__ == "__main__":
    serve(lambda sender: carry_out(Windows(**json.loads(Path(sys.argv[1]).read_text())), sender))
