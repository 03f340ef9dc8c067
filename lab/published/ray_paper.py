"""What was published of Ray's mechanisms: the paper of 2018, and the benchmark that Ray is released with.

Moritz et al., Ray: A Distributed Framework for Emerging AI Applications, OSDI 2018, on clusters of up to 100
machines; and the results of `ray microbenchmark` that Ray's makers publish. Both are of other machines.
"""

from collections.abc import Mapping

TASK = "task, asynchronous"
"""Many calls at once, and then all of their results."""

MICROBENCHMARK: Mapping[str, float] = {
    "object get": 10_620,
    "object put": 5_173,
    "task, synchronous": 981,
    TASK: 8_041,
    "actor call, synchronous": 2_012,
    "actor call, asynchronous": 8_664,
}
"""Operations per second of one client, by our names of them."""

TASKS_PER_SECOND: Mapping[int, float] = {60: 1_000_000, 100: 1_800_000}
"""Empty tasks per second of all nodes, each with a driver of its own, by nodes: at least."""

STORE_BYTES_PER_SECOND = 15e9
"""Of one client that writes large objects, on 16 cores: at least."""
STORE_OPERATIONS_PER_SECOND = 18_000
"""Of one client that writes small ones."""

AWAY_TIMES = 10.0
"""The least that a task away from an input of 10 to 100 MB takes, over one beside it."""
FAILOVER_SECONDS = 0.03
"""The longest wait of a client while a replica of the head's store fails."""
