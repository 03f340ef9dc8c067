"""What Ray's makers publish of how far a cluster goes: their scalability envelope, and their advice.

The envelope is `release/benchmarks/README.md` of Ray's repository, tests on 64 machines of 64 cores; the
advice is "Best practices for deploying large clusters" of Ray's documentation.
"""

from collections.abc import Mapping

ENVELOPE: Mapping[str, int] = {
    "nodes": 250,
    "actors": 10_000,
    "tasks that run at once": 10_000,
    "placement groups": 1_000,
    "nodes that get one object of 1 GiB": 50,
}
"""The largest that was tested, at least."""

HEAD_CORES, HEAD_GIBIBYTES = 8, 32
"""Of the head's machine: what to begin with."""
OPEN_FILES = 65_535
"""What `ulimit -n` should be at least, on every node."""
