"""The contract for work: a plain function of one item, its items, and what the lab may have to know of both.

The function knows nothing of Ray or of the lab. A file of its own holds it, and names it: `my_job.py:work`;
`lab.loading` finds it there, and `Body` is how every worker of every engine runs it.
"""

import functools
import hashlib
import importlib
import operator
import os
import pickle
import reprlib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lab.engines import Steps
from lab.errors import WorkError
from lab.measure.bare import Bare
from lab.measure.digest import digest_of
from lab.measure.task import Measurement, Outcome, first_line, measured

LONGEST_DIGEST = 64


@dataclass(frozen=True)
class Workload:
    """Work that a file declares in one place; a plain function will do where the defaults suit.

    `units` returns how many units a result counts, 1 without it; `unit` is their plural noun, in which
    throughput is told. `digest` returns a text that is equal for equal results; without it the value's own
    is taken. `same_results` says that every engine must come to the same. `set_up` is called once in every
    worker before its first item, to open a model or a file. `words` is a sentence for the page.
    """

    function: Callable[[Any], Any]
    items: Iterable[Any] | Callable[[], Iterable[Any]] = ()
    name: str = ""
    unit: str = "items"
    units: Callable[[Any], int] | None = None
    digest: Callable[[Any], str] | None = None
    same_results: bool = True
    set_up: Callable[[], Any] | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a worker finds an object: by name in a module, or as pickled code.

    `folder` is where modules are looked for first; None on another machine, whose working folder they are in.
    """

    folder: str | None
    module: str = ""
    name: str = ""
    code: bytes | None = None

    def load(self) -> Any:
        """Return the object; raises `WorkError` where a module is missing here."""
        if self.folder is not None and self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        try:
            if self.code is not None:
                return pickle.loads(self.code)
            return functools.reduce(getattr, self.name.split("."), importlib.import_module(self.module))
        except ModuleNotFoundError as error:
            raise WorkError(
                f"the module {error.name} is missing where the work runs: put it beside the file of the "
                f"work, whose folder is sent along, or install it there (pip install {error.name})"
            ) from error
        except (Exception, SystemExit) as error:
            raise WorkError(
                f"{self.module or 'the work'} could not be loaded by a worker: {type(error).__name__}: "
                f"{first_line(error)}"
            ) from error


@dataclass(frozen=True)
class Body:
    """What a worker runs, by where it is found: it is loaded once in a process, and set up once."""

    function: Source
    units: Source | None = None
    digest: Source | None = None
    set_up: Source | None = None
    driver: int = 0
    """The process that hands out: what is printed elsewhere goes nowhere, be it a word or 100 MB."""
    code: str = ""
    """The digest of the code: a file that was changed is another body, in a process that knows the first."""

    def elsewhere(self) -> "Body":
        """Return what another machine runs: its files are in the working folder there."""
        sources = (self.units, self.digest, self.set_up)
        units, digest, set_up = (one and replace(one, folder=None) for one in sources)
        return Body(replace(self.function, folder=None), units, digest, set_up, self.driver, self.code)


@functools.lru_cache(maxsize=8)
def _loaded(body: Body) -> tuple[Callable[[Any], Any], Callable[[Any], Outcome]]:
    """Return the function, and what makes an outcome of a result; once in a process."""
    if os.getpid() != body.driver:
        _be_silent()
    function, outcome_of = body.function.load(), _outcome_of(body)
    if body.set_up is not None:
        set_up = body.set_up.load()
        try:
            set_up()
        except (Exception, SystemExit) as error:
            raise WorkError(
                f"set_up ({body.set_up.name or 'by value'}) failed in a worker, before its first item: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error

    return function, outcome_of


def _outcome_of(body: Body) -> Callable[[Any], Outcome]:
    """Return what makes an outcome of a result; it needs no set-up."""
    if body.units is None and body.digest is None:
        return _usual_outcome
    units = None if body.units is None else body.units.load()
    digest = digest_of if body.digest is None else body.digest.load()

    def outcome_of(result: Any) -> Outcome:
        return Outcome(
            1 if units is None else _counted(units(result)), _short(str(digest(result))), shown(result)
        )

    return outcome_of


def _usual_outcome(result: Any) -> Outcome:
    return Outcome(1, digest_of(result), shown(result))


def _be_silent() -> None:
    """Have what this worker prints go nowhere, for as long as it lives; a worker of Ray has a file for it."""
    sys.stdout = sys.stderr = nowhere = open(os.devnull, "w")  # noqa: SIM115
    ray = sys.modules.get("ray")
    if not (ray and ray.is_initialized()):
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)


def _counted(units: Any) -> int:
    """Return how many units a result counts, as a whole number; numpy's will do."""
    try:
        count = operator.index(units)
    except TypeError:
        raise TypeError(f"units returned {type(units).__name__}, a whole number is needed") from None
    if count < 0:
        raise ValueError(f"units returned {count}, a number from 0 on is needed")
    return count


