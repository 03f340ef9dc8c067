"""What runs on the head: `python -m lab.factoring.job FILE`; it splits the number that the request names."""

import dataclasses
import json
import sys
from pathlib import Path

from lab.clusters.attached import Cluster
from lab.clusters.embedded import connected
from lab.clusters.wire import Sender
from lab.experiment.job import check_same, serve
from lab.factoring.answer import split
from lab.workload import Body, Prepared, Source

WAIT_SECONDS = 120.0


def carry_out(sender: Sender) -> None:
    """Split the number, and tell what is found on the way and in the end."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    check_same(asked["code"], asked["versions"])
    # the files of the examples are the job's working folder
    body = Body(Source(None, "splitting", "step"), units=Source(None, "splitting", "is_split"))
    with connected(address="auto"):
        Cluster("job", 0.0).need(asked["nodes"], WAIT_SECONDS)
        primes, discoveries = split(
            Prepared(body, [("begin", asked["number"])]),
            asked["nodes"],
            asked["workers"],
            asked["seed"],
            asked["most_bits"],
            lambda text: sender.tell("progress", text=text),
        )
    sender.tell("factored", primes=primes, discoveries=list(map(dataclasses.asdict, discoveries)))


if __name__ == "__main__":
    serve(carry_out)
