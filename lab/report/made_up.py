"""What became of made-up sweeps: read from data/proofs.csv where that was made by this code, or computed.

The proofs take half a minute of processor time, and depend on the code and the noise alone. Each row of the
file has a key of both, so that those of other code or other runs are never shown: without a row the proofs
are computed. `lab validate --proofs` writes the file anew.
"""

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pandas as pd

from lab.analysis import (
    choice,
    configurations,
    coverage,
    extrapolation,
    fits,
    intervals,
    laws,
    sweeps,
    verdicts,
)
from lab.data.store import read_run
from lab.report.study import Study
from lab.synthetic import bands, choices
from lab.synthetic import sweeps as made
from lab.synthetic.bands import Covered
from lab.synthetic.choices import Chosen
from lab.synthetic.sweeps import recorded_noise

if TYPE_CHECKING:
    from lab.report.book import Book

FILE = "proofs.csv"
EXPERIMENTS = ("single_node", "multi_node", "docker")
"""The experiments whose noise is drawn from."""

CODE: tuple[ModuleType, ...] = (
    *(bands, choices, made),
    *(
        choice,
        configurations,
        coverage,
        extrapolation,
        fits,
        intervals,
        laws,
        sweeps,
        verdicts,
    ),
)
"""The modules that the outcome depends on; throughput itself stays what it is: units over seconds."""

CHOSEN = ("right", "left_open", "wrong")
COLUMNS = ("key", "proof", "truth", "result", "part", "sweeps")


@dataclasses.dataclass(frozen=True, slots=True)
class MadeUp:
    """What became of sweeps of each law, of curves that follow none, and of the choice of how many to use."""

    laws: tuple[Covered, ...]
    curves: tuple[Covered, ...]
    choices: tuple[Chosen, ...]
    runs: tuple[str, ...]
    """The runs whose noise was drawn from."""


def made_up(book: "Book") -> MadeUp | None:
    """Return what the file says of these runs and this code, or what is computed; None without noise."""
    folders = noisy(book)
    return _read(book.folder(FILE) / FILE, tuple(one.name for one in folders)) or compute(folders)


def noisy(book: "Book") -> tuple[Path, ...]:
    """Return the published runs whose noise is drawn from; without any, those that the pages show."""
    known = (folder for name in EXPERIMENTS for folder in sorted((book.folder(name) / name).glob("*")))
    published = tuple(folder for folder in known if folder.name in book.published)
    return published or tuple(study.run.directory for study in book.studies(*EXPERIMENTS))


def compute(folders: Sequence[Path]) -> MadeUp | None:
    """Return what becomes of made-up sweeps with the noise of these runs; None where it is too little."""
    noise = recorded_noise(Study(read_run(folder)).measures for folder in folders)
    if noise is None:
        return None
    found = bands.of_laws(noise), bands.of_curves(noise), choices.of_curves(noise)
    return MadeUp(*found, tuple(folder.name for folder in folders))


def write(book: "Book") -> Path:
    """Compute the proofs anew, write the file and return its path."""
    found, file = compute(noisy(book)), book.folder(FILE) / FILE
    rows = [] if found is None else [(_key(found.runs), *row) for row in _rows(found)]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(file, index=False, lineterminator="\n")
    return file


def _key(runs: Sequence[str]) -> str:
    """Return what tells this code and these runs from others."""
    told = hashlib.sha256("\n".join(runs).encode())
    for module in CODE:
        told.update(Path(str(module.__file__)).read_bytes())
    return told.hexdigest()[:16]


def _rows(found: MadeUp) -> Iterator[tuple[object, ...]]:
    for proof, kinds in (("laws", found.laws), ("curves", found.curves)):
        for one in kinds:
            yield proof, one.name, "all", None, one.sweeps
            for result in ("inside", "outside"):
                for part, many in sorted(Counter(getattr(one, result)).items()):
                    yield proof, one.name, result, part, many
    for chosen in found.choices:
        for result in CHOSEN:
            yield "choices", chosen.name, result, None, getattr(chosen, result)


def _read(file: Path, runs: tuple[str, ...]) -> MadeUp | None:
    """Return what the file holds of these runs and this code; None without it, or where it is damaged."""
    try:
        rows = pd.read_csv(file, dtype={"part": float, "sweeps": int})
        mine = rows.loc[rows["key"] == _key(runs), list(COLUMNS[1:])]
        parts: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        sizes = {}
        for proof, truth, result, part, sweeps in mine.to_numpy().tolist():
            parts[proof, truth, result] += [part] * sweeps
            sizes[proof, truth, result] = sweeps

        def covered(proof: str, name: str) -> Covered:
            inside, outside = (tuple(parts[proof, name, result]) for result in ("inside", "outside"))
            return Covered(name, sizes[proof, name, "all"], inside, outside)

        return MadeUp(
            tuple(covered("laws", law.name) for law in (*laws.LAWS, laws.GUSTAFSON)),
            tuple(covered("curves", name) for name in bands.CURVES),
            tuple(Chosen(name, *(sizes["choices", name, one] for one in CHOSEN)) for name in choices.CURVES),
            runs,
        )
    except (OSError, ValueError, KeyError):
        return None
