"""What a column is: a field of a record with its unit, its meaning and, where they are few, its values."""

import dataclasses
from typing import Any, get_type_hints


def column(unit: str, meaning: str, choices: tuple[str, ...] = (), **default: Any) -> Any:
    """Return a dataclass field that carries its unit, its meaning and, where they are few, its values."""
    return dataclasses.field(metadata={"unit": unit, "meaning": meaning, "choices": choices}, **default)


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: name, Python type, whether it may be empty, unit, meaning, and values if few."""

    name: str
    kind: type
    optional: bool
    unit: str
    meaning: str
    choices: tuple[str, ...]


def columns(record: type) -> tuple[Column, ...]:
    """Return the columns of a record type, in the order of the file."""
    hints = get_type_hints(record)
    return tuple(
        Column(
            field.name,
            next(kind for kind in getattr(hints[field.name], "__args__", (hints[field.name],))),
            type(None) in getattr(hints[field.name], "__args__", ()),
            field.metadata["unit"],
            field.metadata["meaning"],
            field.metadata["choices"],
        )
        for field in dataclasses.fields(record)
    )
