"""Work by name: finds the function and what goes with it, and refuses what cannot be run, in words.

    my_job.py:work          a function of a file
    my_package.jobs:work    of a module that the working folder or the environment has
    my_job.py:Model.score   of a class, where it takes the item alone

Nothing of the work runs here but the file itself and the function that makes the items.
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.errors import WorkError
from lab.items import items_of, kind_of, sizes
from lab.measure.task import first_line
from lab.workload import Body, Prepared, Source, Workload

Named = str | Callable[[Any], Any] | Workload


def find(named: str) -> tuple[Source, Any]:
    """Return where `file.py:name` or `module:name` is, and what is there; raises `WorkError`."""
    place, _, name = named.rpartition(":")
    if not place or not name:
        raise WorkError(
            f"{named!r} names no function: write the file and the function, as in my_job.py:work, or the "
            "module and the function, as in my_package.jobs:work"
        )
    folder, module = _placed(place)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found: Any = _imported(module, place)
    for part in name.split("."):
        if not hasattr(found, part):
            raise WorkError(f"{place} has no {name!r}{_meant(part, found)}")
        found = getattr(found, part)
    return Source(folder, module, name), found


def _placed(place: str) -> tuple[str, str]:
    """Return the folder that a module is looked for in, and the module's name."""
    path = Path(place).expanduser()
    if path.suffix != ".py" and not path.is_file():
        return str(Path.cwd()), place
    if not path.is_file():
        raise WorkError(
            f"there is no file {place}: you are in {Path.cwd().name or '/'}, name the file from here"
        )
    module = path.stem
    if path.suffix != ".py" or not module.isidentifier():
        raise WorkError(
            f"{path.name} cannot be imported: call it after Python's rules for names, such as my_job.py"
        )
    _refuse_taken(module, path.resolve())
    return str(path.resolve().parent), module


def _refuse_taken(module: str, path: Path) -> None:
    """Refuse a file that would stand before a module which others need, such as random.py."""
    known = sys.modules.get(module)
    origin = getattr(known, "__file__", None)
    if known is None and module not in sys.stdlib_module_names:
        spec = importlib.util.find_spec(module)
        origin = None if spec is None else spec.origin
    if module in sys.stdlib_module_names or (origin and Path(origin).resolve() != path):
        raise WorkError(
            f"{path.name} has the name of a module that is there already, {module}: rename the file, or the "
            "wrong one is imported"
        )


def _imported(module: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0] and not Path(place).is_file():
            raise WorkError(
                f"there is no module {error.name} in {Path.cwd().name or '/'} or in the environment: go to "
                "the folder that has it, or name a file, as in my_job.py:work"
            ) from error
        raise WorkError(
            f"{place} needs the module {error.name}, which is not there: put it beside the file, or install "
            f"it (pip install {error.name})"
        ) from error
    except SyntaxError as error:
        raise WorkError(f"{place}, line {error.lineno}: Python cannot read it ({error.msg})") from error
    except (Exception, SystemExit) as error:
        raise WorkError(
            f"{place} failed while it was imported: {type(error).__name__}: {first_line(error)}. What is to "
            "run only when the file is started belongs below `if __name__ == '__main__':`"
        ) from error


def _meant(part: str, found: Any) -> str:
    names = [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
    close = difflib.get_close_matches(part, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    functions = [name for name in names if inspect.isfunction(getattr(found, name))]
    return f"; its functions are {', '.join(functions[:10])}" if functions else "; it has no functions"


def refuse_function(found: Any, told: str) -> None:
    """Raise `WorkError` unless it is a plain function of one item; `told` is what the user calls it."""
    if type(found).__module__.startswith("ray."):
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
        signature.bind(None)
    except TypeError:
        wanted = [one for one in signature.parameters.values() if one.default is one.empty]
        raise WorkError(
            f"{told} takes {len(wanted)} arguments {signature}: it is called with one, the item. "
            "Have items be tuples and unpack them: def work(item): return f(*item)"
        ) from None


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
        if with_name.load() is found:
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
    told = work if isinstance(work, str) else getattr(work, "__name__", "work")
    source, found = (None, work) if isinstance(work, Workload) else source_of(work, told)
    declared = found if isinstance(found, Workload) else Workload(found)
    refuse_function(declared.function, told)

    def part(name: str, given: Any) -> Source | None:
        value = given or getattr(declared, name)
        if not value:
            return None
        if not isinstance(value, str) and source is not None and source.name and isinstance(found, Workload):
            return Source(source.folder, source.module, f"{source.name}.{name}")
        where, one = source_of(value, f"{name} of {told}")
        if name != "set_up":
            refuse_function(one, f"{name} ({value})")
        return where

    function = part("function", None) if source is None or isinstance(found, Workload) else source
    assert function is not None
    body = Body(function, part("units", units), part("digest", digest), part("set_up", set_up), os.getpid())
    name = declared.name or getattr(declared.function, "__name__", "work")
    listed = items_of(
        declared.items if items is None or items == "" else items, lambda named: find(named)[1], memory_bytes
    )
    facts = {
        "unit": unit or declared.unit,
        "words": words or declared.words,
        "same_results": same_results and declared.same_results,
        "source": told_source(work, function),
        "digest": code_digest(body, declared.function),
        "items": len(listed),
        **sizes(listed, memory_bytes),
    }
    return name, Prepared(
        body,
        listed,
        facts=facts,
        same_results=bool(facts["same_results"]),
        fail_fast=fail_fast,
        folder=function.folder,
    )


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