def _short(digest: str) -> str:
    """Return a digest of one's own as it is, where a cell of a table holds it, or its hash."""
    if len(digest) <= LONGEST_DIGEST and digest.isprintable():
        return digest
    return hashlib.sha256(digest.encode(errors="surrogatepass")).hexdigest()[:16]


def shown(result: Any) -> str:
    """Return a result as text, at most 60 characters, so that two that differ can be shown."""
    kind = type(result)
    if kind in _QUICK and (kind is float or -MOST_SHOWN < result < MOST_SHOWN):
        return repr(result)
    if kind in (list, tuple, dict) and _is_flat(result.values() if kind is dict else result):
        # the usual small result, quickly
        try:
            return repr(result)[:60]
        except ValueError:
            pass  # a number of 4300 digits has no text
    if kind in _SHOWN:
        return _TELLER.repr(result)[:60]
    if kind.__module__ == "numpy" and hasattr(result, "flat"):
        first = ", ".join(_TELLER.repr(one) for one in result.flat[:3].tolist())
        return f"array of {result.shape}: {first}"[:60]
    return ""


def _is_flat(values: Collection[Any]) -> bool:
    return len(values) <= MOST_PARTS and _FLAT.issuperset(map(type, values))


class _Teller(reprlib.Repr):
    """Tells builtin values alone, and of a large one its begin: the `repr` of others may take for ever."""

    def repr_int(self, value: int, level: int) -> str:  # noqa: ARG002
        """Return the number where it is no long one: of 4300 digits and more Python has no text."""
        return str(value) if value.bit_length() < 150 else f"a number of {value.bit_length()} bits"

    def repr_instance(self, value: Any, level: int) -> str:  # noqa: ARG002
        """Return the name of a class; numbers and the like are told as they are."""
        return repr(value) if type(value) in (float, bool, type(None)) else type(value).__name__


MOST_PARTS = 8
MOST_SHOWN = 10**20
_QUICK = frozenset((int, float))
_FLAT = frozenset((int, float, bool, type(None), str))
_SHOWN = (int, float, str, bool, type(None), list, tuple, dict, set, frozenset)
_TELLER = _Teller()
_TELLER.maxstring = 60


def of_body(body: Body) -> Callable[[Any], Measurement]:
    """Return what a worker runs for each item: how engines call a body."""
    return measured(*_loaded(body))


def _plain(body: Body) -> Callable[[Any], Any]:
    return _loaded(body)[0]


bare_body = Bare(_plain, _outcome_of)
"""How engines call a body where nothing is to be timed: its function alone."""


@dataclass(frozen=True)
class Prepared:
    """Work that is ready for a run: what workers call for each item, the items, and facts that a run keeps.

    `call` returns what runs one item with `function`, as in `lab.engines.Work`. `warm` is the index of the
    item that warms the workers up. `folder` is what has to be sent along to another machine, None where
    nothing has. `rows` is false where tasks are too short to have a row each.
    """

    function: Any
    items: Sequence[Any]
    call: Callable[[Any], Callable[[Any], Measurement]] = of_body
    facts: Mapping[str, Any] = field(default_factory=dict)
    same_results: bool = True
    fail_fast: bool = False
    warm: int = 0
    folder: str | None = None
    rows: bool = True
    command: bool = False
    """Its one item is a command, which is no task: it needs no warm-up, and has a Ray of its own."""
    steps: Callable[[Sequence[Any]], Steps] | None = None
    """Of work whose tasks follow from results: as in `lab.engines.Work`."""


__all__ = ["Body", "Outcome", "Prepared", "Source", "Workload", "bare_body", "first_line", "of_body"]
