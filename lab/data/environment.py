"""What environment.json holds: a run folder is foreign input, so every fact that is read is checked."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.data.columns import LARGEST, is_moment
from lab.data.records import SCHEMA_VERSION
from lab.errors import DataError, VersionError

ENVIRONMENT = "environment.json"
MOST_LETTERS = 100_000
"""Of one text: no fact of a run is longer, and a page of it is no page."""

Kind = tuple[str, Callable[[Any], bool]]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_LETTERS


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


TEXT: Kind = (f"text of at most {MOST_LETTERS:,} characters", _is_text)
COUNT: Kind = (f"a whole number from 0 to {LARGEST:.0e}", _is_count)
NUMBER: Kind = (f"a number from 0 to {LARGEST:.0e}", _is_number)
FLAG: Kind = ("true or false", lambda value: isinstance(value, bool))
MOMENT: Kind = ("a moment with its zone, as in 2026-01-31T12:00:00.000+00:00", is_moment)
COUNTS: Kind = ("a list of whole numbers", lambda value: _is_list(value, _is_count))
TEXTS: Kind = ("a list of texts", lambda value: _is_list(value, _is_text))
OBJECT: Kind = ("an object", lambda value: isinstance(value, dict) and all(map(_is_text, value)))
SESSIONS: Kind = ("a list of one object at least", lambda value: bool(value) and _is_list(value, OBJECT[1]))


def _is_list(value: Any, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(of, value))


RUN = {
    "experiment": TEXT,
    "run_id": TEXT,
    "planned_trials": COUNT,
    "sessions": SESSIONS,
    "settings": TEXTS,
    **dict.fromkeys(("parameters", "code", "versions", "machine", "works", "against"), OBJECT),
}
REQUIRED = ("planned_trials", "sessions")
PARAMETERS = {
    **dict.fromkeys(("profile", "scaling"), TEXT),
    **dict.fromkeys(("search_bits", "search_tasks", "factor_bits", "factor_tasks"), COUNT),
    **dict.fromkeys(("find_bits", "find_tasks"), COUNTS),
    **dict.fromkeys(("modes", "workloads"), TEXTS),
    **dict.fromkeys(("margin_percent", "complexity"), NUMBER),
}
"""Those that pages and lists read; a run that is gone on with has all of its parameters checked."""
CODE = {"version": TEXT, "digest": TEXT}
AGAINST = {"run_id": TEXT, "role": TEXT}
"""The other run of two that were measured in turns, and which this one is: A as it is, B the other."""
MACHINE = {
    **dict.fromkeys(("cpu_model", "architecture", "system", "kernel"), TEXT),
    **dict.fromkeys(("cores", "physical_cores", "gpus", "memory_bytes"), COUNT),
    "quota_cores": NUMBER,
    **dict.fromkeys(("hypervisor", "container"), FLAG),
}
SESSION = {
    **dict.fromkeys(("started_at", "ready_at", "finished_at"), MOMENT),
    **dict.fromkeys(("commit", "host_id", "image"), TEXT),
    **dict.fromkeys(("uncommitted_changes", "other_runs_at_start", "other_runs_at_end"), FLAG),
    **dict.fromkeys(("files", "checks"), OBJECT),
}
WORK = {
    **dict.fromkeys(("unit", "words", "source", "digest", "items_digest"), TEXT),
    **dict.fromkeys(("items", "items_bytes", "item_bytes"), COUNT),
    **dict.fromkeys(("same_results", "command"), FLAG),
}


def read_environment(directory: Path) -> dict[str, Any]:
    """Read the environment file of a run; raises `DataError` that names file and field, and the cure."""
    path = directory / ENVIRONMENT
    found = _loaded(path, directory)
    if not isinstance(found, dict):
        raise DataError(f"{path} is damaged: it holds no object, so it was not written by this lab")
    if found.get("schema_version") != SCHEMA_VERSION:
        raise VersionError(other_schema(path, found.get("schema_version")))
    for field, value, kind in _faults(found):
        raise DataError(
            f"{path}, {field}: {_shown(value)} is not {kind}; restore the file from git or remove the run's "
            "folder"
        )
    return found


def _loaded(path: Path, directory: Path) -> Any:
    try:
        refuse_endless(path)
        return _readable(json.loads(path.read_bytes(), parse_constant=float))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {directory} is not a run of this lab") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is damaged ({error}): restore it from git or remove the run's folder"
        ) from error


def refuse_endless(path: Path) -> None:
    """Raise `OSError` for what is no plain file: reading it might never end."""
    if path.exists() and not path.is_file():
        raise OSError(f"{path.name} is no plain file")


def _readable(value: Any) -> Any:
    """Return what JSON held with halves of characters replaced: no page could be written with them."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(one) for name, one in value.items()}
    return value


def _faults(found: Mapping[str, Any]) -> Iterator[tuple[str, object, str]]:
    """Yield field, value and what belongs there, for all that is of another kind; null is not known."""
    for name in REQUIRED:
        if found.get(name) is None:
            yield name, None, RUN[name][0]
    yield from _wrong("", found, RUN)
    given = found.get("parameters") or {}
    parts = (("parameters", PARAMETERS), ("code", CODE), ("machine", MACHINE), ("against", AGAINST))
    for name, facts in parts:
        yield from _wrong(f"{name}.", found.get(name) or {}, facts)
    if len(given.get("find_tasks") or ()) != len(given.get("find_bits") or ()):
        yield "parameters.find_tasks", given.get("find_tasks"), "as long a list as find_bits"
    yield from _wrong("versions.", found.get("versions") or {}, None)
    for place, session in enumerate(found["sessions"]):
        if session.get("started_at") is None:
            yield f"sessions[{place}].started_at", None, MOMENT[0]
        yield from _wrong(f"sessions[{place}].", session, SESSION)
        yield from _wrong(f"sessions[{place}].files.", session.get("files") or {}, None)
    yield from _wrong("works.", found.get("works") or {}, None, OBJECT)
    for name, work in (found.get("works") or {}).items():
        yield from _wrong(f"works.{name}.", work or {}, WORK)


def _wrong(
    where: str, found: Mapping[str, Any], kinds: Mapping[str, Kind] | None, every: Kind = TEXT
) -> Iterator[tuple[str, object, str]]:
    """Yield the facts of an object that are not of their kind, or of that of all where none are named."""
    for name, value in found.items():
        told, holds = every if kinds is None else kinds.get(name, ("", lambda _: True))
        if value is not None and not holds(value):
            yield f"{where}{name}", value, told


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def other_schema(path: Path, found: object) -> str:
    """Return what a file of another version is answered with."""
    return (
        f"{path} has schema version {str(found)[:60]}, this lab reads {SCHEMA_VERSION}: use the version "
        "of the lab that wrote it, or run the experiment again"
    )
