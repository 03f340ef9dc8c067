"""What runs on the head: `python -m lab.check.job FILE`; it tells what a look at the cluster found."""

import dataclasses

from lab.clusters.embedded import connected
from lab.clusters.look import look
from lab.clusters.wire import Sender
from lab.experiment.job import serve


def carry_out(sender: Sender) -> None:
    """Look at the cluster that this job is on, and tell the facts."""
    with connected(address="auto"):
        sender.tell("looked", **dataclasses.asdict(look()))


if __name__ == "__main__":
    serve(carry_out)
