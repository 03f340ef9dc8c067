"""An object by name, as in `my_job.py:work`: where it is, or in words why it is not there."""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.errors import WorkError
from lab.measure.task import first_line
from lab.workload import Source

READ = "_lab_read"
"""The attribute of a module that keeps the digest of its file when it was imported."""


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
    found: Any = _current(_imported(module, place))
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


def _current(module: ModuleType) -> ModuleType:
    """Return the module as its file has it now: a notebook imports it, and its author goes on writing."""
    path = getattr(module, "__file__", None)
    if path is None or not path.endswith(".py"):
        return module
    digest = hashlib.sha256(Path(path).read_bytes()).digest()
    if getattr(module, READ, digest) != digest:
        importlib.reload(module)
    setattr(module, READ, digest)
    return module


def _meant(part: str, found: Any) -> str:
    names = [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
    close = difflib.get_close_matches(part, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    functions = [name for name in names if inspect.isfunction(getattr(found, name))]
    return f"; its functions are {', '.join(functions[:10])}" if functions else "; it has no functions"
