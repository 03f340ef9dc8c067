"""What the image kernel costs beside SciPy and scikit-image: a Gaussian blur and a histogram equalisation.

Run `python benchmarks/image_filters.py`, with `--megabytes 1 25`, `--complexity 1 2 8`, `--seconds 0.5` (CPU
seconds per stage, side and round), `--rounds 5` or `--csv FILE`. The rounds are interleaved, so that a slow
spell of the machine hits both sides; the clock is the CPU time of this one process, with all its threads. A
ratio is the median over the rounds of our CPU time over theirs, with the smallest and the largest in
brackets: below 1 the laboratory is faster.

Theirs is `scipy.ndimage.gaussian_filter1d` from uint8 to float32, rows first, and
`skimage.exposure.equalize_hist` of each channel of the blurred image in uint8. Their results are not rounded
to uint8 as ours are. `process` is the whole task: the image from its seed, both filters, the digest.

In images far below 0.05 megabytes, calls and margins are the larger part of our blur: there SciPy is faster.
"""

import argparse
import csv
import importlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lab.experiment.examples import example
from lab.finding import find

blur, equalise, process, pixels_of, seeded = (
    find(example(f"images.py:{name}"))[1] for name in ("blur", "equalise", "process", "pixels_of", "seeded")
)
Pixels = NDArray[np.uint8]
# from (stage, side) to the CPU seconds of one image, in every round
Costs = dict[tuple[str, str], list[float]]


def scikit_image() -> Any:
    """Return the package; ends the program where it is missing."""
    try:
        return importlib.import_module("skimage")
    except ImportError:
        sys.exit("scikit-image is not installed: pip install scikit-image")


def blur_by_scipy(image: Pixels, sigma: float) -> NDArray[np.float32]:
    """Return the blurred image, not rounded."""
    rows = gaussian_filter1d(image, sigma, axis=1, output=np.float32)
    return gaussian_filter1d(rows, sigma, axis=0)


def equalise_by_scikit_image(image: Pixels) -> list[NDArray[np.float64]]:
    """Return the equalised channels, from 0 to 1."""
    equalise_channel = importlib.import_module("skimage.exposure").equalize_hist
    return [equalise_channel(image[..., channel]) for channel in range(3)]


def contenders(task: Any) -> dict[tuple[str, str], Callable[[], object]]:
    """Return what is measured on the image of a task, by stage and side."""
    image, sigma = pixels_of(task), task.complexity
    blurred = blur(image, sigma)
    return {
        ("blur", "ours"): lambda: blur(image, sigma),
        ("blur", "theirs"): lambda: blur_by_scipy(image, sigma),
        ("equalise", "ours"): lambda: equalise(blurred),
        ("equalise", "theirs"): lambda: equalise_by_scikit_image(blurred),
        ("process", "ours"): lambda: process(task),
    }


def cost(call: Callable[[], object], seconds: float) -> float:
    """Return the CPU seconds of one call, over at least `seconds` CPU seconds and at least one call."""
    calls = 0
    started = time.process_time()
    while (spent := time.process_time() - started) < seconds or calls == 0:
        call()
        calls += 1
    return spent / calls


def measure(task: Any, seconds: float, rounds: int) -> Costs:
    """Return the cost of every contender in every round; the order turns from round to round."""
    calls = contenders(task)
    costs: Costs = {name: [] for name in calls}
    names = list(calls)
    for call in calls.values():  # first calls are not measured
        call()
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            costs[name].append(cost(calls[name], seconds))
    return costs


def total(costs: Costs, stages: tuple[str, ...], side: str) -> list[float]:
    """Return the cost of several stages together in every round."""
    return [sum(values) for values in zip(*(costs[stage, side] for stage in stages), strict=True)]


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Return the median ratio over the rounds with its smallest and largest value."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):6.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def print_table(megabytes: float, complexity: float, costs: Costs) -> None:
    """Print one line per stage, one for both together and one for the whole task."""
    title = f"{megabytes:.2f} MB, complexity {complexity:g}"
    print(f"\n{title:26} {'our CPU ms':>12} {'their CPU ms':>12}   ours / theirs")
    for stages in (("blur",), ("equalise",), ("blur", "equalise")):
        ours, theirs = total(costs, stages, "ours"), total(costs, stages, "theirs")
        medians = [1000 * statistics.median(values) for values in (ours, theirs)]
        print(f"{' + '.join(stages):26} {medians[0]:12.2f} {medians[1]:12.2f} {ratio(ours, theirs)}")
    print(f"{'process':26} {1000 * statistics.median(costs['process', 'ours']):12.2f}")


def facts() -> str:
    """Return what the ratios depend on: the processor and the versions."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"{models[0] if models else platform.machine()}; Python {platform.python_version()};"
        f" numpy {np.__version__}; SciPy {scipy.__version__}; scikit-image {scikit_image().__version__}"
    )


def main() -> None:
    """Measure, print a table per size and complexity, and write the costs of all rounds if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1.0, 10.0, 25.0])
    parser.add_argument("--complexity", type=float, nargs="+", default=[1.0, 2.0, 8.0])
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    print(facts())
    rows: list[tuple[float, float, str, str, int, float]] = []
    for megabytes in options.megabytes:
        for complexity in options.complexity:
            (task,) = seeded(megabytes, complexity, 1, 1)
            size = task.bytes / 1e6
            costs = measure(task, options.seconds, options.rounds)
            print_table(size, complexity, costs)
            rows += [
                (size, complexity, *name, turn, value)
                for name, values in costs.items()
                for turn, value in enumerate(values)
            ]
    if options.csv:
        header = ("megabytes", "complexity", "stage", "side", "round", "cpu_seconds_per_image")
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
