"""The seeded work of the lab's own experiments: the examples, brought as anybody's own work is."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import paths
from lab.errors import ParameterError
from lab.experiment.parameters import Primes, RayVersusMultiprocessing
from lab.loading import find, prepare
from lab.workload import Prepared

_PRIME = "proven below 2^64, above that it passes BPSW, for which no counterexample of any size is known"


@dataclasses.dataclass(frozen=True, slots=True)
class Mode:
    """One kind of work: the function of an example, what its results count, and what it guarantees."""

    function: str
    unit: str
    words: str
    units: Any = None


MODES = {
    "search": Mode("primes.py:search", "primes", f"Every number counted is a prime: {_PRIME}.", len),
    "find": Mode("primes.py:find", "primes", f"The number found is a prime: {_PRIME}."),
    "factor": Mode(
        "factoring.py:factor",
        "numbers",
        "The factors multiply back to the number, and every factor passes BPSW.",
    ),
    "images": Mode("images.py:process", "images", "Every image is blurred, and its histogram equalised."),
    "spin": Mode("spin.py:spin", "tasks", "Every task is a loop that was made to take a stated time."),
}


def example(named: str) -> str:
    """Return the name by which an example is found: beside the lab, below the working folder, or in it."""
    folders = (paths.ROOT / "examples", Path("examples"), Path())
    file = named.partition(":")[0]
    folder = next((one for one in folders if (one / file).is_file()), None)
    if folder is None:
        raise ParameterError(
            f"the example {file} is missing: the experiments with primes need the folder examples of the "
            "repository beside the lab"
        )
    return str(folder / named)


def prepared(mode: str, items: Sequence[Any]) -> Prepared:
    """Return the work of a mode with its items."""
    work = MODES[mode]
    _, found = prepare(example(work.function), items, unit=work.unit, units=work.units, words=work.words)
    return found


def works_of(parameters: Primes) -> dict[str, Prepared]:
    """Return the seeded work of every mode: the same for every configuration."""
    return {mode: prepared(mode, _items_of(mode, parameters)) for mode in parameters.modes}


class Drawn(Sequence[Any]):
    """Images with their pixels, which are made where the images are first taken, and do not travel there."""

    def __init__(self, images: Sequence[Any]) -> None:
        self._images, self._drawn = images, tuple[Any, ...]()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        self._drawn = self._drawn or made("images.py:drawn", self._images)
        return self._drawn[index]

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the pixels behind."""
        return Drawn, (self._images,)


def _items_of(mode: str, parameters: Primes) -> Sequence[Any]:
    seed = parameters.seed
    if mode == "search":
        return search_items(parameters)
    if mode == "factor":
        found: Sequence[Any] = made(
            "factoring.py:factor_items", parameters.factor_bits, parameters.factor_tasks, seed
        )
        return found
    sizes = zip(parameters.find_bits, parameters.find_tasks, strict=True)
    return [one for bits, count in sizes for one in made("primes.py:find_items", bits, count, seed)]


def search_items(parameters: Primes | RayVersusMultiprocessing) -> Sequence[Any]:
    """Return the ranges to search; raises `ParameterError` where the parameters do not go together."""
    bits = parameters.search_bits
    width = parameters.search_width or find(example("primes.py:default_width"))[1](bits)
    try:
        items: Sequence[Any] = made(
            "primes.py:search_items", bits, width, parameters.search_tasks, parameters.seed
        )
    except ParameterError as error:
        raise ParameterError(
            f"search_bits, search_width and search_tasks do not go together: {error}"
        ) from None
    return items


def made(named: str, *arguments: Any) -> Any:
    """Return what an example makes, such as items; what it refuses is a parameter's fault."""
    try:
        return find(example(named))[1](*arguments)
    except ValueError as error:
        raise ParameterError(str(error)) from None
