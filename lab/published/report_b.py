"""The numbers of report B, on Ray versus multiprocessing, which this laboratory repeats on equal terms.

Source: "Ray vs Multiprocessing benchmark" (in Korean, 15 April 2025): seconds to blur and equalise random
images, with Ray on a cluster in Kubernetes and with multiprocessing in a container. Its front page names
what it compares, time and memory, and no result; the seconds are those of its results.
"""

SOURCE = "“Ray vs Multiprocessing benchmark”, a report in Korean of April 2025"
"""The report as a page cites it."""

TASKS = (10, 30, 50)

SECONDS = {
    ("Ray", 1): (94.6, 88.7, 87.1),
    ("Ray", 2): (73.7, 69.1, 69.7),
    ("multiprocessing", 2): (162.0, 179.0, 182.0),
    ("multiprocessing", 4): (84.8, 97.1, 97.7),
}
"""Seconds for each number of TASKS, of Ray's worker nodes and of multiprocessing's cores."""

CORE_SECONDS = {"Ray": (189.0, 221.0), "multiprocessing": (325.0, 339.0)}
"""Cores given times seconds, smallest and largest: what the two were really given was not the same."""

FLAWS = (
    "unequal processors, and in multiprocessing as many processes as tasks",
    "what is called 100 MB is 25 MB, and the Gaussian blur is a box filter",
    "the memory is that of the driver alone; nothing was repeated, warmed up or seeded, and no outputs "
    "were compared",
)
"""Why its numbers are no comparison of Ray and multiprocessing."""

FASTER = "Ray is faster than multiprocessing with as many workers"
TWICE = "with as many workers, multiprocessing takes at least twice Ray's time"
FALLS_BEHIND = "the more tasks, the further multiprocessing falls behind Ray"
FEWER_CORE_SECONDS = "Ray takes fewer core-seconds for the same work"
DRIVER_MEMORY = "the memory of the driver tells what a run needs"
LESS_MEMORY = "Ray needs less memory than multiprocessing"


def time_ratios(count: int = 2) -> dict[int, float]:
    """Return seconds with Ray divided by seconds with multiprocessing at an equal count: tasks -> ratio."""
    pairs = zip(SECONDS["Ray", count], SECONDS["multiprocessing", count], strict=True)
    return {tasks: ray / plain for tasks, (ray, plain) in zip(TASKS, pairs, strict=True)}
