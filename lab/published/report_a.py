"""The numbers and claims of the reference report, which this laboratory repeats and tests.

Source: "Ray distributed computing framework: lab report" (in Chinese; published on Luo Haomin's blog, July
2025): primes per second for 50 primes of 512 bits, then 20 of 1024 bits, on virtual machines of 2 cores and
4 GB at USTC. The report prints charts, not tables: the numbers were read off them, primes per second to
+-0.1. NaN stands where nothing was read off.
"""

import pandas as pd

SOURCE = (
    "“Ray distributed computing framework: lab report”, 2025, in Chinese, published on Luo Haomin's blog; "
    "measured on virtual machines of 2 cores and 4 GB at USTC"
)
"""The report as a page cites it."""

CORES = 2
"""Cores of each of the report's machines."""

NAN = float("nan")

THROUGHPUT_DOUBLES = "throughput doubles from 1 to 2 workers"
THROUGHPUT_FALLS = "beyond as many workers as cores, throughput falls slightly"
CPU_LEVELS_OFF = "CPU use rises with workers, then levels off"
MEMORY_RISES = "memory use rises with workers"
PEAK_NODES = 5
CLUSTER_PEAKS = f"cluster throughput peaks at {PEAK_NODES} nodes and falls at {PEAK_NODES + 1}"
EFFICIENCY_FALLS = "node efficiency falls with the cluster's size"
FALLS_FASTER = "node efficiency falls faster with more workers on each node"
DOCKER_IS_FREE = "Docker causes no significant loss of performance"
"""Stated without data."""

BATCHES = ((512, 50), (1024, 20))
"""(bits, primes) of each batch of the report; the next batch begins when the last prime is found."""

MOST_TRIES = 1000
"""The report's search for a prime gives up after so many random numbers, as 6 % of those of 1024 bits do."""


def single_node() -> pd.DataFrame:
    """Return the report's one machine: workers, throughput (primes/s), cpu_percent and memory_percent.

    Only the ends of the memory curve were read off.
    """
    return pd.DataFrame(
        {
            "workers": [1, 2, 3, 4, 5, 6],
            "throughput": [3.6, 6.5, 5.95, 5.9, 5.55, 5.5],
            "cpu_percent": [57.5, 84.4, 86.8, 87.5, 90.0, 90.8],
            "memory_percent": [29.7, NAN, NAN, NAN, NAN, 32.5],
        }
    )


def cluster() -> pd.DataFrame:
    """Return the report's cluster: workers_per_node, nodes, throughput (primes/s) and node_efficiency (0..1).

    The efficiency curve of 2 workers per node was not read off.
    """
    throughput = {
        1: (3.6, 5.5, 8.0, 9.6, 10.5, 9.2),
        2: (6.5, 6.4, 7.1, 8.9, 10.7, 10.3),
        6: (5.5, 6.0, 6.6, 7.6, 7.9, 6.1),
    }
    efficiency = {
        1: (0.995, 0.89, 0.79, 0.77, 0.65, 0.62),
        2: (NAN,) * 6,
        6: (0.75, 0.55, 0.42, 0.37, 0.29, 0.23),
    }
    rows = [
        (workers, nodes, throughput[workers][nodes - 1], efficiency[workers][nodes - 1])
        for workers in throughput
        for nodes in range(1, 7)
    ]
    return pd.DataFrame(rows, columns=["workers_per_node", "nodes", "throughput", "node_efficiency"])
