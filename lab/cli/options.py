"""Options out of a parameters dataclass: each field is one, by its name, rule, unit, meaning and default."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from lab.experiment.rules import Choice, Flag, Items, Real, Rule, Several, Whole

Field = dataclasses.Field[Any]


def add_options(parser: argparse.ArgumentParser, kind: type[Any], left_out: Iterable[str] = ()) -> None:
    """Give the parser an option for each field of `kind`, in the order in which it declares them itself.

    An option that is not given is not in the namespace, so that its default stays the dataclass's.
    """
    own = list(vars(kind).get("__annotations__", {}))
    place = {name: at for at, name in enumerate(own)}
    # a field that is declared again keeps its parent's place among the fields
    for field in sorted(dataclasses.fields(kind), key=lambda one: place.get(one.name, len(own))):
        if field.name not in left_out:
            add_option(parser, field)


def add_option(parser: argparse.ArgumentParser, field: Field) -> None:
    """Give the parser the option of one field."""
    rule, option = field.metadata["rule"], f"--{field.name.replace('_', '-')}"
    how: dict[str, Any] = {"type": reader(rule), "metavar": placeholder(rule)}
    if isinstance(rule, Flag):
        how = {"action": argparse.BooleanOptionalAction}
    parser.add_argument(option, default=argparse.SUPPRESS, help=explained(field), **how)


def meaning_of(field: Field) -> str:
    """Return what a field is, in words."""
    return str(field.metadata.get("meaning") or field.name.replace("_", " "))


def explained(field: Field) -> str:
    """Return an option's help: what it is, what is accepted, and the default."""
    rule, default = field.metadata["rule"], field.default
    parts = [] if isinstance(rule, Flag) else [rule.describe()]
    if default not in ("", (), None, dataclasses.MISSING):
        parts.append(f"default {shown(default)}")
    text = f"{meaning_of(field)} ({'; '.join(parts)})" if parts else meaning_of(field)
    return text.replace("%", "%%")


def shown(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def placeholder(rule: Rule) -> str:
    """Return what stands for the value in the help."""
    if isinstance(rule, Several):
        return f"{placeholder(rule.of)},..."
    if isinstance(rule, Whole):
        return "N"
    if isinstance(rule, Real):
        return rule.of.upper()
    if isinstance(rule, Items):
        return "ITEMS"
    return "NAME" if isinstance(rule, Choice) else "TEXT"


def reader(rule: Rule) -> Callable[[str], Any]:
    """Return what reads an option's text by the rule of its field."""

    def read(text: str) -> Any:
        try:
            return rule.accept(parts_of(text) if isinstance(rule, Several) else text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}; accepted is {rule.describe()}") from None

    return read


def parts_of(text: str) -> list[str]:
    """Return the parts of a list that is written 1,2,4 or [1, 2, 4]."""
    inner = text.strip().removeprefix("[").removesuffix("]")
    return [part.strip().strip("'\"") for part in inner.split(",")] if inner.strip() else []
