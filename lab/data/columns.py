"""What a column is: a field of a record with its unit, its meaning and, where they are few, its values."""

import dataclasses
import datetime
from typing import Any, get_type_hints

LARGEST = 2**53
"""Of every number in a run: above it, not every whole number is one of a float."""

MOMENT = "UTC"
"""The unit of a column of moments."""


def is_moment(value: Any) -> bool:
    """Tell whether a value is text of a moment with its zone, in ISO 8601."""
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


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

    def fault(self, value: Any) -> str:
        """Return why a value cannot stand in the column, as whoever reads it would find; empty if it can."""
        if value is None:
            return "" if self.optional else "empty, where a value is required"
        if self.choices and value not in self.choices:
            return f"{value!r} is none of {', '.join(self.choices)}"
        if self.unit == MOMENT and not is_moment(value):
            return f"{value!r} is no moment with its zone"
        if self.kind is str:
            return "" if value != "" or self.optional else "empty, where a value is required"
        if self.kind is bool:
            return "" if isinstance(value, bool) else f"{value!r} is not of type bool"
        if self.kind is int and not isinstance(value, int):
            return f"{value!r} is not of type int"
        # of nan, no comparison is true
        return "" if abs(value) <= LARGEST else f"{value!r} is not a number up to {LARGEST:.0e}"


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
