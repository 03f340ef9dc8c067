"""Work by name: finds the function and what goes with it, and refuses what cannot be run, in words.

    my_job.py:work          a function of a file
    my_package.jobs:work    of a module that the working folder or the environment has
    my_job.py:Model.score   of a class, where it takes the item alone

Nothing of the work runs here but the file itself and the function that makes the items.
"""

import contextlib
import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.errors import WorkError
from lab.finding import find
from lab.items import items_of, kind_of, sizes
from lab.measure.task import first_line
from lab.workload import Body, Prepared, Source, Workload

Named = str | Callable[[Any], Any] | Workload


def refuse_function(found: Any, told: str, arguments: tuple[Any, ...] = (None,)) -> None:
    """Raise `WorkError` unless it is a plain function of one item; `told` is what the user calls it.

    `arguments` stand for what it is called with, none for a function that sets up.
    """
    if type(found).__module__.startswith("ray.") or callable(getattr(found, "remote", None)):
        raise WorkError(f"{told} is a remote function or actor of Ray: name the plain function that it wraps")
    if isinstance(found, type) or not callable(found):
        raise WorkError(f"{told} is {kind_of(found)}: a function of one item is needed")
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        raise WorkError(f"{told} is async: name a plain function, such as one that calls asyncio.run")
    if inspect.isgeneratorfunction(found):
        raise WorkError(f"{told} yields: name a function that returns its result, such as a list")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise WorkError(f"{told} {_other_arguments(signature, len(arguments))}") from None


def _other_arguments(signature: inspect.Signature, number: int) -> str:
    """Return what a function takes that does not take one item, or nothing at all, and what to do."""
    wanted = [one for one in signature.parameters.values() if one.default is one.empty]
    if number == 0:
        return f"takes arguments {signature}: it is called without any"
    if not wanted:
        return "takes no arguments: it is called with one, the item, as in def work(item)"
    if wanted[0].name == "self":
        return (
            "is a method of objects, and there is no object: name a function that makes one and calls it, or "
            "make it a classmethod or staticmethod"
        )
    return (
        f"takes {len(wanted)} arguments {signature}: it is called with one, the item. "
        "Have items be tuples and unpack them: def work(item): return f(*item)"
    )


def source_of(named: Any, told: str) -> tuple[Source, Any]:
    """Return where workers find a function that is given by name or itself, and the function."""
    if isinstance(named, str):
        source, found = find(named)
        return source, found
    return _source_of_object(named, told), named


def _source_of_object(found: Any, told: str) -> Source:
    """Return its module and name, or its pickled code where it has none that a worker could import."""
    module = sys.modules.get(getattr(found, "__module__", None) or "")
    name, path = getattr(found, "__qualname__", ""), getattr(module, "__file__", None)
    folder = None if path is None else str(Path(path).resolve().parent)
    if module is not None and module.__name__ != "__main__" and "<" not in name:
        depth = module.__name__.count(".")
        root = None if folder is None else str(Path(folder).parents[depth - 1] if depth else folder)
        with_name = Source(root, module.__name__, name)
        with contextlib.suppress(WorkError):
            if name and with_name.load() is found:
                return with_name
    try:
        import cloudpickle

        return Source(folder, code=cloudpickle.dumps(found))
    except Exception as error:
        raise WorkError(
            f"{told} cannot be sent to workers ({first_line(error)}): it is a lambda, or a function of the "
            "script itself, that holds something which cannot be pickled. Put it into a file of its own"
        ) from error


def prepare(
    work: Named,
    items: Any = None,
    *,
    unit: str = "",
    units: Any = None,
    digest: Any = None,
    set_up: Any = None,
    words: str = "",
    same_results: bool = True,
    fail_fast: bool = False,
    memory_bytes: int | None = None,
) -> tuple[str, Prepared]:
    """Return the name of the work, and the work ready for a run; raises `WorkError` where it cannot run."""
    told = _told(work)
    source, found = (None, work) if isinstance(work, Workload) else source_of(work, told)
    declared = found if isinstance(found, Workload) else Workload(found)
    refuse_function(declared.function, told)
    body = _body(declared, source, {"units": units, "digest": digest, "set_up": set_up})
    given = declared.items if items is None or (isinstance(items, str) and not items.strip()) else items
    code = code_digest(body, declared.function)
    listed = items_of(given, lambda named: find(named)[1], memory_bytes)
    facts = {
        "unit": unit or declared.unit,
        "words": words or declared.words,
        "same_results": same_results and declared.same_results,
        "source": told_source(work, body.function),
        "digest": code,
        "items": len(listed),
        **sizes(listed, memory_bytes),
    }
    name = declared.name or getattr(declared.function, "__name__", "work")
    return name.strip("<>"), Prepared(
        replace(body, code=code),
        listed,
        facts=facts,
        same_results=bool(facts["same_results"]),
        fail_fast=fail_fast,
        folder=body.function.folder,
    )


def _told(work: Named) -> str:
    """Return what the user calls the work."""
    if isinstance(work, str):
        return work
    if isinstance(work, Workload):
        return work.name or getattr(work.function, "__name__", "the work")
    return str(getattr(work, "__name__", "the work"))


def _body(declared: Workload, source: Source | None, given: Mapping[str, Any]) -> Body:
    """Return what workers run; `source` is where the function or the declaration was found, if by name."""

    def part(name: str) -> Source | None:
        value = given.get(name) or getattr(declared, name)
        if not value:
            return None
        if not given.get(name) and source is not None and source.name:
            # of a declaration in a file: with it
            return Source(source.folder, source.module, f"{source.name}.{name}")
        what = f"{name} ({value if isinstance(value, str) else getattr(value, '__name__', 'a function')})"
        where, one = source_of(value, what)
        refuse_function(one, what, () if name == "set_up" else (None,))
        return where

    is_declaration = source is None or source.load() is declared
    function = part("function") if is_declaration else source
    assert function is not None
    return Body(function, part("units"), part("digest"), part("set_up"), os.getpid())


def told_source(work: Named, function: Source) -> str:
    """Return how a run calls the work: the file's own name, never a path."""
    if isinstance(work, str):
        place, _, name = work.rpartition(":")
        return f"{Path(place).name}:{name}"
    return f"{function.module or 'script'}:{function.name or getattr(work, '__name__', 'work')}"


def code_digest(body: Body, function: Any) -> str:
    """Return 16 hexadecimal digits of the files that the work's functions are in, or of their code."""
    sources = [one for one in (body.function, body.units, body.digest, body.set_up) if one is not None]
    files = {getattr(sys.modules.get(one.module), "__file__", None) for one in sources if one.module}
    parts = [Path(one).read_bytes() for one in sorted(filter(None, files))]
    if body.function.code is not None:
        try:
            parts.append(inspect.getsource(function).encode())
        except (OSError, TypeError):
            parts.append(body.function.code)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


__all__ = ["Named", "find", "prepare", "refuse_function", "source_of"]
